"""What segments saw → the tracks of the whole video, as if nobody had ever cut it.

A tracker that starts at a segment's border knows nothing of who was there just before, so in a crowd neighbours
may follow the same faces differently. A worker follows faces to choose which to embed; who continues whom is
decided here once more, over all looks of the video in order of time, at the cuts of those who own them. A look
counts once, as the segment saw it whose range holds it. So the tracks depend on what was detected, never on where
the video was cut, nor on the order in which results arrive; handing in a segment twice changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import EmbeddedFaces, SegmentResult, TrackResult
from fanreel.domain.attributes import EXPRESSIONS
from fanreel.domain.boxes import iou
from fanreel.domain.faces import F32
from fanreel.domain.quality import QUALITY_FLOOR
from fanreel.domain.tracks import Tracker, crosses_cut, longest_gap_ms

SAME_BOX_IOU = 0.7
"""Neighbours detect on the very same frames. Their boxes are the same where they compute alike, and overlap by
more than this where they do not (one on a CPU, one on a GPU)."""


@dataclass(frozen=True, slots=True)
class FaceSamples:
    """The embedded faces of a track, as columns in order of time; vectors (n, d).

    clothing_lab (n, 3) is what is worn under each, CIE L*a*b*, NaN where it was not seen.
    """

    pts_ms: NDArray[np.int64]
    quality: F32
    sharpness: F32
    height_px: F32
    female_probability: F32
    age_years: F32
    vectors: F32
    clothing_lab: F32

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
            self.clothing_lab[rows],
        )


@dataclass(frozen=True, slots=True)
class WholeTrack:
    """A face followed through a stretch of video, as columns in order of time.

    boxes int (n, 4); the attributes are NaN where they were not measured. expressions (n, 7): see
    `attributes.EXPRESSIONS`.
    """

    pts_ms: NDArray[np.int64]
    boxes: NDArray[np.int64]
    scores: F32
    quality: F32
    valence: F32
    arousal: F32
    mouth_open: F32
    expressions: F32
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
            self.expressions[rows],
            faces,
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """All that all segments saw, overlaps twice, as columns.

    segment    (n,) which segment saw the sighting.
    faces      every embedded face; `face_of` (k,) is the sighting it belongs to.
    """

    sightings: WholeTrack
    segment: NDArray[np.intp]
    faces: FaceSamples | None
    face_of: NDArray[np.intp]


def stitch(results: Sequence[SegmentResult]) -> list[WholeTrack]:
    """Return the tracks of the whole video, each sighting in exactly one, in order of (start, box)."""
    chosen = sorted(one_per_segment(results), key=lambda result: (result.start_ms, result.segment_id))
    seen = _seen(chosen)
    if seen is None:
        return []
    looks_ms, teller = _who_tells(chosen, seen)
    sightings = seen.sightings
    counts = teller[np.searchsorted(looks_ms, sightings.pts_ms)] == seen.segment
    kept = np.flatnonzero(counts)
    if not len(kept):  # whoever owns these looks saw nobody
        return []
    kept = kept[np.lexsort((*sightings.boxes[kept].T[::-1], sightings.pts_ms[kept]))]
    cuts_ms = sorted({cut for result in chosen for cut in result.cuts_ms})
    track_of = _follow(looks_ms, sightings.pts_ms[kept], sightings.boxes[kept], sightings.scores[kept], cuts_ms)
    faces, face_rows = _faces_of(seen, kept, counts)
    whole = sightings.select(kept)
    count = int(track_of.max()) + 1
    rows, own_faces = _grouped(track_of, count), _grouped(track_of[face_rows], count)
    return [
        replace(whole.select(rows[i]), faces=faces.select(own_faces[i]) if faces and len(own_faces[i]) else None)
        for i in range(count)
    ]


def one_per_segment(results: Sequence[SegmentResult]) -> list[SegmentResult]:
    """Keep the first attempt of every segment, whatever order they come in."""
    chosen: dict[str, SegmentResult] = {}
    for result in sorted(results, key=lambda r: (r.segment_id, r.attempt)):
        chosen.setdefault(result.segment_id, result)
    return list(chosen.values())


def _seen(results: Sequence[SegmentResult]) -> _Seen | None:
    tracks = [(index, track) for index, result in enumerate(results) for track in result.tracks if track.pts_ms]
    if not tracks:
        return None
    parts = [_from_wire(track) for _, track in tracks]
    lengths = [len(part) for part in parts]
    faces: list[FaceSamples] = []
    face_of: list[NDArray[np.intp]] = []
    for first, part, (_, track) in zip(np.cumsum([0, *lengths[:-1]]).tolist(), parts, tracks, strict=True):
        if track.embedded is not None:
            faces.append(_faces_from_wire(track.embedded))
            face_of.append(first + np.searchsorted(part.pts_ms, faces[-1].pts_ms))
    return _Seen(
        sightings=WholeTrack(
            *(np.concatenate([getattr(p, name) for p in parts]) for name in _COLUMNS), faces=None
        ),
        segment=np.repeat([index for index, _ in tracks], lengths).astype(np.intp),
        faces=FaceSamples(*(np.concatenate([getattr(f, n) for f in faces]) for n in _FACE_COLUMNS))
        if faces
        else None,
        face_of=np.concatenate([np.zeros(0, np.intp), *face_of]),
    )


def _who_tells(results: Sequence[SegmentResult], seen: _Seen) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return every look, ascending, and which segment tells what it showed: its owner where that one looked."""
    looks = [np.array(result.picture.pts_ms, np.int64) for result in results]
    pts = np.concatenate([*looks, seen.sightings.pts_ms])
    segment = np.concatenate([np.repeat(np.arange(len(results)), [len(own) for own in looks]), seen.segment])
    starts, ends = (np.array([getattr(r, name) for r in results], np.int64) for name in ("start_ms", "end_ms"))
    owned = (starts[segment] <= pts) & (pts < ends[segment])
    order = np.lexsort((segment, ~owned, pts))
    looks_ms, first = np.unique(pts[order], return_index=True)
    return looks_ms, segment[order][first].astype(np.intp)


