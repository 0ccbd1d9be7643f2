"""Face detection with YuNet in two looks: a coarse one at the whole picture, fine ones where it is worth it.

Nearly all of a broadcast's picture holds no face, and a close-up needs no fine picture. So the whole picture is
seen at 640 px with a low threshold; large faces are taken from there, and square tiles of the fine picture are
looked at around whatever else might be a face. Resolution is chosen in every frame from that frame alone: what is
found depends neither on the frames before nor on where a video was cut. `python -m benchmarks.detection` prints
what this finds, and what it costs, beside a fine look at every whole picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from fanreel.domain.faces import Bgr, Faces

from .boxes import areas, intersections, suppress
from .detector import readable
from .images import shrink_to
from .runtime import Session
from .tiles import Windows, cover, everywhere
from .yunet_network import MAX_OVERLAP, YuNet

COARSE_LONG_SIDE_PX = 640
PROPOSAL_SCORE = 0.15
"""Anything the coarse look holds for a face with this score is looked at again. Chosen on
sports/ucl_football_cuts and nba_halfcourt: at .2 some faces get lost, at .1 two thirds more tiles find few."""
RESOLVED_FACE_PX = 32
"""Faces this high in the coarse picture, and sure, are taken from there. Their five points lie .047 of a face's
height from those of the fine look; a look at 960 px, no coarser than the sources, is as far from it (.041)."""
LARGEST_UNSURE_PX = 80
"""Above this height the fine look sees parts of faces: what the coarse one is not sure of there is no face."""
TILE_PX = 256
"""Side of a tile of the fine picture; smaller ones cannot hold a face of 2 · 32 px and what surrounds it."""
TILE_OVERLAP_PX = 64
"""Of tiles that cover everything: faces higher than this are taken from the coarse look."""
WHOLE_FROM_SHARE = 0.75
"""When tiles would come to this share of the picture, the whole is looked at in one."""
CUT_PX = 2
"""A box this near to a tile's inner border is probably cut."""
MAX_COVERED = 0.6
"""A fine box is part of a close-up when the coarse box covers this much of it …"""
PART_AREA = 0.5
"""… and it is smaller than this share of the coarse box."""


@dataclass(frozen=True, slots=True)
class _Look:
    """One frame on its way: the fine picture, what the coarse look is sure of in it, and where to look again."""

    picture: Bgr
    scale: float
    sure: Faces
    windows: Windows


