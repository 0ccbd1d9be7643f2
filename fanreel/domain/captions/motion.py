"""How a face moves up the picture: a jump, a rise from the seat, or sitting still."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.excitement import F64

JUMPING_FROM = 3.0
"""Face heights per second. A face is about 0.2 m high: somebody who gets up quickly rises half a metre in under a
second (2.5 to 5), a leap of 0.3 m averages 1.2 m/s on its way (6); a nod or a detector's jitter stays below 1."""
STILL_BELOW = 0.3
LONGEST_SPAN_MS = 1000
"""Sightings farther apart tell nothing about a movement as short as a jump."""
SAME_SIZE = 1.35
"""A face that changes its size by more between two looks has been zoomed, cut or confused, not moved."""


def upward_speed(pts_ms: NDArray[Any], boxes: NDArray[Any]) -> F64:
    """Return how fast the face moves up the picture at each sighting, (n,), face heights per second.

    pts_ms (n,) ascending, boxes (n, 4). The slope through the sightings before, at and after: a box out of place
    at one look moves it half as much as a slope between two. NaN at the ends, where neighbours are too far apart
    or are of another size.
    """
    pts, box = np.asarray(pts_ms, np.float64), np.asarray(boxes, np.float64).reshape(-1, 4)
    speed = np.full(len(pts), np.nan)
    if len(pts) < 3:
        return speed
    middle, height = (box[:, 1] + box[:, 3]) / 2, np.maximum(box[:, 3] - box[:, 1], 1.0)
    around = np.stack([height[:-2], height[1:-1], height[2:]])
    span_ms = pts[2:] - pts[:-2]
    usable = (span_ms > 0) & (span_ms <= LONGEST_SPAN_MS) & (around.max(axis=0) <= SAME_SIZE * around.min(axis=0))
    slope = (middle[:-2] - middle[2:]) / np.maximum(span_ms, 1.0) * 1000 / np.median(around, axis=0)
    speed[1:-1] = np.where(usable, slope, np.nan)
    return speed


def rise(pts_ms: NDArray[Any], boxes: NDArray[Any]) -> float:
    """Return the fastest upward movement of a followed face, face heights per second; 0 when it never rose."""
    speed = upward_speed(pts_ms, boxes)
    return max(0.0, float(np.nanmax(speed))) if np.isfinite(speed).any() else 0.0
