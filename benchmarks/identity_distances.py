"""`python -m benchmarks.identity_distances VIDEO…`: the distances the rules of identity are set by, as measured.

They are in units of the embedding in use. When that changes, run this and set the constants the table names anew.
"""

import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.looks import SeenFaces, Sighting, follow, look_at
from benchmarks.material import broadcast, quiet_logs
from fanreel.adapters.media.source import FileSource
from fanreel.domain.faces import F32
from fanreel.domain.identity import SPLIT_DISTANCE
from fanreel.domain.people import MIN_FACE_PX, SAME_PERSON_DISTANCE
from fanreel.domain.templates import OUTLIER_DISTANCE, pool_template, weighted_mean
from fanreel.domain.tracks import Tracker, longest_gap_ms
from fanreel.inference.networks import load_networks
from fanreel.settings import get_settings

PERCENTILES = (0, 1, 10, 50, 90, 99, 100)
MIN_FACES = 4
"""Tracks with fewer recognisable faces have no two halves of two."""

Track = Sequence[Sighting]


def main(videos: Sequence[Path]) -> None:
    """Measure all videos together and print the percentiles of each distance."""
    quiet_logs()
    settings = get_settings()
    networks = load_networks(settings)
    looks: list[SeenFaces] = []
    tracks: list[list[Sighting]] = []
    together: list[float] = []
    for video in videos:
        seen, cuts = look_at(FileSource(video), networks, settings.sample_fps)
        looks += seen
        own = follow(seen, cuts, Tracker(max_gap_ms=longest_gap_ms(1000 / settings.sample_fps)))
        own = [[s for s in track if s.recognisable] for track in own]
        tracks += own
        together += pooled_strangers(own)
    table = Table(title=f"{', '.join(v.name for v in videos)}: {networks.model_contract.model_id}, percentiles")
    for name in ("distance", "decides", "n", *map(str, PERCENTILES)):
        table.add_column(name, justify="left" if name == "distance" else "right", overflow="fold")
    enough = [track for track in tracks if len(track) >= MIN_FACES]
    _add(table, "face to the mean of its track's others", f"OUTLIER {OUTLIER_DISTANCE}", to_others(enough))
    _add(table, "two parts of one track, farthest split", f"SPLIT {SPLIT_DISTANCE}", splits(enough))
    _add(table, "two faces of one look: strangers", "all three, from above", strangers(looks))
    _add(table, "two tracks at one time, as people are joined", f"SAME_PERSON {SAME_PERSON_DISTANCE}", together)
    Console(width=120).print(table)


def to_others(tracks: Sequence[Track]) -> list[float]:
    """Return each face's distance to the weighted mean of its track's other faces."""
    found: list[float] = []
    for track in tracks:
        vectors, weights = _columns(track)
        for row in range(len(track)):
            others = np.arange(len(track)) != row
            found.append(_apart(vectors[row], weighted_mean(vectors[others], weights[others])))
    return found


def splits(tracks: Sequence[Track]) -> list[float]:
    """Return, per track, how far the means of two faces or more and of two others or more lie apart at most."""
    found: list[float] = []
    for track in tracks:
        vectors, weights = _columns(track)
        rows = np.arange(len(track))
        farthest = 0.0
        for first, last in combinations(range(len(track) + 1), 2):
            inner = (rows >= first) & (rows < last)
            if 2 <= inner.sum() <= len(track) - 2:
                means = (weighted_mean(vectors[part], weights[part]) for part in (inner, ~inner))
                farthest = max(farthest, _apart(*means))
        found.append(farthest)
    return found


def strangers(looks: Sequence[SeenFaces]) -> list[float]:
    """Return the distances between recognisable faces of one look, large enough to be compared."""
    found: list[float] = []
    for look in looks:
        large = look.boxes[:, 3] - look.boxes[:, 1] >= MIN_FACE_PX
        rows = np.flatnonzero(large & ~np.isnan(look.vectors[:, 0]))
        found += [_apart(look.vectors[a], look.vectors[b]) for a, b in combinations(rows.tolist(), 2)]
    return found


def pooled_strangers(tracks: Sequence[Track]) -> list[float]:
    """Return the distances of tracks seen at one time, on the scale people are joined by."""
    pooled: list[tuple[set[int], F32]] = []
    for track in tracks:
        if len(track) >= 2 and np.median([s.box[3] - s.box[1] for s in track]) >= MIN_FACE_PX:
            one = pool_template(*_columns(track))
            pooled.append(({s.pts_ms for s in track}, one.template * np.float32(one.cohesion)))
    apart = [
        float(np.sqrt(max(0.0, 2.0 - 2.0 * float(first @ second))))
        for (seen, first), (other, second) in combinations(pooled, 2)
        if seen & other
    ]
    return apart


def _columns(track: Track) -> tuple[F32, F32]:
    return np.array([s.vector for s in track], np.float32), np.array([s.quality for s in track], np.float32)


def _apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(one - other))


def _add(table: Table, name: str, decides: str, values: Sequence[float]) -> None:
    cells = (
        [f"{value:.2f}" for value in np.percentile(values, PERCENTILES)] if values else ["–"] * len(PERCENTILES)
    )
    table.add_row(name, decides, str(len(values)), *cells)


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]] or [broadcast().video])
