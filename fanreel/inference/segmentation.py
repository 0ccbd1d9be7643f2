"""One person cut out of a picture: a network finds people, the face says which one is meant.

The network (MediaPipe Selfie Segmentation) marks everybody near the camera alike. Whom the picture is about is
decided by GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004) between what must be them (their face, what hangs
below it) and what cannot be (other faces, no person). The edge is made soft along the picture's own edges by a
guided filter (He, Sun and Tang, "Guided image filtering", 2013).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import F32, Bgr
from fanreel.settings import Settings

from .runtime import RuntimeOptions, Session, open_network

Box = tuple[int, int, int, int]
U8 = NDArray[np.uint8]

SIDE_PX = 256
ASIDE, ABOVE, BELOW = 2.6, 1.2, 6.0
"""How far a person reaches from the middle of their face, in face heights: what lies beyond is not looked at."""
WORK_HEIGHT_PX = 288
"""Height at which GrabCut decides: its time grows with the picture, its borders are drawn finer afterwards."""
PERSON_FROM, NOBODY_BELOW = 0.5, 0.1
ROUNDS = 3
EDGE_SHARE = 0.02
"""Radius of the soft edge, as part of the looked-at height: about a lock of hair."""
EDGE_EPSILON = 1e-4


@dataclass(frozen=True, slots=True)
class PersonMasks:
    """Runs `person_mask.onnx`."""

    session: Session

    @classmethod
    def load(cls, settings: Settings) -> "PersonMasks":
        """Open the network; raises ModelFault (`model_missing`: `fanreel models build extra` makes it)."""
        return cls(open_network("person_mask", settings.model_dir, RuntimeOptions.of(settings)))

    def people(self, picture: Bgr) -> F32:
        """Return how likely each pixel belongs to anybody, (h, w) 0..1; raises ModelFault."""
        square = cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        mask = self.session.run({"image": np.ascontiguousarray(square[None, ..., ::-1])})["person"][0, ..., 0]
        return np.asarray(cv2.resize(mask, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)

    def person(self, picture: Bgr, face: Box, others: Sequence[Box] = ()) -> F32:
        """Return the alpha of the person with this face, (h, w) 0..1; 0 everywhere without one in the picture.

        `face` and `others` (everybody else's faces) are boxes in pixels of the picture. Raises ModelFault.
        """
        alpha = np.zeros(picture.shape[:2], np.float32)
        x0, y0, x1, y1 = reach(face, picture.shape[1], picture.shape[0])
        if x1 - x0 < 2 or y1 - y0 < 2:
            return alpha
        part = np.ascontiguousarray(picture[y0:y1, x0:x1])
        near = [_moved(box, x0, y0) for box in others]
        alpha[y0:y1, x0:x1] = self._cut(part, _moved(face, x0, y0), near)
        return alpha

    def _cut(self, part: Bgr, face: Box, others: Sequence[Box]) -> F32:
        people = self.people(part)
        scale = min(1.0, WORK_HEIGHT_PX / part.shape[0])
        size = (max(2, round(part.shape[1] * scale)), max(2, round(part.shape[0] * scale)))
        small = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
        likely = np.asarray(cv2.resize(people, size, interpolation=cv2.INTER_AREA), np.float32)
        marks = _marks(likely, _scaled(face, scale), [_scaled(box, scale) for box in others])
        mine = _in_one_piece(_grab_cut(small, marks), marks == cv2.GC_FGD)
        # The network knows hair and sleeves better than colours do; GrabCut knows whose they are.
        soft = np.minimum(likely, cv2.GaussianBlur(mine.astype(np.float32), (0, 0), 1.5))
        wide = np.asarray(cv2.resize(soft, part.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        return refined(part, wide)


def reach(face: Box, width: int, height: int) -> Box:
    """Return the part of a picture in which the person with this face can be, as x0, y0, x1, y1."""
    x0, y0, x1, y1 = face
    middle_x, middle_y, size = (x0 + x1) / 2, (y0 + y1) / 2, max(1, y1 - y0)
    left, right = middle_x - ASIDE * size, middle_x + ASIDE * size
    top, bottom = middle_y - ABOVE * size, middle_y + BELOW * size
    return max(0, round(left)), max(0, round(top)), min(width, round(right)), min(height, round(bottom))


def refined(picture: Bgr, mask: F32) -> F32:
    """Return the mask with its edge drawn along the picture's edges (grey guided filter), (h, w) 0..1."""
    radius = max(1, round(EDGE_SHARE * picture.shape[0]))
    guide: F32 = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.float32) / np.float32(255)
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(values: NDArray[Any]) -> F32:
        return np.asarray(cv2.blur(values, window), np.float32)

    mean_guide, mean_mask = mean(guide), mean(mask)
    variance = mean(guide * guide) - mean_guide * mean_guide
    slope = (mean(guide * mask) - mean_guide * mean_mask) / (variance + EDGE_EPSILON)
    offset = mean_mask - slope * mean_guide
    return np.clip(mean(slope) * guide + mean(offset), 0, 1).astype(np.float32)


