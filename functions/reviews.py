"""Triggers of reviews: the operator's questions and verdicts, and the fan's `not me`.

Questions carry links to the moment in the broadcast and to the fan's selfies, for a person has to look at both.
So in Azure (App Service Authentication or API Management) they are for operators alone; `not-me` is the fan's own.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field, ValidationError

from fanreel.adapters.services import Services, get_services
from fanreel.contracts import FAN, Answer, FanDocument, ReviewDocument, VideoDocument, Wire
from fanreel.domain.enrolment import pooled_selfies
from fanreel.errors import InputRejected, NotAllowed

from .identifiers import is_identifier
from .problems import answer, bad_id, problem
from .uploads import start_again
from .verdicts import NOT_FOUND, Heard, Question, find_question, give_verdict, not_me, open_questions

blueprint = df.Blueprint()

PAGE = 50
"""Questions answered at once; each carries links that are signed one by one."""


class VerdictGiven(Wire):
    """Body of `POST /events/{eventId}/reviews`: the match, or the fan and the appearance, and what is said."""

    match_id: str | None = None
    fan_id: str | None = None
    appearance_id: str | None = None
    verdict: Answer
    by: str = Field(min_length=1, max_length=64)
    """Who says so: a name or an account of the operator's own."""
    review_id: str | None = None
    """As given with the question or with an earlier answer, so that an answer to what has changed meanwhile is
    refused. A `same` must have it: after another analysis the other ids may mean a stranger."""
    verdicts: int | None = Field(default=None, ge=0)
    """As given with the question: how many verdicts there were, so that nobody who answered since is overruled."""


@blueprint.function_name("get_event_reviews")
@blueprint.route("events/{eventId}/reviews", methods=["GET"])
def get_event_reviews(req: func.HttpRequest) -> func.HttpResponse:
    """Answer the open questions of an event, a page at a time."""
    event_id, after = req.route_params.get("eventId", ""), req.params.get("after", "")
    if not is_identifier(event_id):
        return bad_id("event id")
    return answer(questions_page(get_services(), event_id, after))


