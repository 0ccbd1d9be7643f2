"""Trigger of a video's highlights: ranked, or as a file that editors and players open."""

from typing import Any

import azure.durable_functions as df
import azure.functions as func

from fanreel.adapters.exports.highlights import HighlightFormat
from fanreel.adapters.exports.stored import highlight_files, stem_of
from fanreel.adapters.services import Services, get_services
from fanreel.contracts import VideoDocument
from fanreel.errors import InputRejected

from .identifiers import is_identifier
from .problems import answer, bad_id, not_found, problem

blueprint = df.Blueprint()

MEDIA_TYPES: dict[HighlightFormat, str] = {
    "edl": "text/plain",
    "otio": "application/json",
    "vtt": "text/vtt",
    "json": "application/json",
    "csv": "text/csv",
}
_SWITCH = {"": None, "true": True, "false": False}


@blueprint.function_name("get_video_highlights")
@blueprint.route("videos/{videoId}/highlights", methods=["GET"])
def get_video_highlights(req: func.HttpRequest) -> func.HttpResponse:
    """Answer the interesting action of a match, or a file of it (`?format=edl`)."""
    return answer_highlights(get_services(), req)


def answer_highlights(services: Services, req: func.HttpRequest) -> func.HttpResponse:
    """Answer ranked highlights with links; with `format` the file itself, made on the fly.

    `dropFrame` (`true`, `false`) says how an EDL at 29.97 counts.
    """
    video_id, wanted = req.route_params.get("videoId", ""), req.params.get("format")
    drop_frame = req.params.get("dropFrame", "")
    if not is_identifier(video_id):
        return bad_id("video id")
    if wanted is not None and wanted not in MEDIA_TYPES:
        return problem(400, "bad_format", "There is no such format.", f"One of {', '.join(MEDIA_TYPES)}.")
    if drop_frame not in _SWITCH:
        return problem(400, "bad_drop_frame", "dropFrame is `true` or `false`.")
    video = services.documents.get(VideoDocument, video_id, video_id)
    if video is None:
        return not_found("video")
    if wanted is None:
        return answer(highlights_view(video, req.url.partition("?")[0]))
    return _file(services, video, wanted, drop_frame=_SWITCH[drop_frame])


def highlights_view(video: VideoDocument, url: str) -> dict[str, Any]:
    """Return a video's highlights, best first; `url` is where this is answered."""
    return {
        "videoId": video.video_id,
        "eventId": video.event_id,
        "name": video.name,
        "status": video.status,
        "durationMs": video.duration_ms,
        "highlights": [one.to_wire() for one in sorted(video.highlights, key=lambda one: one.rank)],
        "links": {kind: f"{url}?format={kind}" for kind in MEDIA_TYPES} if video.highlights else {},
    }


def _file(
    services: Services, video: VideoDocument, kind: HighlightFormat, *, drop_frame: bool | None
) -> func.HttpResponse:
    try:
        text = highlight_files(services, video, (kind,), drop_frame=drop_frame)[kind]
    except InputRejected as rejected:
        return problem(404, rejected.code, rejected.message)
    return func.HttpResponse(
        text,
        mimetype=MEDIA_TYPES[kind],
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{stem_of(video)}-highlights.{kind}"'},
    )
