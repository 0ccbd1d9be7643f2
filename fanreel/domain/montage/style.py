"""The numbers a montage is made by, each with its unit and its reason."""

from dataclasses import dataclass
from typing import Literal, Self

from fanreel.errors import ContractBroken

Order = Literal["chronological", "build_up"]


@dataclass(frozen=True, slots=True)
class MontageStyle:
    """How long, how dense and how large a montage is. Lengths in milliseconds, sizes in pixels, shares 0..1.

    The weights and limits are an editor's choice, fitted on nothing. Raises ContractBroken (`montage_style`) when
    the numbers contradict one another.
    """

    min_ms: int = 15_000
    """Aimed shortest montage: under 15 s a shared video feels like an accident. Little material makes less."""
    max_ms: int = 45_000
    """Longest montage, cards, opener and slow motion included: what people watch to the end on a phone."""
    order: Order = "chronological"
    """`build_up` rises to the best clip, which comes last; an opener is first in either."""
    opener: bool = True
    """Begin with a wide shot of the match just before the fan's first moment, where one fits."""
    slow_motion: bool = False
    """Play the peak of the best clip slowly."""

    min_clip_ms: int = 1_200
    """Shortest clip worth showing: about what an eye needs to find a face in a new picture. No montage plays
    shorter than that: a lone glimpse is slowed to get there, and what still does not is none."""
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

    excitement_weight: float = 0.35
    crowd_weight: float = 0.10
    face_weight: float = 0.10
    size_weight: float = 0.05
    sharpness_weight: float = 0.05
    share_weight: float = 0.10
    shot_weight: float = 0.10
    certainty_weight: float = 0.05
    variety_weight: float = 0.10
    """Score weights, summing to 1 (`scoring` says what each part is). Excitement leads: that is what the montage
    is of (DESIGN §7). The crowd weighs little beside it because excitement has risen with the sound already."""
    full_face_px: int = 240
    """Face height from which more pixels show no more: a third of a 720-line picture."""
    full_face_share: float = 0.28
    """Face height over picture height from which bigger is no better: a close-up (`shot_types`)."""
    no_fans_penalty: float = 0.3
    """Part of its score that a moment loses in a shot that surely shows play or a graphic: a fan there is small,
    or on a board. Less than what excitement weighs: the kind of a shot is guessed, the fan was recognised."""
    upstaged_ratio: float = 1.3
    """Somebody else's face so many times as high as the fan's has the picture: 1.7 times the area, beyond what
    sitting a row nearer does in a medium shot."""
    upstaged_penalty: float = 0.5
    """Part of its score that a moment loses in which that is so at every look."""
    upstaged_share: float = 0.5
    """From this share of looks on a moment is somebody else's close-up, used only below `min_ms`."""
    near_ms: int = 30_000
    """Moments nearer in time than that are of one scene, the more so the nearer."""

    slow_ms: int = 1_200
    slow_factor: int = 2
    """How much of the source around the peak is slow, at most, and how slow. Half speed of 25 fps shows every
    picture twice, which still moves; a second or so is a look held, more is a pause."""
    slow_least_ms: int = 480
    """Shorter than a dozen frames slow motion reads as a stutter."""

    slow_from_excitement: float = 0.5
    """A peak is slowed from this excitement on: nobody is held in slow motion who calmly looks on."""

    opener_ms: int = 3_000
    """Longest opener: it says where we are, and then it is about the fan."""
    opener_within_ms: int = 10_000
    """Farthest an opener may end before the shot it leads to: beyond that it is another scene."""
    opener_from_ms: int = 6_000
    """How much of the fan there must be to afford one: twice the longest opener."""
    opener_face_share: float = 0.03
    """Highest face, over picture height, that an opener may show: 22 pixels at 720 lines, where one true pair in
    ten is still recognised (`quality`). Nobody in it is what the picture is of; a main camera's wide shots have
    smaller ones. Lowered from .05 after looking at what would open in the shared clips."""

    width: int = 1280
    height: int = 720

    def __post_init__(self) -> None:
        sound = (
            0 < self.short_clip_ms <= self.min_clip_ms <= self.full_clip_ms
            and 0 < self.min_ms <= self.max_ms
            and self.min_clip_ms <= self.max_ms
            # A clip fades at both ends and must still be seen whole in between.
            and 0 <= 3 * self.crossfade_ms <= self.short_clip_ms
            and 0 <= self.hole_ms <= self.track_hole_ms
            and self.shot_margin_ms >= 0
            and self.half_look_ms >= 0
            and self.near_ms > 0
            and 0 < self.slow_least_ms <= self.slow_ms
            and self.slow_factor >= 2
            and self.min_clip_ms <= self.opener_ms
            and self.opener_within_ms >= 0
            and all(0 <= share <= 1 for share in self._shares())
            and self.upstaged_ratio >= 1
            and self.width % 2 == 0
            and self.height % 2 == 0
            and abs(sum(self.weights.values()) - 1) < 1e-9
        )
        if not sound:
            raise ContractBroken("montage_style", "The montage style's numbers contradict one another.")

    @property
    def weights(self) -> dict[str, float]:
        """How much each part of a score counts, by its name in `MontageClip.scores`."""
        return {
            "excitement": self.excitement_weight,
            "crowd": self.crowd_weight,
            "face": self.face_weight,
            "size": self.size_weight,
            "sharpness": self.sharpness_weight,
            "share": self.share_weight,
            "shot": self.shot_weight,
            "certainty": self.certainty_weight,
            "variety": self.variety_weight,
        }

    @classmethod
    def sized(
        cls,
        height: int,
        *,
        min_ms: int,
        max_ms: int,
        order: Order = "chronological",
        opener: bool = True,
        slow_motion: bool = False,
    ) -> Self:
        """Return the default style at 16:9 and the given height and length, with what a profile chooses."""
        even = height // 2 * 2
        return cls(
            min_ms=min(min_ms, max_ms),
            max_ms=max_ms,
            order=order,
            opener=opener,
            slow_motion=slow_motion,
            height=even,
            width=round(even * 16 / 9 / 2) * 2,
        )

    def _shares(self) -> tuple[float, ...]:
        return (
            *self.weights.values(),
            self.lead_share,
            self.weak_score_ratio,
            self.no_fans_penalty,
            self.upstaged_penalty,
            self.upstaged_share,
            self.slow_from_excitement,
            self.opener_face_share,
            self.full_face_share,
        )
