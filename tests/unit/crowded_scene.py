"""A scene in which people cross each other and the detector blinks, seen by workers with the real follower."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fanreel.contracts import (
    EmbeddedFaces,
    ModelContract,
    Segment,
    SegmentPlanDocument,
    SegmentResult,
    ShotMeasure,
    TrackResult,
    Vectors,
)
from fanreel.domain.quality import QUALITY_FLOOR
from fanreel.inference.chips import FaceChips
from gpu_workers.pipeline.faces import Look
from gpu_workers.pipeline.following import FollowedTrack, FollowStage, Step
from tests.plain_media import plain_media

LOOK_MS = 200
OVERLAP_MS = 1_000
WIDTH = 32
CONTRACT = ModelContract(model_id="m", sha256="0" * 64, preprocessing="p")


@dataclass(frozen=True)
class Walker:
    """Somebody on screen from start to end; centre and speed in pixels (per second), side of their box."""

    who: int
    start_ms: int
    end_ms: int
    x: int
    y: int
    speed: int
    side: int
    blinks: float
    """Share of the looks at which the detector misses them."""
    poor: float
    """Share of the looks at which their face is below the quality floor."""

    def box(self, pts_ms: int) -> tuple[int, int, int, int]:
        """Return where they are; the detector's box trembles a little, always alike at one moment."""
        x = self.x + self.speed * (pts_ms - self.start_ms) // 1000 + int(4 * self._chance(pts_ms, 1))
        return (x, self.y, x + self.side, self.y + self.side)

    def seen(self, pts_ms: int) -> bool:
        """Tell whether the detector finds them."""
        return self.start_ms <= pts_ms < self.end_ms and self._chance(pts_ms, 2) >= self.blinks

    def quality(self, pts_ms: int) -> float:
        """Return their face's quality, four digits."""
        if self._chance(pts_ms, 3) < self.poor:
            return QUALITY_FLOOR / 2
        return round(QUALITY_FLOOR + (1 - QUALITY_FLOOR) * self._chance(pts_ms, 4), 4)

    def valence(self, pts_ms: int) -> float:
        """Return what is read from their face."""
        return round(2 * self._chance(pts_ms, 5) - 1, 4)

    def vector(self, pts_ms: int) -> np.ndarray:
        """Return their face's unit vector: their own, and some noise."""
        own = np.random.default_rng(self.who).normal(size=WIDTH)
        row = own + 0.3 * np.random.default_rng([self.who, pts_ms]).normal(size=WIDTH)
        return row / np.linalg.norm(row)

    def _chance(self, pts_ms: int, salt: int) -> float:
        return float(np.random.default_rng([self.who, pts_ms, salt]).random())


@dataclass(frozen=True)
class Scene:
    """Up to `duration_ms` of walkers, cut at `cuts_ms`."""

    duration_ms: int
    walkers: tuple[Walker, ...]
    cuts_ms: tuple[int, ...] = ()

    def found(self, pts_ms: int) -> list[Walker]:
        """Return who is detected, the best face first."""
        seen = [walker for walker in self.walkers if walker.seen(pts_ms)]
        return sorted(seen, key=lambda walker: -walker.quality(pts_ms))


def whole_plan(scene: Scene, borders_ms: Sequence[int] = ()) -> SegmentPlanDocument:
    """Return the plan of a video cut exactly there, wherever that is."""
    edges = [0, *borders_ms, scene.duration_ms]
    half, last = OVERLAP_MS // 2, len(edges) - 2
    beyond = scene.duration_ms + 1
    segments = tuple(
        Segment(
            segment_id=f"{index:05d}",
            index=index,
            start_ms=edges[index],
            end_ms=edges[index + 1],
            decode_end_ms=beyond if index == last else min(edges[index + 1] + OVERLAP_MS, beyond),
            owned_from_ms=0 if index == 0 else edges[index] + half,
            owned_to_ms=beyond if index == last else edges[index + 1] + half,
        )
        for index in range(last + 1)
    )
    return SegmentPlanDocument(video_id="v-1", media=plain_media(scene.duration_ms), segments=segments)


