"""Every good face of a video with its vector, and what colours it and the clothes below it have."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fanreel.adapters.media.frames import iter_frames
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import MediaSource
from fanreel.domain.faces import F32, Bgr
from fanreel.domain.quality import QUALITY_FLOOR, face_quality, measure_chips
from fanreel.domain.tracks import Tracker, crosses_cut
from fanreel.inference.networks import Networks
from gpu_workers.pipeline.sampling import Sampler
from gpu_workers.pipeline.shots import ShotStage

BINS = (8, 4, 4)
PATCH_PX = 24


@dataclass(frozen=True, slots=True)
class SeenFaces:
    """One look: boxes int (n, 4), scores and quality (n,); vectors (n, d), NaN below the quality floor.

    colours (n, 128): hue, saturation and value of face and torso, each row summing to 1.
    """

    pts_ms: int
    boxes: NDArray[np.int32]
    scores: F32
    quality: F32
    vectors: F32
    colours: F32


def look_at(source: MediaSource, networks: Networks, sample_fps: float) -> tuple[list[SeenFaces], tuple[int, ...]]:
    """Return all looks at a video, and its cuts; raises InputRejected, TransientFault or ModelFault."""
    media = probe(source)
    sampler, shots = Sampler(sample_fps, from_ms=0), ShotStage()
    looks: list[SeenFaces] = []
    for frame in iter_frames(source, media, 0, media.duration_ms + 1):
        shots.process_frame(frame)
        if sampler.wants(frame.pts_ms):
            looks.append(_seen(frame.pts_ms, frame.bgr(), networks))
    return looks, shots.cuts_ms(0, media.duration_ms + 1)


@dataclass(frozen=True, slots=True)
class Sighting:
    """One face of one track. `vector` is NaN below the quality floor."""

    pts_ms: int
    box: NDArray[np.int32]
    quality: float
    vector: F32

    @property
    def recognisable(self) -> bool:
        """Tell whether it was embedded."""
        return not bool(np.isnan(self.vector[0]))


def follow(looks: Sequence[SeenFaces], cuts_ms: Sequence[int], tracker: Tracker) -> list[list[Sighting]]:
    """Return the tracks, each in order of time, as the product would follow them."""
    tracks: dict[int, list[Sighting]] = {}
    before_ms = -1
    for sample, look in enumerate(looks):
        if crosses_cut(cuts_ms, before_ms, look.pts_ms):
            tracker.cut()
        before_ms = look.pts_ms
        owners, _ = tracker.step(sample, look.pts_ms, look.boxes.astype(np.float32), look.scores)
        for row, owner in enumerate(owners):
            sighting = Sighting(look.pts_ms, look.boxes[row], float(look.quality[row]), look.vectors[row])
            tracks.setdefault(owner.track_id, []).append(sighting)
    return list(tracks.values())


def _seen(pts_ms: int, picture: Bgr, networks: Networks) -> SeenFaces:
    faces = networks.detector.detect(picture)
    chips = networks.embedder.chips(picture, faces)
    quality = face_quality(faces.heights, faces.points, faces.scores, measure_chips(chips.aligned_rgb))
    good = np.flatnonzero(quality >= QUALITY_FLOOR)
    vectors = np.full((len(faces), networks.embedder.dimension), np.nan, np.float32)
    if len(good):
        vectors[good] = networks.embedder.embed(chips.select(good))
    boxes = np.rint(faces.boxes).astype(np.int32)
    colours = np.array([_colours(picture, box) for box in boxes.tolist()], np.float32).reshape(
        -1, int(np.prod(BINS))
    )
    return SeenFaces(pts_ms, boxes, faces.scores, quality, vectors, colours)


def _colours(picture: Bgr, box: Sequence[int]) -> F32:
    """Colours of the face and, below it, of twice its width and 1.2 of its height; only what is in the picture."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    parts = [(x0, y0, x1, y1), (x0 - width // 2, y1 + height // 5, x1 + width // 2, y1 + height * 7 // 5)]
    histogram = np.zeros(int(np.prod(BINS)), np.float32)
    for left, top, right, bottom in parts:
        patch = picture[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        if min(patch.shape[:2]) >= 3:
            small = cv2.resize(patch, (PATCH_PX, PATCH_PX), interpolation=cv2.INTER_AREA)
            hsv = cv2.cvtColor(small, cv2.COLOR_BGR2HSV)
            histogram += cv2.calcHist([hsv], [0, 1, 2], None, list(BINS), [0, 180, 0, 256, 0, 256]).ravel()
    return histogram / max(float(histogram.sum()), 1.0)
