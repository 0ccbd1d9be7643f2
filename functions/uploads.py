"""Triggers of uploads: a video or a selfie arrived in storage. Content is never bound, only a client."""

import asyncio
from collections.abc import Callable

import azure.durable_functions as df
import azure.functions as func
import azurefunctions.extensions.bindings.blob as blob

from fanreel.adapters.services import Services, get_services
from fanreel.settings import get_settings

from .intake import Start, receive_selfie, receive_video

blueprint = df.Blueprint()

_ENDED_BADLY = {df.OrchestrationRuntimeStatus.Failed, df.OrchestrationRuntimeStatus.Terminated}

_settings = get_settings()
# Flex Consumption knows Event Grid only; polling is for machines without it.
_SOURCE = func.BlobSource.EVENT_GRID if _settings.blob_source == "eventgrid" else None
STORAGE = "AzureWebJobsStorage"


@blueprint.function_name("video_uploaded")
@blueprint.blob_trigger(
    arg_name="client", path=f"{_settings.container_videos}/{{path}}", connection=STORAGE, source=_SOURCE
)
@blueprint.durable_client_input(client_name="durable")
async def video_uploaded(client: blob.BlobClient, durable: df.DurableOrchestrationClient) -> None:
    """Start the analysis of an uploaded video."""
    await _start(durable, receive_video, client)


@blueprint.function_name("selfie_uploaded")
@blueprint.blob_trigger(
    arg_name="client", path=f"{_settings.container_selfies}/{{path}}", connection=STORAGE, source=_SOURCE
)
@blueprint.durable_client_input(client_name="durable")
async def selfie_uploaded(client: blob.BlobClient, durable: df.DurableOrchestrationClient) -> None:
    """Start the enrolment of an uploaded selfie."""
    await _start(durable, receive_selfie, client)


async def _start(
    durable: df.DurableOrchestrationClient,
    receive: Callable[[Services, blob.BlobClient], Start | None],
    client: blob.BlobClient,
) -> None:
    start = await asyncio.to_thread(receive, get_services(), client)
    if start is not None:
        await start_once(durable, start)


async def start_once(durable: df.DurableOrchestrationClient, start: Start) -> bool:
    """Start an orchestration unless its instance exists: starting a live id again would replace it."""
    if await durable.get_status(start.instance_id):
        return False
    await durable.start_new(start.orchestrator, start.instance_id, start.work.to_wire())
    return True


async def start_again(durable: df.DurableOrchestrationClient, start: Start) -> None:
    """Start an orchestration that is not there, or again one that broke: asking twice is a way to repair."""
    status = await durable.get_status(start.instance_id)
    if not status or status.runtime_status in _ENDED_BADLY:
        await durable.start_new(start.orchestrator, start.instance_id, start.work.to_wire())
