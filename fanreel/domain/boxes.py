"""How boxes lie to one another."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def iou(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Return the intersection over union, 0..1, of boxes x0, y0, x1, y1 on the last axis.

    The other axes broadcast: (n, 4) with (n, 4) are n pairs, (m, 1, 4) with (n, 4) everyone with everyone.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    size = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.prod(np.maximum(size, 0.0), axis=-1)
    return np.asarray(shared / np.maximum(_areas(a) + _areas(b) - shared, 1e-9), np.float64)


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.prod(np.maximum(boxes[..., 2:] - boxes[..., :2], 0.0), axis=-1), np.float64)
