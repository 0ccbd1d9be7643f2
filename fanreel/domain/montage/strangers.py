"""Where somebody else is seen: what a clip must not run into while the fan is not in sight.

People beside the fan do not matter as long as the fan is seen. Between two sightings where they are not, whoever
is found in their place may be who the picture shows.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from fanreel.contracts import AppearanceDocument
from fanreel.domain.boxes import iou
from fanreel.domain.tracks import associate

Box = tuple[int, int, int, int]

COVERED_IOU = 0.1
"""Overlap from which a face of any size stands in another's place: in front of it, or taken for it."""


class Strangers:
    """All sightings of others in one stretch of one video, by time."""

    def __init__(self, others: Iterable[AppearanceDocument]) -> None:
        known = list(others)
        rows = sorted(
            (pts_ms, box) for one in known for pts_ms, box in zip(one.pts_ms, one.boxes, strict=len(one.boxes) > 0)
        )
        self._pts = np.array([pts_ms for pts_ms, _ in rows], np.int64)
        self._boxes = np.array([box for _, box in rows], np.float32).reshape(-1, 4)
        # Whoever is somewhere, but nobody knows where, is everywhere: the careful answer.
        self._anywhere = [(one.start_ms, one.end_ms) for one in known if not one.boxes]

    def in_place_of(self, boxes: Sequence[Box], after_ms: int, before_ms: int) -> bool:
        """Tell whether anybody is seen in the place of any of the boxes at a time strictly between the two.

        In its place is where the tracker could have gone on from it, or what overlaps it by `COVERED_IOU`.
        """
        if any(start_ms < before_ms and after_ms < end_ms for start_ms, end_ms in self._anywhere):
            return True
        low, high = np.searchsorted(self._pts, after_ms, "right"), np.searchsorted(self._pts, before_ms, "left")
        found = self._boxes[low:high]
        if not len(found):
            return False
        places = np.array(boxes, np.float32)
        return bool((iou(places[:, None], found) >= COVERED_IOU).any() or (associate(places, found) >= 0).any())

    def highest_px(self, pts_ms: int, within_ms: int) -> float:
        """Return the height of the highest face seen at most `within_ms` from a time; 0 where there is none."""
        low = np.searchsorted(self._pts, pts_ms - within_ms, "left")
        high = np.searchsorted(self._pts, pts_ms + within_ms, "right")
        found = self._boxes[low:high]
        return float((found[:, 3] - found[:, 1]).max()) if len(found) else 0.0
