"""One person's face through a film: by its place while they are in sight, by who it is when they are back.

Whoever comes into their place is somebody else until their face says otherwise: after a new scene, after a while
out of sight, and when the last faces seen there are not theirs. So a person may be missed for some pictures,
rather than another be taken for them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fanreel.domain.faces import F32, Bgr, Faces
from fanreel.domain.identity import SPLIT_DISTANCE
from fanreel.domain.people import MIN_FACE_PX, SAME_PERSON_DISTANCE
from fanreel.domain.shots import separation
from fanreel.domain.tracks import MAX_MISSED_SAMPLES
from fanreel.errors import InputRejected

from .detector import FaceDetector
from .embedder import FaceEmbedder
from .segmentation import Box

LOOK_EVERY = 3
"""Pictures from one search for faces to the next: at 25 a second a face moves little in between."""
HELD_PICTURES = (MAX_MISSED_SAMPLES + 1) * LOOK_EVERY
"""So long a face may be out of sight and go on by its place: a blink of the detector, a hand."""
FOLLOWED_WIDTHS = 1.5
"""A face found further than this many of its widths from the last place is somebody else's …"""
ALIKE = 1.7
"""… and so is one this many times larger or smaller."""
FIRST_FACES = 5
"""Faces at the beginning, of so many looks, by which a person is known again."""
LAST_FACES = 2
"""Faces whose mean tells whether the place has passed to somebody: one alone may be turned or blurred."""
NEW_SCENE = 0.3
"""1 − correlation of what surrounds a face, from one picture to the next, as in the search for shots (its
`min_separation`). At the 30 cuts of media/video with a face of 30 px before them all are found; of the other
pictures there one in twenty is called new, which costs one look at who it is."""
AROUND_TILES = (16, 16)


@dataclass(frozen=True, slots=True)
class Found:
    """The person's face, and everybody else's, as boxes in pixels of the picture."""

    face: Box
    others: tuple[Box, ...]


