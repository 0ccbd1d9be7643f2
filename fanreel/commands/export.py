"""`fanreel export`: edit lists, captions and clips of what a stack knows."""

import contextlib
from collections.abc import Generator, Sequence
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, TypeVar

import typer
from azure.core.exceptions import AzureError
from rich.console import Console

from fanreel.adapters.exports.highlights import HIGHLIGHT_FORMATS, HighlightFormat
from fanreel.adapters.exports.stored import (
    MONTAGE_FILES,
    MontageFile,
    find_video,
    highlight_files,
    media_of,
    montage_files,
    stem_of,
)
from fanreel.adapters.media.render import RenderSource, render_montage
from fanreel.adapters.originals import is_in_storage
from fanreel.adapters.services import Services
from fanreel.contracts import Highlight, MontageClip, MontagePlan, RenderStyle, VideoDocument
from fanreel.errors import FanreelError, InputRejected, TransientFault
from fanreel.local.stack import current_stack
from fanreel.profiles import profile_or_default
from fanreel.settings import Settings, get_settings

_LINK_MINUTES = 60
"""ffmpeg reads the broadcast through the link for as long as a clip takes."""
_K = TypeVar("_K", bound=str)

console = Console(highlight=False, soft_wrap=True)
problems = Console(stderr=True, highlight=False, soft_wrap=True)


class Format(StrEnum):
    """What can be asked for; `srt` is of montages only, `csv` of highlights only."""

    EDL = "edl"
    OTIO = "otio"
    VTT = "vtt"
    SRT = "srt"
    JSON = "json"
    CSV = "csv"
    ALL = "all"


def export(
    out: Annotated[Path, typer.Option(help="Where the files go.", metavar="DIR")],
    event: Annotated[str, typer.Option(help="Event of the montage.", metavar="NAME")] = "",
    fan: Annotated[str, typer.Option(help="Fan whose montage it is.", metavar="ID")] = "",
    video: Annotated[str, typer.Option(help="Id or name of a video.", metavar="VIDEO")] = "",
    highlights: Annotated[bool, typer.Option("--highlights", help="The video's highlights as files.")] = False,
    clips: Annotated[bool, typer.Option("--clips", help="The video's highlights as MP4 clips.")] = False,
    top: Annotated[int | None, typer.Option(help="Only the best N highlights.", metavar="N", min=1)] = None,
    kind: Annotated[Format, typer.Option("--format", help="Which file.")] = Format.ALL,
    drop_frame: Annotated[
        bool | None,
        typer.Option("--drop-frame/--non-drop", help="How an EDL at 29.97 counts; default: drop-frame."),
    ] = None,
) -> None:
    """Write edit lists (EDL, OTIO) and captions of a fan's montage, or a match's highlights as lists or clips.

    `--event E --fan F` takes a montage, `--video V --highlights` or `--clips` the interesting action of a match.
    Asks the stack that `fanreel up` runs, or the one the settings name.
    """
    is_montage, is_video = bool(event and fan), bool(video and (highlights or clips))
    if is_montage == is_video or (is_montage and (highlights or clips or top or video)):
        problems.print("fanreel export: give --event and --fan, or --video with --highlights or --clips")
        raise typer.Exit(2)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problems.print(f"fanreel export: --out {out}: {error.strerror} (out_unwritable)", markup=False)
        raise typer.Exit(1) from error
    try:
        with _told(), contextlib.closing(Services.connect(_settings())) as services:
            if is_montage:
                export_montage(services, fan, event, kind, out, drop_frame=drop_frame)
                return
            found = _best(find_video(services, video), top)
            if highlights:
                export_highlights(services, found, kind, out, drop_frame=drop_frame)
            if clips:
                export_clips(services, found, out)
    except FanreelError as error:
        problems.print(f"fanreel export: {error.message} ({error.code})", markup=False)
        raise typer.Exit(1) from error


def export_montage(
    services: Services, fan: str, event: str, kind: Format, out: Path, *, drop_frame: bool | None
) -> list[Path]:
    """Write a montage's files as `<fan>.<kind>`. Raises InputRejected (`exports.stored`, `bad_format`)."""
    kinds = _kinds(kind, MONTAGE_FILES)
    return _write(out, fan, montage_files(services, fan, event, kinds, drop_frame=drop_frame))


