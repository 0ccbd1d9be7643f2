"""`fanreel analyze`: look at one video, alone, without any server."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.sound import hear
from fanreel.adapters.media.source import FileSource, MediaSource, fingerprint
from fanreel.commands.detector import fallback_note
from fanreel.contracts import (
    AppearanceDocument,
    MediaInfo,
    Segment,
    SegmentPlanDocument,
    SegmentResult,
    SoundResult,
)
from fanreel.domain import naming
from fanreel.domain.media import plan_segments
from fanreel.domain.merging import MergedVideo, merge_segments
from fanreel.errors import FanreelError, InputRejected
from fanreel.inference.networks import Networks, load_networks
from fanreel.settings import Settings, get_settings
from gpu_workers.pipeline.segment import analyze_segment

EVENT_ID = "local"

# Stages as a person reads them, in order of the flow; `wait` is time in which no frame was there to hand on.
STAGES = {
    "probe": "probe",
    "decode": "decode (beside)",
    "shots": "shots (beside)",
    "convert": "colour conversion (beside)",
    "picture": "picture measures",
    "detect": "face detection (beside)",
    "crop": "face crops, quality (beside)",
    "attributes": "attributes",
    "embed": "embedding",
    "wait": "waiting for decoded frames",
    "sound": "loudness (beside)",
    "merge": "merge",
}


@dataclass(slots=True)
class Analysis:
    """Everything one analysis came to. `seconds` per stage; those `beside` others overlap with them."""

    media: MediaInfo
    plan: SegmentPlanDocument
    results: list[SegmentResult] = field(default_factory=list[SegmentResult])
    sounds: list[SoundResult] = field(default_factory=list[SoundResult])
    merged: MergedVideo | None = None
    seconds: dict[str, float] = field(default_factory=dict[str, float])


def analyze(
    video: Annotated[Path, typer.Argument(help="The video to look at.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", help="Where to write what was found, as JSON.", show_default=False)
    ],
    sample_fps: Annotated[
        float | None, typer.Option("--sample-fps", min=0.1, max=30.0, help="Looks per second of video.")
    ] = None,
    segment_seconds: Annotated[
        float | None, typer.Option("--segment-seconds", min=5.0, max=120.0, help="Aimed length of a segment.")
    ] = None,
    with_templates: Annotated[
        bool,
        typer.Option(
            "--with-templates", help="Include face templates. They are biometric data: keep the file safe."
        ),
    ] = False,
) -> None:
    """Find shots, faces, people, excitement and loudness in one video, and say how long each stage took.

    Ends with 0 only when all of the video was looked at; what could be is written in any case.
    """
    console = Console(stderr=True)
    try:
        _check_out(out)
        settings = _settings(sample_fps, segment_seconds)
        note = fallback_note(settings)
        if note:
            console.print(note, markup=False, highlight=False, soft_wrap=True)
        networks = load_networks(settings)
        analysis = analyze_video(FileSource(video), networks, settings, console=console)
        document = as_document(analysis, video.name, networks, with_templates=with_templates)
        out.write_text(json.dumps(document, indent=1), "utf-8")
    except InputRejected as error:
        console.print(f"[red]{video.name}: {error.code}:[/] {error.message}", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from error
    except (FanreelError, OSError) as error:
        console.print(f"[red]{error}[/]", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from error
    _report(console, analysis, networks, out)
    missing = gaps_line(analysis)
    if missing:
        console.print(f"{video.name}: {missing}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def gaps_line(analysis: Analysis) -> str | None:
    """Name, in one line, what of the video was not analysed and why; None when nothing is missing."""
    gaps = analysis.merged.gaps if analysis.merged else ()
    spans = [f"{gap.start_ms / 1000:.1f}–{gap.end_ms / 1000:.1f} s ({gap.reason})" for gap in gaps]
    return f"not analysed: {', '.join(spans)}" if spans else None


def _check_out(out: Path) -> None:
    """Raise InputRejected (`out_unwritable`) now rather than when the work is done."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        existed = out.exists()
        out.open("ab").close()
        if not existed:
            out.unlink()
    except OSError as error:
        raise InputRejected("out_unwritable", f"--out {out}: cannot be written ({error.strerror})") from error


