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


class CoVisible:
    """Answers, for one video, which appearances are seen beside a given one."""

    def __init__(self, appearances: Sequence[AppearanceDocument], same_place_iou: float) -> None:
        self._pts = [np.asarray(one.pts_ms, np.int64) for one in appearances]
        self._boxes = [np.asarray(one.boxes, np.float64).reshape(-1, 4) for one in appearances]
        self._first = np.array([one.pts_ms[0] if one.pts_ms else one.start_ms for one in appearances], np.int64)
        self._last = np.array([one.pts_ms[-1] if one.pts_ms else one.end_ms for one in appearances], np.int64)
        self._same_place_iou = same_place_iou

    def beside(self, row: int) -> NDArray[np.intp]:
        """Return the rows of the appearances seen at the same time as `row`, elsewhere in the picture."""
        meets = (self._first <= self._last[row]) & (self._last >= self._first[row])
        meets[row] = False
        return np.array([other for other in np.flatnonzero(meets) if self._apart(row, int(other))], np.intp)

    def _apart(self, one: int, other: int) -> bool:
        """Whether the boxes lie apart at any common time; unknown boxes count as apart, the careful answer."""
        if not len(self._pts[one]) or not len(self._pts[other]):
            return True
        common = self._pts[one][(self._pts[one] >= self._first[other]) & (self._pts[one] <= self._last[other])]
        if not len(common):
            common = np.array([max(self._first[one], self._first[other])])
        overlap = iou(self._boxes_at(one, common), self._boxes_at(other, common))
        return bool((overlap < self._same_place_iou).any())

    def _boxes_at(self, row: int, times_ms: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the boxes nearest in time, (n, 4)."""
        pts = self._pts[row]
        after = np.clip(np.searchsorted(pts, times_ms), 0, len(pts) - 1)
        before = np.maximum(after - 1, 0)
        nearer = np.abs(pts[before] - times_ms) <= np.abs(pts[after] - times_ms)
        return self._boxes[row][np.where(nearer, before, after)]