@blueprint.function_name("post_event_review")
@blueprint.route("events/{eventId}/reviews", methods=["POST"])
@blueprint.durable_client_input(client_name="durable")
async def post_event_review(req: func.HttpRequest, durable: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Take down an operator's verdict and let it count."""
    event_id, given = req.route_params.get("eventId", ""), read_verdict(req)
    if not is_identifier(event_id):
        return bad_id("event id")
    if isinstance(given, func.HttpResponse):
        return given
    return await _answered(durable, lambda: heard_from_operator(get_services(), event_id, given))


@blueprint.function_name("post_not_me")
@blueprint.route("fans/{fanId}/appearances/{appearanceId}/not-me", methods=["POST"])
@blueprint.durable_client_input(client_name="durable")
async def post_not_me(req: func.HttpRequest, durable: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Take down that a fan is not whom an appearance shows, and let it count."""
    fan_id, appearance_id = req.route_params.get("fanId", ""), req.route_params.get("appearanceId", "")
    if not is_identifier(fan_id):
        return bad_id("fan id")
    if not is_identifier(appearance_id):
        return bad_id("appearance id")
    return await _answered(durable, lambda: not_me(get_services(), fan_id, appearance_id))


def read_verdict(req: func.HttpRequest) -> VerdictGiven | func.HttpResponse:
    """Return the body of a verdict, or the problem with it."""
    try:
        given = VerdictGiven.from_wire(req.get_body())
    except ValidationError as invalid:
        what = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in invalid.errors()[:3]
        )
        return problem(400, "bad_body", "The body is not a verdict.", what)
    if given.verdict == "same" and given.review_id is None:
        return problem(400, "bad_body", "The body is not a verdict.", "A `same` needs the question's reviewId.")
    if given.by == FAN:
        return problem(400, "bad_body", "The body is not a verdict.", f"`{FAN}` is the fan: give a name.")
    named = (given.match_id,) if given.match_id is not None else (given.fan_id, given.appearance_id)
    if None in named:
        return problem(400, "bad_body", "The body is not a verdict.", "Give matchId, or fanId and appearanceId.")
    if not all(is_identifier(name) for name in named if name is not None):
        return bad_id("match id" if given.match_id is not None else "fan id or appearance id")
    return given


def heard_from_operator(services: Services, event_id: str, given: VerdictGiven) -> Heard:
    """Take down an operator's verdict. Raises as `give_verdict`."""
    fan_id, appearance_id = given.fan_id or "", given.appearance_id or ""
    if given.match_id is not None:
        fan_id, appearance_id = find_question(services, event_id, given.match_id)
    return give_verdict(
        services,
        fan_id,
        appearance_id,
        given.verdict,
        given.by,
        event_id=event_id,
        review_id=given.review_id,
        verdicts=given.verdicts,
    )


def questions_page(services: Services, event_id: str, after: str) -> dict[str, object]:
    """Return the open questions behind `after`, the match id a page ended with, and how many there are in all.

    With every page come the event's fans who may be one person.
    """
    questions = open_questions(services, event_id)
    page = [one for one in questions if one.match.id > after][:PAGE]
    is_last = not page or page[-1].match.id == questions[-1].match.id
    return {
        "total": len(questions),
        "questions": [_question_view(services, one) for one in page],
        "duplicates": _duplicates(services, event_id),
        "next": None if is_last else page[-1].match.id,
    }


def _duplicates(services: Services, event_id: str) -> list[dict[str, Any]]:
    where = "ARRAY_CONTAINS(c.eventIds, @event) AND ARRAY_LENGTH(c.duplicateOf) > 0"
    rows = services.documents.select(FanDocument, ("fanId", "duplicateOf"), where, {"@event": event_id})
    return sorted(rows, key=lambda row: str(row["fanId"]))


async def _answered(durable: df.DurableOrchestrationClient, hear: Callable[[], Heard]) -> func.HttpResponse:
    """Answer 202 while a verdict is on its way, the same for one that was known already."""
    try:
        heard = await asyncio.to_thread(hear)
    except (InputRejected, NotAllowed) as refused:
        return problem(404 if refused.code == NOT_FOUND else 409, refused.code, refused.message)
    await start_again(durable, heard.start)
    return answer({**_review_view(heard.review), "isNew": heard.is_new}, 202)


def _review_view(review: ReviewDocument) -> dict[str, Any]:
    return {
        "reviewId": review.id,
        "eventId": review.event_id,
        "fanId": review.fan_id,
        "videoId": review.video_id,
        "appearanceId": review.appearance_id,
        "verdict": review.latest.answer,
        "history": [one.to_wire() for one in review.verdicts],
    }


def _question_view(services: Services, question: Question) -> dict[str, Any]:
    """Return what a person needs to decide: the evidence, where to look, and links for a few minutes."""
    match, face = question.match, question.appearance.best_face
    return {
        "reviewId": question.review_id,
        "verdicts": question.verdicts,
        "matchId": match.id,
        "fanId": match.fan_id,
        "videoId": match.video_id,
        "appearanceId": match.appearance_id,
        "startMs": match.start_ms,
        "endMs": match.end_ms,
        "probability": match.probability,
        "evidence": match.evidence.to_wire(),
        "bestFace": None if face is None else face.to_wire(),
        "links": _links(services, question),
    }


def _links(services: Services, question: Question) -> dict[str, Any]:
    settings, match = services.settings, question.match
    video = services.documents.get(VideoDocument, match.video_id, match.video_id)
    fan = services.documents.get(FanDocument, match.fan_id, match.fan_id)
    moment = urlencode({"t": f"{match.start_ms / 1000:g},{match.end_ms / 1000:g}"}, safe=",")
    selfies = pooled_selfies(fan) if fan is not None else ()
    return {
        "moment": f"{services.blobs.download_url(settings.container_videos, video.blob_name)}#{moment}"
        if video is not None
        else None,
        "selfies": [services.blobs.download_url(settings.container_selfies, one.blob_name) for one in selfies],
    }
