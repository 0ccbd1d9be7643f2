"""Two faces of one frame are two people: which appearances can be seen beside each other.

A fan goes only to the appearance that is nearest to them among all that are seen at the same time (and is the
nearest of all fans to it: mutual nearest). That is one-to-one in every frame by construction, and unlike an
assignment by summed cost it can only take matches away: no stranger's presence moves a fan to another face.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import AppearanceDocument
from fanreel.domain.boxes import iou

Rows = NDArray[np.intp]


class CoVisible:
    """Answers, for one video, which appearances are seen beside a given one.

    All sightings lie in one column, appearance after appearance; the key of a sighting is its appearance's row and
    its time in one number, so that one search finds the nearest sightings of many appearances at many times.
    """

    def __init__(self, appearances: Sequence[AppearanceDocument], same_place_iou: float) -> None:
        self._same_place_iou = same_place_iou
        self._first = np.array([one.pts_ms[0] if one.pts_ms else one.start_ms for one in appearances], np.int64)
        self._last = np.array([one.pts_ms[-1] if one.pts_ms else one.end_ms for one in appearances], np.int64)
        # Where the place of a face is not known, it has no sighting.
        placed = [one if len(one.boxes) == len(one.pts_ms) else None for one in appearances]
        self._count = np.array([len(one.pts_ms) if one else 0 for one in placed], np.int64)
        self._start = np.cumsum(self._count) - self._count
        self._pts = np.array([pts for one in placed if one for pts in one.pts_ms], np.int64)
        self._boxes = np.array([box for one in placed if one for box in one.boxes], np.float64).reshape(-1, 4)
        self._origin = int(min(self._first.min(initial=0), self._pts.min(initial=0)))
        self._stride = int(max(self._last.max(initial=0), self._pts.max(initial=0))) - self._origin + 1
        self._keys = self._key(np.repeat(np.arange(len(placed)), self._count), self._pts)

    def beside(self, row: int) -> NDArray[np.intp]:
        """Return the rows of the appearances seen at the same time as `row`, elsewhere in the picture."""
        meets = (self._first <= self._last[row]) & (self._last >= self._first[row])
        meets[row] = False
        others = np.flatnonzero(meets)
        return others[self._apart(row, others)]

    def _apart(self, row: int, others: Rows) -> NDArray[np.bool_]:
        """Whether boxes lie apart at any common time, (n,); unknown boxes count as apart: the careful answer."""
        apart = np.ones(len(others), np.bool_)
        placed = self._count[others] > 0
        if not self._count[row] or not placed.any():
            return apart
        known = others[placed]
        own = self._pts[self._start[row] : self._start[row] + self._count[row]]
        # The last column stands for those who were seen between two sightings of this one only.
        between = np.maximum(self._first[row], self._first[known])[:, None]
        times = np.concatenate([np.broadcast_to(own, (len(known), len(own))), between], axis=1)
        common = (times >= self._first[known, None]) & (times <= self._last[known, None])
        common[:, -1] = ~common[:, :-1].any(axis=1)
        overlap = iou(self._boxes_at(np.full(len(known), row), times), self._boxes_at(known, times))
        apart[placed] = ((overlap < self._same_place_iou) & common).any(axis=1)
        return apart

    def _boxes_at(self, rows: Rows, times_ms: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the boxes nearest in time, (n, k, 4), of n appearances at k times each, (n, k)."""
        first, last = self._start[rows, None], (self._start[rows] + self._count[rows] - 1)[:, None]
        after = np.clip(np.searchsorted(self._keys, self._key(rows[:, None], times_ms)), first, last)
        before = np.maximum(after - 1, first)
        nearer = np.abs(self._pts[before] - times_ms) <= np.abs(self._pts[after] - times_ms)
        return self._boxes[np.where(nearer, before, after)]

    def _key(self, rows: Rows, times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        return rows.astype(np.int64) * self._stride + (times_ms - self._origin)
