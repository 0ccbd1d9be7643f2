"""Cheap measures of the whole picture, for the quality and the kind of shots."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import ShotMeasure
from fanreel.domain.faces import F32, Bgr
from fanreel.domain.profiles import GraphicsRegion, PictureProfile, PitchColours

from .base import FrameStage, PipelineFrame
from .flow import FlowMeter
from .hashing import live_part, picture_hash
from .shots import TILES, ShotSettings

WIDTH_PX = ShotSettings().width_px
"""The width at which shots are sought: the frame is shrunk once for both."""

SKIN = (np.array([0, 133, 77], np.uint8), np.array([255, 173, 127], np.uint8))
"""Y, Cr and Cb of skin of every tone (Chai and Ngan, "Face segmentation using skin-color map", 1999)."""
DETAIL = 24.0
"""Laplacian (of 0..255) from which a pixel is part of fine detail: stands full of people are full of it."""
FLAT = 2.0
"""…and below which it lies in a flat area: drawn graphics have much of it, cameras' noise leaves little."""
STILL = 2.0
"""A tile whose mean moved by less than this since the look before stands still."""


ANY_BROADCAST = PictureProfile()


class PictureStage(FrameStage):
    """Measures every look on a small picture: `ShotMeasure` says what; `grass` is the profile's pitch.

    What the broadcaster draws over the picture counts for nothing: the profile's graphics are painted over.
    Rows and columns at the edges in which nothing has moved since the segment began (bars, frames around the
    picture) are left out of all measures but flow and hash, which leave out black bars, told from each picture
    alone: but for a segment's first look, which has none before it, they are the same wherever a video is cut.
    """

    name = "picture"

    def __init__(self, profile: PictureProfile = ANY_BROADCAST) -> None:
        self._profile = profile
        self._pts_ms: list[int] = []
        self._rows: list[dict[str, float]] = []
        self._hashes: list[str] = []
        self._flow = FlowMeter()
        self._before: F32 | None = None
        self._tiles: F32 | None = None
        self._moved = np.zeros(TILES[::-1], np.bool_)

    def process_frame(self, frame: PipelineFrame) -> None:
        """Measure one look."""
        picture = without_graphics(frame.small(WIDTH_PX), self._profile.graphics)
        coarse = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
        grey = coarse.astype(np.float32)
        tiles = np.asarray(cv2.resize(grey, TILES, interpolation=cv2.INTER_AREA), np.float32)
        moved = np.zeros_like(self._moved) if self._tiles is None else np.abs(tiles - self._tiles) >= STILL
        self._moved |= moved
        part, inside = _live(self._moved, grey.shape), _live(self._moved, self._moved.shape)
        live = grey[part]
        motion = 0.0 if self._before is None else float(np.abs(live - self._before[part]).mean())
        self._before, self._tiles = grey, tiles
        detail = cv2.Laplacian(np.ascontiguousarray(live), cv2.CV_32F)
        strength = np.abs(detail)
        unbarred = live_part(coarse)
        flow, own_flow = self._flow.measure(frame.pts_ms, coarse, unbarred)
        self._hashes.append(picture_hash(coarse[unbarred]))
        self._pts_ms.append(frame.pts_ms)
        self._rows.append(
            {
                "sharpness": round(float(detail.var()), 2),
                "luma": round(float(live.mean()), 1),
                "motion": round(motion, 2),
                "still": round(1.0 - float(moved[inside].mean()), 3),
                "detail": round(float((strength > DETAIL).mean()), 3),
                "flat": round(float((strength < FLAT).mean()), 3),
                "flow": round(flow, 3),
                "own_flow": round(own_flow, 3),
                **_colours(np.ascontiguousarray(picture[part]), self._profile.pitch),
            }
        )

    def measures(self) -> ShotMeasure:
        """Return the columns of all looks."""
        measured = self._rows[0].keys() if self._rows else ShotMeasure.model_fields.keys() - {"pts_ms"}
        columns = {name: tuple(row[name] for row in self._rows) for name in measured}
        return ShotMeasure.model_validate(
            {**columns, "pts_ms": tuple(self._pts_ms), "picture_hash": tuple(self._hashes)}
        )


def _live(moved: NDArray[np.bool_], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns, of a picture of this shape, from the first to the last tile that moved."""
    spans: list[slice] = []
    for axis in (0, 1):
        tiles = np.flatnonzero(moved.any(axis=1 - axis))
        first, after = (int(tiles[0]), int(tiles[-1]) + 1) if len(tiles) else (0, moved.shape[axis])
        spans.append(slice(first * shape[axis] // moved.shape[axis], -(-after * shape[axis] // moved.shape[axis])))
    return spans[0], spans[1]


def without_graphics(picture: Bgr, regions: Sequence[GraphicsRegion]) -> Bgr:
    """Return the picture with each region in the mean colour of what surrounds it."""
    if not regions:
        return picture
    height, width = picture.shape[:2]
    plain = picture.copy()
    for region in regions:
        x0, y0 = round(region.box[0] * width), round(region.box[1] * height)
        x1, y1 = max(x0 + 1, round(region.box[2] * width)), max(y0 + 1, round(region.box[3] * height))
        around = picture[max(0, y0 - 1) : y1 + 1, max(0, x0 - 1) : x1 + 1]
        edge = np.concatenate([around[0], around[-1], around[:, 0], around[:, -1]])
        plain[y0:y1, x0:x1] = edge.mean(0).astype(np.uint8)
    return plain


def _colours(picture: Bgr, pitch: PitchColours) -> dict[str, float]:
    hsv: NDArray[Any] = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)
    pixels = hsv.shape[0] * hsv.shape[1]
    low, high = zip(pitch.hue, pitch.saturation, pitch.value, strict=True)
    ground = cv2.inRange(hsv, np.array(low, np.uint8), np.array(high, np.uint8))
    skin = cv2.inRange(cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb), *SKIN)
    return {
        "grass": round(cv2.countNonZero(ground) / pixels, 3),
        "skin": round(cv2.countNonZero(skin) / pixels, 3),
    }