def export_highlights(
    services: Services, video: VideoDocument, kind: Format, out: Path, *, drop_frame: bool | None
) -> list[Path]:
    """Write a video's highlights as `<video>-highlights.<kind>`. Raises InputRejected as above."""
    kinds = _kinds(kind, HIGHLIGHT_FORMATS)
    files = highlight_files(services, video, kinds, drop_frame=drop_frame)
    return _write(out, f"{stem_of(video)}-highlights", files)


def export_clips(services: Services, video: VideoDocument, out: Path) -> list[Path]:
    """Render each highlight to `<video>-<rank>.mp4`.

    Raises InputRejected (`no_highlights`, `not_analysed`, `source_missing`, and what the renderer rejects).
    """
    if not video.highlights:
        raise InputRejected("no_highlights", f"{video.name} ({video.status}) has no highlights.")
    media = media_of(services, video)
    if not is_in_storage(services, video):
        raise InputRejected("source_missing", f"{video.name} has left storage or is another video by now.")
    container = services.settings.container_videos
    style = clip_style(video, services.settings)
    written: list[Path] = []
    for highlight in sorted(video.highlights, key=lambda one: one.rank):
        plan = clip_plan(video, highlight, media.duration_ms, services.settings.montage_height, style)
        # A link for each: forty clips may take longer than one link lives.
        url = services.blobs.download_url(container, video.blob_name, minutes=_LINK_MINUTES)
        target = out / f"{stem_of(video)}-{highlight.rank:02d}.mp4"
        with TemporaryDirectory(prefix=".fanreel-clip-", dir=out) as folder:
            rendered = render_montage(plan, {video.video_id: RenderSource(url, media)}, Path(folder))
            rendered.files["mp4"].replace(target)
        console.print(f"{target} ({'; '.join(highlight.reasons)})", markup=False)
        written.append(target)
    return written


def clip_style(video: VideoDocument, settings: Settings) -> RenderStyle:
    """Return how the video's profile has films look and sound, as far as a bare clip goes: no cards, no music."""
    style = profile_or_default(video.profile, settings.profile_dir).render_style()
    return style.model_copy(update={"formats": ("16:9",), "end_text": "", "outro_ms": 0, "music_bed": ""})


def clip_plan(
    video: VideoDocument, highlight: Highlight, length_ms: int, height_px: int, style: RenderStyle
) -> MontagePlan:
    """Return the plan of a film that is one highlight, 16:9."""
    start_ms, end_ms = max(0, highlight.start_ms), min(highlight.end_ms, length_ms)
    clip = MontageClip(
        video_id=video.video_id,
        start_ms=start_ms,
        end_ms=end_ms,
        score=highlight.score,
        reason="; ".join(highlight.reasons),
        appearance_id="",
    )
    height = height_px // 2 * 2
    return MontagePlan(
        montage_id=f"highlight-{highlight.rank:02d}",
        fan_id="",
        event_id=video.event_id,
        clips=(clip,),
        duration_ms=end_ms - start_ms,
        crossfade_ms=0,
        width=round(height * 16 / 9 / 2) * 2,
        height=height,
        profile=video.profile,
        render=style,
    )


def _best(video: VideoDocument, top: int | None) -> VideoDocument:
    ranked = sorted(video.highlights, key=lambda one: one.rank)
    return video.model_copy(update={"highlights": tuple(ranked[:top])})


def _kinds(kind: Format, known: Sequence[_K]) -> tuple[_K, ...]:
    wanted = tuple(one for one in known if kind in (Format.ALL, one))
    if not wanted:
        raise InputRejected("bad_format", f"There is no {kind} of this; there is {', '.join(known)}.")
    return wanted


def _write(out: Path, stem: str, texts: dict[MontageFile, str] | dict[HighlightFormat, str]) -> list[Path]:
    written: list[Path] = []
    for kind, text in texts.items():
        path = out / f"{stem}.{kind}"
        path.write_text(text, "utf-8", newline="\n")
        console.print(str(path), markup=False)
        written.append(path)
    return written


def _settings() -> Settings:
    """Return settings that name a database: the process's own, else those of the running stack."""
    settings = get_settings()
    if settings.cosmos_endpoint:
        return settings
    info = current_stack()
    if info is None:
        raise InputRejected("no_stack", "No stack is running here; start one with `fanreel up`.")
    return info.settings()


@contextlib.contextmanager
def _told() -> Generator[None]:
    """Turn the SDKs' errors into ours."""
    try:
        yield
    except AzureError as error:
        said = str(error).splitlines()[0]
        raise TransientFault("service_unreachable", f"The stack does not answer: {said}") from error
