"""Renders a planned montage to its files: films, poster, preview, captions, edit lists."""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from fanreel.adapters import exports
from fanreel.contracts import MontagePlan
from fanreel.domain.montage import Poster, Timeline, choose_poster, output_rate, place_clips, upright_crop
from fanreel.errors import FanreelError, InputRejected

from .ffmpeg import ffmpeg_binary
from .render_check import check_montage
from .render_encoder import ENCODER_FAULTS, SURE_ENCODER, Encoder, EncoderChoice, choose_encoder
from .render_graph import FilmJob, RenderSource, film_command, sound_command
from .render_loudness import Loudness, measure_film_loudness
from .render_mix import Mix, measure_mix, misses
from .render_picture import film_formats
from .render_preview import PosterPicture, poster_jpeg, write_preview
from .render_run import Progress, Stop, never_back, run_ffmpeg
from .render_slots import film_slot
from .render_sound import SAMPLE_RATE

__all__ = ["RenderSource", "Rendered", "render_montage"]

log = structlog.get_logger()

RunFfmpeg = Callable[..., str]
"""`run_ffmpeg` with the limits of this montage."""

LEAST_TIMEOUT_S = 120.0
"""Opening dozens of sources over a slow network takes its time whatever the montage's length."""
TIMEOUT_PER_SECOND_S = 20.0
"""Forty times the budget of DESIGN §11 (0.5 s a second): slower than that is stuck, not slow."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A finished montage: files by kind (mp4, jpg, vtt …), true length, measured A/V offset and loudness.

    `containment` is the share of the upright film's frames of the fan that show all of their face; None where
    there is no upright film, or no clip says where the face is.
    """

    files: dict[str, Path]
    duration_ms: int
    av_offset_ms: float
    loudness: Loudness | None = None
    containment: float | None = None