@dataclass(frozen=True, slots=True)
class YuNetDetector:
    """Looks coarsely, then finely.

    session       `yunet_n_dynamic.onnx`
    long_side_px  frames are shrunk to this for the fine look; never enlarged
    min_score     0..1, on √(cls · obj)
    max_faces     the strongest this many are returned
    fixed_shapes  show the network two shapes only, a square and tiles, for devices that prepare for every shape
    """

    session: Session
    long_side_px: int = 1280
    min_score: float = 0.6
    max_faces: int = 500
    fixed_shapes: bool = False

    @property
    def name(self) -> str:
        """Stable name for results and logs."""
        return "yunet"

    def detect(self, frame: Bgr) -> Faces:
        """Return the faces of one frame, strongest first; raises ModelFault when the network fails."""
        return self.detect_many([frame])[0]

    def detect_many(self, frames: Sequence[Bgr]) -> list[Faces]:
        """Return the faces of every frame; the frames share batches. Raises ModelFault."""
        network = YuNet(self.session)
        rows = [row for row, frame in enumerate(frames) if readable(frame)]
        looks = self._coarse(network, [frames[row] for row in rows])
        found = [Faces.none()] * len(frames)
        for row, look, fine in zip(rows, looks, self._fine(network, looks), strict=True):
            faces = _merge(fine, look.sure)
            found[row] = _scaled(faces.select(np.arange(min(len(faces), self.max_faces))), 1 / look.scale)
        return found

    def warm_up(self) -> None:
        """Show the network every shape and batch size it will see, where they are fixed. Raises ModelFault."""
        sides = (COARSE_LONG_SIDE_PX, TILE_PX) if self.fixed_shapes else (TILE_PX,)
        sizes = self.session.batch_sizes if self.fixed_shapes else (1,)
        for side, size in product(sides, sizes):
            YuNet(self.session).find([np.zeros((side, side, 3), np.uint8)] * size, self.min_score)

    def _coarse(self, network: YuNet, frames: Sequence[Bgr]) -> list[_Look]:
        """Look at whole frames."""
        fine = [shrink_to(frame, self.long_side_px) for frame in frames]
        coarse = [shrink_to(picture, COARSE_LONG_SIDE_PX) for picture, _ in fine]
        shape = (COARSE_LONG_SIDE_PX, COARSE_LONG_SIDE_PX) if self.fixed_shapes else None
        seen = network.find([picture for picture, _ in coarse], min(PROPOSAL_SCORE, self.min_score), shape)
        return [
            self._judge(picture, scale, faces, shrunk)
            for (picture, scale), (_, shrunk), faces in zip(fine, coarse, seen, strict=True)
        ]

    def _judge(self, picture: Bgr, scale: float, faces: Faces, shrunk: float) -> _Look:
        """Part what the coarse look, `shrunk` from the fine picture, is sure of from what to look at again."""
        sure = faces.scores >= self.min_score
        if shrunk == 1.0:  # there is no finer picture
            return _Look(picture, scale, faces.select(sure), np.zeros((0, 4), np.int32))
        resolved = sure & (faces.heights >= RESOLVED_FACE_PX)
        unsure = _scaled(faces.select(~resolved & (faces.heights < LARGEST_UNSURE_PX)), 1 / shrunk)
        return _Look(picture, scale, _scaled(faces.select(sure), 1 / shrunk), self._windows(picture, unsure))

    def _windows(self, picture: Bgr, unsure: Faces) -> Windows:
        """Return tiles about the faces; the whole picture, or tiles all over it, where that comes to no more."""
        height, width = picture.shape[:2]
        grid = everywhere(width, height, TILE_PX, TILE_OVERLAP_PX)
        most = len(grid) if self.fixed_shapes else int(WHOLE_FROM_SHARE * width * height / TILE_PX**2)
        tiles = cover(unsure.boxes, width, height, TILE_PX, most)
        if tiles is not None:
            return tiles
        return grid if self.fixed_shapes else np.array([[0, 0, width, height]], np.int32)

    def _fine(self, network: YuNet, looks: Sequence[_Look]) -> list[Faces]:
        """Look at the windows of all frames."""
        pieces = [look.picture[y0:y1, x0:x1] for look in looks for x0, y0, x1, y1 in look.windows.tolist()]
        found = iter(network.find(pieces, self.min_score, (TILE_PX, TILE_PX) if self.fixed_shapes else None))
        return [_joined([_placed(next(found), window, look.picture) for window in look.windows]) for look in looks]


def _placed(faces: Faces, window: Windows, picture: Bgr) -> Faces:
    """Move what was found in a window to its place, without what the window's inner borders cut."""
    corner = window[:2].astype(np.float32)
    moved = Faces(faces.boxes + np.tile(corner, 2), faces.scores, faces.points + corner)
    size = np.array([picture.shape[1], picture.shape[0]])
    cut_low = (window[:2] > 0) & (moved.boxes[:, :2] < window[:2] + CUT_PX)
    cut_high = (window[2:] < size) & (moved.boxes[:, 2:] > window[2:] - CUT_PX)
    return moved.select(np.flatnonzero(~np.any(cut_low | cut_high, axis=1)))


def _joined(parts: Sequence[Faces]) -> Faces:
    """Join what overlapping windows found; the stronger of two sightings of one face stays."""
    if len(parts) < 2:
        return parts[0] if parts else Faces.none()
    both = _concatenated(parts)
    return both.select(suppress(both.boxes, both.scores, MAX_OVERLAP))


def _merge(fine: Faces, sure: Faces) -> Faces:
    """Join two looks: close-ups from the coarse one replace their own parts in the fine one."""
    if not len(sure) or not len(fine):
        return fine if len(fine) else sure
    area = areas(fine.boxes)
    covered = intersections(fine.boxes, sure.boxes) > MAX_COVERED * area[:, None]
    part = covered & (area[:, None] < PART_AREA * areas(sure.boxes)[None, :])
    both = _concatenated([fine.select(np.flatnonzero(~np.any(part, axis=1))), sure])
    small = np.arange(len(both)) >= len(both) - len(sure)
    small &= both.heights < RESOLVED_FACE_PX * 2
    kept = suppress(both.boxes, both.scores - small, MAX_OVERLAP)
    return both.select(kept[np.argsort(-both.scores[kept], kind="stable")])


def _concatenated(parts: Sequence[Faces]) -> Faces:
    return Faces(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.points for part in parts]),
    )


def _scaled(faces: Faces, factor: float) -> Faces:
    if factor == 1:
        return faces
    return Faces(
        (faces.boxes * factor).astype(np.float32), faces.scores, (faces.points * factor).astype(np.float32)
    )
