"""What editors and players take from us: edit lists (CMX 3600, OpenTimelineIO), captions (WebVTT, SRT)."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from fanreel.contracts import MediaInfo
from fanreel.domain.montage import Timeline, output_rate

from . import captions
from .edit import Source, edl_text, montage_stretches, otio_edit
from .highlights import HIGHLIGHT_FORMATS, HighlightFormat, highlights_text

__all__ = [
    "HIGHLIGHT_FORMATS",
    "HighlightFormat",
    "Source",
    "cmx_edl",
    "files_beside",
    "highlights_text",
    "otio_json",
    "otio_timeline",
    "rate_of",
    "srt",
    "webvtt",
]


def files_beside(timeline: Timeline, name: str, medias: Mapping[str, MediaInfo]) -> dict[str, str]:
    """Return what lies beside a montage by kind; `medias` are the videos by id, and ids are all that is told."""
    sources = {video_id: Source.of(video_id, media) for video_id, media in medias.items()}
    return {
        "vtt": webvtt(timeline),
        "srt": srt(timeline),
        "edl": cmx_edl(timeline, name, sources),
        "otio": otio_json(timeline, name, sources),
    }


def webvtt(timeline: Timeline) -> str:
    """Return a montage's captions as WebVTT."""
    return captions.webvtt(captions.caption_cues(timeline))


def srt(timeline: Timeline) -> str:
    """Return the same captions as SubRip."""
    return captions.srt(captions.caption_cues(timeline))


def otio_timeline(timeline: Timeline, name: str, sources: Mapping[str, Source]) -> Any:
    """Return a montage's edit as `otio.schema.Timeline`."""
    return otio_edit(montage_stretches(timeline), timeline.rate, name, sources)


def otio_json(timeline: Timeline, name: str, sources: Mapping[str, Source]) -> str:
    """Return a montage's edit as OTIO JSON."""
    return str(otio.adapters.write_to_string(otio_timeline(timeline, name, sources), "otio_json"))


def cmx_edl(
    timeline: Timeline, name: str, sources: Mapping[str, Source], *, drop_frame: bool | None = None
) -> str:
    """Return a montage's edit as a CMX 3600 list; at 29.97 with drop-frame time code unless told otherwise."""
    return edl_text(montage_stretches(timeline), timeline.rate, name, sources, drop_frame=drop_frame)


def rate_of(media: MediaInfo) -> Fraction:
    """Return the rate at which an edit of a single video counts frames."""
    return output_rate([media.frame_rate.fraction()])
