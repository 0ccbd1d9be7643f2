"""Exports of what is stored: documents in, files' texts out.

Errors are InputRejected, for whoever asks: `unknown_video`, `ambiguous_video`, `not_analysed`, `no_highlights`,
`unknown_fan`, `unknown_event`, `no_montage`, `montage_not_ready`.
"""

import json
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

from fanreel.adapters.services import Services
from fanreel.contracts import (
    FanDocument,
    MediaInfo,
    MontageDocument,
    MontagePlan,
    SegmentPlanDocument,
    VideoDocument,
)
from fanreel.domain import naming
from fanreel.domain.montage import Timeline, output_rate, place_clips
from fanreel.errors import InputRejected

from . import captions
from .edit import Source, edl_text, montage_stretches, otio_json
from .highlights import HighlightFormat, highlights_text

MontageFile = Literal["edl", "otio", "vtt", "srt", "json"]
MONTAGE_FILES: tuple[MontageFile, ...] = ("edl", "otio", "vtt", "srt", "json")


def find_video(services: Services, wanted: str) -> VideoDocument:
    """Return a video by its id, or by its name as `fanreel status` shows it."""
    found = list(services.documents.query(VideoDocument, "c.id = @it OR c.name = @it", {"@it": wanted}))
    if not found:
        raise InputRejected("unknown_video", f"No video has the id or the name {wanted}.")
    if len(found) > 1:
        ids = ", ".join(sorted(one.video_id for one in found))
        raise InputRejected("ambiguous_video", f"Several videos are called {wanted}; give the id: {ids}.")
    return found[0]


def media_of(services: Services, video: VideoDocument) -> MediaInfo:
    """Return what was probed of a video."""
    blob = naming.plan_blob(video.video_id)
    plan = services.blobs.get_json(services.settings.container_results, blob, SegmentPlanDocument)
    if plan is None:
        raise InputRejected("not_analysed", f"Nothing is known yet of what is in {video.name}.")
    return plan.media


def highlight_files(
    services: Services, video: VideoDocument, kinds: Sequence[HighlightFormat], *, drop_frame: bool | None = None
) -> dict[HighlightFormat, str]:
    """Return a video's highlights as files by kind."""
    if not video.highlights:
        raise InputRejected("no_highlights", f"{video.name} ({video.status}) has no highlights.")
    media = media_of(services, video)
    source, rate = Source.of(file_name(video), media), output_rate([media.frame_rate.fraction()])
    return {
        kind: highlights_text(kind, video.highlights, video.video_id, source, rate, drop_frame=drop_frame)
        for kind in kinds
    }


def montage_files(
    services: Services, fan_id: str, event_id: str, kinds: Sequence[MontageFile], *, drop_frame: bool | None = None
) -> dict[MontageFile, str]:
    """Return what editors and players take of a fan's finished montage, with the videos' own file names."""
    montage = _finished(services, fan_id, event_id)
    medias: dict[str, MediaInfo] = {}
    sources: dict[str, Source] = {}
    for video_id in dict.fromkeys(clip.video_id for clip in montage.plan.clips):
        video = services.documents.get(VideoDocument, video_id, video_id)
        if video is None:
            raise InputRejected("unknown_video", f"A video of this montage is gone: {video_id}.")
        medias[video_id] = media_of(services, video)
        sources[video_id] = Source.of(file_name(video), medias[video_id])
    rates = [medias[clip.video_id].frame_rate.fraction() for clip in montage.plan.clips]
    timeline = place_clips(montage.plan, output_rate(rates))
    name = montage.montage_id

    def text(kind: MontageFile) -> str:
        match kind:
            case "edl":
                stretches = montage_stretches(timeline)
                return edl_text(stretches, timeline.rate, name, sources, drop_frame=drop_frame)
            case "otio":
                return otio_json(montage_stretches(timeline), timeline.rate, name, sources)
            case "vtt":
                return captions.webvtt(captions.caption_cues(timeline))
            case "srt":
                return captions.srt(captions.caption_cues(timeline))
            case "json":
                return _plan_json(montage.plan, timeline, sources)

    return {kind: text(kind) for kind in kinds}


def file_name(video: VideoDocument) -> str:
    """Return the name of the file that was uploaded, without the event before it."""
    return PurePosixPath(video.name).name or video.video_id


def stem_of(video: VideoDocument) -> str:
    """Return what names of files made of a video begin with."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", PurePosixPath(file_name(video)).stem).strip("-.") or video.video_id


def _finished(services: Services, fan_id: str, event_id: str) -> MontageDocument:
    fan = services.documents.get(FanDocument, fan_id, fan_id)
    if fan is None or fan.status == "erased":
        raise InputRejected("unknown_fan", f"There is no fan {fan_id}.")
    montage = services.documents.get(MontageDocument, naming.montage_document_id(event_id), fan_id)
    if montage is None:
        is_known = event_id in fan.event_ids or any(
            services.documents.query(VideoDocument, "c.eventId = @event", {"@event": event_id})
        )
        if not is_known:
            raise InputRejected("unknown_event", f"There is no event {event_id}.")
        raise InputRejected("no_montage", f"{fan_id} has no montage of {event_id}.")
    if montage.status != "ready":
        why = f" ({montage.reason})" if montage.reason else ""
        raise InputRejected("montage_not_ready", f"The montage of {fan_id} is {montage.status}{why}.")
    return montage


def _plan_json(plan: MontagePlan, timeline: Timeline, sources: dict[str, Source]) -> str:
    """Return the plan, where each clip lies in the film, and the files it comes from; not whose it is."""
    clips: list[dict[str, Any]] = [
        {
            **placed.clip.to_wire(),
            "fileName": sources[placed.clip.video_id].name,
            "filmStartMs": round(timeline.ms(placed.start_frame)),
            "filmEndMs": round(timeline.ms(placed.end_frame)),
        }
        for placed in timeline.clips
    ]
    told = {**plan.to_wire(), "durationMs": timeline.duration_ms, "frameRate": str(timeline.rate), "clips": clips}
    told.pop("fanId")
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"
