"""Shot cuts: which of several close ones is meant, and how found ones are scored against the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fanreel.domain.faces import F32


@dataclass(frozen=True, slots=True)
class Cut:
    """The first frame of a new shot and how much it differs from the frame before (0..255)."""

    pts_ms: int
    strength: float


def strongest_cuts(cuts: Sequence[Cut], min_gap_ms: int) -> list[Cut]:
    """Keep each cut that no stronger one (or equal and earlier) lies nearer to than `min_gap_ms`; in time order.

    Only neighbours within the gap are looked at, so the answer is the same whether a video is judged whole or in
    overlapping pieces.
    """
    ordered = sorted(cuts, key=lambda cut: cut.pts_ms)
    return [
        cut
        for cut in ordered
        if not any(
            0 < abs(other.pts_ms - cut.pts_ms) < min_gap_ms
            and (other.strength, -other.pts_ms) > (cut.strength, -cut.pts_ms)
            for other in ordered
        )
    ]


def separation(before: F32, after: F32) -> float:
    """Return how unlike the most alike pictures on both sides of a cut are: 1 − their correlation, 0..2.

    Pictures (n, …) of any shape, at least one a side. Brightness and contrast do not count, so that the glow of a
    flash is no new picture; a blank picture is like no other.
    """
    left, right = _standardised(before), _standardised(after)
    return 1.0 - float((left @ right.T).max())


def _standardised(pictures: F32) -> F32:
    """Take the mean of each colour out of each picture (n, …, colours) and give it length 1."""
    centred = pictures - pictures.mean(axis=tuple(range(1, pictures.ndim - 1)), keepdims=True)
    flat = centred.reshape(len(pictures), -1)
    return flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1.0)


def score_cuts(found: Sequence[float], truth: Sequence[float], tolerance_ms: float) -> tuple[float, float, float]:
    """Return (precision, recall, F1) of found cuts, all times in milliseconds.

    A found cut is right when it lies within the tolerance of a true one (inclusive); each true cut is used
    once and each found cut counts once. Matching in order of time is optimal for equal windows on a line.
    With nothing to find, nothing found scores 1.
    """
    matched = count_matched(found, truth, tolerance_ms)
    return f1_score(matched, len(found), len(truth))


def f1_score(matched: int, found: int, truth: int) -> tuple[float, float, float]:
    """Return (precision, recall, F1) of counts; with nothing to find, nothing found scores 1."""
    precision = matched / found if found else 1.0
    recall = matched / truth if truth else 1.0
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both else 0.0


def count_matched(found: Sequence[float], truth: Sequence[float], tolerance_ms: float) -> int:
    """Return how many found cuts are right, each true one used once."""
    matched = 0
    waiting = sorted(truth)
    at = 0
    for cut in sorted(found):
        while at < len(waiting) and waiting[at] < cut - tolerance_ms:
            at += 1
        if at < len(waiting) and waiting[at] <= cut + tolerance_ms:
            matched += 1
            at += 1
    return matched
