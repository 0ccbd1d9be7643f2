"""The planned montage on its output's frame grid: what the renderer, the captions and the edit lists share.

Lengths in milliseconds do not divide into frames. Every border is rounded once, where it lies in the
output, so that errors never add up: the whole is exactly `round(duration * rate)` frames long.
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
class PlacedClip:
    """A clip on the output's timeline, in output frames: shown in [start_frame, end_frame).

    The first `fade_frames` overlap the clip before it. `source_frame` is where it starts in its source, counted
    at the output's rate: a source of that rate is cut exactly between two of its frames, sound with picture.
    """

    clip: MontageClip
    start_frame: int
    end_frame: int
    fade_frames: int
    source_frame: int

    @property
    def frames(self) -> int:
        """Length in output frames."""
        return self.end_frame - self.start_frame


@dataclass(frozen=True, slots=True)
class Timeline:
    """The clips of a plan placed on a constant frame rate."""

    rate: Fraction
    clips: tuple[PlacedClip, ...]

    @property
    def frames(self) -> int:
        """Length of the whole in output frames."""
        return self.clips[-1].end_frame

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


def place_clips(plan: MontagePlan, rate: Fraction) -> Timeline:
    """Lay a plan's clips on a frame grid.

    Raises ContractBroken (`montage_plan`) when the plan has no clips or one is shorter than its crossfades.
    """
    placed: list[PlacedClip] = []
    at_ms = 0
    for clip in plan.clips:
        start_ms = max(0, at_ms - plan.crossfade_ms)
        end_ms = start_ms + clip.end_ms - clip.start_ms
        start_frame, end_frame = _frame(start_ms, rate), _frame(end_ms, rate)
        fade_frames = placed[-1].end_frame - start_frame if placed else 0
        free_frames = placed[-1].frames - placed[-1].fade_frames if placed else 0
        if end_frame - start_frame <= fade_frames or (placed and free_frames < fade_frames):
            raise ContractBroken("montage_plan", "A clip is shorter than its crossfades.", start_ms=clip.start_ms)
        placed.append(PlacedClip(clip, start_frame, end_frame, fade_frames, _frame(clip.start_ms, rate)))
        at_ms = end_ms
    if not placed:
        raise ContractBroken("montage_plan", "A montage plan needs at least one clip.")
    return Timeline(rate, tuple(placed))


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
