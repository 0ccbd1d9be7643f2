"""The one ffmpeg filter graph of a montage, whatever formats it comes out in.

Cuts are made on absolute time stamps (`-copyts`): `-ss` and `-t` only bring the reader near, the graph
trims to the exact time. So neither the container's start time nor where its keyframes lie can move a cut,
and sound is placed by its own stamps against the same zero as the picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import ffmpeg

from fanreel.contracts import MontagePlan
from fanreel.domain.montage import Timeline, UprightCrop

from .render_encoder import Encoder, picture_encoding
from .render_loudness import compiled
from .render_mix import AAC, Mix, finished_sound
from .render_picture import FilmFormat, Part, clip_pictures, joined_picture
from .render_sound import SAMPLE_RATE, joined_sound
from .render_source import RenderSource, Stream, open_source
from .render_stills import Stills, end_card, title_card, with_lower_third

__all__ = ["FilmJob", "Mix", "RenderSource", "film_command", "sound_command"]


@dataclass(frozen=True, slots=True)
class FilmJob:
    """What is rendered from which sources: for each format its file, for each clip its crop if one is upright."""

    plan: MontagePlan
    timeline: Timeline
    sources: Mapping[str, RenderSource]
    crops: tuple[UprightCrop, ...]
    files: Mapping[FilmFormat, Path]


def film_command(job: FilmJob, mix: Mix | None, stills: Path, *, encoder: Encoder, binary: str) -> list[str]:
    """Return the ffmpeg command that renders a plan to MP4s (H.264 High + AAC, faststart).

    `mix` is what `measure_mix` found in the sound that `sound_command` wrote; None leaves the sound as it is.
    Pictures of cards and lower thirds, and the graph itself, are written into the folder `stills`.
    """
    timeline = job.timeline
    medias = [job.sources[placed.clip.video_id].media for placed in timeline.clips]
    # Sound and picture are read apart: levelling runs seconds ahead with the sound, and pictures that came along
    # would wait in memory, decoded, for hundreds of frames.
    readers = [open_source(job.sources[placed.clip.video_id], placed, an=None) for placed in timeline.clips]
    listeners = [open_source(job.sources[placed.clip.video_id], placed, vn=None) for placed in timeline.clips]
    formats = tuple(job.files)
    pictures = [
        clip_pictures(reader, media, placed, timeline, crop, formats)
        for reader, media, placed, crop in zip(
            readers, medias, timeline.clips, job.crops or [None] * len(medias), strict=True
        )
    ]
    samples = timeline.samples(timeline.frames, SAMPLE_RATE)
    sound = finished_sound(joined_sound(listeners, medias, timeline), mix, samples)
    sounds = [sound] if len(formats) == 1 else sound.filter_multi_output("asplit", len(formats))
    encoding = {
        "format": "mp4",
        **picture_encoding(encoder, timeline.rate),
        **AAC,
        "movflags": "+faststart",
        "map_metadata": -1,
    }
    outputs = [
        ffmpeg.output(
            _film_picture(job, film, [made[index] for made in pictures], stills),
            sounds[index],
            f"file:{job.files[film]}",
            **encoding,
        )
        for index, film in enumerate(formats)
    ]
    return compiled(ffmpeg.merge_outputs(*outputs), binary, loglevel="warning", graph_file=stills / "film.graph")


def sound_command(timeline: Timeline, sources: Mapping[str, RenderSource], out: Path, *, binary: str) -> list[str]:
    """Return the ffmpeg command that writes the joined sound as it is, for `measure_mix`. Reads no pictures.

    Its graph is written beside `out`.
    """
    medias = [sources[placed.clip.video_id].media for placed in timeline.clips]
    readers = [open_source(sources[placed.clip.video_id], placed, vn=None) for placed in timeline.clips]
    joined = joined_sound(readers, medias, timeline)
    written = ffmpeg.output(joined, f"file:{out}", **{"c:a": "pcm_f32le"})
    return compiled(written, binary, graph_file=out.with_suffix(".graph"))


def _film_picture(job: FilmJob, film: FilmFormat, pictures: list[Stream], folder: Path) -> Stream:
    """Join one format's clips, under their lower thirds and between their cards."""
    timeline, style = job.timeline, job.plan.render
    stills = Stills(folder, film.kind, *film.size, timeline.rate)
    parts = [
        Part(with_lower_third(picture, stills, style, timeline, index), placed.start_frame, placed.fade_frames)
        for index, (picture, placed) in enumerate(zip(pictures, timeline.clips, strict=True))
    ]
    if timeline.intro_frames:
        parts.insert(0, Part(title_card(stills, style, timeline.intro_frames), 0, 0))
    if timeline.outro_frames:
        card = end_card(stills, style, timeline.outro_frames)
        parts.append(Part(card, timeline.frames - timeline.outro_frames, timeline.outro_fade_frames))
    return joined_picture(parts, timeline.rate)
