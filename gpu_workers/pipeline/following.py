"""Looks become tracks: one face followed inside one shot, with its best pictures kept and nothing else."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from fanreel.contracts import Segment
from fanreel.domain.clothing import Lab
from fanreel.domain.faces import F32
from fanreel.domain.templates import BEST_FACES, choose_faces
from fanreel.domain.tracks import Track, Tracker, crosses_cut, longest_gap_ms
from fanreel.inference.chips import FaceChips

from .faces import Look


@dataclass(slots=True)
class FaceSighting:
    """One good face of a track: row of its track, its pictures until it is embedded, its vector from then on."""

    row: int
    pts_ms: int
    quality: float
    sharpness: float
    height_px: float
    chips: FaceChips
    clothing_lab: Lab | None = None
    vector: F32 | None = None
    female_probability: float = 0.5
    age_years: float = 0.0
    """Apparent, told with the vector."""


@dataclass(slots=True)
class FollowedTrack:
    """A track, the quality of each of its sightings, and its best faces so far.

    Faces on different sides of `borders_ms` do not compete: what a neighbouring segment or the merge may count to
    another track must not push out a face of this one.
    """

    track: Track
    borders_ms: tuple[int, ...] = ()
    quality: list[float] = field(default_factory=list[float])
    best: list[FaceSighting] = field(default_factory=list[FaceSighting])

    def keep(self, sighting: FaceSighting) -> None:
        """Add a face and forget those that will not be embedded."""
        self.best.append(sighting)
        if len(self.best) > BEST_FACES:
            pts, quality = np.array([s.pts_ms for s in self.best]), np.array([s.quality for s in self.best])
            sides = np.split(np.arange(len(pts)), np.searchsorted(pts, self.borders_ms))
            chosen = [side[choose_faces(pts[side], quality[side])] for side in sides]
            self.best = [self.best[row] for row in np.concatenate(chosen)]


@dataclass(frozen=True, slots=True)
class Step:
    """What following one look led to: good faces with their tracks, and the tracks that ended."""

    seen: tuple[tuple[FollowedTrack, FaceSighting], ...]
    ended: tuple[FollowedTrack, ...]


class FollowStage:
    """Follows faces a little behind the decoder, so that every cut is known before a track could cross it.

    `look_interval_ms`: how far apart looks are when nothing is wrong with the data.
    """

    def __init__(self, look_interval_ms: float, segment: Segment) -> None:
        # Where the neighbour before still decodes, it knows who was there earlier; behind what this one owns,
        # the neighbour after knows the cuts.
        overlap_ms = 2 * (segment.owned_from_ms - segment.start_ms)
        self._borders_ms = (segment.start_ms + overlap_ms, segment.owned_to_ms)
        self._tracker = Tracker(max_gap_ms=longest_gap_ms(look_interval_ms))
        self._followed: dict[int, FollowedTrack] = {}
        self._waiting: deque[Look] = deque()
        self._last_pts_ms = -1

    def add(self, look: Look) -> None:
        """Take in a look, in order of time."""
        self._waiting.append(look)

    def steps(self, cuts_ms: Sequence[int], known_until_ms: int) -> Iterator[Step]:
        """Follow all waiting looks before `known_until_ms`, up to which `cuts_ms` is complete, one by one."""
        while self._waiting and self._waiting[0].pts_ms < known_until_ms:
            yield self._step(self._waiting.popleft(), cuts_ms)

    def finish(self) -> Step:
        """End every track: there is nothing more to see."""
        return Step((), self._take(self._tracker.cut()))

    def _step(self, look: Look, cuts_ms: Sequence[int]) -> Step:
        ended: list[Track] = []
        if crosses_cut(cuts_ms, self._last_pts_ms, look.pts_ms):
            ended.extend(self._tracker.cut())
        self._last_pts_ms = look.pts_ms
        owners, missed = self._tracker.step(look.sample, look.pts_ms, look.boxes.astype(np.float32), look.scores)
        ended.extend(missed)
        for row, owner in enumerate(owners):
            followed = self._followed.setdefault(owner.track_id, FollowedTrack(owner, self._borders_ms))
            followed.quality.append(float(look.quality[row]))
        seen: list[tuple[FollowedTrack, FaceSighting]] = []
        for chip, row in enumerate(look.chip_rows.tolist()):
            followed = self._followed[owners[row].track_id]
            sighting = FaceSighting(
                row=len(followed.track) - 1,
                pts_ms=look.pts_ms,
                quality=float(look.quality[row]),
                sharpness=float(look.sharpness[row]),
                height_px=float(look.boxes[row, 3] - look.boxes[row, 1]),
                chips=look.chips.select(np.array([chip])),
                clothing_lab=look.clothing[chip] if look.clothing else None,
            )
            followed.keep(sighting)
            seen.append((followed, sighting))
        return Step(tuple(seen), self._take(ended))

    def _take(self, tracks: list[Track]) -> tuple[FollowedTrack, ...]:
        return tuple(self._followed.pop(track.track_id) for track in tracks)
