"""The crops all face networks need, cut once per face, in columns."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import Bgr, Faces

from .images import F64, chips, similarity_matrices, square_boxes, square_matrices
from .landmarks import padded_squares

U8 = NDArray[np.uint8]

ALIGNED_SIDE_PX = 150
ALIGNED_PADDING = 0.20
UNIT_TEMPLATE = np.array(
    [[0.2255, 0.2160], [0.7548, 0.2160], [0.4901, 0.5156], [0.2541, 0.7802], [0.7261, 0.7802]], np.float64
)
"""Eyes, nose tip and mouth corners in the unit square, measured for five-point alignment of dlib's network."""
ALIGNED_TEMPLATE = (UNIT_TEMPLATE + ALIGNED_PADDING) / (1 + 2 * ALIGNED_PADDING) * ALIGNED_SIDE_PX

CONTEXT_SIDE_PX = 224
CONTEXT_ENLARGE = 1.15


@dataclass(frozen=True, slots=True)
class FaceChips:
    """One row per face; about 250 KB each.

    aligned_rgb  uint8 (n, 150, 150, 3): turned upright by the five points (recognition; also good for sharpness).
    context_bgr  uint8 (n, 224, 224, 3): square box × 1.15, not turned (second recogniser).
    square_rgb   uint8 (n, 112, 112, 3): the box, zero-padded to a square (landmarks, expression, age, gender).
    """

    aligned_rgb: U8
    context_bgr: U8
    square_rgb: U8

    def __len__(self) -> int:
        return len(self.aligned_rgb)

    def select(self, rows: NDArray[Any]) -> "FaceChips":
        """Return the given rows (boolean mask or indices)."""
        return FaceChips(self.aligned_rgb[rows], self.context_bgr[rows], self.square_rgb[rows])

    @staticmethod
    def concatenate(parts: Sequence["FaceChips"]) -> "FaceChips":
        """Return all rows of the parts in order; none for no parts."""
        if not parts:
            return FaceChips.none()
        columns = [np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(FaceChips)]
        return FaceChips(*columns)

    @staticmethod
    def none() -> "FaceChips":
        """Return an empty set."""
        sides = (ALIGNED_SIDE_PX, CONTEXT_SIDE_PX, 112)
        return FaceChips(*(np.zeros((0, side, side, 3), np.uint8) for side in sides))


def cut_chips(frame: Bgr, faces: Faces) -> FaceChips:
    """Cut all crops of the faces of one frame. Parts outside the frame are black; any box is accepted."""
    if not len(faces):
        return FaceChips.none()
    context = square_matrices(square_boxes(faces.boxes, CONTEXT_ENLARGE), CONTEXT_SIDE_PX)
    return FaceChips(
        np.ascontiguousarray(chips(frame, aligning_matrices(faces), ALIGNED_SIDE_PX)[..., ::-1]),
        chips(frame, context, CONTEXT_SIDE_PX),
        padded_squares(frame, faces.boxes),
    )


def aligning_matrices(faces: Faces) -> F64:
    """Return the (n, 2, 3) similarities onto the 150 px template; faces whose points coincide use their box."""
    turned = similarity_matrices(faces.points, ALIGNED_TEMPLATE)
    upright = square_matrices(square_boxes(faces.boxes, 1 + 2 * ALIGNED_PADDING), ALIGNED_SIDE_PX)
    solid = np.any(turned[:, :, :2], axis=(1, 2), keepdims=True)
    return np.where(solid, turned, upright)
