"""Good faces → templates and apparent attributes, many faces to a batch."""

from dataclasses import dataclass, field

import numpy as np

from fanreel.contracts import EmbeddedFaces, TrackResult, Vectors
from fanreel.domain.attributes import EXPRESSIONS
from fanreel.inference.chips import FaceChips
from fanreel.inference.networks import Networks

from .base import StageClock
from .following import FaceSighting, FollowedTrack, Step

BATCH_FACES = 16
"""Faces that wait for each other. More gain nothing on a CPU (reference/models.md, speed) and hold memory."""

MAX_HELD_FACES = 512
"""Faces of live tracks that may keep their pictures (128 MB). When a crowd has more, all are embedded at once,
though some will give way to better ones: the answer is the same and only time is lost."""


NO_CHIPS = FaceChips.none()


@dataclass(frozen=True, slots=True)
class Reading:
    """How one face looks at its moment; expressions in the order of EXPRESSIONS."""

    expressions: tuple[float, ...]
    valence: float
    arousal: float
    mouth_open: float


@dataclass(slots=True)
class _Known:
    """What is known of one track: its best faces and the readings by row."""

    followed: FollowedTrack
    readings: dict[int, Reading] = field(default_factory=dict[int, Reading])


class RecognitionStage:
    """Measures every good face once and embeds the best ones of every track, usually when it has ended."""

    def __init__(self, networks: Networks, clock: StageClock) -> None:
        self._networks = networks
        self._clock = clock
        self._tracks: dict[int, _Known] = {}
        self._unread: list[tuple[_Known, FaceSighting]] = []
        self._unembedded: list[FaceSighting] = []
        self._live: dict[int, FollowedTrack] = {}
        self.faces_embedded = 0

    def take(self, step: Step) -> None:
        """Take in what following led to; raises ModelFault."""
        for followed, sighting in step.seen:
            self._unread.append((self._known(followed), sighting))
            self._live[followed.track.track_id] = followed
        for followed in step.ended:
            self._known(followed)
            self._live.pop(followed.track.track_id, None)
            self._unembedded += _with_pictures(followed)
        self._run(BATCH_FACES)
        if self.faces_held > MAX_HELD_FACES:
            for followed in self._live.values():
                self._unembedded += _with_pictures(followed)
            self._run(1)

    @property
    def faces_held(self) -> int:
        """How many faces of live tracks have their pictures in memory."""
        return sum(len(_with_pictures(followed)) for followed in self._live.values())

    def results(self) -> tuple[TrackResult, ...]:
        """Finish what waits and return every track, numbered in order of (start, x); raises ModelFault."""
        self._run(1)
        ordered = sorted(
            self._tracks.values(), key=lambda k: (k.followed.track.pts_ms[0], *k.followed.track.boxes[0].tolist())
        )
        return tuple(_result(index, known) for index, known in enumerate(ordered))

    def _known(self, followed: FollowedTrack) -> _Known:
        return self._tracks.setdefault(followed.track.track_id, _Known(followed))

    def _run(self, at_least: int) -> None:
        embedding = len(self._unembedded) >= at_least
        # Embedding lets go of the pictures, so whatever waits to be read comes first.
        while len(self._unread) >= (1 if embedding else at_least):
            part, self._unread = self._unread[:BATCH_FACES], self._unread[BATCH_FACES:]
            self._read(part)
        while len(self._unembedded) >= at_least:
            part, self._unembedded = self._unembedded[:BATCH_FACES], self._unembedded[BATCH_FACES:]
            self._embed(part)

    def _read(self, part: list[tuple[_Known, FaceSighting]]) -> None:
        with self._clock.measure("attributes"):
            batch = self._networks.attributes.expressions(FaceChips.concatenate([s.chips for _, s in part]))
        for index, (known, sighting) in enumerate(part):
            known.readings[sighting.row] = Reading(
                expressions=tuple(batch.expression[index].tolist()),
                valence=float(batch.valence[index]),
                arousal=float(batch.arousal[index]),
                mouth_open=float(batch.mouth_open[index]),
            )

    def _embed(self, part: list[FaceSighting]) -> None:
        chips = FaceChips.concatenate([s.chips for s in part])
        with self._clock.measure("embed"):
            described = self._networks.embedder.describe(chips)
        with self._clock.measure("attributes"):
            people = self._networks.attributes.people(chips, described.context_female)
        self.faces_embedded += len(part)
        for row, sighting in enumerate(part):
            sighting.vector, sighting.chips = described.templates[row], NO_CHIPS
            sighting.female_probability = float(people.female_probability[row])
            sighting.age_years = float(people.age_years[row])


def _with_pictures(followed: FollowedTrack) -> list[FaceSighting]:
    return [sighting for sighting in followed.best if sighting.vector is None]


def _result(track_id: int, known: _Known) -> TrackResult:
    track = known.followed.track
    rows = sorted(known.readings)
    readings = [known.readings[row] for row in rows]
    everywhere = np.arange(len(track))

    def between(values: list[float]) -> tuple[float, ...]:
        """Sightings too poor to be read take the course between their neighbours."""
        return tuple(round(v, 4) for v in np.interp(everywhere, rows, values).tolist()) if rows else ()

    nearest = [min(rows, key=lambda row: (abs(row - at), row)) for at in everywhere.tolist()] if rows else []
    return TrackResult(
        track_id=track_id,
        pts_ms=tuple(track.pts_ms),
        boxes=tuple((int(b[0]), int(b[1]), int(b[2]), int(b[3])) for b in track.boxes),
        scores=tuple(round(score, 4) for score in track.scores),
        quality=tuple(round(quality, 4) for quality in known.followed.quality),
        valence=between([reading.valence for reading in readings]),
        arousal=between([reading.arousal for reading in readings]),
        mouth_open=between([reading.mouth_open for reading in readings]),
        expression=tuple(_likeliest(known.readings[row].expressions) for row in nearest),
        expressions=tuple(tuple(round(share, 3) for share in known.readings[row].expressions) for row in nearest),
        embedded=_embedded(known) if known.followed.best else None,
    )


def _likeliest(expressions: tuple[float, ...]) -> str:
    return EXPRESSIONS[max(range(len(EXPRESSIONS)), key=expressions.__getitem__)]


def _embedded(known: _Known) -> EmbeddedFaces:
    best = known.followed.best
    vectors = [sighting.vector for sighting in best if sighting.vector is not None]
    return EmbeddedFaces(
        pts_ms=tuple(sighting.pts_ms for sighting in best),
        quality=tuple(round(sighting.quality, 4) for sighting in best),
        sharpness=tuple(round(sighting.sharpness, 4) for sighting in best),
        height_px=tuple(sighting.height_px for sighting in best),
        female_probability=tuple(round(sighting.female_probability, 4) for sighting in best),
        age_years=tuple(round(sighting.age_years, 2) for sighting in best),
        vectors=Vectors.pack(np.stack(vectors), "float16"),
        clothing_lab=tuple(sighting.clothing_lab for sighting in best),
    )
