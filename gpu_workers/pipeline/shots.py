"""Shot cuts: PySceneDetect's adaptive detector fed every frame, with true presentation times."""

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect import AdaptiveDetector, FrameTimecode
from scenedetect.common import Timecode

from fanreel.contracts import Transition
from fanreel.domain.faces import F32, Bgr
from fanreel.domain.shots import Cut, separation, strongest_cuts
from fanreel.domain.transitions import boundary_ms, find_transitions

from .base import FrameStage, PipelineFrame

MILLISECOND = Fraction(1, 1000)
NOMINAL_RATE = Fraction(25)
"""The library wants a rate to print frame numbers with; nothing here is computed from it."""

WORK_SIZE = (256, 144)
"""Width and height at which pictures are compared, whatever their shape: all tiles are 8 × 8 pixels."""
TILES = (32, 18)
"""Columns and rows of the coarse picture."""


@dataclass(frozen=True, slots=True)
class ShotSettings:
    """Numbers of the detector.

    The library's own defaults where it has them, which lie on the plateau of `fanreel eval shots --sweep`; a lower
    adaptive threshold finds one more of its cuts and made eight false ones in the shared broadcast.
    """

    width_px: int = WORK_SIZE[0]
    """Pictures are compared at this width; more costs time and finds nothing more."""
    adaptive_threshold: float = 3.0
    """A cut differs this many times more from the frame before than its neighbours do…"""
    min_content: float = 15.0
    """…and at least this much: mean of hue, saturation and value differences over the live picture, 0..255."""
    min_separation: float = 0.3
    """…and leaves no picture like one before it: 1 − the greatest correlation across the cut. Flashes, shakes and
    passers-by change a picture too, but it comes back."""
    window_frames: int = 2
    """Neighbours looked at on either side for the adaptive threshold."""
    flash_frames: int = 3
    """A flash lasts at most this many frames, whatever the frame rate: a lamp burns for milliseconds, and what is
    longer is how shutters and coders smear it."""
    live_change: float = 1.0
    """A tile whose mean value (0..255) moved by more than this is live; less is the coder's noise."""
    live_frames: int = 10
    """A tile stays live this many frames: 0.4 s at 25 fps, less than half a segment's overlap."""
    min_live_share: float = 0.1
    """A smaller live part counts as this share of the picture, so that a ticker in a still frame is no shot."""
    min_gap_ms: int = 120
    """Of cuts closer together only the strongest stays: a flash is two changes, not a shot."""

    @property
    def frames_ahead(self) -> int:
        """How many frames after a cut must be seen before it is known."""
        return max(self.window_frames, self.flash_frames)


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
        self._idle_frames = np.full(TILES[::-1], settings.live_frames, np.int32)
        self._colours: NDArray[np.uint8] | None = None
        self._tiles: deque[F32] = deque(maxlen=settings.flash_frames + settings.frames_ahead + 2)
        self._waiting: list[tuple[int, Cut]] = []
        self._frames = 0

    def cuts(self, pts_ms: int, picture: Bgr, tiles: F32) -> list[Cut]:
        """Take the next picture (WORK_SIZE) and its tiles in; return the cut it confirms, if any."""
        self._tiles.append(tiles)
        code = FrameTimecode(Timecode(pts_ms, MILLISECOND), fps=NOMINAL_RATE)
        found = self.process_frame(code, picture)
        strength = {at.pts: score for at, score in self._buffer}
        at_frame = self._frames - self._settings.window_frames
        self._waiting += [(at_frame, Cut(at.pts, strength[at.pts])) for at in found]
        due = [cut for at, cut in self._waiting if at + self._settings.frames_ahead <= self._frames]
        self._waiting = self._waiting[len(due) :]
        self._frames += 1
        return [cut for cut in due if self._is_new_picture()]

    def _is_new_picture(self) -> bool:
        """Tell whether none of the frames since the cut looks like one of those before it."""
        live = self._idle_frames < self._settings.live_frames
        # The seam between what lives and what stands still is partly either, and full of contrast.
        inner = cv2.erode(live.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        for mask in (inner, live):
            if mask.mean() >= self._settings.min_live_share / 2:
                break
        else:
            mask = np.ones_like(live)
        seen = np.array([tiles[mask] for tiles in self._tiles])
        since = self._settings.frames_ahead + 1
        return separation(seen[:-since], seen[-since:]) >= self._settings.min_separation

    def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: Bgr) -> float:  # noqa: ARG002
        """Return what the library's method does, in a fraction of its time, over the live part."""
        before = self._colours
        after: NDArray[Any] = cv2.cvtColor(frame_img, cv2.COLOR_BGR2HSV)
        self._colours = after
        if before is None:
            return 0.0
        score = cv2.norm(after, before, cv2.NORM_L1) / after.size
        change = cv2.absdiff(cv2.extractChannel(after, 2), cv2.extractChannel(before, 2)).astype(np.float32)
        moved = cv2.resize(change, TILES, interpolation=cv2.INTER_AREA) > self._settings.live_change
        self._idle_frames = np.where(moved, 0, self._idle_frames + 1)
        live = float((self._idle_frames < self._settings.live_frames).mean())
        return score / max(live, self._settings.min_live_share)


