"""Whole tracks → appearances: one person in (part of) one shot, with template, apparent attributes and course."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import FaceRef, Shot
from fanreel.domain.attributes import apparent_person, mean_expressions
from fanreel.domain.captions.motion import rise
from fanreel.domain.clothing import Lab, worn_colour
from fanreel.domain.excitement import F64, face_level, head_motion, smooth
from fanreel.domain.identity import recognised
from fanreel.domain.stitching import FaceSamples, WholeTrack
from fanreel.domain.templates import Pooled, best_faces, choose_faces, pool_template
from fanreel.domain.tracks import longest_gap_ms

MIN_SIGHTINGS = 2
"""A box seen in a single sample and too poor to be recognised is more often a false alarm than a person. Not so
one cut off a track that has faces: somebody is there, and a montage must know it to keep clear of them. How high
a face was that nothing came of is kept with its shot (`with_highest_faces`)."""


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
    """Cut tracks at shots (sightings outside every shot are dropped), at holes and where the person changes.

    What no face vouches for stays an appearance without a template. An appearance lasts from its first sighting
    to the next time the picture was looked at after its last one, within its shot and not across a hole. Ordered
    by (start, x of the first box).
    """
    looks = np.asarray(sampled_ms, np.int64)
    interval_ms = float(np.median(np.diff(looks))) if len(looks) > 1 else np.inf
    starts = np.array([shot.start_ms for shot in shots], np.int64)
    ends = np.array([shot.end_ms for shot in shots], np.int64)
    found: list[Appearance] = []
    for track in tracks:
        for shot_index, in_shot in _by_shot(track, starts, ends):
            for part in _one_person_each(in_shot, longest_gap_ms(interval_ms)):
                if in_shot.faces is not None or len(part) >= MIN_SIGHTINGS:
                    end_ms = _end_ms(part, shots[shot_index].end_ms, looks, interval_ms)
                    found.append(_appearance(part, shot_index, end_ms))
    return sorted(found, key=lambda a: (a.start_ms, *a.track.boxes[0].tolist(), a.end_ms))


def with_highest_faces(
    shots: Sequence[Shot], tracks: Sequence[WholeTrack], sampled_ms: Sequence[int], height_px: int
) -> tuple[Shot, ...]:
    """Return the shots with their highest faces, from all sightings: also those too few for an appearance.

    `height_px` is the picture's height. A shot in which the picture was not looked at stays unknown.
    """
    if height_px <= 0:
        return tuple(shots)
    looks = np.asarray(sampled_ms, np.int64)
    pts = np.concatenate([np.zeros(0, np.int64), *(track.pts_ms for track in tracks)])
    heights = np.concatenate([np.zeros(0, np.int64), *(t.boxes[:, 3] - t.boxes[:, 1] for t in tracks)])
    described: list[Shot] = []
    for shot in shots:
        seen = heights[(shot.start_ms <= pts) & (pts < shot.end_ms)]
        if len(seen) or ((shot.start_ms <= looks) & (looks < shot.end_ms)).any():
            share = round(int(seen.max(initial=0)) / height_px, 5)
            described.append(shot.model_copy(update={"highest_face": share}))
        else:
            described.append(shot)
    return tuple(described)


def best_face(track: WholeTrack) -> FaceRef:
    """Return the best-looking sighting."""
    row = int(track.quality.argmax())
    return FaceRef(
        pts_ms=int(track.pts_ms[row]), box=_box(track.boxes[row]), quality=round(float(track.quality[row]), 4)
    )


def boxes_of(track: WholeTrack) -> tuple[tuple[int, int, int, int], ...]:
    """Return the boxes as the contract wants them."""
    return tuple(_box(box) for box in track.boxes)


def described(appearance: Appearance) -> dict[str, Any]:
    """Return the fields of the document that say what is seen, as far as measured.

    These are expressions, the upward movement, apparent gender and age, and the clothes' colour.
    """
    expressions = mean_expressions(appearance.track.expressions, appearance.track.quality)
    upward = rise(appearance.track.pts_ms, appearance.track.boxes)
    fields: dict[str, Any] = {"expressions": expressions, "rise": round(upward, 2)}
    if expressions:
        fields["expression"] = max(expressions, key=expressions.__getitem__)
    faces = appearance.supporting
    if faces is not None:
        person = apparent_person(faces.female_probability, faces.age_years, faces.quality)
        fields |= {
            "female_probability": round(person.female_probability, 4),
            "age_years": round(person.age_years, 1),
            "apparent_gender": person.gender,
            "clothing": worn_colour(_clothing(faces)),
        }
    return fields


def _clothing(faces: FaceSamples) -> list[Lab | None]:
    rows: list[list[float]] = faces.clothing_lab.tolist()
    return [None if math.isnan(lightness) else (lightness, a, b) for lightness, a, b in rows]


def _by_shot(
    track: WholeTrack, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> list[tuple[int, WholeTrack]]:
    if not len(starts):
        return []
    shot_of = np.searchsorted(starts, track.pts_ms, side="right") - 1
    inside = (shot_of >= 0) & (track.pts_ms < ends[shot_of])
    return [(int(i), track.select(np.flatnonzero(inside & (shot_of == i)))) for i in np.unique(shot_of[inside])]


def _one_person_each(track: WholeTrack, longest_ms: float) -> list[WholeTrack]:
    """Cut at holes and where `recognised` says somebody else, or nobody: there the faces are left out."""
    whose = np.zeros(len(track), np.intp)
    if track.faces is not None:
        # Segments that each saw a part chose more than one that saw all would have: the choice is made again.
        faces = track.faces.select(choose_faces(track.faces.pts_ms, track.faces.quality))
        track, whose = replace(track, faces=faces), recognised(track.pts_ms, faces)
    starts = (np.diff(whose) != 0) | (np.diff(track.pts_ms) > longest_ms)
    edges = [0, *(np.flatnonzero(starts) + 1).tolist(), len(track)]
    parts = [(track.select(np.arange(a, b)), int(whose[a])) for a, b in pairwise(edges)]
    return [part if person >= 0 else replace(part, faces=None) for part, person in parts]


def _end_ms(track: WholeTrack, shot_end_ms: int, looks: NDArray[np.int64], interval_ms: float) -> int:
    """Return when it was last known to be there: the next look, or when that never came, when it was due."""
    last = int(track.pts_ms[-1])
    following = int(np.searchsorted(looks, last, side="right"))
    end = int(looks[following]) if following < len(looks) else shot_end_ms
    if end - last > longest_gap_ms(interval_ms):
        end = last + int(interval_ms)
    return min(end, shot_end_ms)


def _appearance(track: WholeTrack, shot_index: int, end_ms: int) -> Appearance:
    faces = track.faces
    if faces is not None:
        faces = faces.select(best_faces(faces.pts_ms, faces.quality))
    return Appearance(
        start_ms=int(track.pts_ms[0]),
        end_ms=end_ms,
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
    motion = head_motion(track.pts_ms, track.boxes)[measured]
    level = face_level(track.valence[measured], track.arousal[measured], track.mouth_open[measured], motion)
    return smooth(track.pts_ms, np.interp(track.pts_ms, track.pts_ms[measured], level))


def _box(box: NDArray[np.int64]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (int(value) for value in box)
    return (x0, y0, x1, y1)
