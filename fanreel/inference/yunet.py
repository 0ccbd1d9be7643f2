"""YuNet: a small anchor-free detector with five points (Wu et al., Machine Intelligence Research 2023)."""

from dataclasses import dataclass

import numpy as np

from fanreel.domain.faces import F32, Bgr, Faces

from .boxes import areas, intersections, suppress
from .detector import readable
from .images import shrink_to
from .runtime import Session

STRIDES = (8, 16, 32)
PAD_MULTIPLE_PX = 32
COARSE_LONG_SIDE_PX = 640
"""The second pass: at 1280 px very large close-ups get several partial boxes, at 640 px one."""
COARSE_LEAST_FACE_PX = 96
"""Faces smaller than this on the coarse picture are better measured on the fine one."""
MAX_OVERLAP = 0.45
"""As in libfacedetection's own demo."""
MAX_COVERED = 0.6
"""A fine box is part of a close-up when the coarse box covers this much of it …"""
PART_AREA = 0.5
"""… and it is smaller than this share of the coarse box."""
CANDIDATES = 1500
"""Rows that enter suppression; a crowd of 500 faces stays below it."""


@dataclass(frozen=True, slots=True)
class YuNetDetector:
    """Detects at two scales and merges.

    session     `yunet_n_dynamic.onnx`: input (1, 3, h, w) BGR 0..255, sides multiples of 32.
    long_side_px  frames are shrunk to this for the fine pass; never enlarged.
    min_score   0..1, on sqrt(cls * obj).
    max_faces   the strongest this many are returned.
    """

    session: Session
    long_side_px: int = 1280
    min_score: float = 0.6
    max_faces: int = 500

    @property
    def name(self) -> str:
        """Stable name for results and logs."""
        return "yunet"

    def detect(self, frame: Bgr) -> Faces:
        """Return the faces of one frame, strongest first; raises ModelFault when the network fails."""
        if not readable(frame):
            return Faces.none()
        picture, scale = shrink_to(frame, self.long_side_px)
        fine = self._pass(picture)
        if max(picture.shape[:2]) > COARSE_LONG_SIDE_PX:
            small, shrunk = shrink_to(picture, COARSE_LONG_SIDE_PX)
            coarse = self._pass(small)
            fine = _merge(fine, _scaled(coarse.select(coarse.heights >= COARSE_LEAST_FACE_PX), 1 / shrunk))
        return _scaled(fine.select(np.arange(min(len(fine), self.max_faces))), 1 / scale)

    def _pass(self, picture: Bgr) -> Faces:
        """Detect on one picture as it is."""
        height, width = picture.shape[:2]
        padded = np.zeros((_round_up(height), _round_up(width), 3), np.float32)
        padded[:height, :width] = picture
        outputs = self.session.run({"input": padded.transpose(2, 0, 1)[None]})
        columns = padded.shape[1]
        found = [_decode(outputs, stride, columns, self.min_score) for stride in STRIDES]
        boxes, scores, points = (np.concatenate(part) for part in zip(*found, strict=True))
        strongest = np.argsort(-scores, kind="stable")[:CANDIDATES]
        kept = strongest[suppress(boxes[strongest], scores[strongest], MAX_OVERLAP)]
        return Faces(boxes[kept], scores[kept], points[kept])


def _round_up(size: int) -> int:
    return -(-size // PAD_MULTIPLE_PX) * PAD_MULTIPLE_PX


def _decode(outputs: dict[str, F32], stride: int, width_px: int, min_score: float) -> tuple[F32, F32, F32]:
    """Turn one level's maps into boxes, scores and points in pixels of the padded picture."""
    classes, objects = outputs[f"cls_{stride}"][0, :, 0], outputs[f"obj_{stride}"][0, :, 0]
    scores = np.sqrt(np.clip(classes, 0, 1) * np.clip(objects, 0, 1))
    rows = np.flatnonzero(scores >= min_score)
    columns = width_px // stride
    cells = np.stack([rows % columns, rows // columns], axis=1).astype(np.float32)
    shape = outputs[f"bbox_{stride}"][0, rows]
    centre = (cells + shape[:, :2]) * stride
    half = np.exp(np.minimum(shape[:, 2:], 10)) * (stride / 2)
    points = (outputs[f"kps_{stride}"][0, rows].reshape(-1, 5, 2) + cells[:, None]) * stride
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    return boxes.astype(np.float32), scores[rows].astype(np.float32), points.astype(np.float32)


def _merge(fine: Faces, coarse: Faces) -> Faces:
    """Join two passes: close-ups from the coarse one replace their own parts in the fine one."""
    if not len(coarse):
        return fine
    if len(fine):
        area = areas(fine.boxes)
        covered = intersections(fine.boxes, coarse.boxes) > MAX_COVERED * area[:, None]
        part = covered & (area[:, None] < PART_AREA * areas(coarse.boxes)[None, :])
        fine = fine.select(np.flatnonzero(~np.any(part, axis=1)))
    both = Faces(
        np.concatenate([fine.boxes, coarse.boxes]),
        np.concatenate([fine.scores, coarse.scores]),
        np.concatenate([fine.points, coarse.points]),
    )
    return both.select(suppress(both.boxes, both.scores, MAX_OVERLAP))


def _scaled(faces: Faces, factor: float) -> Faces:
    if factor == 1:
        return faces
    return Faces(
        (faces.boxes * factor).astype(np.float32), faces.scores, (faces.points * factor).astype(np.float32)
    )
