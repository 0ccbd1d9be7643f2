"""`python -m benchmarks.association VIDEO…`: what the tracker's numbers, and colours beside them, do to tracks.

Truth comes from the faces: two sightings in a row of one track whose faces lie farther apart than one person's do
are suspects of a switch (to be looked at: a turned head is one too); a track that ends though the very same face
goes on nearby within four looks is a break.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.looks import SeenFaces, Sighting, look_at
from benchmarks.material import broadcast, quiet_logs
from fanreel.adapters.media.source import FileSource
from fanreel.domain.faces import F32
from fanreel.domain.templates import OUTLIER_DISTANCE
from fanreel.domain.tracks import (
    FORBIDDEN,
    MAX_CENTRE_DISTANCE,
    MAX_MISSED_SAMPLES,
    MAX_SIZE_RATIO,
    MIN_IOU,
    assign,
    crosses_cut,
    pair_cost,
)
from fanreel.inference.networks import load_networks
from fanreel.settings import get_settings

SURE_QUALITY = 0.35
"""Below it a face's distance says little; breaks are only counted between better ones."""
SAME_FACE = 0.5
BREAK_LOOKS = 4
BREAK_SIZES = 3.0


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to associate. `colour`: weight of the colours' distance (0..1), `colour_gate`: the largest."""

    name: str
    min_iou: float = MIN_IOU
    centre: float = MAX_CENTRE_DISTANCE
    ratio: float = MAX_SIZE_RATIO
    missed: int = MAX_MISSED_SAMPLES
    colour: float = 0.0
    colour_gate: float = 1.0


VARIANTS = (
    Variant("as it is"),
    *(Variant(f"centre distance {value}", centre=value) for value in (0.5, 0.6, 0.9, 1.0, 1.3)),
    *(Variant(f"overlap {value}", min_iou=value) for value in (0.1, 0.4)),
    *(Variant(f"size ratio {value}", ratio=value) for value in (1.4, 2.2)),
    *(Variant(f"missed looks {value}", missed=value) for value in (0, 1, 3, 5)),
    *(Variant(f"colour weight {value}", colour=value) for value in (0.5, 1.0, 2.0)),
    *(Variant(f"colour within {value}", colour_gate=value) for value in (0.4, 0.5, 0.6)),
    Variant("centre distance 1.3, colour weight 1, within 0.5", centre=1.3, colour=1.0, colour_gate=0.5),
)


@dataclass(slots=True)
class _Live:
    sample: int
    colours: F32
    sightings: list[Sighting]


def main(videos: Sequence[Path]) -> None:
    """Measure and print one table per video."""
    quiet_logs()
    console, settings = Console(width=110), get_settings()
    networks = load_networks(settings)
    for video in videos:
        looks, cuts = look_at(FileSource(video), networks, settings.sample_fps)
        table = Table(title=f"{video.name}: {len(looks)} looks, {sum(len(look.boxes) for look in looks)} faces")
        for name in ("association", "tracks", "pairs", "suspects", "breaks"):
            table.add_column(name, justify="left" if name == "association" else "right")
        for variant in VARIANTS:
            table.add_row(variant.name, *map(str, measure(follow_by(variant, looks, cuts))))
        console.print(table)


def follow_by(variant: Variant, looks: Sequence[SeenFaces], cuts: Sequence[int]) -> list[list[Sighting]]:
    """Return the tracks that one way of associating gives."""
    live: list[_Live] = []
    done: list[list[Sighting]] = []
    before_ms = -1
    for sample, look in enumerate(looks):
        cut = crosses_cut(cuts, before_ms, look.pts_ms)
        before_ms = look.pts_ms
        done += [one.sightings for one in live if cut or sample - one.sample > variant.missed + 1]
        live = [one for one in live if not cut and sample - one.sample <= variant.missed + 1]
        rows = assign(_cost(variant, live, look))
        for face, row in enumerate(rows.tolist()):
            sighting = Sighting(look.pts_ms, look.boxes[face], float(look.quality[face]), look.vectors[face])
            if row >= 0:
                live[row].sightings.append(sighting)
                live[row].sample, live[row].colours = sample, look.colours[face]
            else:
                live.append(_Live(sample, look.colours[face], [sighting]))
    return done + [one.sightings for one in live]


def measure(tracks: Sequence[Sequence[Sighting]]) -> tuple[int, int, int, int]:
    """Return how many tracks there are, pairs of sightings with a face, suspects of a switch, and breaks."""
    pairs = [pair for track in tracks for pair in pairwise([s for s in track if s.recognisable])]
    suspects = sum(_apart(*pair) > OUTLIER_DISTANCE for pair in pairs)
    sure = [track for track in tracks if track]
    breaks = sum(any(_goes_on(track[-1], other[0]) for other in sure if other is not track) for track in sure)
    return len(tracks), len(pairs), suspects, breaks


def _cost(variant: Variant, live: Sequence[_Live], look: SeenFaces) -> NDArray[np.float64]:
    known = np.array([one.sightings[-1].box for one in live], np.float32).reshape(-1, 4)
    cost = pair_cost(
        known,
        look.boxes.astype(np.float32),
        min_iou=variant.min_iou,
        max_centre_distance=variant.centre,
        max_size_ratio=variant.ratio,
    )
    if (variant.colour == 0.0 and variant.colour_gate >= 1.0) or not cost.size:
        return cost
    roots = np.sqrt(np.array([one.colours for one in live]))
    # Hellinger distance of the histograms, 0..1.
    colour = np.sqrt(np.maximum(1.0 - roots @ np.sqrt(look.colours).T, 0.0))
    return np.where(
        (cost < FORBIDDEN) & (colour <= variant.colour_gate), cost + variant.colour * colour, FORBIDDEN
    )


def _apart(one: Sighting, other: Sighting) -> float:
    return float(np.linalg.norm(one.vector - other.vector))


def _goes_on(last: Sighting, first: Sighting) -> bool:
    if not 0 < first.pts_ms - last.pts_ms <= BREAK_LOOKS * 1000 / get_settings().sample_fps:
        return False
    if min(last.quality, first.quality) < SURE_QUALITY or not (last.recognisable and first.recognisable):
        return False
    moved = abs(int(first.box[0] + first.box[2]) - int(last.box[0] + last.box[2])) / 2
    return moved < BREAK_SIZES * max(int(last.box[2] - last.box[0]), 1) and _apart(last, first) < SAME_FACE


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]] or [broadcast().video])
