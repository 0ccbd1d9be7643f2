"""The planned montage on its output's frame grid: what the renderer, the captions and the edit lists share.

Lengths in milliseconds do not divide into frames. Every border is rounded once, where it lies in the
output, so that errors never add up: the whole is exactly `round(duration * rate)` frames long. Where a clip is
slowed down, every frame of what is slow is shown equally often.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from fanreel.contracts import MontageClip, MontagePlan
from fanreel.errors import ContractBroken

STANDARD_RATES = (Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30))
"""Rates every player and edit list knows; the broadcast family of 50 and 59.94 halves into it."""
FALLBACK_RATE = Fraction(25)
RATE_TOLERANCE = Fraction(1, 250)
"""A measured rate this near to a standard one is that one; 29.97 and 30 lie 0.1 % apart, so the nearest wins."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a clip that is played at one speed: every source frame is shown `factor` times.

    `source_frame` counts at the output's rate from the first presented frame; `start_frame` and `frames` are
    output frames of the whole film. The last source frame may be cut short.
    """

    source_frame: int
    start_frame: int
    frames: int
    factor: int = 1

    @property
    def source_frames(self) -> int:
        """How much of the source it shows, in frames at the output's rate."""
        return -(-self.frames // self.factor)

    @property
    def end_frame(self) -> int:
        """The output frame after it."""
        return self.start_frame + self.frames


@dataclass(frozen=True, slots=True)
class PlacedClip:
    """A clip on the output's timeline, in output frames: shown in [start_frame, end_frame).

    The first `fade_frames` overlap what is before it: a clip, or the title card. `source_frame` is where it
    starts in its source, counted at the output's rate: a source of that rate is cut exactly between two of its
    frames, sound with picture. `pieces` tile [start_frame, end_frame): one where nothing is slowed down.
    """

    clip: MontageClip
    start_frame: int
    end_frame: int
    fade_frames: int
    source_frame: int
    pieces: tuple[Piece, ...]

    @property
    def frames(self) -> int:
        """Length in output frames."""
        return self.end_frame - self.start_frame

    @property
    def source_frames(self) -> int:
        """How much of the source it shows, in frames at the output's rate."""
        return self.pieces[-1].source_frame + self.pieces[-1].source_frames - self.source_frame


@dataclass(frozen=True, slots=True)
class Timeline:
    """The clips of a plan placed on a constant frame rate, between a title card and an end card.

    The title card is shown in [0, intro_frames) and the first clip's fade overlaps its end; the end card is
    shown in [frames - outro_frames, frames) and its first `outro_fade_frames` overlap the last clip.
    """

    rate: Fraction
    clips: tuple[PlacedClip, ...]
    intro_frames: int = 0
    outro_frames: int = 0
    outro_fade_frames: int = 0

    @property
    def frames(self) -> int:
        """Length of the whole in output frames."""
        return self.clips[-1].end_frame + self.outro_frames - self.outro_fade_frames

    @property
    def duration_ms(self) -> int:
        """Length of the whole, nearest millisecond."""
        return round(self.ms(self.frames))

    def ms(self, frame: int) -> Fraction:
        """Return the exact time of a frame border in milliseconds."""
        return frame * 1000 / self.rate

    def samples(self, frame: int, sample_rate: int) -> int:
        """Return the sound sample at a frame border."""
        return round(frame * sample_rate / self.rate)

    def film_frame(self, placed: PlacedClip, pts_ms: int) -> int:
        """Return the output frame that shows a moment of a clip's source; the nearest one of the clip."""
        at = Fraction(pts_ms) * self.rate / 1000
        for piece in placed.pieces:
            if at < piece.source_frame + Fraction(piece.frames, piece.factor):
                frame = piece.start_frame + int((at - piece.source_frame) * piece.factor)
                return max(frame, placed.start_frame)
        return placed.end_frame - 1

    def source_ms(self, placed: PlacedClip, frame: int) -> Fraction:
        """Return the moment of the source that an output frame inside a clip shows, in milliseconds."""
        piece = next(piece for piece in reversed(placed.pieces) if frame >= piece.start_frame)
        return self.ms(piece.source_frame + (frame - piece.start_frame) // piece.factor)


def place_clips(plan: MontagePlan, rate: Fraction) -> Timeline:
    """Lay a plan's cards and clips on a frame grid. A card without a text is not shown.

    Raises ContractBroken (`montage_plan`) when the plan has no clips, one is shorter than its crossfades, or
    what is slowed down does not lie inside its clip.
    """
    if not plan.clips:
        raise ContractBroken("montage_plan", "A montage plan needs at least one clip.")
    has_intro, has_outro = bool(plan.render.title or plan.render.subtitle), bool(plan.render.end_text)
    at_ms = plan.render.intro_ms if has_intro else 0
    intro_frames = before_frame = _frame(at_ms, rate)
    free_frames = intro_frames
    placed: list[PlacedClip] = []
    for clip in plan.clips:
        start_ms = max(0, at_ms - plan.crossfade_ms)
        at_ms = start_ms + clip.played_ms
        start_frame, end_frame = _frame(start_ms, rate), _frame(at_ms, rate)
        fade_frames = before_frame - start_frame
        if end_frame - start_frame <= fade_frames or free_frames < fade_frames:
            raise ContractBroken("montage_plan", "A clip is shorter than its crossfades.", start_ms=clip.start_ms)
        pieces = _pieces(clip, start_frame, end_frame, rate)
        placed.append(PlacedClip(clip, start_frame, end_frame, fade_frames, pieces[0].source_frame, pieces))
        before_frame, free_frames = end_frame, end_frame - start_frame - fade_frames
    if not has_outro or plan.render.outro_ms <= 0:
        return Timeline(rate, tuple(placed), intro_frames)
    start_ms = at_ms - plan.crossfade_ms
    outro_frames = _frame(start_ms + plan.render.outro_ms, rate) - _frame(start_ms, rate)
    fade_frames = before_frame - _frame(start_ms, rate)
    if outro_frames <= fade_frames or free_frames < fade_frames:
        raise ContractBroken("montage_plan", "The end card is shorter than its crossfade.")
    return Timeline(rate, tuple(placed), intro_frames, outro_frames, fade_frames)


def _pieces(clip: MontageClip, start_frame: int, end_frame: int, rate: Fraction) -> tuple[Piece, ...]:
    """Divide a clip where its speed changes, so that it never reaches beyond its end in the source.

    Of `frames` shown and `source` frames between the borders, `slow × (factor − 1)` are repetitions. Rounded up:
    the clip may end a frame or two early, for beyond its end another shot may lie.
    """
    source_frame, factor, frames = _frame(clip.start_ms, rate), clip.slow_factor, end_frame - start_frame
    if clip.slow_from_ms is None or clip.slow_to_ms is None or factor == 1:
        return (Piece(source_frame, start_frame, frames),)
    if factor < 1 or not clip.start_ms <= clip.slow_from_ms < clip.slow_to_ms <= clip.end_ms:
        raise ContractBroken("montage_plan", "Slow motion lies outside its clip.", start_ms=clip.start_ms)
    source = _frame(clip.end_ms, rate) - source_frame
    slow = max(0, -(-(frames - source) // (factor - 1)))
    normal = frames - slow * factor
    if normal < 0:
        return (Piece(source_frame, start_frame, frames, factor),)
    before = min(_frame(clip.slow_from_ms, rate) - source_frame, normal)
    slow_at, slow_end = start_frame + before, start_frame + before + slow * factor
    pieces = (
        Piece(source_frame, start_frame, before),
        Piece(source_frame + before, slow_at, slow * factor, factor),
        Piece(source_frame + before + slow, slow_end, normal - before),
    )
    return tuple(piece for piece in pieces if piece.frames > 0)


def output_rate(source_rates: Sequence[Fraction]) -> Fraction:
    """Return the frame rate of a montage: that of its first source whose rate is a standard one.

    50, 59.94 and 60 are halved: a montage is watched on phones, and every second frame of a smooth source
    is smooth. Anything else (variable rates, cameras at 15) becomes 25.
    """
    for rate in source_rates:
        for candidate in (rate, rate / 2):
            nearest = min(STANDARD_RATES, key=lambda standard: abs(standard - candidate))
            if abs(nearest - candidate) <= nearest * RATE_TOLERANCE:
                return nearest
    return FALLBACK_RATE


def _frame(ms: int, rate: Fraction) -> int:
    return round(ms * rate / 1000)
