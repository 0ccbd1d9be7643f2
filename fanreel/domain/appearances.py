"""Whole tracks → appearances: one person in (part of) one shot, with template, apparent attributes and course."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import FaceRef, Shot
from fanreel.domain.excitement import F64, face_level, smooth
from fanreel.domain.stitching import FaceSamples, WholeTrack
from fanreel.domain.templates import Pooled, choose_faces, pool_template, weighted_mean
from fanreel.domain.tracks import pair_cost, split_at

MIN_SIGHTINGS = 2
"""A box seen in a single sample and too poor to be recognised is more often a false alarm than a person."""

SPLIT_DISTANCE = 0.58
MIN_FACES_PER_SIDE = 2
"""When at least two faces before and two after some moment of a track are this far apart, two people were taken
for one. On media/broadcast the halves of one person's track stay below .52 (52 tracks); nine tenths of the pairs
of strangers seen together lie beyond .65. A wrong split costs little: two appearances instead of one."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """One person in one shot: [start_ms, end_ms). `levels`: smoothed face levels 0..1; none when not measured."""

    start_ms: int
    end_ms: int
    shot_index: int
    track: WholeTrack
    faces: FaceSamples | None
    pooled: Pooled | None
    levels: F64 | None

    @property
    def supporting(self) -> FaceSamples | None:
        """The faces that went into the template."""
        return self.faces.select(self.pooled.kept) if self.faces is not None and self.pooled is not None else None


def build_appearances(
    tracks: Sequence[WholeTrack], shots: Sequence[Shot], sampled_ms: Sequence[int]
) -> list[Appearance]:
    """Cut tracks at shots (sightings outside every shot are dropped) and at changes of identity.

    An appearance lasts from its first sighting to the next time the picture was looked at after its last one,
    within its shot. Ordered by (start, x of the first box).
    """
    looks = np.asarray(sampled_ms, np.int64)
    found: list[Appearance] = []
    for track in tracks:
        for shot_index, part in _by_shot(track, shots):
            for rows in split_at(part.pts_ms.tolist(), identity_changes(part)):
                appearance = _appearance(part.select(np.arange(rows.start, rows.stop)), shot_index, shots, looks)
                if appearance is not None:
                    found.append(appearance)
    return sorted(found, key=lambda a: (a.start_ms, *a.track.boxes[0].tolist(), a.end_ms))


def identity_changes(track: WholeTrack) -> list[int]:
    """Return the moments (first sighting after) at which a track turns into somebody else; usually none.

    Judged by the means of the embedded faces before and after, placed where the box jumps most in between. Those
    means are untrimmed: a trimmed one hides the other person's first face, and the change seems one face off.
    """
    faces = track.faces
    if faces is None or len(faces) < 2 * MIN_FACES_PER_SIDE:
        return []
    apart = [
        float(
            np.linalg.norm(
                weighted_mean(faces.vectors[:row], faces.quality[:row])
                - weighted_mean(faces.vectors[row:], faces.quality[row:])
            )
        )
        for row in range(MIN_FACES_PER_SIDE, len(faces) - MIN_FACES_PER_SIDE + 1)
    ]
    best = int(np.argmax(apart))
    if apart[best] <= SPLIT_DISTANCE:
        return []
    after = best + MIN_FACES_PER_SIDE
    low, high = np.searchsorted(track.pts_ms, [faces.pts_ms[after - 1], faces.pts_ms[after]])
    boxes = track.boxes.astype(np.float32)
    jumps = [
        float(pair_cost(boxes[row - 1 : row], boxes[row : row + 1])[0, 0]) for row in range(low + 1, high + 1)
    ]
    change = int(low) + 1 + int(np.argmax(jumps))
    first, second = track.select(np.arange(change)), track.select(np.arange(change, len(track)))
    return [*identity_changes(first), int(track.pts_ms[change]), *identity_changes(second)]


def best_face(track: WholeTrack) -> FaceRef:
    """Return the best-looking sighting."""
    row = int(track.quality.argmax())
    return FaceRef(
        pts_ms=int(track.pts_ms[row]), box=_box(track.boxes[row]), quality=round(float(track.quality[row]), 4)
    )


def boxes_of(track: WholeTrack) -> tuple[tuple[int, int, int, int], ...]:
    """Return the boxes as the contract wants them."""
    return tuple(_box(box) for box in track.boxes)


def common_expression(track: WholeTrack) -> str | None:
    """Return the expression with the most face quality behind it; none when it was not measured."""
    weight: dict[str, float] = {}
    for name, quality in zip(track.expression.tolist(), track.quality.tolist(), strict=True):
        if name:
            weight[name] = weight.get(name, 0.0) + quality
    return min(weight, key=lambda name: (-weight[name], name)) if weight else None


def _by_shot(track: WholeTrack, shots: Sequence[Shot]) -> list[tuple[int, WholeTrack]]:
    starts = np.array([shot.start_ms for shot in shots], np.int64)
    ends = np.array([shot.end_ms for shot in shots], np.int64)
    shot_of = np.searchsorted(starts, track.pts_ms, side="right") - 1
    inside = (shot_of >= 0) & (track.pts_ms < ends[shot_of]) if len(shots) else np.zeros(len(track), np.bool_)
    return [(int(i), track.select(np.flatnonzero(inside & (shot_of == i)))) for i in np.unique(shot_of[inside])]


def _appearance(
    track: WholeTrack, shot_index: int, shots: Sequence[Shot], looks: NDArray[np.int64]
) -> Appearance | None:
    faces = track.faces
    if faces is None and len(track) < MIN_SIGHTINGS:
        return None
    following = int(np.searchsorted(looks, track.pts_ms[-1], side="right"))
    shot_end = shots[shot_index].end_ms
    end = min(int(looks[following]), shot_end) if following < len(looks) else shot_end
    if faces is not None:
        faces = faces.select(choose_faces(faces.pts_ms, faces.quality))
    return Appearance(
        start_ms=int(track.pts_ms[0]),
        end_ms=end,
        shot_index=shot_index,
        track=track,
        faces=faces,
        pooled=pool_template(faces.vectors, faces.quality) if faces is not None else None,
        levels=_levels(track),
    )


def _levels(track: WholeTrack) -> F64 | None:
    """Smooth the measured levels; sightings too poor to be measured take the course between their neighbours."""
    measured = ~np.isnan(track.arousal)
    if not measured.any():
        return None
    level = face_level(track.valence[measured], track.arousal[measured], track.mouth_open[measured])
    return smooth(track.pts_ms, np.interp(track.pts_ms, track.pts_ms[measured], level))


def _box(box: NDArray[np.int64]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (int(value) for value in box)
    return (x0, y0, x1, y1)
