"""`fanreel eval sound`: what is said to be heard, second by second, against labels."""

import csv
import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.sound import hear
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import CrowdSound
from fanreel.domain.crowd_sound import describe_sound
from fanreel.domain.sound_kinds import KINDS, fitted_on
from fanreel.domain.timeline import join_loudness
from fanreel.errors import FanreelError, InputRejected
from fanreel.local.processes import project_root

MEDIA = project_root().parent / "shared" / "media"
LABELS = project_root() / "benchmarks" / "sound_labels.csv"
SOUND_ALONE = {".mp3", ".ogg", ".flac", ".wav"}
SURE = 0.5
HEARD, NOT_HEARD, UNSURE = 1, 0, -1


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds [from_s, to_s) of a file: what is heard, and what the labels leave open; all else is not heard."""

    from_s: int
    to_s: int
    heard: frozenset[str]
    unsure: frozenset[str]

    def truth(self, kind: str) -> int:
        """Return HEARD, NOT_HEARD or UNSURE."""
        return HEARD if kind in self.heard else UNSURE if kind in self.unsure else NOT_HEARD


@dataclass(frozen=True, slots=True)
class Judged:
    """Labelled seconds of one file: said (n, KINDS) 0..1, truth (n, KINDS).

    crowd (n, 2): as it would be by loudness alone, and as it is.
    """

    file: str
    said: NDArray[np.float64]
    truth: NDArray[np.int8]
    crowd: NDArray[np.float64]

    @property
    def fitted(self) -> bool:
        """Whether the shipped model was fitted on it."""
        return Path(self.file).name in fitted_on()


@dataclass(frozen=True, slots=True)
class Score:
    """Of one kind: seconds, AUC (none where all are alike), precision and recall at ½ (none without any)."""

    kind: str
    heard: int
    not_heard: int
    auc: float | None
    precision: float | None
    recall: float | None


def sound(
    media: Annotated[Path, typer.Option(help="The shared test media.")] = MEDIA,
    labels: Annotated[Path, typer.Option(help="Labelled seconds, CSV.")] = LABELS,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the numbers here, as JSON.")] = None,
) -> None:
    """Print AUC, precision and recall per kind of sound and second, apart for files the model was fitted on.

    Labels were given from file names, the manifest and spectrograms, not by ear; what these leave open is not
    judged.
    """
    console = Console(width=120, highlight=False)
    try:
        judged = [judge(media / file, file, spans) for file, spans in read_labels(labels).items()]
    except (FanreelError, OSError, KeyError, ValueError) as error:
        console.print(f"[red]{error}[/]", soft_wrap=True)
        raise typer.Exit(1) from error
    groups = {
        "files of which nothing was fitted": [each for each in judged if not each.fitted],
        "files the model was fitted on (see benchmarks.fit_crowd_sound for each left out)": [
            each for each in judged if each.fitted
        ],
    }
    document: dict[str, Any] = {"files": {each.file: _means(each) for each in judged}}
    for title, group in groups.items():
        rows = scores(group)
        console.print(_score_table(f"{title}: {len(group)}", rows))
        document[title] = [{name: getattr(row, name) for name in Score.__slots__} for row in rows]
    console.print(_file_table(judged))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(document, indent=1), "utf-8")


def read_labels(path: Path) -> dict[str, list[Span]]:
    """Return the spans of each file; raises OSError, KeyError or ValueError for a file that is none."""
    found: dict[str, list[Span]] = {}
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            heard, unsure = (frozenset(row[name].split()) for name in ("heard", "unsure"))
            if unknown := (heard | unsure) - set(KINDS):
                raise ValueError(f"{row['file']}: no such kinds of sound: {', '.join(sorted(unknown))}")
            found.setdefault(row["file"], []).append(Span(int(row["from_s"]), int(row["to_s"]), heard, unsure))
    return found


def judge(path: Path, file: str, spans: Sequence[Span]) -> Judged:
    """Hear a file as the product does and put it beside its labels; raises FanreelError."""
    published, by_loudness = heard_in(path)
    columns = np.array([getattr(published, kind) for kind in KINDS]).T
    rows = [(second, span) for span in spans for second in range(span.from_s, min(span.to_s, len(columns)))]
    truth = np.array([[span.truth(kind) for kind in KINDS] for _, span in rows], np.int8)
    seconds = [second for second, _ in rows]
    crowd = np.array([by_loudness.crowd, published.crowd]).T
    return Judged(file, columns[seconds], truth, crowd[seconds])


def heard_in(path: Path) -> tuple[CrowdSound, CrowdSound]:
    """Return what the product would publish of a file's sound, and what it would by loudness alone.

    Raises FanreelError.

    A file of sound alone, which the product rejects, is put beside a black picture first, its sound untouched.
    """
    if path.suffix not in SOUND_ALONE:
        return _published(FileSource(path))
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mkv"
        black = ("-f", "lavfi", "-i", "color=black:size=64x64:rate=5")
        mapped = ("-map", "0:v", "-map", "1:a:0", "-c:v", "libx264", "-c:a", "copy", "-shortest")
        command = [ffmpeg_binary(), "-v", "error", "-nostdin", *black, "-i", str(path), *mapped, str(film)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputRejected("audio_undecodable", done.stderr.strip(), file=str(path))
        return _published(FileSource(film))


def _published(source: FileSource) -> tuple[CrowdSound, CrowdSound]:
    media = probe(source)
    result = hear(source, media, 0, media.duration_ms).result("labelled", "00000")
    loudness = join_loudness(media.duration_ms, [result])
    channels = media.audio[0].channels if media.audio else 1
    return (
        describe_sound(media.duration_ms, [result], loudness, channels),
        describe_sound(media.duration_ms, [], loudness, channels),
    )


def scores(judged: Sequence[Judged]) -> list[Score]:
    """Return the score of each kind over all labelled seconds."""
    said = np.concatenate([each.said for each in judged]) if judged else np.zeros((0, len(KINDS)))
    truth = np.concatenate([each.truth for each in judged]) if judged else np.zeros((0, len(KINDS)), np.int8)
    return [_score(kind, said[:, column], truth[:, column]) for column, kind in enumerate(KINDS)]


def _score(kind: str, said: NDArray[np.float64], truth: NDArray[np.int8]) -> Score:
    known = truth != UNSURE
    is_heard, value = truth[known] == HEARD, said[known]
    hits, called = int((is_heard & (value >= SURE)).sum()), int((value >= SURE).sum())
    total = int(is_heard.sum())
    return Score(
        kind,
        heard=total,
        not_heard=len(value) - total,
        auc=float(roc_auc_score(is_heard, value)) if 0 < total < len(value) else None,
        precision=hits / called if called else None,
        recall=hits / total if total else None,
    )


def _extremes(judged: Judged) -> tuple[list[float], list[float]]:
    """Return mean and highest crowd, each by loudness alone and as it is."""
    return judged.crowd.mean(axis=0).tolist(), judged.crowd.max(axis=0).tolist()


def _means(judged: Judged) -> dict[str, float]:
    return {kind: round(float(judged.said[:, column].mean()), 3) for column, kind in enumerate(KINDS)}


def _score_table(title: str, rows: Sequence[Score]) -> Table:
    table = Table(title=title)
    for name in ("kind", "heard s", "not heard s", "AUC", "precision", "recall"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    for row in rows:
        numbers = ("–" if n is None else f"{n:.3f}" for n in (row.auc, row.precision, row.recall))
        table.add_row(row.kind, str(row.heard), str(row.not_heard), *numbers)
    return table


def _file_table(judged: Sequence[Judged]) -> Table:
    table = Table(
        title="mean likelihood per file (* heard in some of it, () not known for some); crowd: mean and highest"
    )
    for name in ("file", "s", *KINDS, "crowd", "by loudness"):
        table.add_column(name, justify="left" if name == "file" else "right")
    for each in judged:
        cells: list[str] = []
        for said, truth in zip(each.said.T, each.truth.T, strict=True):
            marks = "{:.2f}*" if HEARD in truth else "({:.2f})" if UNSURE in truth else "{:.2f}"
            cells.append(marks.format(said.mean()))
        by_loudness, crowd = (f"{mean:.2f} {high:.2f}" for mean, high in zip(*_extremes(each), strict=True))
        table.add_row(Path(each.file).name, str(len(each.said)), *cells, crowd, by_loudness)
    return table
