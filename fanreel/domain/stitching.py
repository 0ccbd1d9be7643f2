"""Joining what neighbouring segments saw of the same faces.

Neighbours decode an overlap, and both look at the very same frames in it: the same detector on the same picture
gives the same box. A face seen twice (same time, boxes overlapping by more than 0.7) therefore proves that two
tracks are one. The result depends on which segments there are, never on the order in which they arrive, and
handing in a segment twice changes nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import EmbeddedFaces, SegmentResult, TrackResult
from fanreel.domain.boxes import iou
from fanreel.domain.faces import F32

SAME_BOX_IOU = 0.7


@dataclass(frozen=True, slots=True)
class FaceSamples:
    """The embedded faces of a track, as columns in order of time; vectors (n, d)."""

    pts_ms: NDArray[np.int64]
    quality: F32
    sharpness: F32
    height_px: F32
    female_probability: F32
    age_years: F32
    vectors: F32

    def __len__(self) -> int:
        return len(self.pts_ms)

    def select(self, rows: NDArray[Any]) -> "FaceSamples":
        """Return the given rows (boolean mask or indices)."""
        return FaceSamples(
            self.pts_ms[rows],
            self.quality[rows],
            self.sharpness[rows],
            self.height_px[rows],
            self.female_probability[rows],
            self.age_years[rows],
            self.vectors[rows],
        )


@dataclass(frozen=True, slots=True)
class WholeTrack:
    """A face followed through a stretch of video, as columns in order of time.

    boxes int (n, 4); the attributes are NaN (expression: empty) where they were not measured.
    """

    pts_ms: NDArray[np.int64]
    boxes: NDArray[np.int64]
    scores: F32
    quality: F32
    valence: F32
    arousal: F32
    mouth_open: F32
    expression: NDArray[np.str_]
    faces: FaceSamples | None

    def __len__(self) -> int:
        return len(self.pts_ms)

    def select(self, rows: NDArray[Any]) -> "WholeTrack":
        """Return the given sightings, with the embedded faces that belong to them."""
        faces = self.faces
        if faces is not None:
            inside = np.isin(faces.pts_ms, self.pts_ms[rows])
            faces = faces.select(inside) if inside.any() else None
        return WholeTrack(
            self.pts_ms[rows],
            self.boxes[rows],
            self.scores[rows],
            self.quality[rows],
            self.valence[rows],
            self.arousal[rows],
            self.mouth_open[rows],
            self.expression[rows],
            faces,
        )


@dataclass(frozen=True, slots=True)
class _Piece:
    """One segment's track. `start_ms`, `end_ms`: the segment's range, in which its word counts first."""

    start_ms: int
    end_ms: int
    track: WholeTrack


def stitch(results: Sequence[SegmentResult]) -> list[WholeTrack]:
    """Return the tracks of the whole video, each sighting in exactly one, in order of (start, x)."""
    pieces = sorted(
        (
            _Piece(r.start_ms, r.end_ms, _from_wire(t))
            for r in one_per_segment(results)
            for t in r.tracks
            if t.pts_ms
        ),
        key=lambda piece: (piece.start_ms, int(piece.track.pts_ms[0]), *piece.track.boxes[0].tolist()),
    )
    seen_twice = _seen_twice(pieces)
    group_of = _join(pieces, seen_twice)
    dropped = _duplicates_left(pieces, seen_twice, group_of)
    members: dict[int, list[int]] = {}
    for index, group in enumerate(group_of):
        members.setdefault(group, []).append(index)
    tracks: list[WholeTrack] = []
    for indices in members.values():
        parts: list[_Piece] = []
        for index in indices:
            piece = pieces[index]
            keep = np.array([(index, row) not in dropped for row in range(len(piece.track))])
            if keep.any():
                parts.append(_Piece(piece.start_ms, piece.end_ms, piece.track.select(np.flatnonzero(keep))))
        if parts:
            tracks.append(_union(parts))
    return sorted(tracks, key=lambda track: (int(track.pts_ms[0]), *track.boxes[0].tolist()))


def one_per_segment(results: Sequence[SegmentResult]) -> list[SegmentResult]:
    """Keep the first attempt of every segment, whatever order they come in."""
    chosen: dict[str, SegmentResult] = {}
    for result in sorted(results, key=lambda r: (r.segment_id, r.attempt)):
        chosen.setdefault(result.segment_id, result)
    return list(chosen.values())


def _seen_twice(pieces: Sequence[_Piece]) -> list[tuple[int, int, int, int]]:
    """Return (piece, row, other piece, other row) of sightings that two segments share."""
    by_time: dict[int, list[tuple[int, int]]] = {}
    overlap = _overlaps({(p.start_ms, int(p.track.pts_ms[-1])) for p in pieces})
    for index, piece in enumerate(pieces):
        for row, pts in enumerate(piece.track.pts_ms.tolist()):
            if any(low <= pts <= high for low, high in overlap.get(piece.start_ms, ())):
                by_time.setdefault(pts, []).append((index, row))
    shared: list[tuple[int, int, int, int]] = []
    for sightings in by_time.values():
        boxes = np.array([pieces[index].track.boxes[row] for index, row in sightings])
        agreement = iou(boxes[:, None], boxes)
        candidates = [
            (-float(agreement[a, b]), a, b)
            for a in range(len(sightings))
            for b in range(a + 1, len(sightings))
            if agreement[a, b] > SAME_BOX_IOU
            and pieces[sightings[a][0]].start_ms != pieces[sightings[b][0]].start_ms
        ]
        taken: set[tuple[int, int]] = set()
        for _, a, b in sorted(candidates):
            # One-to-one between any two segments: overlapping detections of neighbours must not cross over.
            first, second = (a, pieces[sightings[b][0]].start_ms), (b, pieces[sightings[a][0]].start_ms)
            if first in taken or second in taken:
                continue
            taken.update((first, second))
            shared.append((*sightings[a], *sightings[b]))
    return shared


def _overlaps(reaches: set[tuple[int, int]]) -> dict[int, list[tuple[int, int]]]:
    """Return for each segment (by start) the stretches that another segment saw too; `reaches`: (start, last)."""
    last: dict[int, int] = {}
    for start, reach in reaches:
        last[start] = max(reach, last.get(start, start))
    starts = sorted(last)
    stretches: dict[int, list[tuple[int, int]]] = {start: [] for start in starts}
    for position, start in enumerate(starts):
        for later in starts[position + 1 :]:
            if later > last[start]:
                break
            stretch = (later, min(last[start], last[later]))
            stretches[start].append(stretch)
            stretches[later].append(stretch)
    return stretches


def _join(pieces: Sequence[_Piece], seen_twice: Sequence[tuple[int, int, int, int]]) -> list[int]:
    """Return the group of each piece. Best-proven links come first; none may put a face in two places at once."""
    links = Counter((min(a, b), max(a, b)) for a, _, b, _ in seen_twice)
    group_of = list(range(len(pieces)))
    members = {index: [index] for index in range(len(pieces))}
    places = {
        index: dict(zip(pieces[index].track.pts_ms.tolist(), pieces[index].track.boxes, strict=True))
        for index in {index for link in links for index in link}
    }
    for (a, b), _ in sorted(links.items(), key=lambda item: (-item[1], item[0])):
        first, second = sorted((group_of[a], group_of[b]))
        if first == second or _contradict(places[first], places[second]):
            continue
        for index in members.pop(second):
            group_of[index] = first
            members[first].append(index)
        places[first].update(places.pop(second))
    return group_of


def _contradict(first: dict[int, NDArray[np.int64]], second: dict[int, NDArray[np.int64]]) -> bool:
    common = first.keys() & second.keys()
    return any(float(iou(first[pts], second[pts])) <= SAME_BOX_IOU for pts in common)


def _duplicates_left(
    pieces: Sequence[_Piece], seen_twice: Sequence[tuple[int, int, int, int]], group_of: Sequence[int]
) -> set[tuple[int, int]]:
    """Return sightings to drop because another track, whose segment owns the moment, holds the same face."""
    dropped: set[tuple[int, int]] = set()
    for a, row_a, b, row_b in seen_twice:
        if group_of[a] != group_of[b]:
            pts = int(pieces[a].track.pts_ms[row_a])
            dropped.add((b, row_b) if _owns(pieces[a], pts) else (a, row_a))
    return dropped


def _owns(piece: _Piece, pts_ms: int) -> bool:
    return piece.start_ms <= pts_ms < piece.end_ms


def _union(parts: Sequence[_Piece]) -> WholeTrack:
    """Join pieces of one track; where two hold the same moment, the one whose segment owns it counts."""
    whole = _concatenate([part.track for part in parts])
    owned = np.concatenate([[_owns(part, pts) for pts in part.track.pts_ms.tolist()] for part in parts])
    whole = WholeTrack(*(getattr(whole, name) for name in _COLUMNS), faces=_union_faces(parts))
    order = np.lexsort((~owned, whole.pts_ms))
    first = np.unique(whole.pts_ms[order], return_index=True)[1]
    return whole.select(order[first])


def _union_faces(parts: Sequence[_Piece]) -> FaceSamples | None:
    held = [(part, part.track.faces) for part in parts if part.track.faces is not None]
    if not held:
        return None
    faces = [samples for _, samples in held]
    owned = np.concatenate([[_owns(part, pts) for pts in samples.pts_ms.tolist()] for part, samples in held])
    joined = FaceSamples(*(np.concatenate([getattr(f, name) for f in faces]) for name in _FACE_COLUMNS))
    order = np.lexsort((~owned, joined.pts_ms))
    first = np.unique(joined.pts_ms[order], return_index=True)[1]
    return joined.select(order[first])


_COLUMNS = ("pts_ms", "boxes", "scores", "quality", "valence", "arousal", "mouth_open", "expression")
_FACE_COLUMNS = (
    "pts_ms",
    "quality",
    "sharpness",
    "height_px",
    "female_probability",
    "age_years",
    "vectors",
)


def _concatenate(tracks: Sequence[WholeTrack]) -> WholeTrack:
    return WholeTrack(*(np.concatenate([getattr(t, name) for t in tracks]) for name in _COLUMNS), faces=None)


def _from_wire(track: TrackResult) -> WholeTrack:
    count = len(track.pts_ms)
    return WholeTrack(
        np.array(track.pts_ms, np.int64),
        np.array(track.boxes, np.int64).reshape(-1, 4),
        np.array(track.scores, np.float32),
        np.array(track.quality, np.float32),
        _measured(track.valence, count),
        _measured(track.arousal, count),
        _measured(track.mouth_open, count),
        np.array(track.expression or [""] * count, "U16"),
        _faces_from_wire(track.embedded) if track.embedded is not None else None,
    )


def _faces_from_wire(faces: EmbeddedFaces) -> FaceSamples:
    return FaceSamples(
        np.array(faces.pts_ms, np.int64),
        np.array(faces.quality, np.float32),
        np.array(faces.sharpness, np.float32),
        np.array(faces.height_px, np.float32),
        np.array(faces.female_probability, np.float32),
        np.array(faces.age_years, np.float32),
        faces.vectors.unpack(),
    )


def _measured(values: Sequence[float], count: int) -> F32:
    return np.array(values, np.float32) if values else np.full(count, np.nan, np.float32)
