"""What shows a montage before it is played: a poster and a short moving picture."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import ffmpeg

from fanreel.domain.faces import Bgr
from fanreel.domain.montage import Poster, Timeline

from .probe import probe
from .render_source import Stream, seconds
from .source import FileSource
from .thumbnail import encode_jpeg, picture_at

PosterPicture = Callable[[Bgr], Bgr]
"""Makes a poster of a picture of the film, as large as it was: puts the fan before another ground, for one."""

PREVIEW_MS = 3_000
PREVIEW_RATE = Fraction(25, 2)
PREVIEW_SHORTER_SIDE = 240
PREVIEW_QUALITY = 55
MAX_PREVIEW_BYTES = 1_000_000
"""Lists of montages load dozens of previews on a phone."""
LEAST_QUALITY = 10


def poster_jpeg(film: Path, timeline: Timeline, poster: Poster, make: PosterPicture | None) -> bytes:
    """Cut the poster out of the finished film: no second read of the source, the same look as the video."""
    source = FileSource(film)
    at_ms = round(timeline.ms(poster_frame(timeline, poster)))
    picture = picture_at(source, probe(source), min(at_ms, timeline.duration_ms - 1))
    return encode_jpeg(picture if make is None else make(picture))


def poster_frame(timeline: Timeline, poster: Poster) -> int:
    """Return the film's frame that the poster shows."""
    return timeline.film_frame(timeline.clips[poster.clip_index], poster.pts_ms)


def write_preview(
    film: Path, timeline: Timeline, poster: Poster, out: Path, *, run: Callable[[list[str]], object], binary: str
) -> None:
    """Write the seconds around the poster as an animated WebP that plays in a loop, at most MAX_PREVIEW_BYTES.

    `run` runs a command. Noise that will not compress is coded worse until it is small enough.
    """
    middle_ms = round(timeline.ms(poster_frame(timeline, poster)))
    start_ms = max(0, min(middle_ms - PREVIEW_MS // 2, timeline.duration_ms - PREVIEW_MS))
    quality = PREVIEW_QUALITY
    while True:
        run(_preview_command(film, start_ms, quality, out, binary))
        if out.stat().st_size <= MAX_PREVIEW_BYTES or quality <= LEAST_QUALITY:
            return
        quality = max(LEAST_QUALITY, quality // 2)


def _preview_command(film: Path, start_ms: int, quality: int, out: Path, binary: str) -> list[str]:
    opened = ffmpeg.input(
        f"file:{film}", ss=seconds(start_ms), t=seconds(PREVIEW_MS), an=None, protocol_whitelist="file"
    )
    side = PREVIEW_SHORTER_SIDE
    rate = f"{PREVIEW_RATE.numerator}/{PREVIEW_RATE.denominator}"
    # Of a film shorter than one picture of the preview that picture is still made.
    picture: Stream = opened.video.filter("fps", fps=rate, eof_action="pass").filter(
        "scale", side, side, force_original_aspect_ratio="increase", force_divisible_by=2, flags="area"
    )
    output = ffmpeg.output(
        picture,
        f"file:{out}",
        **{"format": "webp", "c:v": "libwebp_anim", "quality": quality, "compression_level": 4, "loop": 0},
    )
    command: list[str] = (
        output.global_args("-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning", "-progress", "pipe:1")
        .overwrite_output()
        .compile(cmd=binary)
    )
    return command
