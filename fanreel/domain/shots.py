"""Shot cuts: which of several close ones is meant, and how found ones are scored against the truth."""

from collections.abc import Sequence
from dataclasses import dataclass


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


def score_cuts(found: Sequence[float], truth: Sequence[float], tolerance_ms: float) -> tuple[float, float, float]:
    """Return (precision, recall, F1) of found cuts, all times in milliseconds.

    A found cut is right when it lies within the tolerance of a true one (inclusive); each true cut is used
    once and each found cut counts once. Matching in order of time is optimal for equal windows on a line.
    With nothing to find, nothing found scores 1.
    """
    matched = 0
    waiting = sorted(truth)
    at = 0
    for cut in sorted(found):
        while at < len(waiting) and waiting[at] < cut - tolerance_ms:
            at += 1
        if at < len(waiting) and waiting[at] <= cut + tolerance_ms:
            matched += 1
            at += 1
    precision = matched / len(found) if found else 1.0
    recall = matched / len(waiting) if waiting else 1.0
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total else 0.0