def _marks(likely: F32, face: Box, others: Sequence[Box]) -> U8:
    """Return GrabCut's marks: probable by the network and by whose face is nearer, sure near the faces."""
    mine = (likely >= PERSON_FROM) & _nearest(likely.shape, face, others)
    marks = np.where(mine, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    marks[likely < NOBODY_BELOW] = cv2.GC_BGD
    for box in others:
        _ellipse(marks, box, cv2.GC_BGD)
    _ellipse(marks, face, cv2.GC_FGD)
    return marks


def _nearest(shape: tuple[int, ...], face: Box, others: Sequence[Box]) -> NDArray[np.bool_]:
    """Return where this face is nearer than any other, in widths of each face: people stand below their faces."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)

    def away(box: Box) -> F32:
        x0, y0, x1, y1 = box
        aside = np.abs(columns - (x0 + x1) / 2) / max(1, x1 - x0)
        above = np.maximum(0, y0 - rows) / max(1, y1 - y0)
        return np.asarray(aside + 2 * above, np.float32)

    own = away(face)
    return np.logical_and.reduce([own <= away(box) for box in others] or [np.ones(shape, np.bool_)])


def _ellipse(marks: U8, box: Box, mark: int) -> None:
    x0, y0, x1, y1 = box
    middle = ((x0 + x1) // 2, (y0 + y1) // 2)
    axes = (max(1, round((x1 - x0) * 0.4)), max(1, round((y1 - y0) * 0.45)))
    cv2.ellipse(marks, middle, axes, 0, 0, 360, mark, -1)


def _grab_cut(picture: Bgr, marks: U8) -> NDArray[np.bool_]:
    """Return what is theirs; everything probable where colours leave nothing to tell apart."""
    sure = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if not sure.any() or sure.all():
        return sure
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # GrabCut clusters colours from random seeds: the same picture gives the same cut
    cut = marks.copy()
    everything = (0, 0, cut.shape[1], cut.shape[0])  # not looked at: the marks say it all
    cv2.grabCut(picture, cut, everything, background, foreground, ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.isin(cut, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _in_one_piece(mine: NDArray[np.bool_], face: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what hangs together with the face: islands are other people's or none."""
    _, pieces = cv2.connectedComponents(mine.astype(np.uint8), connectivity=4)
    own = np.unique(np.asarray(pieces)[face & mine])
    return np.isin(pieces, own[own > 0])


def _moved(box: Box, x: int, y: int) -> Box:
    return box[0] - x, box[1] - y, box[2] - x, box[3] - y


def _scaled(box: Box, scale: float) -> Box:
    x0, y0, x1, y1 = (round(value * scale) for value in box)
    return x0, y0, x1, y1
