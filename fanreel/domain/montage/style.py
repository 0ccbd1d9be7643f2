"""The numbers a montage is made by, each with its unit and its reason."""

from dataclasses import dataclass
from typing import Self

from fanreel.errors import ContractBroken


@dataclass(frozen=True, slots=True)
class MontageStyle:
    """How long, how dense and how large a montage is. Lengths in milliseconds, sizes in pixels.

    Raises ContractBroken (`montage_style`) when the numbers contradict one another.
    """

    min_ms: int = 15_000
    """Aimed shortest montage: under 15 s a shared video feels like an accident. Little material makes less."""
    max_ms: int = 45_000
    """Longest montage: what people watch to the end on a phone."""
    min_clip_ms: int = 1_200
    """Shortest clip worth showing: about what an eye needs to find a face in a new picture."""
    full_clip_ms: int = 6_000
    """Where a long appearance is trimmed while there is other material: several moments beat one long one."""
    short_clip_ms: int = 600
    """Least length of a clip used for want of anything better: 15 frames at 25 fps."""
    hole_ms: int = 600
    """Longest hole between two appearances of the fan that is shown: three looks at 5 fps, as long as a track
    goes on unseen."""
    track_hole_ms: int = 1_000
    """The same inside one appearance, which a tracker followed: one look at 1 fps, and nothing shown is more than
    half a second from a sighting."""
    half_look_ms: int = 100
    """A sighting stands for the time halfway to the looks beside it, 200 ms apart at 5 fps."""
    shot_margin_ms: int = 60
    """Kept clear of a shot's borders: a cut is known to about one frame (40 ms at 25 fps), and a frame of the
    neighbouring shot shows someone else."""
    crossfade_ms: int = 200
    """Overlap of neighbouring clips: softens the jump in picture and sound, too short to read as a dissolve."""
    weak_score_ratio: float = 0.5
    """Once `min_ms` is reached, clips scoring under this part of the best one would only dilute it."""
    lead_share: float = 0.4
    """Part of a trimmed clip that lies before its peak: the build-up is shorter than the joy after it."""
    full_face_px: int = 240
    """Face height from which bigger is no better: a third of a 720-line picture."""
    excitement_weight: float = 0.5
    quality_weight: float = 0.2
    face_weight: float = 0.15
    probability_weight: float = 0.15
    """Score weights, summing to 1. Excitement leads: that is what the montage is of (DESIGN §7)."""
    no_fans_penalty: float = 0.3
    """Part of its score that a moment loses in a shot that surely shows play or a graphic: a fan there is small,
    or on a board. Less than what excitement weighs: the kind of a shot is guessed, the fan was recognised."""
    width: int = 1280
    height: int = 720

    def __post_init__(self) -> None:
        weights = self.excitement_weight + self.quality_weight + self.face_weight + self.probability_weight
        sound = (
            0 < self.short_clip_ms <= self.min_clip_ms <= self.full_clip_ms
            and 0 < self.min_ms <= self.max_ms
            and self.short_clip_ms <= self.max_ms
            # A clip fades at both ends and must still be seen whole in between.
            and 0 <= 3 * self.crossfade_ms <= self.short_clip_ms
            and 0 <= self.hole_ms <= self.track_hole_ms
            and self.shot_margin_ms >= 0
            and self.half_look_ms >= 0
            and 0 <= self.no_fans_penalty <= 1
            and self.width % 2 == 0
            and self.height % 2 == 0
            and abs(weights - 1) < 1e-9
        )
        if not sound:
            raise ContractBroken("montage_style", "The montage style's numbers contradict one another.")

    @classmethod
    def sized(cls, height: int, *, min_ms: int, max_ms: int) -> Self:
        """Return the default style at 16:9 and the given height and length (what the settings offer)."""
        even = height // 2 * 2
        return cls(min_ms=min(min_ms, max_ms), max_ms=max_ms, height=even, width=round(even * 16 / 9 / 2) * 2)
