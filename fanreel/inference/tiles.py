"""Covering boxes with few square tiles of one size."""

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import F32

Windows = NDArray[np.int32]
"""(k, 4) x0, y0, x1, y1 in whole pixels of the picture they look at."""

STEP_PX = 32
"""Tiles begin at multiples of this, so that a network of strides up to 32 sees a face as in the whole picture."""
MARGIN = 0.75
"""Share of a box's height around it that its tile holds too: a detector needs to see what surrounds a face …"""
LEAST_MARGIN_PX = 24
"""… and at least this much."""


def cover(boxes: F32, width: int, height: int, side_px: int, at_most: int) -> Windows | None:
    """Return tiles that hold every box with its margin; None when that takes more than `at_most`.

    boxes (n, 4) in pixels of a picture width × height. Tiles are cut off at its edges. A box too large for a tile
    gets one about its middle. Greedy: the next tile holds the topmost uncovered box and stands where it covers
    most others. One round per tile; the answer depends on nothing but the boxes.
    """
    left = _wanted(boxes, width, height, side_px)
    furthest = _furthest(np.array([width, height]), side_px)
    corners: list[NDArray[np.int32]] = []
    while len(left):
        if len(corners) == at_most:
            return None
        first = left[np.argmin(left[:, 1])]
        top = min(_floored(first[1]), furthest[1])
        row = left[(left[:, 1] >= top) & (left[:, 3] <= top + side_px)]
        starts = np.minimum(_floored(row[:, 0]), furthest[0])
        fitting = starts[(starts <= first[0]) & (starts + side_px >= first[2])]
        covers = (row[None, :, 0] >= fitting[:, None]) & (row[None, :, 2] <= fitting[:, None] + side_px)
        corner = np.array([fitting[np.argmax(covers.sum(axis=1))], top], np.int32)
        corners.append(corner)
        inside = (left[:, :2] >= corner).all(axis=1) & (left[:, 2:] <= corner + side_px).all(axis=1)
        left = left[~inside]
    return _windows(np.array(corners, np.int32).reshape(-1, 2), width, height, side_px)


def everywhere(width: int, height: int, side_px: int, overlap_px: int) -> Windows:
    """Return tiles over the whole picture, neighbours sharing at least `overlap_px`, a multiple of STEP_PX."""
    columns, rows = (
        np.minimum(np.arange(0, max(last, 0) + side_px - overlap_px, side_px - overlap_px), last)
        for last in _furthest(np.array([width, height]), side_px).tolist()
    )
    corners = np.stack(np.meshgrid(np.unique(columns), np.unique(rows)), axis=-1).reshape(-1, 2)
    return _windows(corners, width, height, side_px)


def _wanted(boxes: F32, width: int, height: int, side_px: int) -> F32:
    """Return what tiles must hold: boxes with margin, in the picture, no larger than fits wherever tiles begin."""
    margin = np.maximum(MARGIN * (boxes[:, 3:] - boxes[:, 1:2]), LEAST_MARGIN_PX)
    limits = np.array([width, height], np.float32)
    inner_low, inner_high = np.clip(boxes[:, :2], 0, limits), np.clip(boxes[:, 2:], 0, limits)
    low, high = np.maximum(inner_low - margin, 0), np.minimum(inner_high + margin, limits)
    excess = np.maximum(high - low - (side_px - STEP_PX), 0)
    # Of what is too much, margin goes first, evenly where there is margin on both sides.
    from_low = np.clip(excess / 2, excess - (high - inner_high), inner_low - low)
    from_low = np.where(excess > (inner_low - low) + (high - inner_high), excess / 2, from_low)
    return np.concatenate([low + from_low, high - (excess - from_low)], axis=1).astype(np.float32)


def _furthest(size: NDArray[np.int_], side_px: int) -> NDArray[np.int_]:
    """Return where the last tile begins that ends at or behind the picture's edge."""
    return np.maximum(-(-(size - side_px) // STEP_PX), 0) * STEP_PX


def _floored(values: F32) -> NDArray[np.int32]:
    return np.asarray(np.floor(values / STEP_PX), np.int32) * STEP_PX


def _windows(corners: Windows, width: int, height: int, side_px: int) -> Windows:
    return np.concatenate([corners, np.minimum(corners + side_px, [width, height])], axis=1).astype(np.int32)
