"""Shot cuts: PySceneDetect's adaptive detector fed every frame, with true presentation times."""

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from scenedetect import AdaptiveDetector, FrameTimecode
from scenedetect.common import Timecode

from fanreel.domain.faces import Bgr
from fanreel.domain.shots import Cut, strongest_cuts

from .base import FrameStage, PipelineFrame

MILLISECOND = Fraction(1, 1000)
NOMINAL_RATE = Fraction(25)
"""The library wants a rate to print frame numbers with; nothing here is computed from it."""


@dataclass(frozen=True, slots=True)
class ShotSettings:
    """Numbers of the detector, swept on the shared broadcast and clips (tests/integration/test_shot_cuts.py)."""

    width_px: int = 256
    """Pictures are compared at this width; more costs time and finds nothing more."""
    adaptive_threshold: float = 3.0
    """A cut differs this many times more from the frame before than its neighbours do."""
    min_content: float = 22.0
    """…and at least this much: mean of hue, saturation and value differences over the live picture, 0..255."""
    window_frames: int = 2
    """Neighbours looked at on either side."""
    live_change: float = 1.0
    """A tile whose mean value (0..255) moved by more than this is live; less is the coder's noise."""
    live_frames: int = 10
    """A tile stays live this many frames: 0.4 s at 25 fps, less than half a segment's overlap."""
    min_live_share: float = 0.1
    """A smaller live part counts as this share of the picture, so that a ticker in a still frame is no shot."""
    min_gap_ms: int = 120
    """Of cuts closer together only the strongest stays: a flash is two changes, not a shot."""


TILES = 32
"""The picture is cut into TILES × TILES tiles to see which part of it is live."""

NEW_SIZE_STRENGTH = 256.0
"""More than any two pictures can differ: a cut found beside a change of size is that change."""


class _LiveDetector(AdaptiveDetector):
    """The library's detector, measured over the live part of the picture, and remembering no earlier cut.

    Bars and graphics that stand still hide a cut in the mean over all pixels (a wide picture inside an upright
    one fills a tenth of it), so the score is divided by the share of the picture that lately moved. The
    library's minimum scene length counts from the previous cut, which would make the answer depend on where a
    segment begins; it is off here, and `strongest_cuts` looks at near neighbours only.
    """

    def __init__(self, settings: ShotSettings) -> None:
        super().__init__(
            adaptive_threshold=settings.adaptive_threshold,
            min_content_val=settings.min_content,
            window_width=settings.window_frames,
            min_scene_len=0,
        )
        self._settings = settings
        self._idle_frames = np.full((TILES, TILES), settings.live_frames, np.int32)

    def cuts(self, pts_ms: int, picture: Bgr) -> list[Cut]:
        """Take the next picture in; return the cut it confirms, if any."""
        code = FrameTimecode(Timecode(pts_ms, MILLISECOND), fps=NOMINAL_RATE)
        found = self.process_frame(code, picture)
        strength = {at.pts: score for at, score in self._buffer}
        return [Cut(at.pts, strength[at.pts]) for at in found]

    def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: Bgr) -> float:
        before = self._last_frame
        score = super()._calculate_frame_score(timecode, frame_img)
        after = self._last_frame
        if before is None or after is None:
            return score
        moved = cv2.absdiff(after.lum, before.lum).astype(np.float32)
        moved = cv2.resize(moved, (TILES, TILES), interpolation=cv2.INTER_AREA) > self._settings.live_change
        self._idle_frames = np.where(moved, 0, self._idle_frames + 1)
        live = float((self._idle_frames < self._settings.live_frames).mean())
        return score / max(live, self._settings.min_live_share)


class ShotStage(FrameStage):
    """Finds the first frame of each new shot."""

    name = "shots"

    def __init__(self, settings: ShotSettings | None = None) -> None:
        self._settings = settings or ShotSettings()
        self._detector = _LiveDetector(self._settings)
        self._cuts: list[Cut] = []
        self._coded_size: tuple[int, int] | None = None

    def process_frame(self, frame: PipelineFrame) -> None:
        """Compare the frame with the one before; one coded in another size begins a shot, whatever it shows."""
        if self._coded_size not in (None, frame.coded_size):
            self._cuts.append(Cut(frame.pts_ms, NEW_SIZE_STRENGTH))
        self._coded_size = frame.coded_size
        self._cuts += self._detector.cuts(frame.pts_ms, frame.small(self._settings.width_px))

    def cuts_ms(self, owned_from_ms: int, owned_to_ms: int) -> tuple[int, ...]:
        """Return the cuts with owned_from_ms <= pts_ms < owned_to_ms, ascending; call after the last frame."""
        kept = strongest_cuts(self._cuts, self._settings.min_gap_ms)
        return tuple(sorted({cut.pts_ms for cut in kept if owned_from_ms <= cut.pts_ms < owned_to_ms}))
