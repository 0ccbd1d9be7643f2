"""Following faces from sample to sample inside one shot.

At a handful of samples per second a head moves by up to its own width between two looks, so plain overlap is not
enough: a pair is allowed by overlap *or* by the distance of centres measured in face sizes, sizes being alike;
within what is allowed a frame's assignment is one-to-one and optimal (Hungarian: scipy's `linear_sum_assignment`).
There is no motion model: the state is the last box only, so a tracker that starts a second early soon finds the
same tracks as one that started hours ago.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from fanreel.domain.boxes import iou
from fanreel.domain.faces import F32

MAX_MISSED_SAMPLES = 2
"""A face may be missed this often in a row (a blink of the detector, a hand) and go on as the same track."""

MIN_IOU = 0.25
MAX_CENTRE_DISTANCE = 0.75
"""In mean face sizes. Neighbours in a crowd sit a face apart; at 5 fps a celebrating fan moves up to ~.7. On
media/broadcast .6 breaks twice as many tracks; 1.0 breaks fewer, and at either one track passes from one person to
another, seen by eye among the suspects of benchmarks/association.py. That also shows that colours of face and
clothes settle nothing which places do not: as a cost they change no pair, as a limit they break tracks."""

MAX_SIZE_RATIO = 1.7
"""Between two looks a face grows or shrinks by a zoom, not by a factor."""

FORBIDDEN = 1e6


def crosses_cut(cuts_ms: Sequence[int], before_ms: int, pts_ms: int) -> bool:
    """Tell whether a new shot begins after one look and not after the next one; `cuts_ms` ascending."""
    return bisect_right(cuts_ms, before_ms) < bisect_right(cuts_ms, pts_ms)


def longest_gap_ms(look_interval_ms: float) -> float:
    """Return the longest time between two sightings of one track when looks are so far apart."""
    return (MAX_MISSED_SAMPLES + 1.5) * look_interval_ms


@dataclass(slots=True)
class Track:
    """One face through consecutive samples. Lists, row i of each being its i-th sighting."""

    track_id: int
    pts_ms: list[int] = field(default_factory=list[int])
    boxes: list[F32] = field(default_factory=list[F32])
    scores: list[float] = field(default_factory=list[float])
    last_sample: int = -1

    def __len__(self) -> int:
        return len(self.pts_ms)


class Tracker:
    """Feed it samples in order of time; it answers which track each detection belongs to."""

    def __init__(self, *, max_missed: int = MAX_MISSED_SAMPLES, max_gap_ms: float = inf) -> None:
        """Take the most looks that may miss a face, and the longest time between two sightings of it.

        Looks that never came (a decode hole) miss nobody, but nobody knows either who sits there after them.
        """
        self._max_missed = max_missed
        self._max_gap_ms = max_gap_ms
        self._live: list[Track] = []
        self._next_id = 0

    @property
    def live(self) -> tuple[Track, ...]:
        """The tracks that may still be continued."""
        return tuple(self._live)

    def step(self, sample: int, pts_ms: int, boxes: F32, scores: F32) -> tuple[list[Track], list[Track]]:
        """Associate one sample's detections: (n, 4) boxes, (n,) scores; `sample` counts samples.

        Returns (the track of each detection, the tracks that ended because they were missed too often).
        """
        going_on = [self._may_go_on(track, sample, pts_ms) for track in self._live]
        ended = [track for track, goes_on in zip(self._live, going_on, strict=True) if not goes_on]
        self._live = [track for track, goes_on in zip(self._live, going_on, strict=True) if goes_on]
        rows = associate(np.array([t.boxes[-1] for t in self._live], np.float32).reshape(-1, 4), boxes)
        owners: list[Track] = []
        fresh: list[Track] = []
        for detection, row in enumerate(rows):
            if row >= 0:
                track = self._live[row]
            else:
                track = Track(self._next_id)
                self._next_id += 1
                fresh.append(track)
            track.pts_ms.append(pts_ms)
            track.boxes.append(boxes[detection])
            track.scores.append(float(scores[detection]))
            track.last_sample = sample
            owners.append(track)
        self._live.extend(fresh)
        return owners, ended

    def _may_go_on(self, track: Track, sample: int, pts_ms: int) -> bool:
        near = pts_ms - track.pts_ms[-1] <= self._max_gap_ms
        return near and sample - track.last_sample <= self._max_missed + 1

    def cut(self) -> list[Track]:
        """End every live track (a shot boundary, or the end of the data) and return them."""
        ended, self._live = self._live, []
        return ended


def associate(known: F32, found: F32) -> NDArray[np.intp]:
    """Return for each of the found boxes (n, 4) the row of the known box (m, 4) it continues, or −1."""
    return assign(pair_cost(known, found))


def assign(cost: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return for each column of (m, n) costs its row in the cheapest one-to-one assignment, or −1."""
    answer = np.full(cost.shape[1], -1, np.intp)
    rows, columns = linear_sum_assignment(cost)
    allowed = cost[rows, columns] < FORBIDDEN
    answer[columns[allowed]] = rows[allowed]
    return answer


def pair_cost(
    known: F32,
    found: F32,
    *,
    min_iou: float = MIN_IOU,
    max_centre_distance: float = MAX_CENTRE_DISTANCE,
    max_size_ratio: float = MAX_SIZE_RATIO,
) -> NDArray[np.float64]:
    """Return the (m, n) cost of continuing known boxes by found ones; FORBIDDEN where it is not allowed."""
    overlap = iou(known[:, None], found)
    size_known, size_found = _sizes(known), _sizes(found)
    mean_size = (size_known[:, None] + size_found[None, :]) / 2
    offset = _centres(known)[:, None, :] - _centres(found)[None, :, :]
    distance = np.hypot(offset[..., 0], offset[..., 1]) / mean_size
    growth = np.abs(np.log(size_known[:, None] / size_found[None, :]))
    near = (overlap >= min_iou) | (distance <= max_centre_distance)
    return np.where(near & (growth <= np.log(max_size_ratio)), distance + growth + (1.0 - overlap), FORBIDDEN)


def _centres(boxes: F32) -> F32:
    return ((boxes[:, :2] + boxes[:, 2:]) / 2).astype(np.float32)


def _sizes(boxes: F32) -> F32:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
    return np.sqrt(sides[:, 0] * sides[:, 1]).astype(np.float32)
