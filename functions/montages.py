"""Triggers of montages: a fan stops theirs from being made, and has it made again."""

import asyncio
from collections.abc import Callable

import azure.durable_functions as df
import azure.functions as func

from fanreel.adapters.services import Services, get_services
from fanreel.contracts import MontageDocument, MontageWork
from fanreel.domain import naming
from fanreel.domain.cancelling import UPDATE_FAILED, cancelled, is_held
from fanreel.errors import InputRejected

from .identifiers import is_identifier
from .intake import Start
from .problems import answer, bad_id, not_found, problem
from .uploads import start_again
from .views import montage_view

blueprint = df.Blueprint()

NOTHING_TO_CANCEL = "nothing_to_cancel"
NOT_CANCELLED = "not_cancelled"


@blueprint.function_name("cancel_montage")
@blueprint.route("fans/{fanId}/montages/{eventId}/cancel", methods=["POST"])
def cancel_montage(req: func.HttpRequest) -> func.HttpResponse:
    """Stop making a fan's montage of an event; what is out stays out."""
    return answer_cancel(get_services(), req)


@blueprint.function_name("resume_montage")
@blueprint.route("fans/{fanId}/montages/{eventId}/resume", methods=["POST"])
@blueprint.durable_client_input(client_name="durable")
async def resume_montage(req: func.HttpRequest, durable: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Make a cancelled montage after all."""
    response, start = await asyncio.to_thread(answer_resume, get_services(), req)
    if start is not None:
        await start_again(durable, start)
    return response


def answer_cancel(services: Services, req: func.HttpRequest) -> func.HttpResponse:
    """Cancel what is being made, and answer the montage or the problem."""
    return _about(
        req, lambda fan_id, event_id: _answered(services, cancel(services, fan_id, event_id), status=200)
    )


def answer_resume(services: Services, req: func.HttpRequest) -> tuple[func.HttpResponse, Start | None]:
    """Answer the montage or the problem, and the run to start."""
    starts: list[Start] = []

    def resumed(fan_id: str, event_id: str) -> func.HttpResponse:
        montage, start = resume(services, fan_id, event_id)
        starts.extend([] if start is None else [start])
        return _answered(services, montage, status=202)

    return _about(req, resumed), starts[0] if starts else None


def cancel(services: Services, fan_id: str, event_id: str) -> MontageDocument | None:
    """Cancel what is being made; cancelled already, it stays so. Returns the montage, None when there is none.

    The render under way finds it within seconds, ends, and deletes what it has made. Raises InputRejected
    `nothing_to_cancel` when the montage is finished or has failed.
    """

    def change(montage: MontageDocument) -> MontageDocument | None:
        if is_held(montage):
            return None
        changed = cancelled(montage)
        if changed is None:
            raise InputRejected(NOTHING_TO_CANCEL, "No montage of this event is being made for this fan.")
        return changed

    return services.documents.update(MontageDocument, naming.montage_document_id(event_id), fan_id, change)


def resume(services: Services, fan_id: str, event_id: str) -> tuple[MontageDocument | None, Start | None]:
    """Return the montage (None when there is none) and the run that lifts its latest cancellation.

    Asked again it is the same run. Raises InputRejected `not_cancelled` when nobody cancelled this montage, or
    when making it after all has failed: the next video tries again.
    """
    document_id = naming.montage_document_id(event_id)
    montage = services.documents.get(MontageDocument, document_id, fan_id)
    if montage is None:
        return None, None
    if montage.cancels == 0 or montage.status == "failed" or montage.reason == UPDATE_FAILED:
        raise InputRejected(NOT_CANCELLED, "This montage was not cancelled.")
    # A montage that was withdrawn meanwhile counts its cancellations from the start.
    said = f"{montage.created_at.isoformat() if montage.created_at else ''} {montage.cancels}"
    work = MontageWork(fan_id=fan_id, event_id=event_id, resumes=montage.cancels)
    return montage, Start("make_montage", naming.resume_instance_id(fan_id, event_id, said), work)


def _about(req: func.HttpRequest, respond: Callable[[str, str], func.HttpResponse]) -> func.HttpResponse:
    fan_id, event_id = req.route_params.get("fanId", ""), req.route_params.get("eventId", "")
    if not is_identifier(fan_id):
        return bad_id("fan id")
    if not is_identifier(event_id):
        return bad_id("event id")
    try:
        return respond(fan_id, event_id)
    except InputRejected as refused:
        return problem(409, refused.code, refused.message)


def _answered(services: Services, montage: MontageDocument | None, *, status: int) -> func.HttpResponse:
    if montage is None:
        return not_found("montage")
    return answer(montage_view(montage, services.blobs, services.settings), status)