def render_montage(
    plan: MontagePlan,
    sources: Mapping[str, RenderSource],
    work_dir: Path,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
    poster: Poster | None = None,
    poster_picture: PosterPicture | None = None,
    music: Path | None = None,
    encoder: EncoderChoice = "auto",
) -> Rendered:
    """Render a plan into `work_dir`, as `<montageId>.<kind>`; all files appear, or none.

    `sources` maps each video id of the plan. `progress` is called with 0..1. `stop` is asked now and then whether
    to give up. `poster` says which picture stands for the montage (`choose_poster`); without it the best clip's
    middle does; `poster_picture` may make something else of it. `music` is the file of the bed that the plan's
    style names. `encoder` writes the picture: with `auto` NVENC where it works, and libx264 for a film that NVENC
    fails on.

    A process writes as many films at once as it may use cores (`film_slot`): each holds all its clips in memory.

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
        job = _film_job(plan, timeline, sources, Path(folder))
        run = partial(
            run_ffmpeg,
            timeout_s=LEAST_TIMEOUT_S + TIMEOUT_PER_SECOND_S * len(job.files) * timeline.duration_ms / 1000,
            length_ms=timeline.duration_ms,
            stop=stop,
        )
        mix = _mix(job, Path(folder), run, music=music)
        with film_slot(stop):
            av_offset_ms = _render_films(job, mix, Path(folder), run, progress=progress, encoder=encoder)
        film = next(iter(job.files.values()))
        loudness = _measured(film, mix, plan)
        made = _write_beside(job, film, poster or choose_poster(plan), poster_picture, run)
        made.update((form.kind, path) for form, path in job.files.items())
        files = {kind: _publish(path, work_dir) for kind, path in made.items()}
    seconds = time.perf_counter() - started
    log.info(
        "montage.rendered",
        montage_id=plan.montage_id,
        clips=len(plan.clips),
        duration_ms=timeline.duration_ms,
        av_offset_ms=av_offset_ms,
        seconds=round(seconds, 2),
    )
    return Rendered(files, timeline.duration_ms, av_offset_ms, loudness, _containment(job))


def _film_job(plan: MontagePlan, timeline: Timeline, sources: Mapping[str, RenderSource], folder: Path) -> FilmJob:
    files = {form: folder / f"{plan.montage_id}.{form.kind}" for form in film_formats(plan)}
    medias = [sources[placed.clip.video_id].media for placed in timeline.clips]
    crops = tuple(
        upright_crop(timeline, placed, media.width, media.height)
        for placed, media in zip(timeline.clips, medias, strict=True)
        if any(form.is_upright for form in files)
    )
    return FilmJob(plan, timeline, sources, crops, files)


def _mix(job: FilmJob, folder: Path, run: RunFfmpeg, *, music: Path | None) -> Mix | None:
    """Join the sound and find out how to finish it."""
    binary, timeline = ffmpeg_binary(), job.timeline
    samples = timeline.samples(timeline.frames, SAMPLE_RATE)
    wav: Path | None = None
    if any(job.sources[placed.clip.video_id].media.audio for placed in timeline.clips):
        wav = folder / "joined.wav"
        run(sound_command(timeline, job.sources, wav, binary=binary), log_file=folder / "sound.log")
    return measure_mix(wav, job.plan.render, samples, folder, run=run, binary=binary, music=music)


def _render_films(
    job: FilmJob,
    mix: Mix | None,
    folder: Path,
    run: RunFfmpeg,
    *,
    progress: Progress | None,
    encoder: EncoderChoice,
) -> float:
    """Write the films and look at them; return the largest offset of sound against picture, in milliseconds."""
    binary = ffmpeg_binary()
    progress = None if progress is None else never_back(progress)

    def written(by: Encoder) -> float:
        command = film_command(job, mix, folder, encoder=by, binary=binary)
        run(command, log_file=folder / "film.log", progress=progress)
        return max((check_montage(path, job.timeline, form.size) for form, path in job.files.items()), key=abs)

    chosen = choose_encoder(encoder, binary)
    try:
        return written(chosen)
    except FanreelError as fault:
        if encoder != "auto" or chosen == SURE_ENCODER or fault.code not in ENCODER_FAULTS:
            raise
        log.warning(
            "montage.encoder_failed",
            montage_id=job.plan.montage_id,
            encoder=chosen,
            code=fault.code,
            **fault.details,
        )
    return written(SURE_ENCODER)


def _measured(film: Path, mix: Mix | None, plan: MontagePlan) -> Loudness | None:
    loudness = measure_film_loudness(film)
    if loudness is not None and misses(loudness, mix):
        log.warning(
            "montage.loudness_missed",
            montage_id=plan.montage_id,
            lufs=loudness.integrated,
            target_lufs=None if mix is None else mix.target_lufs,
            true_peak_dbtp=loudness.true_peak,
        )
    return loudness


def _write_beside(
    job: FilmJob, film: Path, poster: Poster, poster_picture: PosterPicture | None, run: RunFfmpeg
) -> dict[str, Path]:
    medias = {video_id: source.media for video_id, source in job.sources.items()}
    texts = exports.files_beside(job.timeline, job.plan.montage_id, medias)
    files = {kind: film.with_suffix(f".{kind}") for kind in (*texts, "jpg", "webp")}
    for kind, text in texts.items():
        files[kind].write_text(text, encoding="utf-8", newline="\n")
    files["jpg"].write_bytes(poster_jpeg(film, job.timeline, poster, poster_picture))
    preview = partial(run, log_file=film.with_suffix(".preview.log"))
    write_preview(film, job.timeline, poster, files["webp"], run=preview, binary=ffmpeg_binary())
    return files


def _containment(job: FilmJob) -> float | None:
    faces = sum(crop.faces for crop in job.crops)
    return sum(crop.faces_inside for crop in job.crops) / faces if faces else None


def _publish(path: Path, folder: Path) -> Path:
    return Path(shutil.move(path, folder / path.name))
