"""Faces of one look: found, judged, and cut out where it is worth it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.clothing import Lab
from fanreel.domain.faces import F32, Bgr, Faces
from fanreel.domain.quality import QUALITY_FLOOR, face_quality, measure_chips, quality_bound, sharpness_score
from fanreel.inference.chips import FaceChips
from fanreel.inference.networks import Networks

from .base import PipelineFrame, StageClock
from .clothing import clothing_colours

MAX_CHIPS_PER_LOOK = 24
"""Faces of one look that are cut out at most, best first: bounds memory and time in front of a grandstand."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one sampled frame showed. `chips` row i belongs to face `chip_rows[i]`; other faces were not worth one.

    clothing  row by row with `chips`, the colour worn under the face; empty when nobody looked.

    boxes int32 (n, 4), may reach over the edge; scores, quality, sharpness (n,) 0..1, sharpness 0 without chip.
    """

    sample: int
    pts_ms: int
    boxes: NDArray[np.int32]
    scores: F32
    quality: F32
    sharpness: F32
    chip_rows: NDArray[Any]
    chips: FaceChips
    clothing: tuple[Lab | None, ...] = ()


class FaceStage:
    """Detects faces and cuts out those that could be recognised. Keeps nothing: several threads may share it."""

    def __init__(self, networks: Networks, clock: StageClock) -> None:
        self._networks = networks
        self._clock = clock

    def look(self, frames: Sequence[PipelineFrame], first_sample: int) -> list[Look]:
        """Return what the frames show, numbered from `first_sample` on; raises ModelFault."""
        pictures = [frame.bgr() for frame in frames]
        with self._clock.measure("detect"):
            found = self._networks.detector.detect_many(pictures)
        with self._clock.measure("crop"):
            return [
                self._judged(first_sample + index, frame.pts_ms, picture, faces)
                for index, (frame, picture, faces) in enumerate(zip(frames, pictures, found, strict=True))
            ]

    def _judged(self, sample: int, pts_ms: int, picture: Bgr, faces: Faces) -> Look:
        bound = quality_bound(faces.heights, faces.points, faces.scores)
        order = np.argsort(-bound, kind="stable")[:MAX_CHIPS_PER_LOOK]
        cut = np.sort(order[bound[order] >= QUALITY_FLOOR])
        worth = faces.select(cut)
        chips = self._networks.embedder.chips(picture, worth)
        measures = measure_chips(chips.aligned_rgb)
        quality = np.minimum(bound, np.float32(QUALITY_FLOOR / 2))
        quality[cut] = face_quality(worth.heights, worth.points, worth.scores, measures)
        sharpness = np.zeros(len(faces), np.float32)
        sharpness[cut] = sharpness_score(measures)
        good = quality[cut] >= QUALITY_FLOOR
        return Look(
            sample=sample,
            pts_ms=pts_ms,
            boxes=np.rint(faces.boxes).astype(np.int32),
            scores=faces.scores,
            quality=quality,
            sharpness=sharpness,
            chip_rows=cut[good],
            chips=chips.select(np.flatnonzero(good)),
            clothing=clothing_colours(picture, faces.boxes, cut[good]),
        )
