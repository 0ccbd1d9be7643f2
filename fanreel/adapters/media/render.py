"""Renders a planned montage to its files: film, poster, captions, edit lists."""

import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from fanreel.adapters import exports
from fanreel.contracts import MontagePlan
from fanreel.domain.montage import Poster, Timeline, choose_poster, output_rate, place_clips
from fanreel.errors import InputRejected

from .ffmpeg import ffmpeg_binary
from .probe import probe
from .render_check import check_montage
from .render_graph import RenderSource, film_command, sound_command
from .render_loudness import Loudness, measure_film_loudness
from .render_mix import measure_mix
from .render_run import Progress, Stop, run_ffmpeg
from .render_sound import SAMPLE_RATE
from .source import FileSource
from .thumbnail import frame_jpeg

__all__ = ["RenderSource", "Rendered", "render_montage"]

log = structlog.get_logger()

LEAST_TIMEOUT_S = 120.0
"""Opening dozens of sources over a slow network takes its time whatever the montage's length."""
TIMEOUT_PER_SECOND_S = 20.0
"""Forty times the budget of DESIGN §11 (0.5 s a second): slower than that is stuck, not slow."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A finished montage: files by kind (mp4, jpg, vtt …), true length, measured A/V offset and loudness."""

    files: dict[str, Path]
    duration_ms: int
    av_offset_ms: float
    loudness: Loudness | None = None


def render_montage(
    plan: MontagePlan,
    sources: Mapping[str, RenderSource],
    work_dir: Path,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
    poster: Poster | None = None,
    music: Path | None = None,
) -> Rendered:
    """Render a plan into `work_dir`, as `<montageId>.<kind>`; all files appear, or none.

    `sources` maps each video id of the plan. `progress` is called with 0..1. `stop` is asked now and then whether
    to give up. `poster` says which picture stands for the montage (`choose_poster`); without it the best clip's
    middle does. `music` is the file of the bed that the plan's style names.

    Raises InputRejected (`source_unreadable`: a source is missing or cannot be opened; `render_failed`: the
    result is not what was planned; `render_stopped`), TransientFault (see `run_ffmpeg`: too slow, killed,
    network), ContractBroken (`montage_plan`).
    """
    missing = sorted({clip.video_id for clip in plan.clips} - set(sources))
    if missing:
        raise InputRejected("source_unreadable", "A source video of this montage is gone.", videos=missing)
    rates = [sources[clip.video_id].media.frame_rate.fraction() for clip in plan.clips]
    timeline = place_clips(plan, output_rate(rates))
    work_dir.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix=f".{plan.montage_id}-", dir=work_dir) as folder:
        made = Path(folder)
        film = made / f"{plan.montage_id}.mp4"
        _render_film(plan, timeline, sources, film, progress, stop, music)
        av_offset_ms = check_montage(film, timeline, (plan.width, plan.height))
        loudness = measure_film_loudness(film)
        beside = _write_beside(film, plan, timeline, sources, poster or choose_poster(plan))
        files = {kind: _publish(path, work_dir) for kind, path in {**beside, "mp4": film}.items()}
    seconds = time.perf_counter() - started
    log.info(
        "montage.rendered",
        montage_id=plan.montage_id,
        clips=len(plan.clips),
        duration_ms=timeline.duration_ms,
        av_offset_ms=av_offset_ms,
        seconds=round(seconds, 2),
    )
    return Rendered(files, timeline.duration_ms, av_offset_ms, loudness)


def _render_film(
    plan: MontagePlan,
    timeline: Timeline,
    sources: Mapping[str, RenderSource],
    film: Path,
    progress: Progress | None,
    stop: Stop | None,
    music: Path | None,
) -> None:
    binary = ffmpeg_binary()
    run = partial(
        run_ffmpeg,
        timeout_s=LEAST_TIMEOUT_S + TIMEOUT_PER_SECOND_S * timeline.duration_ms / 1000,
        length_ms=timeline.duration_ms,
        stop=stop,
    )
    samples = timeline.samples(timeline.frames, SAMPLE_RATE)
    wav: Path | None = None
    if any(sources[placed.clip.video_id].media.audio for placed in timeline.clips):
        wav = film.with_suffix(".wav")
        run(sound_command(timeline, sources, wav, binary=binary), log_file=film.with_suffix(".sound"))
    mix = measure_mix(wav, plan.render, samples, film.parent, run=run, binary=binary, music=music)
    command = film_command(plan, timeline, sources, mix, film, binary=binary)
    run(command, log_file=film.with_suffix(".log"), progress=progress)


def _write_beside(
    film: Path, plan: MontagePlan, timeline: Timeline, sources: Mapping[str, RenderSource], poster: Poster
) -> dict[str, Path]:
    medias = {video_id: source.media for video_id, source in sources.items()}
    texts = exports.files_beside(timeline, plan.montage_id, medias)
    files = {kind: film.with_suffix(f".{kind}") for kind in (*texts, "jpg")}
    for kind, text in texts.items():
        files[kind].write_text(text, encoding="utf-8", newline="\n")
    files["jpg"].write_bytes(_poster_jpeg(film, timeline, poster))
    return files


def _poster_jpeg(film: Path, timeline: Timeline, poster: Poster) -> bytes:
    """Cut the poster out of the finished film: no second read of the source, the same look as the video."""
    placed = timeline.clips[poster.clip_index]
    at_ms = round(timeline.ms(placed.start_frame)) + poster.pts_ms - placed.clip.start_ms
    source = FileSource(film)
    return frame_jpeg(source, probe(source), min(max(at_ms, 0), timeline.duration_ms - 1))


def _publish(path: Path, folder: Path) -> Path:
    return Path(shutil.move(path, folder / path.name))
