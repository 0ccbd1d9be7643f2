"""YuNet's network alone: pictures in, the faces of each out (Wu et al., Machine Intelligence Research 2023)."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fanreel.domain.faces import F32, Bgr, Faces

from .boxes import suppress
from .runtime import Session, run_in_batches

STRIDES = (8, 16, 32)
PAD_MULTIPLE_PX = 32
MAX_OVERLAP = 0.45
"""As in libfacedetection's own demo."""
CANDIDATES = 1500
"""Rows that enter suppression; a crowd of 500 faces stays below it."""


@dataclass(frozen=True, slots=True)
class YuNet:
    """`yunet_n_dynamic.onnx`: input (n, 3, h, w) BGR 0..255, sides multiples of 32."""

    session: Session

    def find(self, pictures: Sequence[Bgr], min_score: float, shape: tuple[int, int] | None = None) -> list[Faces]:
        """Return the faces of each picture as it is, strongest first; equal shapes share batches.

        min_score  0..1, on √(cls · obj)
        shape      (height, width) all pictures are padded to; by default the next multiples of 32
        Raises ModelFault.
        """
        found = [Faces.none()] * len(pictures)
        shapes = [shape or _padded(picture) for picture in pictures]
        for wanted in dict.fromkeys(shapes):
            rows = [row for row, its in enumerate(shapes) if its == wanted]
            blob = _blob([pictures[row] for row in rows], wanted)
            outputs = run_in_batches(self.session, blob, "input")
            for index, row in enumerate(rows):
                found[row] = _decode({name: maps[index] for name, maps in outputs.items()}, wanted[1], min_score)
        return found


def _padded(picture: Bgr) -> tuple[int, int]:
    height, width = picture.shape[:2]
    return -(-height // PAD_MULTIPLE_PX) * PAD_MULTIPLE_PX, -(-width // PAD_MULTIPLE_PX) * PAD_MULTIPLE_PX


def _blob(pictures: Sequence[Bgr], shape: tuple[int, int]) -> F32:
    """Return the network's input. Plane by plane: turning the axes of a float picture takes five times as long."""
    blob = np.zeros((len(pictures), 3, *shape), np.float32)
    for planes, picture in zip(blob, pictures, strict=True):
        height, width = picture.shape[:2]
        for plane, values in zip(planes, cv2.split(picture), strict=True):
            plane[:height, :width] = values
    return blob


def _decode(maps: dict[str, F32], width_px: int, min_score: float) -> Faces:
    """Turn one picture's maps into faces in its pixels."""
    levels = [_decode_level(maps, stride, width_px, min_score) for stride in STRIDES]
    boxes, scores, points = (np.concatenate(part) for part in zip(*levels, strict=True))
    strongest = np.argsort(-scores, kind="stable")[:CANDIDATES]
    kept = strongest[suppress(boxes[strongest], scores[strongest], MAX_OVERLAP)]
    return Faces(boxes[kept], scores[kept], points[kept])


def _decode_level(maps: dict[str, F32], stride: int, width_px: int, min_score: float) -> tuple[F32, F32, F32]:
    classes, objects = maps[f"cls_{stride}"][:, 0], maps[f"obj_{stride}"][:, 0]
    scores = np.sqrt(np.clip(classes, 0, 1) * np.clip(objects, 0, 1))
    rows = np.flatnonzero(scores >= min_score)
    columns = width_px // stride
    cells = np.stack([rows % columns, rows // columns], axis=1).astype(np.float32)
    shape = maps[f"bbox_{stride}"][rows]
    centre = (cells + shape[:, :2]) * stride
    half = np.exp(np.minimum(shape[:, 2:], 10)) * (stride / 2)
    points = (maps[f"kps_{stride}"][rows].reshape(-1, 5, 2) + cells[:, None]) * stride
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    return boxes.astype(np.float32), scores[rows].astype(np.float32), points.astype(np.float32)
