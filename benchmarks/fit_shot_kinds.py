"""Fit the shot-kind model on labelled shots, and say how well it does on videos it has not seen.

    python -m benchmarks.fit_shot_kinds --videos ../shared/media/video --out fanreel/domain/shot_kinds.json

The labels (benchmarks/shot_labels.csv) were given by eye, from contact sheets of the shared clips. Seven are told
apart there; the model says the four that its features can tell (KIND_OF). Every figure printed is of videos left
out: fitted on all the others, judged on the one (several videos are a single shot of one kind).
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression

from benchmarks.material import quiet_logs
from fanreel.adapters.media.frames import iter_frames
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import SegmentResult
from fanreel.domain.faces import F32
from fanreel.domain.media import plan_segments
from fanreel.domain.shot_description import looks_and_faces
from fanreel.domain.shot_kinds import (
    FAN_KINDS,
    FEATURES,
    KINDS,
    UNKNOWN,
    KindModel,
    kind_of,
    read_model,
    shot_features,
)
from fanreel.inference.networks import Networks, load_networks
from fanreel.settings import get_settings
from gpu_workers.pipeline.segment import analyze_segment

LABELS = Path(__file__).with_name("shot_labels.csv")

KIND_OF = {
    "fans": "people",
    "player": "people",
    "bench": "people",
    "studio": "people",
    "crowd": "crowd",
    "play": "play",
    "graphic": "graphic",
}
"""Labels → kinds the model says."""

REGULARISATION = 0.3
"""scikit-learn's C: strong, with six labelled shots a feature. Not tuned: no data is left to tune it on."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LabelledShot:
    """Frames [from_frame, to_frame) of a video, and what a person saw there."""

    video: str
    from_frame: int
    to_frame: int
    label: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A labelled shot with its features."""

    shot: LabelledShot
    features: F32


def main(
    videos: Annotated[Path, typer.Option("--videos", help="The folder that the labels' video names start from.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write the fitted model.")] = None,
) -> None:
    """Measure the labelled shots, judge the model on videos left out, and write the one fitted on all."""
    quiet_logs()
    networks = load_networks(get_settings())
    samples: list[Sample] = []
    for video, shots in by_video(read_labels(LABELS)).items():
        times, result = analysed(videos / video, networks)
        samples += samples_of(shots, times, result)
    report(samples, Console(width=110))
    if out is not None:
        out.write_text(json.dumps(document(samples), indent=1) + "\n", "utf-8")


def read_labels(path: Path) -> list[LabelledShot]:
    """Read the label file."""
    with path.open(encoding="utf-8", newline="") as rows:
        return [
            LabelledShot(row["video"], int(row["from_frame"]), int(row["to_frame"]), row["kind"])
            for row in csv.DictReader(rows)
        ]


def by_video(shots: Iterable[LabelledShot]) -> dict[str, list[LabelledShot]]:
    """Group shots by their video."""
    grouped: dict[str, list[LabelledShot]] = {}
    for shot in shots:
        grouped.setdefault(shot.video, []).append(shot)
    return grouped


def analysed(path: Path, networks: Networks) -> tuple[list[int], SegmentResult]:
    """Return the times of a video's frames, and what the worker sees in it as one segment."""
    source = FileSource(path)
    media = probe(source)
    end_ms = media.duration_ms + 1
    times = [frame.pts_ms for frame in iter_frames(source, media, 0, end_ms)]
    (whole,) = plan_segments(media, target_ms=end_ms, overlap_ms=0)
    return times, analyze_segment(source, media, whole, networks, get_settings(), video_id="labelled")


def samples_of(shots: Sequence[LabelledShot], times: Sequence[int], result: SegmentResult) -> list[Sample]:
    """Measure labelled shots of one video."""
    looks, columns, faces = looks_and_faces([result], result.tracks)
    samples: list[Sample] = []
    for shot in shots:
        last = times[shot.to_frame] if shot.to_frame < len(times) else times[-1] + 1
        low, high = (int(row) for row in np.searchsorted(looks, [times[shot.from_frame], last]))
        features = shot_features({name: values[low:high] for name, values in columns.items()}, faces[low:high])
        if features is not None:
            samples.append(Sample(shot, features))
    return samples


