"""What people have decided, carried over to the appearances as they are now: must-link and cannot-link.

A verdict is about a face that was looked at, at a time and in a place of a video; the ids of appearances count
anew whenever the video is analysed again. While the very appearance is there the verdict is about it alone. After
another analysis a `different` holds for everything that touches what was looked at, a `same` only for what lies
wholly within it. So in doubt a verdict takes a match away, and never makes one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import AppearanceDocument, ReviewDocument
from fanreel.domain import naming
from fanreel.domain.boxes import iou

REACH_MS = 250
"""Sightings this close in time are compared in place: a face at 5 samples a second is seen every 200 ms."""

SLACK_MS = 500
"""How far an appearance may go on beyond what was looked at: moments are promised to half a second."""

SAME_PLACE_IOU = 0.5
"""Boxes that overlap this much are the same face, found by two detectors or tracked twice."""

TOUCHED_IOU = 0.3
"""Boxes that overlap this much may be."""

Pair = tuple[str, str]
"""Fan id and appearance id."""


@dataclass(frozen=True, slots=True)
class Links:
    """The verdicts that count now, by pair."""

    same: Mapping[Pair, ReviewDocument]
    different: Mapping[Pair, ReviewDocument]
    doubted: frozenset[Pair]
    """Pairs about which nobody was asked, but the fan is not who another appearance of the same person shows."""

    def fans_of(self, appearance_id: str) -> list[str]:
        """Return the fans an appearance is said to be; more than one contradict each other."""
        return sorted(fan_id for fan_id, other in self.same if other == appearance_id)


NO_LINKS = Links({}, {}, frozenset())


def resolve_links(reviews: Iterable[ReviewDocument], appearances: Sequence[AppearanceDocument]) -> Links:
    """Return what the reviews mean for these appearances; of two verdicts about a pair the later one counts."""
    latest: dict[Pair, ReviewDocument] = {}
    videos = _by_video(appearances)
    for review in sorted(reviews, key=lambda one: (one.latest.at, one.id)):
        for appearance in videos[review.video_id].shown_in(review) if review.video_id in videos else ():
            latest[review.fan_id, appearance.id] = review
    same = {pair: review for pair, review in latest.items() if review.latest.answer == "same"}
    different = {pair: review for pair, review in latest.items() if review.latest.answer == "different"}
    return Links(same, different, frozenset(_doubted(different, appearances) - latest.keys()))


def is_about(review: ReviewDocument, appearance: AppearanceDocument) -> bool:
    """Say whether this very appearance was looked at: every sighting, for many have one span or begin alike."""
    looked_at = (review.appearance_id, review.start_ms, review.end_ms, review.pts_ms, review.boxes)
    now = (appearance.id, appearance.start_ms, appearance.end_ms, appearance.pts_ms, appearance.boxes)
    return looked_at == now


def face_id_of(appearance: AppearanceDocument) -> str:
    """Return the id of what is looked at with an appearance."""
    return naming.face_id(
        appearance.video_id, appearance.start_ms, appearance.end_ms, appearance.pts_ms, appearance.boxes
    )


class _Video:
    """The appearances of one video, by time."""

    def __init__(self, appearances: Sequence[AppearanceDocument]) -> None:
        self._by_id = {one.id: one for one in appearances}
        self._all = appearances
        self._start = np.array([one.start_ms for one in appearances], np.int64)
        self._end = np.array([one.end_ms for one in appearances], np.int64)

    def shown_in(self, review: ReviewDocument) -> Iterator[AppearanceDocument]:
        """Yield the appearances a review is about."""
        itself = self._by_id.get(review.appearance_id)
        if itself is not None and is_about(review, itself):
            yield itself
            return
        holds = _is_part_of if review.latest.answer == "same" else _touches
        for row in np.flatnonzero((self._start <= review.end_ms) & (self._end >= review.start_ms)):
            if holds(self._all[int(row)], review):
                yield self._all[int(row)]


def _by_video(appearances: Sequence[AppearanceDocument]) -> dict[str, _Video]:
    rows: dict[str, list[AppearanceDocument]] = {}
    for one in appearances:
        rows.setdefault(one.video_id, []).append(one)
    return {video_id: _Video(some) for video_id, some in rows.items()}


def _doubted(different: Iterable[Pair], appearances: Sequence[AppearanceDocument]) -> set[Pair]:
    people = {one.id: (one.video_id, one.person_id) for one in appearances if one.person_id is not None}
    denied = {(fan_id, people[appearance_id]) for fan_id, appearance_id in different if appearance_id in people}
    fans_by_person: dict[tuple[str, str | None], list[str]] = {}
    for fan_id, person in denied:
        fans_by_person.setdefault(person, []).append(fan_id)
    return {
        (fan_id, appearance_id)
        for appearance_id, person in people.items()
        for fan_id in fans_by_person.get(person, ())
    }


def _touches(appearance: AppearanceDocument, review: ReviewDocument) -> bool:
    overlap = _overlap(appearance, review)
    # Nobody knows where one of the two was: the careful answer.
    return overlap is None or bool((overlap >= TOUCHED_IOU).any())


def _is_part_of(appearance: AppearanceDocument, review: ReviewDocument) -> bool:
    overlap = _overlap(appearance, review)
    within = review.start_ms - SLACK_MS <= appearance.start_ms and appearance.end_ms <= review.end_ms + SLACK_MS
    if overlap is None or not within or 2 * len(overlap) < len(appearance.pts_ms):
        return False
    return bool((overlap >= SAME_PLACE_IOU).all())


def _overlap(appearance: AppearanceDocument, review: ReviewDocument) -> NDArray[np.float64] | None:
    """Return the overlap of the boxes at the times both were seen, (n,); None when a place is not known."""
    if not (appearance.boxes and review.boxes):
        return None
    pts, looked = np.asarray(appearance.pts_ms, np.int64), np.asarray(review.pts_ms, np.int64)
    after = np.clip(np.searchsorted(looked, pts), 0, len(looked) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(pts - looked[before]) <= np.abs(pts - looked[after]), before, after)
    common = np.abs(pts - looked[nearest]) <= REACH_MS
    return iou(np.asarray(appearance.boxes)[common], np.asarray(review.boxes)[nearest[common]])
