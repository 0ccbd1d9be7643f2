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

from .render_loudness import compiled
from .render_mix import AAC, Mix, finished_sound
from .render_picture import clip_picture, joined_picture
from .render_sound import SAMPLE_RATE, joined_sound
from .render_source import RenderSource, open_source, ratio

__all__ = ["Mix", "RenderSource", "film_command", "sound_command"]


def film_command(
    plan: MontagePlan,
    timeline: Timeline,
    sources: Mapping[str, RenderSource],
    mix: Mix | None,
    out: Path,
    *,
    binary: str,
) -> list[str]:
    """Return the ffmpeg command that renders a plan to an MP4 (H.264 High + AAC, faststart).

    `mix` is what `measure_mix` found in the sound that `sound_command` wrote; None leaves the sound as it is.
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
    samples = timeline.samples(timeline.frames, SAMPLE_RATE)
    sound = finished_sound(joined_sound(listeners, medias, timeline), mix, samples)
    output = ffmpeg.output(joined_picture(pictures, timeline), sound, f"file:{out}", **_encoding(timeline.rate))
    return compiled(output, binary, loglevel="warning")


def sound_command(timeline: Timeline, sources: Mapping[str, RenderSource], out: Path, *, binary: str) -> list[str]:
    """Return the ffmpeg command that writes the joined sound as it is, for `measure_mix`. Reads no pictures."""
    medias = [sources[placed.clip.video_id].media for placed in timeline.clips]
    readers = [open_source(sources[placed.clip.video_id], placed, vn=None) for placed in timeline.clips]
    joined = joined_sound(readers, medias, timeline)
    return compiled(ffmpeg.output(joined, f"file:{out}", **{"c:a": "pcm_f32le"}), binary)


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
        **AAC,
        "movflags": "+faststart",
        "map_metadata": -1,
    }
