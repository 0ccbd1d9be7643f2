"""The HTTP API of the fan app. Ids are checked, answers are views of documents, errors are problem details.

Function keys are no user authentication: in Azure the app stands behind App Service Authentication or API
Management (docs), hence AuthLevel.FUNCTION here.
"""

import asyncio
from collections.abc import Callable

import azure.durable_functions as df
import azure.functions as func
from pydantic import ValidationError

from fanreel.adapters.services import Services, get_services
from fanreel.contracts import FanDocument, MontageDocument, VideoDocument
from fanreel.errors import NotAllowed

from .fans import erase, register
from .identifiers import is_identifier
from .problems import answer, bad_id, not_found, problem
from .uploads import start_once
from .views import FanRegistration, fan_view, montage_view, video_details_view, video_view

blueprint = df.Blueprint()


@blueprint.function_name("create_fan")
@blueprint.route("fans", methods=["POST"])
@blueprint.durable_client_input(client_name="durable")
async def create_fan(req: func.HttpRequest, durable: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Register a fan with consent, or add events to one."""
    wanted = read_registration(req)
    if isinstance(wanted, func.HttpResponse):
        return wanted
    try:
        is_new, start = await asyncio.to_thread(register, get_services(), wanted)
    except NotAllowed as refused:
        return problem(410, refused.code, refused.message)
    if start is not None:
        await start_once(durable, start)
    return await asyncio.to_thread(_fan, wanted.fan_id, 201 if is_new else 200)


@blueprint.function_name("get_fan")
@blueprint.route("fans/{fanId}", methods=["GET"])
def get_fan(req: func.HttpRequest) -> func.HttpResponse:
    """Answer a fan's enrolment status."""
    return _with_id(req, "fanId", "fan id", _fan)


@blueprint.function_name("delete_fan")
@blueprint.route("fans/{fanId}", methods=["DELETE"])
def delete_fan(req: func.HttpRequest) -> func.HttpResponse:
    """Erase a fan: selfies, templates, matches, montages, reviews."""
    return _with_id(
        req,
        "fanId",
        "fan id",
        lambda fan_id: func.HttpResponse(status_code=204) if erase(get_services(), fan_id) else not_found("fan"),
    )


@blueprint.function_name("get_fan_montages")
@blueprint.route("fans/{fanId}/montages", methods=["GET"])
def get_fan_montages(req: func.HttpRequest) -> func.HttpResponse:
    """Answer a fan's montages: what the app polls, one single-partition query."""
    return _with_id(req, "fanId", "fan id", lambda fan_id: answer(fan_montages(get_services(), fan_id)))


@blueprint.function_name("get_video")
@blueprint.route("videos/{videoId}", methods=["GET"])
def get_video(req: func.HttpRequest) -> func.HttpResponse:
    """Answer a video's state and progress."""
    return _with_id(req, "videoId", "video id", _video)


@blueprint.function_name("get_event_videos")
@blueprint.route("events/{eventId}/videos", methods=["GET"])
def get_event_videos(req: func.HttpRequest) -> func.HttpResponse:
    """Answer all videos of an event."""
    return _with_id(req, "eventId", "event id", lambda event_id: answer(event_videos(get_services(), event_id)))


def read_registration(req: func.HttpRequest) -> FanRegistration | func.HttpResponse:
    """Return the body of `POST /fans`, or the problem with it."""
    try:
        wanted = FanRegistration.from_wire(req.get_body())
    except ValidationError as invalid:
        what = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in invalid.errors()[:3]
        )
        return problem(400, "bad_body", "The body is not a fan.", what)
    if not is_identifier(wanted.fan_id):
        return bad_id("fan id")
    if not all(is_identifier(event_id) for event_id in wanted.event_ids):
        return bad_id("event id")
    return wanted


def fan_montages(services: Services, fan_id: str) -> dict[str, object]:
    """Return a fan's montages with links, by event."""
    found = services.documents.query(MontageDocument, "", {}, partition=fan_id)
    montages = sorted(found, key=lambda montage: montage.event_id)
    return {"montages": [montage_view(one, services.blobs, services.settings) for one in montages]}


def event_videos(services: Services, event_id: str) -> dict[str, object]:
    """Return the videos of an event, oldest first."""
    found = services.documents.query(VideoDocument, "c.eventId = @event", {"@event": event_id})
    return {"videos": sorted(map(video_view, found), key=lambda view: (str(view["createdAt"]), view["videoId"]))}


def _fan(fan_id: str, status: int = 200) -> func.HttpResponse:
    fan = get_services().documents.get(FanDocument, fan_id, fan_id)
    return not_found("fan") if fan is None else answer(fan_view(fan), status)


def _video(video_id: str) -> func.HttpResponse:
    video = get_services().documents.get(VideoDocument, video_id, video_id)
    return not_found("video") if video is None else answer(video_details_view(video))


def _with_id(
    req: func.HttpRequest, parameter: str, what: str, respond: Callable[[str], func.HttpResponse]
) -> func.HttpResponse:
    identifier = req.route_params.get(parameter, "")
    return respond(identifier) if is_identifier(identifier) else bad_id(what)
