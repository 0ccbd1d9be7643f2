"""Cutting faces out of frames: affine chips with area averaging, and box geometry, in columns.

Geometry is continuous: pixel (0, 0) covers the square from 0 to 1, so a whole frame's box is 0, 0, width, height.
A chip matrix (2, 3) maps frame to chip coordinates.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import F32, Bgr

F64 = NDArray[np.float64]
C128 = NDArray[np.complex128]

AS_COMPLEX: C128 = np.array([1, 1j])
"""Turns columns x, y into x + iy: a similarity is then one complex factor and one complex shift."""

AREA_AVERAGING_BELOW = 0.5
"""Scale under which bilinear sampling would skip source pixels: shrink by area averaging first."""
LEAST_SPREAD_PX = 0.5
"""Five points closer together than this (RMS) are no face: aligned by their box instead."""
COORDINATE_LIMIT_PX = 1e5


def tame(values: NDArray[Any]) -> F64:
    """Return float64 without NaN and infinities, cut to a range in which arithmetic stays exact enough."""
    finite = np.nan_to_num(
        values.astype(np.float64), nan=0.0, posinf=COORDINATE_LIMIT_PX, neginf=-COORDINATE_LIMIT_PX
    )
    return np.clip(finite, -COORDINATE_LIMIT_PX, COORDINATE_LIMIT_PX)


def square_boxes(boxes: F32, enlarge: float) -> F64:
    """Return squares (n, 4) about the boxes' centres, side = longer side × enlarge, at least one pixel."""
    corners = tame(boxes)
    centre = (corners[:, :2] + corners[:, 2:]) / 2
    side = np.maximum((corners[:, 2:] - corners[:, :2]).max(axis=1, initial=1.0), 1.0) * enlarge
    half = side[:, None] / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def square_matrices(squares: F64, side_px: int) -> F64:
    """Return matrices (n, 2, 3) that map upright squares onto chips of `side_px`."""
    scale = side_px / (squares[:, 2] - squares[:, 0])
    matrices = np.zeros((len(squares), 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = scale
    matrices[:, :, 2] = -squares[:, :2] * scale[:, None]
    return matrices


def similarity_matrices(points: F32, template: F64) -> F64:
    """Return the least-squares similarities (n, 2, 3) that map points (n, k, 2) onto template (k, 2).

    Closed form over complex numbers (Umeyama 1991 without reflection). Rows whose points coincide are all zero.
    """
    seen, wanted = tame(points), template - template.mean(axis=0)
    centre = seen.mean(axis=1)
    source: C128 = (seen - centre[:, None]) @ AS_COMPLEX
    target: C128 = wanted @ AS_COMPLEX
    spread: F64 = np.sum(np.abs(source) ** 2, axis=1)
    solid = spread > len(template) * LEAST_SPREAD_PX**2
    turn: C128 = np.where(solid, np.conj(source) @ target / np.where(solid, spread, 1), 0)
    middle: complex = complex(*template.mean(axis=0))
    shift: C128 = np.where(solid, middle - turn * (centre @ AS_COMPLEX), 0)
    rows = np.stack([turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag], axis=1)
    return rows.reshape(-1, 2, 3)


def chip(frame: Bgr, matrix: F64, side_px: int, clip: F64 | None = None) -> Bgr:
    """Return the chip (side, side, 3) that the matrix cuts; black outside the frame and the box `clip`."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    region = _source_region(frame, matrix, side_px, clip) if scale > 0 else None
    if region is None:
        return np.zeros((side_px, side_px, 3), np.uint8)
    x0, y0, x1, y1 = region
    part = frame[y0:y1, x0:x1]
    shrink = np.ones(2)
    if scale < AREA_AVERAGING_BELOW:
        size = np.maximum(np.round(np.array([x1 - x0, y1 - y0]) * scale / AREA_AVERAGING_BELOW), 1).astype(int)
        shrink = size / np.array([x1 - x0, y1 - y0])
        part = cv2.resize(part, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    local = matrix.copy()
    local[:, :2] = matrix[:, :2] / shrink
    local[:, 2] = matrix[:, 2] + matrix[:, :2] @ np.array([x0, y0], np.float64)
    local[:, 2] += local[:, :2] @ np.array([0.5, 0.5]) - 0.5  # continuous coordinates → pixel centres
    warped = cv2.warpAffine(
        part, local, (side_px, side_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    return np.asarray(warped, np.uint8)


def _source_region(frame: Bgr, matrix: F64, side_px: int, clip: F64 | None) -> tuple[int, int, int, int] | None:
    """Return the whole pixels of the frame that the chip can see, or None."""
    corners = np.array([[0, 0], [side_px, 0], [0, side_px], [side_px, side_px]], np.float64)
    seen = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    low, high = seen.min(axis=0) - 2, seen.max(axis=0) + 2
    if clip is not None:
        low, high = np.maximum(low, np.floor(clip[:2])), np.minimum(high, np.ceil(clip[2:]))
    low = np.maximum(np.floor(low), 0)
    high = np.minimum(np.ceil(high), [frame.shape[1], frame.shape[0]])
    if np.any(high <= low):
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def chips(frame: Bgr, matrices: F64, side_px: int, clips: F64 | None = None) -> NDArray[np.uint8]:
    """Return (n, side, side, 3) chips in the frame's colour order."""
    out = np.zeros((len(matrices), side_px, side_px, 3), np.uint8)
    for row, matrix in enumerate(matrices):
        out[row] = chip(frame, matrix, side_px, None if clips is None else clips[row])
    return out


def shrink_to(frame: Bgr, long_side_px: int) -> tuple[Bgr, float]:
    """Return the frame with its long side at most `long_side_px`, and the scale that was applied."""
    height, width = frame.shape[:2]
    scale = min(1.0, long_side_px / max(height, width, 1))
    if scale == 1.0:
        return frame, 1.0
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    # Area averaging equals bilinear at one half, and bilinear costs less; below that bilinear would skip pixels.
    how = cv2.INTER_AREA if scale < AREA_AVERAGING_BELOW else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame, size, interpolation=how), np.uint8), scale
