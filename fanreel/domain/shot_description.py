"""Whole shots described: kind, editorial type, quality, from the looks taken in them and the faces seen."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import SegmentResult, Shot
from fanreel.domain.faces import F32
from fanreel.domain.shot_kinds import (
    LOOK_COLUMNS,
    KindModel,
    LookFaces,
    fan_probability,
    kind_model,
    kind_of,
    looks_of,
    shot_features,
)
from fanreel.domain.shot_quality import FacePlace, shot_quality
from fanreel.domain.shot_types import shot_type


class FollowedFace(Protocol):
    """A face followed: when, (n,), and where in pixels of the displayed picture, (n, 4)."""

    @property
    def pts_ms(self) -> Sequence[int] | NDArray[np.int64]:
        """Times of the sightings."""
        ...

    @property
    def boxes(self) -> Sequence[tuple[int, int, int, int]] | NDArray[np.int64]:
        """Boxes of the sightings."""
        ...


def describe_shots(
    shots: Sequence[Shot],
    results: Sequence[SegmentResult],
    tracks: Sequence[FollowedFace],
    kinds: KindModel | None = None,
) -> tuple[Shot, ...]:
    """Return the shots with quality, shot type, kind and fan probability; `kinds` judges the last two, or ours.

    A shot that was never looked at keeps the defaults, and so does the kind where a worker did not measure what it
    is judged by.
    """
    times, columns, faces = looks_and_faces(results, tracks)
    described: list[Shot] = []
    for shot in shots:
        low, high = (int(row) for row in np.searchsorted(times, [shot.start_ms, shot.end_ms]))
        looks = {name: values[low:high] for name, values in columns.items()}
        described.append(shot.model_copy(update=_description(looks, faces[low:high], kinds or kind_model())))
    return tuple(described)


def looks_and_faces(
    results: Sequence[SegmentResult], tracks: Sequence[FollowedFace]
) -> tuple[NDArray[np.int64], dict[str, F32], list[LookFaces]]:
    """Return the times of all looks, ascending, what was measured at each, and the faces of each."""
    times, columns = _looks(results)
    return times, columns, _faces(times, results, tracks)


def _description(looks: dict[str, F32], faces: Sequence[LookFaces], kinds: KindModel) -> dict[str, object]:
    update: dict[str, object] = {
        "quality": shot_quality(looks["sharpness"], looks["luma"], looks["motion"], _place(faces)),
        "shot_type": shot_type([look.height for look in faces]),
    }
    features = shot_features(looks, faces)
    if features is not None:
        probabilities = kinds.probabilities(features)
        update["kind"] = kind_of(probabilities)
        update["fan_probability"] = round(fan_probability(probabilities), 3)
    return update


def _place(faces: Sequence[LookFaces]) -> FacePlace:
    rows = [(look, int(look.height.argmax())) for look in faces if len(look.height)]
    columns = [(look.height[row], look.x[row], look.y[row]) for look, row in rows]
    height, x, y = np.array(columns, np.float32).reshape(-1, 3).T
    return FacePlace(height, x, y)


def _looks(results: Sequence[SegmentResult]) -> tuple[NDArray[np.int64], dict[str, F32]]:
    """Return every look once, in order of time; of two segments' the earlier one's: it knows the look before."""
    ordered = sorted(results, key=lambda result: (result.start_ms, result.attempt))
    pts = [np.array(result.picture.pts_ms, np.int64) for result in ordered]
    times, first = np.unique(np.concatenate([np.zeros(0, np.int64), *pts]), return_index=True)
    pictures = [looks_of(result.picture) for result in ordered]
    columns: dict[str, F32] = {}
    for name in LOOK_COLUMNS:
        values = np.concatenate([np.zeros(0, np.float32), *(picture[name] for picture in pictures)])
        complete = all(len(picture[name]) == len(each) for picture, each in zip(pictures, pts, strict=True))
        columns[name] = values[first] if complete else np.zeros(0, np.float32)
    return times, columns


def _faces(
    times: NDArray[np.int64], results: Sequence[SegmentResult], tracks: Sequence[FollowedFace]
) -> list[LookFaces]:
    """Return the faces of each look."""
    size = next(((r.frame_width, r.frame_height) for r in results), (1, 1))
    pts = np.concatenate([np.zeros(0, np.int64), *(np.asarray(track.pts_ms, np.int64) for track in tracks)])
    each = [np.asarray(track.boxes, np.int64).reshape(-1, 4) for track in tracks]
    boxes = np.concatenate([np.zeros((0, 4), np.int64), *each])
    order = np.argsort(pts, kind="stable")
    pts, shares = pts[order], boxes[order] / np.array([*size, *size])
    (width, height), (x, y) = (shares[:, 2:] - shares[:, :2]).T, (shares[:, 2:] + shares[:, :2]).T / 2
    columns = np.array([height, width * height, x, y], np.float32)
    low, high = np.searchsorted(pts, times), np.searchsorted(pts, times, side="right")
    return [LookFaces(*columns[:, a:b]) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
