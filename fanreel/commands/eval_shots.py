"""`fanreel eval shots`: found shot boundaries against labelled ones."""

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from fanreel.adapters.media.frames import iter_frames
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.domain.faces import Bgr
from fanreel.domain.shots import count_matched, f1_score
from fanreel.domain.transitions import shot_boundaries
from fanreel.errors import FanreelError
from gpu_workers.pipeline.shots import WORK_SIZE, ShotSettings, ShotStage

TOLERANCE_FRAMES = 2

GRID: dict[str, tuple[float, ...]] = {
    "adaptive_threshold": (1.5, 2.0, 2.5, 3.0),
    "min_content": (12.0, 15.0, 18.0, 22.0),
    "min_separation": (0.0, 0.2, 0.3, 0.4),
}
"""What `--sweep` tries: around the library's defaults (3.0 and 15), and no separation at all."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A video and where its shots begin, as frame numbers.

    `gradual`: whether that includes dissolves and fades. `until`: the frame at which the labels end.
    """

    name: str
    path: Path
    cuts: tuple[int, ...]
    not_cuts: tuple[tuple[int, int], ...] = ()
    gradual: bool = False
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found in one clip, counted; frame numbers of what is wrong or missing."""

    clip: str
    truth: int
    found: int
    matched: int
    false_alarms: tuple[int, ...]
    missed: tuple[int, ...]
    not_cuts: int
    not_cuts_called: int
    transitions: tuple[str, ...]

    @property
    def scores(self) -> tuple[float, float, float]:
        """Precision, recall, F1."""
        return f1_score(self.matched, self.found, self.truth)


class _SmallFrame:
    """A frame of which only the small picture is left."""

    def __init__(self, pts_ms: int, coded_size: tuple[int, int], picture: Bgr) -> None:
        self.pts_ms = pts_ms
        self.coded_size = coded_size
        self._picture = picture

    def bgr(self) -> Bgr:
        return self._picture

    def small(self, width: int) -> Bgr:  # noqa: ARG002
        return self._picture


def shots(
    truth: Annotated[Path, typer.Option("--truth", help="Labels: JSON with first frames of shots per file.")],
    videos: Annotated[Path, typer.Option("--videos", help="The folder that the labels' file names start from.")],
    out: Annotated[Path | None, typer.Option("--out", help="Also write the numbers here, as JSON.")] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Choose the parameters anew, and judge the choice on clips left out.")
    ] = False,
    min_f1: Annotated[float, typer.Option("--min-f1", min=0.0, max=1.0, help="End with 1 below this.")] = 0.0,
) -> None:
    """Print precision, recall and F1 of shot boundaries, ± 2 frames, per clip and over all.

    A label file is {"files": {name: {"cuts": […], "not_cuts": {frame or range: why}, "gradual": bool,
    "until": frame}}}.
    Where `gradual` is set the labels include the middles of dissolves and fades; elsewhere they are hard cuts,
    and gradual changes are listed but not scored.
    """
    console = Console(width=110)
    try:
        clips = read_truth(truth, videos)
        outcomes = [evaluate(clip, ShotSettings()) for clip in clips]
    except (FanreelError, OSError, KeyError, ValueError) as error:
        console.print(f"[red]{error}[/]", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from error
    console.print(_table(outcomes))
    for outcome in outcomes:
        for line in _remarks(outcome):
            console.print(line, soft_wrap=True, highlight=False)
    document = _document(outcomes)
    if sweep:
        chosen, held_out = cross_validate(clips)
        console.print(f"chosen on all clips: {_as_text(chosen)}", highlight=False)
        console.print(
            f"each clip judged by what the others chose: F1 {f1_score(*held_out)[2]:.3f} "
            f"({held_out[0]} right of {held_out[1]} found, {held_out[2]} true)",
            highlight=False,
        )
        document["sweep"] = {"chosen": chosen, "heldOut": held_out, "heldOutF1": f1_score(*held_out)[2]}
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(document, indent=1), "utf-8")
    if total(outcomes).scores[2] < min_f1:
        raise typer.Exit(1)


def read_truth(truth: Path, videos: Path) -> list[Clip]:
    """Read a label file; raises OSError, KeyError or ValueError when it is not one."""
    files: dict[str, dict[str, Any]] = json.loads(truth.read_text("utf-8"))["files"]
    return [
        Clip(
            name=name,
            path=videos / name,
            cuts=tuple(int(cut) for cut in labels["cuts"]),
            not_cuts=tuple(_frames(frames) for frames in labels.get("not_cuts", {})),
            gradual=bool(labels.get("gradual", False)),
            until=labels.get("until"),
        )
        for name, labels in files.items()
    ]


def evaluate(clip: Clip, settings: ShotSettings) -> Outcome:
    """Decode a clip and score what the shot stage finds in it; raises FanreelError."""
    return score(clip, _small_frames(clip.path), settings)


def score(clip: Clip, frames: Iterable[_SmallFrame], settings: ShotSettings) -> Outcome:
    """Score what the shot stage finds in the frames of a clip."""
    stage = ShotStage(settings)
    times: list[int] = []
    for frame in frames:
        stage.process_frame(frame)
        times.append(frame.pts_ms)
    end_ms = times[-1] + 1
    transitions = stage.transitions(0, end_ms)
    boundaries = shot_boundaries(stage.cuts_ms(0, end_ms), transitions)
    at = {pts_ms: index for index, pts_ms in enumerate(times)}
    hard = set(stage.cuts_ms(0, end_ms))
    found = [_nearest(times, ms) for ms in boundaries if clip.gradual or ms in hard]
    found = [frame for frame in found if clip.until is None or frame < clip.until]
    return Outcome(
        clip=clip.name,
        truth=len(clip.cuts),
        found=len(found),
        matched=count_matched(found, clip.cuts, TOLERANCE_FRAMES),
        false_alarms=_without_partner(found, clip.cuts),
        missed=_without_partner(clip.cuts, found),
        not_cuts=len(clip.not_cuts),
        not_cuts_called=sum(
            any(low - TOLERANCE_FRAMES <= frame <= high + TOLERANCE_FRAMES for frame in found)
            for low, high in clip.not_cuts
        ),
        transitions=tuple(f"{t.kind} {at[t.start_ms]}–{at[t.end_ms]}" for t in transitions),
    )


def total(outcomes: Sequence[Outcome]) -> Outcome:
    """Return all clips' counts added up."""
    return Outcome(
        clip="all",
        truth=sum(o.truth for o in outcomes),
        found=sum(o.found for o in outcomes),
        matched=sum(o.matched for o in outcomes),
        false_alarms=(),
        missed=(),
        not_cuts=sum(o.not_cuts for o in outcomes),
        not_cuts_called=sum(o.not_cuts_called for o in outcomes),
        transitions=(),
    )


