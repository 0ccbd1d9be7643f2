"""Optical flow between two looks: how fast the picture moves, and how fast what is in it moves by itself."""

import cv2
import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import F32

from .shots import TILES

SIZE = (128, 72)
"""Width and height at which flow is sought, whatever the picture's shape. Four by four pixels make one tile."""
FIT_ROUNDS = 3
OUTLIER_SPREADS = 2.5
"""Tiles that differ from the camera's motion by this many robust standard deviations begin to count less …"""
LEAST_SPREAD = 0.05
"""… which are at least this many pixels: flow is not more exact than that."""

_COLUMNS, _ROWS = (
    axis.ravel() for axis in np.meshgrid(*(np.linspace(-1, 1, count, dtype=np.float32) for count in TILES))
)
_WINDOW = np.asarray(cv2.createHanningWindow(SIZE, cv2.CV_32F), np.float32)


class FlowMeter:
    """Dense inverse search (Kroeger et al., 2016) that begins at the shift phase correlation finds.

    Of a textured picture it follows pans of up to about one picture width per second at five looks a second; what
    is faster reads as slower than it was, and across a cut the flow means nothing.
    """

    def __init__(self) -> None:
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._before: NDArray[np.uint8] | None = None
        self._before_ms = 0

    def measure(self, pts_ms: int, grey: NDArray[np.uint8], part: tuple[slice, slice]) -> tuple[float, float]:
        """Return the mean speed since the look before, and the same without the camera's motion.

        `grey` (rows, columns), of which only `part` is measured. In picture widths per second; zeros for the
        first look.
        """
        earlier, seconds = self._before, (pts_ms - self._before_ms) / 1000
        self._before, self._before_ms = grey, pts_ms
        if earlier is None or seconds <= 0:
            return 0.0, 0.0
        live = grey[part]
        before, after = _shrunk(earlier[part]), _shrunk(live)
        pixels = np.asarray(self._search.calc(before, after, _common_shift(before, after)), np.float32)
        field = np.asarray(cv2.resize(pixels, TILES, interpolation=cv2.INTER_AREA), np.float32).reshape(-1, 2)
        own = field - camera_motion(field, _COLUMNS, _ROWS)
        rows, columns = live.shape
        widths = np.array([columns / SIZE[0], rows / SIZE[1]], np.float32) / grey.shape[1]
        return _speed(field * widths) / seconds, _speed(own * widths) / seconds


def _common_shift(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> F32:
    """Return a flow field that is the same everywhere: how far the whole picture moved, or nowhere.

    The search alone finds less than a tenth of the picture's width. The shift counts only when it makes the
    pictures more alike.
    """
    (x, y), _ = cv2.phaseCorrelate(before.astype(np.float32), after.astype(np.float32), _WINDOW)
    field = np.zeros((*before.shape, 2), np.float32)
    right, down = round(x), round(y)
    here, there = _overlap(right, before.shape[1]), _overlap(down, before.shape[0])
    if here is None or there is None:
        return field
    moved = cv2.norm(before[there[0], here[0]], after[there[1], here[1]], cv2.NORM_L1)
    stayed = cv2.norm(before[there[1], here[1]], after[there[1], here[1]], cv2.NORM_L1)
    if moved < stayed:
        field[...] = (x, y)
    return field


def _overlap(shift: int, length: int) -> tuple[slice, slice] | None:
    """Return what of the picture before is still seen in the one after, in pixels of each; none below half."""
    if abs(shift) > length / 2:
        return None
    return slice(max(0, -shift), length - max(0, shift)), slice(max(0, shift), length - max(0, -shift))


def camera_motion(field: F32, x: F32, y: F32) -> F32:
    """Return the part of a flow field (n, 2) that is the camera's: pan, tilt, zoom, roll; one affine motion.

    `x`, `y` (n,) are the places. Robust least squares, after Odobez and Bouthemy, "Robust multiresolution
    estimation of parametric motion models" (1995): what moves by itself counts less with each round.
    """
    design = np.stack([np.ones_like(x), x, y], axis=1)
    fitted = np.broadcast_to(np.median(field, axis=0), field.shape)
    for _ in range(FIT_ROUNDS):
        squared = np.square(field - fitted).sum(axis=1)
        spread = max(LEAST_SPREAD, 1.4826 * float(np.sqrt(np.median(squared))))
        weight = 1 / (1 + squared / (OUTLIER_SPREADS * spread) ** 2)
        weighted = design * weight[:, None]
        fitted = design @ np.linalg.solve(weighted.T @ design, weighted.T @ field)
    return np.asarray(fitted, np.float32)


def _shrunk(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(grey, SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def _speed(vectors: F32) -> float:
    return float(np.linalg.norm(vectors, axis=1).mean())
