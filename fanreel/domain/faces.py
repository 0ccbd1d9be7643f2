"""Faces found in one frame, as columns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bgr = NDArray[np.uint8]
"""A displayed picture: uint8, shape (height, width, 3), blue-green-red, after rotation and sample aspect."""

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Faces:
    """Detections of one frame, one row per face, strongest first.

    boxes   float32 (n, 4): x0, y0, x1, y1 in pixels of the displayed frame; may reach over its edge.
    scores  float32 (n,): detector confidence, 0..1.
    points  float32 (n, 5, 2): the eye, nose and mouth points in pixels, ordered as they lie in the picture of an
            upright face: left eye, right eye, nose tip, left mouth corner, right mouth corner (viewer's left).
    """

    boxes: F32
    scores: F32
    points: F32

    def __len__(self) -> int:
        return int(self.scores.shape[0])

    def select(self, rows: NDArray[Any]) -> "Faces":
        """Return the given rows (boolean mask or indices)."""
        return Faces(self.boxes[rows], self.scores[rows], self.points[rows])

    @staticmethod
    def none() -> "Faces":
        """Return an empty set."""
        return Faces(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))

    @property
    def heights(self) -> F32:
        """Box heights in pixels, (n,)."""
        return self.boxes[:, 3] - self.boxes[:, 1]
