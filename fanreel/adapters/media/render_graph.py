"""The one ffmpeg filter graph of a montage.

Cuts are made on absolute time stamps (`-copyts`): `-ss` and `-t` only bring the reader near, the graph
trims to the exact time. So neither the container's start time nor where its keyframes lie can move a cut,
and sound is placed by its own stamps against the same zero as the picture.
"""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from fanreel.contracts import MontagePlan
from fanreel.domain.montage import Timeline

from .render_picture import clip_picture, joined_picture
from .render_sound import SAMPLE_RATE, TARGET, Loudness, joined_sound, levelled
from .render_source import RenderSource, Stream, open_source, ratio

__all__ = ["Loudness", "RenderSource", "film_command", "loudness_command"]


def film_command(
    plan: MontagePlan,
    timeline: Timeline,
    sources: Mapping[str, RenderSource],
    loudness: Loudness | None,
    out: Path,
    *,
    binary: str,
) -> list[str]:
    """Return the ffmpeg command that renders a plan to an MP4 (H.264 High + AAC, faststart).

    `loudness` is what `loudness_command` measured; None leaves the sound's level as it is.
    """
    medias = [sources[placed.clip.video_id].media for placed in timeline.clips]
    # Sound and picture are read apart: levelling runs seconds ahead with the sound, and pictures that came along
    # would wait in memory, decoded, for hundreds of frames.
    readers = [open_source(sources[placed.clip.video_id], placed, an=None) for placed in timeline.clips]
    listeners = [open_source(sources[placed.clip.video_id], placed, vn=None) for placed in timeline.clips]
    pictures = [
        clip_picture(reader, media, placed, timeline, plan)
        for reader, media, placed in zip(readers, medias, timeline.clips, strict=True)
    ]
    sound = joined_sound(listeners, medias, timeline)
    if loudness is not None:
        sound = levelled(sound, loudness)
    sound = sound.filter("apad").filter("atrim", end_sample=timeline.samples(timeline.frames, SAMPLE_RATE))
    output = ffmpeg.output(
        joined_picture(pictures, timeline), sound, f"file:{out}", **_encoding(timeline.rate)
    ).overwrite_output()
    return _compiled(output, binary, loglevel="warning")


def loudness_command(timeline: Timeline, sources: Mapping[str, RenderSource], *, binary: str) -> list[str]:
    """Return the ffmpeg command that tells, as JSON at the end of stderr, how loud the joined sound is.

    Reads no pictures. Levelling in one pass is off by 1–2 LU on half a minute; by a known gain it is exact
    and keeps the dynamics of a cheer.
    """
    medias = [sources[placed.clip.video_id].media for placed in timeline.clips]
    readers = [open_source(sources[placed.clip.video_id], placed, vn=None) for placed in timeline.clips]
    measured = joined_sound(readers, medias, timeline).filter("loudnorm", print_format="json", **TARGET)
    return _compiled(ffmpeg.output(measured, "-", format="null"), binary, loglevel="info")


def _compiled(output: Stream, binary: str, *, loglevel: str) -> list[str]:
    command: list[str] = (
        output.global_args("-hide_banner", "-nostdin", "-nostats", "-loglevel", loglevel, "-copyts")
        .global_args("-progress", "pipe:1")
        .compile(cmd=binary)
    )
    return command


def _encoding(rate: Fraction) -> dict[str, Any]:
    return {
        "format": "mp4",
        "c:v": "libx264",
        # 720p within half its own length on two cores (DESIGN §11).
        "preset": "veryfast",
        "crf": 21,
        "profile:v": "high",
        "pix_fmt": "yuv420p",
        "r": ratio(rate),
        # Scrubbing on a phone wants a keyframe every two seconds.
        "g": round(rate * 2),
        "c:a": "aac",
        "b:a": "160k",
        "ar": SAMPLE_RATE,
        "ac": 2,
        "movflags": "+faststart",
        "map_metadata": -1,
    }