class ShotStage(FrameStage):
    """Finds the first frame of each new shot, and the spans in which one shot gradually becomes another."""

    name = "shots"

    def __init__(self, settings: ShotSettings | None = None) -> None:
        self._settings = settings or ShotSettings()
        self._detector = _LiveDetector(self._settings)
        self._cuts: list[Cut] = []
        self._coded_size: tuple[int, int] | None = None
        self._pts_ms: list[int] = []
        self._luma: list[NDArray[np.uint8]] = []
        self._texture: list[float] = []

    def process_frame(self, frame: PipelineFrame) -> None:
        """Compare the frame with the one before; one coded in another size begins a shot, whatever it shows."""
        if self._coded_size not in (None, frame.coded_size):
            self._cuts.append(Cut(frame.pts_ms, NEW_SIZE_STRENGTH))
        self._coded_size = frame.coded_size
        picture = frame.small(self._settings.width_px)
        if picture.shape[1::-1] != WORK_SIZE:
            picture = _resized(picture, WORK_SIZE, cv2.INTER_LINEAR)
        tiles = _resized(picture, TILES, cv2.INTER_AREA)
        self._cuts += self._detector.cuts(frame.pts_ms, picture, tiles.astype(np.float32))
        self._pts_ms.append(frame.pts_ms)
        self._luma.append(np.asarray(cv2.cvtColor(tiles, cv2.COLOR_BGR2GRAY), np.uint8).ravel())
        self._texture.append(_texture(picture))

    def cuts_ms(self, owned_from_ms: int, owned_to_ms: int) -> tuple[int, ...]:
        """Return the hard cuts with owned_from_ms <= pts_ms < owned_to_ms, ascending, of the frames so far."""
        kept = strongest_cuts(self._cuts, self._settings.min_gap_ms)
        return tuple(sorted({cut.pts_ms for cut in kept if owned_from_ms <= cut.pts_ms < owned_to_ms}))

    def transitions(self, owned_from_ms: int, owned_to_ms: int) -> tuple[Transition, ...]:
        """Return the dissolves with their middle in the range, and all fades seen; call after the last frame."""
        if not self._luma:
            return ()
        found = find_transitions(self._pts_ms, np.array(self._luma), self._texture)
        return tuple(t for t in found if t.kind == "fade" or owned_from_ms <= boundary_ms(t) < owned_to_ms)


def _resized(picture: Bgr, size: tuple[int, int], how: int) -> Bgr:
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)


def _texture(picture: Bgr) -> float:
    """Return the energy of the differences between neighbours in a row, per pixel: a measure of fine detail."""
    green = cv2.extractChannel(picture, 1)
    return float(cv2.norm(green[:, 1:], green[:, :-1], cv2.NORM_L2SQR)) / green.size