class PersonFollower:
    """Feed it every picture of a film in order; it answers where the person's face is.

    `point` says whose: x, y on their face in the first picture; without it whoever has the largest face first.
    Faces lower than MIN_FACE_PX look too much alike to be known again: such a person is only followed.
    """

    def __init__(
        self, detector: FaceDetector, embedder: FaceEmbedder, point: tuple[float, float] | None = None
    ) -> None:
        self._detector, self._embedder, self._point = detector, embedder, point
        self._first: list[F32] = []
        self._last: list[F32] = []
        self._place: Box | None = None
        self._found: Found | None = None
        self._before: Bgr | None = None
        self._unlooked = self._unseen = 0
        self.was_found = False
        self.is_new_scene = False

    def next(self, picture: Bgr) -> Found | None:
        """Return where the person is in the next picture; none where they are not seen.

        Raises InputRejected (`no_face_found`) when nobody is at the point in the first picture, and ModelFault.
        """
        before, self._before = self._before, picture
        self.is_new_scene = before is not None and self._has_changed(before, picture)
        self._unlooked, self._unseen = self._unlooked + 1, self._unseen + 1
        if self.is_new_scene or self._unseen > HELD_PICTURES:
            self._place = None
        if before is None or self.is_new_scene or self._found is None or self._unlooked >= LOOK_EVERY:
            self._unlooked = 0
            self._look(picture)
        return self._found

    def _has_changed(self, before: Bgr, picture: Bgr) -> bool:
        if before.shape != picture.shape:
            return True
        return self._place is not None and _around(before, picture, self._place) >= NEW_SCENE

    def _look(self, picture: Bgr) -> None:
        faces = self._detector.detect(picture)
        boxes = [_box(row) for row in faces.boxes]
        if self.was_found:
            own = self._again(picture, faces, boxes)
        else:
            own = self._chosen(boxes)
            self._remember(self._rows(picture, faces, [] if own is None else [own]))
        self._found = None
        if own is not None:
            self._place, self._unseen, self.was_found = boxes[own], 0, True
            self._found = Found(boxes[own], tuple(box for index, box in enumerate(boxes) if index != own))

    def _chosen(self, boxes: Sequence[Box]) -> int | None:
        if self._point is None:
            return max(range(len(boxes)), key=lambda index: boxes[index][3] - boxes[index][1], default=None)
        x, y = self._point
        there = [i for i, (x0, y0, x1, y1) in enumerate(boxes) if x0 <= x <= x1 and y0 <= y <= y1]
        if not there:
            raise InputRejected("no_face_found", f"There is no face at {x:g},{y:g} in the first picture.")
        return min(there, key=lambda index: math.dist(_middle(boxes[index]), (x, y)))

    def _again(self, picture: Bgr, faces: Faces, boxes: Sequence[Box]) -> int | None:
        """Tell which face is theirs: the one in their place, unless it is not them; else the one that is them."""
        near = _same_face(self._place, boxes) if self._place is not None else None
        if near is not None:
            row = self._rows(picture, faces, [near])
            if not len(row) or self._may_be_them(row[0]):
                self._remember(row)
                return near
            self._place = None
        return self._recognised(picture, faces)

    def _recognised(self, picture: Bgr, faces: Faces) -> int | None:
        large = np.flatnonzero(faces.heights >= MIN_FACE_PX)
        if not self._first or not len(large):
            return None
        rows = self._rows(picture, faces, large.tolist())
        apart = [_apart(self._first, row) for row in rows]
        nearest = int(np.argmin(apart))
        if apart[nearest] > SAME_PERSON_DISTANCE:
            return None
        self._last = []
        self._remember(rows[nearest : nearest + 1])
        return int(large[nearest])

    def _rows(self, picture: Bgr, faces: Faces, which: Sequence[int]) -> F32:
        """Return templates of these faces, (n, d); of those that are large enough."""
        large = [index for index in which if faces.heights[index] >= MIN_FACE_PX]
        return self._embedder.embed(self._embedder.chips(picture, faces.select(np.array(large, np.intp))))

    def _may_be_them(self, row: F32) -> bool:
        last = [*self._last, row][-LAST_FACES:]
        if not self._first or len(last) < LAST_FACES:
            return True
        return float(np.linalg.norm(_mean(self._first) - _mean(last))) <= SPLIT_DISTANCE

    def _remember(self, rows: F32) -> None:
        for row in rows:
            self._last = [*self._last, row][-LAST_FACES:]
            if len(self._first) < FIRST_FACES and _apart(self._first, row) <= SAME_PERSON_DISTANCE:
                self._first.append(row)


def _apart(known: Sequence[F32], row: F32) -> float:
    """Return the root mean square distance of a face from others, the scale of SAME_PERSON_DISTANCE; 0 of none."""
    return math.sqrt(np.mean([float(((one - row) ** 2).sum()) for one in known])) if known else 0.0


def _mean(rows: Sequence[F32]) -> F32:
    total = np.sum(rows, axis=0)
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-12), np.float32)


def _around(before: Bgr, picture: Bgr, face: Box) -> float:
    """Return how unlike two pictures are around a place, one face height to every side: 1 − correlation, 0..2."""
    x0, y0, x1, y1 = face
    size, (height, width) = max(1, y1 - y0), picture.shape[:2]
    rows = slice(min(max(0, y0 - size), height - 1), max(1, y1 + size))
    columns = slice(min(max(0, x0 - size), width - 1), max(1, x1 + size))
    both = [
        cv2.resize(one[rows, columns], AROUND_TILES, interpolation=cv2.INTER_AREA).astype(np.float32)
        for one in (before, picture)
    ]
    return separation(both[0][None], both[1][None])


def _same_face(last: Box, boxes: Sequence[Box]) -> int | None:
    """Return which of the boxes the last one has become; none when it is gone: rather nobody than another."""
    size, middle = max(1, last[3] - last[1]), _middle(last)
    near = [
        (math.dist(_middle(box), middle), index)
        for index, box in enumerate(boxes)
        if 1 / ALIKE < (box[3] - box[1]) / size < ALIKE
        and math.dist(_middle(box), middle) <= FOLLOWED_WIDTHS * (last[2] - last[0])
    ]
    return min(near)[1] if near else None


def _box(row: F32) -> Box:
    x0, y0, x1, y1 = (round(float(value)) for value in row)
    return x0, y0, x1, y1


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
