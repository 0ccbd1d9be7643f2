"""`fanreel eval expression`: calibration of the expressions on stills, excitement on clips of known course.

The clips are no unseen judge of excitement: how much a jerking head counts (MOTION_SHARE and MOTION_FULL of
domain/excitement.py) was set after seeing the acted and the celebrations clip.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from fanreel.adapters.media.source import FileSource
from fanreel.commands.analyze import analyze_video
from fanreel.contracts import AppearanceDocument
from fanreel.domain.attributes import EXPRESSIONS, VALENCE_AROUSAL, baseline_attributes
from fanreel.evaluation.attribute_stills import ExpressionStills, expression_stills
from fanreel.evaluation.calibration import confusion, honesty, reference_weights
from fanreel.inference.networks import Networks, load_networks
from fanreel.local.processes import project_root
from fanreel.settings import get_settings

MEDIA = project_root().parent / "shared" / "media"
RANGES = project_root() / "benchmarks" / "expression_ranges.csv"
Box = tuple[int, int, int, int]
out = Console(width=110, highlight=False)


@dataclass(frozen=True, slots=True)
class Range:
    """What somebody showed in [start_ms, end_ms) of a clip."""

    start_ms: int
    end_ms: int
    label: str
    source: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One sighting inside a labelled range; `said` is the likeliest expression of this very face."""

    label: str
    excitement: float
    said: str


def expression(
    media: Annotated[Path, typer.Option(help="The shared test media.")] = MEDIA,
    ranges: Annotated[Path, typer.Option(help="Labelled ranges of clips, CSV.")] = RANGES,
    stills: Annotated[bool, typer.Option(help="Also judge the calibration on labelled stills.")] = True,
) -> None:
    """Judge expressions on the half of the stills nothing was fitted on, and show excitement on labelled clips.

    The head-motion constants were set after seeing the acted and the celebrations clip.
    """
    networks = load_networks(get_settings())
    if stills:
        show_stills(expression_stills(media, networks))
    for clip, labelled in read_ranges(ranges).items():
        show_clip(clip, labelled, moments(media / "video" / clip, labelled, networks))
    out.print("The head-motion constants were set after seeing the acted and the celebrations clip; these do not")
    out.print("judge them independently.")


def read_ranges(path: Path) -> dict[str, list[Range]]:
    """Return the ranges of each clip; raises OSError or KeyError for a file that is none."""
    found: dict[str, list[Range]] = {}
    with path.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            one = Range(int(row["start_ms"]), int(row["end_ms"]), row["label"], row["source"])
            found.setdefault(row["clip"], []).append(one)
    return found


def moments(video: Path, labelled: list[Range], networks: Networks) -> list[Moment]:
    """Analyse the clip as the product does; return every sighting of a measured face in a labelled range."""
    analysis = analyze_video(FileSource(video), networks, get_settings())
    said = {
        (pts, box): EXPRESSIONS[int(np.argmax(shares))]
        for result in analysis.results
        for track in result.tracks
        for pts, box, shares in zip(track.pts_ms, track.boxes, track.expressions, strict=False)
    }
    appearances = analysis.merged.appearances if analysis.merged else ()
    return [moment for one in appearances if one.expression for moment in _moments(one, labelled, said)]


def rank_correlation(found: list[Moment]) -> float:
    """Return Spearman's rho of excitement with the arousal of the labels (VALENCE_AROUSAL)."""
    arousal = [float(VALENCE_AROUSAL[EXPRESSIONS.index(moment.label), 1]) for moment in found]
    answer: Any = spearmanr([moment.excitement for moment in found], arousal)
    return float(answer.statistic)


def show_stills(stills: ExpressionStills) -> None:
    """Print scores before and after joining, on the judged half, and the confusion."""
    judged = ~stills.fitting
    label, first, second = stills.label[judged], stills.first[judged], stills.second[judged]
    joined = baseline_attributes().expressions(first, second)
    weight = reference_weights(label, stills.counts)
    table = Table(title=f"{len(label)} stills of people nothing was fitted on, weighted to the reference mix")
    for name in ("", "accuracy", "log-loss", "ECE", "accuracy unweighted"):
        table.add_column(name, justify="left" if not name else "right")
    rows = {"face_expression": first, "emotion": second, "mean of both": (first + second) / 2, "joined": joined}
    for name, probability in rows.items():
        score = honesty(probability, label, weight)
        plain = float((probability.argmax(axis=1) == label).mean())
        table.add_row(name, *(f"{v:.3f}" for v in (score.accuracy, score.log_loss, score.ece, plain)))
    out.print(table)
    table = Table(title="joined: rows what it is, columns what was said")
    for name in ("", *EXPRESSIONS):
        table.add_column(name, justify="left" if not name else "right")
    for name, counts in zip(EXPRESSIONS, confusion(joined, label), strict=True):
        table.add_row(name, *map(str, counts.tolist()))
    out.print(table)


def show_clip(clip: str, labelled: list[Range], found: list[Moment]) -> None:
    """Print the course by label, and the rank correlation where labels are expressions."""
    table = Table(title=f"{clip} ({labelled[0].source})")
    for name in ("label", "arousal", "faces", "excitement", "least", "most", "said"):
        table.add_column(name, justify="left" if name in ("label", "said") else "right")
    for label in dict.fromkeys(one.label for one in labelled):
        own = [moment for moment in found if moment.label == label]
        values = np.array([moment.excitement for moment in own])
        arousal = f"{VALENCE_AROUSAL[EXPRESSIONS.index(label), 1]:.2f}" if label in EXPRESSIONS else "–"
        said = {name: sum(m.said == name for m in own) for name in EXPRESSIONS}
        words = ", ".join(f"{name} {count}" for name, count in said.items() if count)
        numbers = [f"{v:.2f}" for v in (values.mean(), values.min(), values.max())] if own else ["–"] * 3
        table.add_row(label, arousal, str(len(own)), *numbers, words)
    out.print(table)
    if found and all(moment.label in EXPRESSIONS for moment in found):
        out.print(f"rank correlation of excitement with arousal: {rank_correlation(found):.2f}")


def _moments(
    appearance: AppearanceDocument, labelled: list[Range], said: dict[tuple[int, Box], str]
) -> list[Moment]:
    sightings = zip(appearance.pts_ms, appearance.boxes, appearance.excitement_curve, strict=True)
    return [
        Moment(one.label, excitement, said.get((pts, box), ""))
        for pts, box, excitement in sightings
        for one in labelled
        if one.start_ms <= pts < one.end_ms
    ]
