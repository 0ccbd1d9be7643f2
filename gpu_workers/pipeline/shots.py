"""Shot cuts: PySceneDetect's adaptive detector fed every frame, with true presentation times."""

from dataclasses import dataclass
from fractions import Fraction

from scenedetect import AdaptiveDetector, FrameTimecode
from scenedetect.common import Timecode

from fanreel.domain.shots import Cut, strongest_cuts

from .base import FrameStage, PipelineFrame


@dataclass(frozen=True, slots=True)
class ShotSettings:
    """Numbers of the detector, chosen on the shared broadcast and clips (tests/integration/test_shot_cuts.py)."""

    width_px: int = 256
    """Pictures are compared at this width; more costs time and finds nothing more."""
    adaptive_threshold: float = 3.0
    """A cut differs this many times more than its neighbours do."""
    min_content: float = 15.0
    """…and at least this much (mean of hue, saturation and value differences, 0..255)."""
    window_frames: int = 2
    """Neighbours looked at on either side."""
    min_gap_ms: int = 120
    """Of cuts closer together only the strongest stays: a flash is two changes, not a shot."""


class _ScoringDetector(AdaptiveDetector):
    """The library's detector, telling how strong each cut is and remembering no earlier cut.

    The library's minimum scene length counts from the previous cut, so what it finds would depend on where a
    segment begins; it is switched off here and replaced by a rule that looks at near neighbours only.
    """

    def __init__(self, settings: ShotSettings) -> None:
        super().__init__(
            adaptive_threshold=settings.adaptive_threshold,
            min_content_val=settings.min_content,
            window_width=settings.window_frames,
            min_scene_len=0,
        )

    def cuts(self, pts_ms: int, picture: object) -> list[Cut]:
        """Take the next picture in; return the cut it confirms, if any."""
        code = FrameTimecode(Timecode(pts_ms, Fraction(1, 1000)), fps=Fraction(25))
        found = self.process_frame(code, picture)  # pyright: ignore[reportArgumentType]
        scores = {at.pts: score for at, score in self._buffer}
        return [Cut(at.pts, scores.get(at.pts, 0.0)) for at in found]


class ShotStage(FrameStage):
    """Finds the first frame of each new shot."""

    name = "shots"

    def __init__(self, settings: ShotSettings | None = None) -> None:
        self._settings = settings or ShotSettings()
        self._detector = _ScoringDetector(self._settings)
        self._cuts: list[Cut] = []

    def process_frame(self, frame: PipelineFrame) -> None:
        """Compare the frame with the one before."""
        self._cuts += self._detector.cuts(frame.pts_ms, frame.small(self._settings.width_px))

    def cuts_ms(self, owned_from_ms: int, owned_to_ms: int) -> tuple[int, ...]:
        """Return the cuts with owned_from_ms <= pts_ms < owned_to_ms, ascending; call after the last frame."""
        kept = strongest_cuts(self._cuts, self._settings.min_gap_ms)
        return tuple(cut.pts_ms for cut in kept if owned_from_ms <= cut.pts_ms < owned_to_ms)
