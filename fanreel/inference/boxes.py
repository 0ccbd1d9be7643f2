"""Overlaps and non-maximum suppression over columns of boxes (n, 4) x0, y0, x1, y1."""

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import F32

Mask = NDArray[np.bool_]


def areas(boxes: F32) -> F32:
    """Return the areas (n,); zero for boxes turned inside out."""
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)


def intersections(first: F32, second: F32) -> F32:
    """Return the common areas (n, m)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.prod(np.maximum(high - low, 0), axis=2)


def suppress(boxes: F32, scores: F32, max_overlap: float, max_contained: float = 1.0) -> NDArray[np.intp]:
    """Greedy non-maximum suppression; returns the kept rows, strongest first (ties: earlier row first).

    A box goes when a stronger kept one overlaps it by more than `max_overlap` (intersection over union), or when
    they share more than `max_contained` of the smaller one. The greedy answer is the fixed point of "kept unless
    beaten by a kept one", reached in as many rounds as the longest chain of overlaps: no loop over boxes.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = boxes[order]
    common, area = intersections(ranked, ranked), areas(ranked)
    union = np.maximum(area[:, None] + area[None, :] - common, 1e-9)
    smaller = np.maximum(np.minimum(area[:, None], area[None, :]), 1e-9)
    beats = np.triu((common > max_overlap * union) | (common > max_contained * smaller), k=1)
    kept: Mask = np.ones(len(order), bool)
    for _ in range(len(order)):
        again: Mask = ~np.any(beats & kept[:, None], axis=0)
        if np.array_equal(again, kept):
            break
        kept = again
    return order[kept]