def cross_validate(clips: Sequence[Clip]) -> tuple[dict[str, float], tuple[int, int, int]]:
    """Choose parameters from GRID on all clips; count (right, found, true) with each clip's chosen on the others.

    Of equally good choices the middle one in the grid's order is taken.
    """
    choices = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    counts: list[list[tuple[int, int, int]]] = []
    for clip in clips:
        frames = list(_small_frames(clip.path))
        scored = [score(clip, frames, replace(ShotSettings(), **choice)) for choice in choices]  # pyright: ignore[reportArgumentType]
        counts.append([(o.matched, o.found, o.truth) for o in scored])
    held_out = [counts[left][_best(counts[:left] + counts[left + 1 :])] for left in range(len(clips))]
    return choices[_best(counts)], _added(held_out)


def _best(counts: Sequence[Sequence[tuple[int, int, int]]]) -> int:
    scores = [round(f1_score(*_added([clip[row] for clip in counts]))[2], 6) for row in range(len(counts[0]))]
    equal = [row for row, value in enumerate(scores) if value == max(scores)]
    return equal[len(equal) // 2]


def _added(counts: Sequence[tuple[int, int, int]]) -> tuple[int, int, int]:
    return sum(c[0] for c in counts), sum(c[1] for c in counts), sum(c[2] for c in counts)


def _small_frames(path: Path) -> Iterable[_SmallFrame]:
    source = FileSource(path)
    media = probe(source)
    for frame in iter_frames(source, media, 0, media.duration_ms + 1):
        yield _SmallFrame(frame.pts_ms, frame.coded_size, frame.small(WORK_SIZE[0]))


def _frames(label: str) -> tuple[int, int]:
    low, _, high = label.partition("-")
    return int(low), int(high or low)


def _nearest(times: Sequence[int], ms: int) -> int:
    return min(range(len(times)), key=lambda index: abs(times[index] - ms))


def _without_partner(frames: Sequence[int], others: Sequence[int]) -> tuple[int, ...]:
    return tuple(f for f in frames if not any(abs(f - other) <= TOLERANCE_FRAMES for other in others))


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title=f"shot boundaries, ± {TOLERANCE_FRAMES} frames")
    for name in ("clip", "true", "found", "precision", "recall", "F1", "not cuts, called one"):
        table.add_column(name, justify="left" if name == "clip" else "right")
    for outcome in [*outcomes, total(outcomes)]:
        numbers = (f"{value:.3f}" for value in outcome.scores)
        called = f"{outcome.not_cuts_called} of {outcome.not_cuts}" if outcome.not_cuts else "–"
        table.add_row(outcome.clip, str(outcome.truth), str(outcome.found), *numbers, called)
    return table


def _remarks(outcome: Outcome) -> list[str]:
    lists = {
        "false alarms at": outcome.false_alarms,
        "missed at": outcome.missed,
        "gradual:": outcome.transitions,
    }
    return [f"{outcome.clip}: {what} {', '.join(map(str, each))}" for what, each in lists.items() if each]


def _document(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    rows = [
        {**asdict(o), **dict(zip(("precision", "recall", "f1"), o.scores, strict=True))}
        for o in [*outcomes, total(outcomes)]
    ]
    return {"toleranceFrames": TOLERANCE_FRAMES, "clips": rows[:-1], "all": rows[-1]}


def _as_text(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())
