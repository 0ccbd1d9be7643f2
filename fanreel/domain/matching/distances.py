"""How far an appearance is from a fan, and who the two nearest fans are.

Rows are the calibration's: their inner product is the adjusted cosine. Templates pooled from more, or more varied,
faces lie nearer to everybody, so fans are ranked by deviation: the distance in strangers' standard deviations at
the pair's cohesion and the appearance's quality.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .calibration import Calibration, distance_from_cosine
from .gallery import AppearanceColumns, FanColumns

F64 = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of a fan and an appearance, (k,) each."""

    distance: F64
    cohesion: F64
    quality: F64
    deviation: F64
    comparable: F64
    """The deviation by the knots of the best quality: what margins between pairs of different quality are of."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """Per appearance, (m,): the rows of the nearest fan and of the runner-up (−1: none, or not looked for)."""

    best: Rows
    second: Rows


def measure_pairs(
    fans: FanColumns, fan_rows: Rows, seen: AppearanceColumns, seen_rows: Rows, calibration: Calibration
) -> Pairs:
    """Measure the given pairs, row by row."""
    cosine = np.einsum("ij,ij->i", fans.rows[fan_rows], seen.rows[seen_rows], dtype=np.float64)
    distance = distance_from_cosine(cosine)
    cohesion = np.asarray(fans.cohesion[fan_rows] * seen.cohesion[seen_rows], np.float64)
    quality = np.asarray(seen.quality[seen_rows], np.float64)
    return Pairs(
        distance,
        cohesion,
        quality,
        calibration.deviation(distance, cohesion, quality),
        calibration.deviation(distance, cohesion),
    )


def closest_distances(fans: FanColumns, seen: AppearanceColumns, chunk: int) -> F64:
    """Return every appearance's distance to the closest of the fans, (m,); `fans` is not empty."""
    count = len(seen)
    parts = [(seen.rows[at : at + chunk] @ fans.rows.T).max(axis=1) for at in range(0, count, chunk)]
    return np.asarray(distance_from_cosine(np.concatenate(parts)), np.float64)


def nearest_fans(
    fans: FanColumns, seen: AppearanceColumns, rows: Rows, calibration: Calibration, chunk: int
) -> Nearest:
    """Return the two nearest fans of these appearances, all others −1; `fans` is not empty.

    Ties go to the smaller id.
    """
    best, second = np.full(len(seen), -1, np.intp), np.full(len(seen), -1, np.intp)
    for start in range(0, len(rows), chunk):
        some = rows[start : start + chunk]
        distance = distance_from_cosine(seen.rows[some] @ fans.rows.T)
        cohesion = seen.cohesion[some, None] * fans.cohesion[None, :]
        deviation = calibration.deviation(distance, cohesion, seen.quality[some])
        best[some] = deviation.argmin(axis=1)
        if len(fans) > 1:
            deviation[np.arange(len(some)), best[some]] = np.inf
            second[some] = deviation.argmin(axis=1)
    return Nearest(best, second)


def nearest_of_others(
    fans: FanColumns, seen: AppearanceColumns, row: int, excluded: Collection[int], calibration: Calibration
) -> int:
    """Return the row of the nearest fan of one appearance who is not among `excluded`; −1 when there is none."""
    others = np.array([fan for fan in range(len(fans)) if fan not in excluded], np.intp)
    if not len(others):
        return -1
    pairs = measure_pairs(fans, others, seen, np.full(len(others), row, np.intp), calibration)
    return int(others[pairs.deviation.argmin()])
