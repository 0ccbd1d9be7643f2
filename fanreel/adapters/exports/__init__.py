"""What editors and players take from us: edit lists (CMX 3600, OpenTimelineIO), captions (WebVTT, SRT)."""

from collections.abc import Mapping

from fanreel.contracts import MediaInfo
from fanreel.domain.montage import Timeline

from .captions import caption_cues, srt, webvtt
from .edit import Source, edl_text, montage_stretches, otio_json

__all__ = ["files_beside"]


def files_beside(timeline: Timeline, name: str, medias: Mapping[str, MediaInfo]) -> dict[str, str]:
    """Return what lies beside a montage by kind; `medias` are the videos by id, and ids are all that is told."""
    sources = {video_id: Source.of(video_id, media) for video_id, media in medias.items()}
    stretches, cues = montage_stretches(timeline), caption_cues(timeline)
    return {
        "vtt": webvtt(cues),
        "srt": srt(cues),
        "edl": edl_text(stretches, timeline.rate, name, sources),
        "otio": otio_json(stretches, timeline.rate, name, sources),
    }