def _follow(
    looks_ms: NDArray[np.int64],
    pts_ms: NDArray[np.int64],
    boxes: NDArray[np.int64],
    scores: F32,
    cuts_ms: Sequence[int],
) -> NDArray[np.intp]:
    """Return the track (n,) of each sighting, rows in order of time; tracks are numbered in order of first row."""
    interval_ms = float(np.median(np.diff(looks_ms))) if len(looks_ms) > 1 else np.inf
    tracker = Tracker(max_gap_ms=longest_gap_ms(interval_ms))
    found = boxes.astype(np.float32)
    track_of = np.empty(len(pts_ms), np.intp)
    lows, highs = np.searchsorted(pts_ms, looks_ms, "left"), np.searchsorted(pts_ms, looks_ms, "right")
    before_ms = -1
    for sample, (look_ms, low, high) in enumerate(
        zip(looks_ms.tolist(), lows.tolist(), highs.tolist(), strict=True)
    ):
        if crosses_cut(cuts_ms, before_ms, look_ms):
            tracker.cut()
        before_ms = look_ms
        owners, _ = tracker.step(sample, look_ms, found[low:high], scores[low:high])
        track_of[low:high] = [owner.track_id for owner in owners]
    return track_of


def _faces_of(
    seen: _Seen, kept: NDArray[np.intp], counts: NDArray[np.bool_]
) -> tuple[FaceSamples | None, NDArray[np.intp]]:
    """Return the embedded faces of the kept sightings, one each at most, and the row of `kept` each belongs to.

    What a neighbour embedded in the overlap is the same face; the word of who tells the look comes first.
    """
    row_of = np.full(len(seen.sightings), -1, np.intp)
    row_of[kept] = np.arange(len(kept))
    pts_ms, boxes = seen.sightings.pts_ms, seen.sightings.boxes
    for sighting in seen.face_of[~counts[seen.face_of]].tolist():
        low, high = np.searchsorted(pts_ms[kept], [pts_ms[sighting], pts_ms[sighting] + 1])
        overlap = iou(boxes[sighting], boxes[kept[low:high]])
        if len(overlap) and overlap.max() > SAME_BOX_IOU:
            row_of[sighting] = low + int(overlap.argmax())
    rows = row_of[seen.face_of]
    order = np.lexsort((seen.segment[seen.face_of], ~counts[seen.face_of], rows))
    order = order[rows[order] >= 0]
    face_rows, first = np.unique(rows[order], return_index=True)
    return (seen.faces.select(order[first]) if seen.faces is not None else None), face_rows.astype(np.intp)


def _grouped(labels: NDArray[np.intp], count: int) -> list[NDArray[np.intp]]:
    """Return for each label 0..count−1 the rows that have it, ascending."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.searchsorted(labels[order], np.arange(1, count)))


_COLUMNS = ("pts_ms", "boxes", "scores", "quality", "valence", "arousal", "mouth_open", "expressions")
_FACE_COLUMNS = (
    "pts_ms",
    "quality",
    "sharpness",
    "height_px",
    "female_probability",
    "age_years",
    "vectors",
    "clothing_lab",
)


def _from_wire(track: TrackResult) -> WholeTrack:
    quality = np.array(track.quality, np.float32)
    # A worker fills faces too poor to be read from their neighbours in its own part of the track: the course is
    # drawn anew when all of it is known.
    read = quality >= np.float32(QUALITY_FLOOR)
    expressions = np.full((len(quality), len(EXPRESSIONS)), np.nan, np.float32)
    if track.expressions:
        expressions[read] = np.array(track.expressions, np.float32)[read]
    return WholeTrack(
        np.array(track.pts_ms, np.int64),
        np.array(track.boxes, np.int64).reshape(-1, 4),
        np.array(track.scores, np.float32),
        quality,
        _measured(track.valence, read),
        _measured(track.arousal, read),
        _measured(track.mouth_open, read),
        expressions,
        faces=None,
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
        _clothing(faces),
    )


def _clothing(faces: EmbeddedFaces) -> F32:
    nothing = (np.nan,) * 3
    seen = faces.clothing_lab or (None,) * len(faces.pts_ms)
    return np.array([lab or nothing for lab in seen], np.float32).reshape(-1, 3)


def _measured(values: Sequence[float], read: NDArray[np.bool_]) -> F32:
    return np.where(read, np.array(values, np.float32) if values else np.nan, np.nan).astype(np.float32)