def analyze_video(
    source: MediaSource, networks: Networks, settings: Settings, *, console: Console | None = None
) -> Analysis:
    """Do everything the server side would do with one video, up to the merge; raises FanreelError."""
    seconds: dict[str, float] = {}
    started = time.perf_counter()
    media = probe(source)
    plan = SegmentPlanDocument(
        video_id=naming.video_id(EVENT_ID, fingerprint(source)),
        media=media,
        segments=plan_segments(
            media, target_ms=settings.segment_target_ms, overlap_ms=settings.segment_overlap_ms
        ),
    )
    seconds["probe"] = time.perf_counter() - started
    analysis = Analysis(media, plan, seconds=seconds)
    with _progress(console) as bar, ThreadPoolExecutor(1, thread_name_prefix="sound") as beside:
        task = bar.add_task("looking", total=media.duration_ms)
        for segment in plan.segments:
            sound = beside.submit(_heard, source, media, segment, plan.video_id)
            analysis.results.append(
                analyze_segment(
                    source,
                    media,
                    segment,
                    networks,
                    settings,
                    video_id=plan.video_id,
                    progress=lambda pts_ms: bar.update(task, completed=pts_ms),
                )
            )
            result, spent = sound.result()
            analysis.sounds.append(result)
            _add(seconds, "sound", spent)
        bar.update(task, completed=media.duration_ms)
    before_merge = time.perf_counter()
    analysis.merged = merge_segments(plan, analysis.results, analysis.sounds, event_id=EVENT_ID)
    seconds["merge"] = time.perf_counter() - before_merge
    for stage, value in analysis.merged.seconds.items():
        if stage != "total":
            _add(seconds, stage, value)
    seconds["total"] = time.perf_counter() - started
    return analysis


def _heard(source: MediaSource, media: MediaInfo, segment: Segment, video_id: str) -> tuple[SoundResult, float]:
    """Return what is heard in one segment, and the seconds that took."""
    started = time.perf_counter()
    heard = hear(source, media, segment.start_ms, segment.end_ms)
    return heard.result(video_id, segment.segment_id), time.perf_counter() - started


def as_document(analysis: Analysis, name: str, networks: Networks, *, with_templates: bool) -> dict[str, Any]:
    """Return the JSON document of an analysis; templates only when asked for."""
    merged = analysis.merged
    assert merged is not None
    total = analysis.seconds["total"]
    return {
        "schemaVersion": analysis.plan.schema_version,
        "video": {"videoId": analysis.plan.video_id, "name": name, "media": analysis.media.to_wire()},
        "detector": networks.detector.name,
        "modelContract": networks.model_contract.to_wire(),
        "segments": [
            {
                **segment.to_wire(),
                "framesDecoded": result.frames_decoded,
                "framesSampled": result.frames_sampled,
                "framesCorrupt": result.frames_corrupt,
            }
            for segment, result in zip(analysis.plan.segments, analysis.results, strict=True)
        ],
        "shots": [shot.to_wire() for shot in merged.shots],
        "appearances": [_appearance(a, with_templates) for a in merged.appearances],
        "people": [person.to_wire() for person in merged.people],
        "loudnessDb": merged.loudness_db,
        "excitement": merged.excitement,
        "highlights": [highlight.to_wire() for highlight in merged.highlights],
        "action": merged.action,
        "unusual": merged.unusual,
        "sound": merged.sound.to_wire(),
        "sounds": [event.to_wire() for event in merged.sounds],
        "gaps": [gap.to_wire() for gap in merged.gaps],
        "timings": {
            "seconds": {stage: round(value, 3) for stage, value in analysis.seconds.items()},
            "realTime": round(analysis.media.duration_ms / 1000 / total, 2) if total > 0 else None,
        },
    }


def _appearance(appearance: AppearanceDocument, with_templates: bool) -> dict[str, Any]:
    wire = appearance.to_wire()
    if not with_templates:
        wire.pop("template", None)
    return wire


def _settings(sample_fps: float | None, segment_seconds: float | None) -> Settings:
    changes: dict[str, object] = {}
    if sample_fps is not None:
        changes["sample_fps"] = sample_fps
    if segment_seconds is not None:
        changes["segment_target_ms"] = round(segment_seconds * 1000)
    return get_settings().model_copy(update=changes)


def _report(console: Console, analysis: Analysis, networks: Networks, out: Path) -> None:
    merged = analysis.merged
    assert merged is not None
    length, total = analysis.media.duration_ms / 1000, analysis.seconds["total"]
    table = Table(title=f"{length:.1f} s of video in {total:.1f} s: {length / total:.2f} × real time")
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    table.add_column("× real time", justify="right")
    for stage, label in STAGES.items():
        value = analysis.seconds.get(stage)
        if value is not None:
            table.add_row(label, f"{value:.2f}", f"{length / value:.1f}" if value > 0.001 else "–")
    console.print(table)
    console.print(
        f"detector {networks.detector.name} · {len(merged.shots)} shots · {len(merged.appearances)} appearances "
        f"({sum(a.template is not None for a in merged.appearances)} recognisable) · {len(merged.people)} people"
    )
    console.print(f"written to {out}", soft_wrap=True, highlight=False)


def _progress(console: Console | None) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=console,
        disable=console is None or not console.is_terminal,
    )


def _add(seconds: dict[str, float], stage: str, value: float) -> None:
    seconds[stage] = seconds.get(stage, 0.0) + value


def main() -> None:
    """Run this command alone: `python -m fanreel.commands.analyze`."""
    typer.run(analyze)


if __name__ == "__main__":
    main()