def report(samples: Sequence[Sample], console: Console) -> None:
    """Print the confusion of the kinds, and of the finer labels to show why they are not told apart."""
    coarse = [KIND_OF[sample.shot.label] for sample in samples]
    fine = [sample.shot.label for sample in samples]
    for title, truth, classes in (("kinds", coarse, KINDS), ("finer labels", fine, tuple(KIND_OF))):
        said = left_out(samples, truth, classes)
        console.print(confusion(title, truth, said, classes))
    said = left_out(samples, coarse, KINDS)
    answered = [(t, s) for t, s in zip(coarse, said, strict=True) if s != UNKNOWN]
    right = sum(t == s for t, s in answered)
    console.print(f"{right} of {len(answered)} answered are right; {len(samples) - len(answered)} unknown")
    keeps = (*FAN_KINDS, UNKNOWN)
    fans = [said_so in keeps for true, said_so in zip(coarse, said, strict=True) if true in FAN_KINDS]
    others = [said_so in keeps for true, said_so in zip(coarse, said, strict=True) if true not in FAN_KINDS]
    console.print(
        f"said to be people or a crowd, or unknown: {sum(fans)} of {len(fans)} shots of people or crowds, "
        f"{sum(others)} of {len(others)} others"
    )


def left_out(samples: Sequence[Sample], truth: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Say the kind of each shot with a model fitted on the other videos."""
    said = [UNKNOWN] * len(samples)
    for video in sorted({sample.shot.video for sample in samples}):
        rest = [row for row, sample in enumerate(samples) if sample.shot.video != video]
        model = fitted([samples[row] for row in rest], [truth[row] for row in rest], classes)
        for row, sample in enumerate(samples):
            if sample.shot.video == video:
                said[row] = kind_of(model.probabilities(sample.features))
    return said


def fitted(samples: Sequence[Sample], truth: Sequence[str], classes: Sequence[str]) -> KindModel:
    """Fit a model; kinds weigh alike however often they were labelled."""
    return read_model(_fit(samples, truth, classes))


def document(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return the model fitted on all samples, as the package ships it."""
    counts = {kind: sum(KIND_OF[s.shot.label] == kind for s in samples) for kind in KINDS}
    made_by = {"command": "python -m benchmarks.fit_shot_kinds", "labelled": counts, "C": REGULARISATION}
    return {"madeBy": made_by, **_fit(samples, [KIND_OF[s.shot.label] for s in samples], KINDS)}


def _fit(samples: Sequence[Sample], truth: Sequence[str], classes: Sequence[str]) -> Mapping[str, Any]:
    features = np.array([sample.features for sample in samples], np.float64)
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-3)
    model = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=2000)
    model.fit((features - mean) / scale, [classes.index(kind) for kind in truth])
    known = [classes[int(row)] for row in model.classes_]
    coefficients: Matrix = model.coef_
    return {
        "features": list(FEATURES),
        "kinds": known,
        "mean": _rounded(mean),
        "scale": _rounded(scale),
        "coefficients": [_rounded(row) for row in coefficients],
        "intercepts": _rounded(model.intercept_),
    }


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 5) for value in values]


def confusion(title: str, truth: Sequence[str], said: Sequence[str], classes: Sequence[str]) -> Table:
    """Return the table of labelled against said, with recall per row."""
    table = Table(title=f"{title}: rows as labelled, columns as said by a model that never saw the video")
    for name in ("", *classes, UNKNOWN, "recall"):
        table.add_column(name, justify="right" if name else "left")
    pairs = list(zip(truth, said, strict=True))
    for kind in classes:
        row = [sum(pair == (kind, other) for pair in pairs) for other in (*classes, UNKNOWN)]
        recall = f"{pairs.count((kind, kind)) / sum(row):.2f}" if sum(row) else "–"
        table.add_row(kind, *map(str, row), recall)
    return table


if __name__ == "__main__":
    typer.run(main)
