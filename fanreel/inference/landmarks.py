"""The 68-point network and what is read from its points: five points and mouth opening."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import F32, Bgr

from .images import chips, square_boxes, square_matrices, tame
from .runtime import Session, run_in_batches

SIDE_PX = 112

# dlib's 68 points: jaw 0-16, brows 17-26, nose 27-35, eyes 36-41 and 42-47, outer lips 48-59, inner lips 60-67.
VIEWER_LEFT_EYE, VIEWER_RIGHT_EYE = slice(36, 42), slice(42, 48)
NOSE_TIP, MOUTH_LEFT, MOUTH_RIGHT = 30, 48, 54
INNER_LEFT, INNER_RIGHT, INNER_TOP, INNER_BOTTOM = 60, 64, (61, 62, 63), (67, 66, 65)


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Runs `face_landmark_68.onnx`."""

    session: Session

    def locate(self, squares_rgb: NDArray[np.uint8]) -> F32:
        """Return points (n, 68, 2) in 0..1 of padded squares (n, 112, 112, 3)."""
        if not len(squares_rgb):
            return np.zeros((0, 68, 2), np.float32)
        return run_in_batches(self.session, squares_rgb)["points"]

    def five_points(self, frame: Bgr, boxes: F32) -> F32:
        """Return (n, 5, 2) in pixels of the frame, ordered as in `Faces`."""
        squares = square_boxes(boxes, 1.0)
        unit = self.locate(padded_squares(frame, boxes))
        points = squares[:, None, :2] + unit * (squares[:, None, 2:] - squares[:, None, :2])
        return five_of(points.astype(np.float32))


def padded_squares(frame: Bgr, boxes: F32) -> NDArray[np.uint8]:
    """Return boxes as RGB (n, 112, 112, 3), zero-padded on both sides to squares (face-api `toBatchTensor`)."""
    matrices = square_matrices(square_boxes(boxes, 1.0), SIDE_PX)
    return np.ascontiguousarray(chips(frame, matrices, SIDE_PX, tame(boxes))[..., ::-1])


def five_of(points: F32) -> F32:
    """Return eye centres, nose tip and mouth corners (n, 5, 2) of 68 points."""
    eyes = [points[:, part].mean(axis=1) for part in (VIEWER_LEFT_EYE, VIEWER_RIGHT_EYE)]
    return np.stack([*eyes, points[:, NOSE_TIP], points[:, MOUTH_LEFT], points[:, MOUTH_RIGHT]], axis=1)


def mouth_opening(points: F32) -> F32:
    """Return the inner-lip gap over the inner mouth's width, (n,), 0 (closed) to about 1 (shouting)."""
    gap = np.linalg.norm(points[:, INNER_TOP] - points[:, INNER_BOTTOM], axis=2).mean(axis=1)
    width = np.linalg.norm(points[:, INNER_LEFT] - points[:, INNER_RIGHT], axis=1)
    return np.clip(gap / np.maximum(width, 1e-6), 0, 2).astype(np.float32)