def look(scene: Scene, sample: int, pts_ms: int) -> Look:
    """Return what the face stage hands on of one moment."""
    found = scene.found(pts_ms)
    quality = np.array([walker.quality(pts_ms) for walker in found], np.float32)
    good = np.flatnonzero(quality >= QUALITY_FLOOR)
    tiny = np.zeros((len(good), 1, 1, 3), np.uint8)
    return Look(
        sample=sample,
        pts_ms=pts_ms,
        boxes=np.array([walker.box(pts_ms) for walker in found], np.int32).reshape(-1, 4),
        scores=np.ones(len(found), np.float32),
        quality=quality,
        sharpness=quality,
        chip_rows=good,
        chips=FaceChips(tiny, tiny, tiny),
    )


def worked_on(scene: Scene, segment: Segment, *, sees_cuts: bool = True) -> SegmentResult:
    """Return what a worker with perfect eyes reports; without `sees_cuts` it misses those it does not own."""
    cuts = [cut for cut in scene.cuts_ms if segment.owned_from_ms <= cut < segment.owned_to_ms]
    known = [cut for cut in scene.cuts_ms if segment.start_ms < cut < segment.decode_end_ms]
    looks = [
        pts for pts in range(0, scene.duration_ms, LOOK_MS) if segment.start_ms <= pts < segment.decode_end_ms
    ]
    follow = FollowStage(LOOK_MS, segment)
    for sample, pts_ms in enumerate(looks):
        follow.add(look(scene, sample, pts_ms))
    steps: list[Step] = [*follow.steps(known if sees_cuts else cuts, scene.duration_ms), follow.finish()]
    tracks = [followed for step in steps for followed in step.ended]
    return SegmentResult(
        video_id="v-1",
        segment_id=segment.segment_id,
        attempt=1,
        start_ms=segment.start_ms,
        end_ms=segment.end_ms,
        model_contract=CONTRACT,
        detector="synthetic",
        frame_width=1280,
        frame_height=720,
        frames_decoded=5 * len(looks),
        frames_sampled=len(looks),
        frames_corrupt=0,
        last_pts_ms=looks[-1] + 160 if looks else -1,
        cuts_ms=tuple(cuts),
        tracks=tuple(_wire(index, followed, scene) for index, followed in enumerate(tracks)),
        picture=ShotMeasure(
            pts_ms=tuple(looks),
            sharpness=(200.0,) * len(looks),
            luma=(100.0,) * len(looks),
            motion=(1.0,) * len(looks),
        ),
        seconds={},
    )


def _wire(track_id: int, followed: FollowedTrack, scene: Scene) -> TrackResult:
    track = followed.track
    boxes = [tuple(int(value) for value in box) for box in track.boxes]
    at = dict(zip(track.pts_ms, boxes, strict=True))
    who = {pts: next(w for w in scene.found(pts) if w.box(pts) == box) for pts, box in at.items()}
    read = [row for row, quality in enumerate(followed.quality) if quality >= QUALITY_FLOOR]
    # As the recognition stage does it: what is too poor to be read takes the course between its neighbours.
    values = [who[track.pts_ms[row]].valence(track.pts_ms[row]) for row in read]
    course = np.interp(range(len(track)), read, values).tolist() if read else ()
    best = followed.best
    return TrackResult(
        track_id=track_id,
        pts_ms=tuple(track.pts_ms),
        boxes=tuple((b[0], b[1], b[2], b[3]) for b in boxes),
        scores=tuple(track.scores),
        quality=tuple(round(value, 4) for value in followed.quality),
        valence=tuple(course),
        arousal=tuple(course),
        mouth_open=tuple(course),
        expression=("happy",) * len(course),
        embedded=EmbeddedFaces(
            pts_ms=tuple(face.pts_ms for face in best),
            quality=tuple(round(face.quality, 4) for face in best),
            sharpness=tuple(face.sharpness for face in best),
            height_px=tuple(face.height_px for face in best),
            female_probability=tuple(0.9 if who[face.pts_ms].who % 2 else 0.1 for face in best),
            age_years=(30.0,) * len(best),
            vectors=Vectors.pack(np.stack([who[face.pts_ms].vector(face.pts_ms) for face in best])),
        )
        if best
        else None,
    )
