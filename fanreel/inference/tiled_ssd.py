"""SSD MobileNet v1 over the whole frame and overlapping tiles: the detector that needs no download."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import F32, Bgr, Faces

from .boxes import suppress
from .detector import readable
from .landmarks import Landmarks
from .runtime import Session

SIDE_PX = 512
TILES_LONG, TILES_SHORT = 3, 2
TILE_OVERLAP = 0.2
"""Share of a tile it has in common with its neighbour."""
TILE_FROM_LONG_SIDE_PX = 640
"""Smaller frames lose nothing in the 512 px picture."""
MAX_OVERLAP = 0.35
MAX_CONTAINED = 0.6
"""A face cut by a tile's border lies inside the whole one found in the next tile."""
BORDER_TRUST = 0.5
"""Factor on the rank of a face that touches a tile's inner border: it is probably cut."""
BORDER_PX = 3
CANDIDATES = 1500


@dataclass(frozen=True, slots=True)
class TiledSsdDetector:
    """Detects on one whole and 3×2 partial pictures; the five points come from the 68-point network.

    session    `ssd_mobilenetv1.onnx`.
    landmarks  the 68-point network.
    min_score  0..1.
    max_faces  the strongest this many are returned.
    """

    session: Session
    landmarks: Landmarks
    min_score: float = 0.5
    max_faces: int = 500

    @property
    def name(self) -> str:
        """Stable name for results and logs."""
        return "ssd_tiled"

    def detect(self, frame: Bgr) -> Faces:
        """Return the faces of one frame, strongest first; raises ModelFault when the network fails."""
        if not readable(frame):
            return Faces.none()
        tiles = _tiles(frame.shape[1], frame.shape[0])
        # One tile at a time: a batch of seven takes 260 MB more and is no faster on a CPU.
        answers = [self.session.run({"image": _picture(frame, tile)[None]}) for tile in tiles]
        outputs = {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
        sides = np.max(tiles[:, 2:] - tiles[:, :2], axis=1)
        which, row = np.nonzero(outputs["scores"] >= self.min_score)
        scores = outputs["scores"][which, row]
        strongest = np.argsort(-scores, kind="stable")[:CANDIDATES]
        which, row, scores = which[strongest], row[strongest], scores[strongest]
        boxes = outputs["boxes"][which, row][:, [1, 0, 3, 2]] * sides[which, None] + np.tile(tiles[which, :2], 2)
        rank = np.where(_cut(boxes, tiles[which], frame), scores * BORDER_TRUST, scores)
        kept = suppress(boxes.astype(np.float32), rank, MAX_OVERLAP, MAX_CONTAINED)[: self.max_faces]
        kept = kept[np.argsort(-scores[kept], kind="stable")]
        found = boxes[kept].astype(np.float32)
        return Faces(found, scores[kept], self.landmarks.five_points(frame, found))

    def detect_many(self, frames: Sequence[Bgr]) -> list[Faces]:
        """Return the faces of every frame, one after the other."""
        return [self.detect(frame) for frame in frames]

    def warm_up(self) -> None:
        """Look at nothing once; raises ModelFault."""
        self.detect(np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8))


def _tiles(width: int, height: int) -> NDArray[np.int64]:
    """Return the whole frame and its tiles (k, 4) in pixels, three along the long side."""
    whole = np.array([[0, 0, width, height]])
    if max(width, height) <= TILE_FROM_LONG_SIDE_PX:
        return whole
    across, down = (TILES_LONG, TILES_SHORT) if width >= height else (TILES_SHORT, TILES_LONG)
    columns, rows = _spans(width, across), _spans(height, down)
    parts = [[x0, y0, x1, y1] for y0, y1 in rows for x0, x1 in columns]
    return np.concatenate([whole, np.array(parts)])


def _spans(size: int, count: int) -> list[tuple[int, int]]:
    length = size / (count - (count - 1) * TILE_OVERLAP)
    starts = [round(index * length * (1 - TILE_OVERLAP)) for index in range(count)]
    return [(start, min(start + round(length), size)) for start in starts]


def _picture(frame: Bgr, tile: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the tile as RGB 512², zero-padded right and bottom."""
    x0, y0, x1, y1 = (int(value) for value in tile)
    scale = SIDE_PX / max(x1 - x0, y1 - y0)
    size = (max(round((x1 - x0) * scale), 1), max(round((y1 - y0) * scale), 1))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    shrunk = cv2.resize(frame[y0:y1, x0:x1], size, interpolation=how)
    out = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
    out[: size[1], : size[0]] = shrunk[:, :, ::-1]
    return out


def _cut(boxes: F32, tiles: NDArray[np.int64], frame: Bgr) -> NDArray[np.bool_]:
    """Return which boxes touch a border of their tile that is not a border of the frame."""
    height, width = frame.shape[:2]
    low = (boxes[:, :2] <= tiles[:, :2] + BORDER_PX) & (tiles[:, :2] > 0)
    high = (boxes[:, 2:] >= tiles[:, 2:] - BORDER_PX) & (tiles[:, 2:] < np.array([width, height]))
    cut: NDArray[np.bool_] = np.any(low | high, axis=1)
    return cut
