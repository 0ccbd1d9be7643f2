"""Many faces of one person → one template; and which faces to take."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import F32

BEST_FACES = 12
"""Faces pooled into a template at most. Five are the usual choice (reference/anchors.md E); on media/broadcast
twelve move a turned face's track half a standard deviation nearer to its own selfies and no stranger's."""

WITNESS_MS = 1_000
"""Besides those, the best face of every second is embedded, and the first and the last one: a box can pass from
one person to the next without a jump (a pan along a row), and only faces seen before and after a moment say whose
it is. A track of five seconds pays two embeddings for it at most, one of a minute 50 (8 ms each on two cores,
beside 300 detections of 20 ms)."""

DIVERSITY_MS = 400
"""Faces of one such slot of time look alike; a second one from the same slot is taken only when slots run out."""

TRIM_SHARE = 0.15
MIN_KEPT_SHARE = 0.7
MIN_TO_TRIM = 5
"""Trimmed mean as in Frigate (anchors.md A7): up to 15 % (at least one) of at least five faces may be dropped,
never more than 30 %."""

OUTLIER_DISTANCE = 0.62
"""Distance to the mean of the others beyond which a face is dropped. On media/broadcast 99 % of 353 faces lie
within .55 of the mean of their track's others (median .26); strangers of one frame lie .70 apart in the median."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """A template and how it came about.

    template  float32 (d,), unit length.
    kept      bool (n,): faces that went into it.
    spread    root mean square distance of the kept faces to the template, 0..2; large when two people are mixed.
    """

    template: F32
    kept: NDArray[np.bool_]
    spread: float

    @property
    def cohesion(self) -> float:
        """Mean cosine of the kept faces to the template, 0..1 (of one unit row at distance d it is 1 − d²/2)."""
        return max(0.0, 1.0 - self.spread**2 / 2)


def pool_template(vectors: F32, weights: F32) -> Pooled:
    """Pool unit rows (n, d) with weights (n,) > 0, n ≥ 1: quality-weighted, outlier-trimmed mean, renormalised.

    Raises ValueError when there is no row.
    """
    count = len(vectors)
    if count == 0:
        raise ValueError("no face to pool")
    rows = _unit(np.asarray(vectors, np.float32))
    weight = np.maximum(np.asarray(weights, np.float32), 1e-6)
    kept = np.ones(count, np.bool_)
    droppable = 0
    if count >= MIN_TO_TRIM:
        droppable = min(max(1, int(count * TRIM_SHARE)), count - int(np.ceil(count * MIN_KEPT_SHARE)))
    for _ in range(droppable):
        distances = _distance_to_others(rows, weight, kept)
        worst = int(distances.argmax())
        if distances[worst] <= OUTLIER_DISTANCE:
            break
        kept[worst] = False
    template = weighted_mean(rows[kept], weight[kept])
    spread = float(np.sqrt(np.mean(np.sum((rows[kept] - template) ** 2, axis=1))))
    return Pooled(template, kept, spread)


def weighted_mean(vectors: F32, weights: F32) -> F32:
    """Return the weighted mean of rows (n, d), n ≥ 1, brought to unit length; nothing is trimmed."""
    return _unit((np.asarray(weights, np.float32)[:, None] * vectors).sum(axis=0, keepdims=True))[0]


def choose_faces(pts_ms: NDArray[Any], quality: NDArray[Any]) -> NDArray[np.intp]:
    """Return which faces to embed: the best ones, the best of every second, the first and the last one.

    The faces given are in order of time, and so are the rows returned. Seconds and slots lie on the video's own
    time grid. So choosing from what was chosen in parts equals choosing from the whole: results do not depend on
    where a video was cut into segments, and a stream may forget all other faces as it goes.
    """
    pts = np.asarray(pts_ms, np.int64)
    order = np.lexsort((pts, -np.asarray(quality, np.float64)))
    _, first = np.unique(pts[order] // WITNESS_MS, return_index=True)
    ends = np.arange(len(pts))[[0, -1][: len(pts)]]
    return np.unique(np.concatenate([ends, order[first], best_faces(pts, quality)])).astype(np.intp)


def best_faces(
    pts_ms: NDArray[Any], quality: NDArray[Any], *, limit: int = BEST_FACES, slot_ms: int = DIVERSITY_MS
) -> NDArray[np.intp]:
    """Return the rows of the `limit` best faces of rows in order of time, spread where there are enough.

    First the best of every slot by quality, then the second best of every slot, and so on.
    """
    pts = np.asarray(pts_ms, np.int64)
    value = np.asarray(quality, np.float64)
    order = np.lexsort((pts, -value))
    rank = np.zeros(len(pts), np.int64)
    seen: dict[int, int] = {}
    for row in order:
        slot = int(pts[row]) // slot_ms
        rank[row] = seen.get(slot, 0)
        seen[slot] = int(rank[row]) + 1
    return np.sort(np.lexsort((pts, -value, rank))[:limit])


def _distance_to_others(rows: F32, weight: F32, kept: NDArray[np.bool_]) -> F32:
    """Distance of each kept row to the mean of the other kept rows; −1 for dropped ones."""
    total = (weight[kept, None] * rows[kept]).sum(axis=0)
    others = _unit(total[None, :] - weight[:, None] * rows)
    return np.where(kept, np.linalg.norm(rows - others, axis=1), -1.0).astype(np.float32)


def _unit(rows: F32) -> F32:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
