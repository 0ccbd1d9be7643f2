"""Trigger of the worker's reports: wakes the orchestration that waits for a segment."""

import azure.durable_functions as df
import azure.functions as func
import structlog

from fanreel.contracts import SegmentDone
from fanreel.settings import get_settings

from .uploads import STORAGE

log = structlog.get_logger()

blueprint = df.Blueprint()

_WAITING = {
    df.OrchestrationRuntimeStatus.Running,
    df.OrchestrationRuntimeStatus.Pending,
    df.OrchestrationRuntimeStatus.ContinuedAsNew,
}


@blueprint.function_name("segment_done")
@blueprint.queue_trigger(arg_name="message", queue_name=get_settings().queue_segment_results, connection=STORAGE)
@blueprint.durable_client_input(client_name="durable")
async def segment_done(message: func.QueueMessage, durable: df.DurableOrchestrationClient) -> None:
    """Raise the segment's event; an orchestration that is unknown or has finished needs none."""
    done = SegmentDone.from_wire(message.get_body())
    status = await durable.get_status(done.instance_id)
    if status and status.runtime_status in _WAITING:
        await durable.raise_event(done.instance_id, done.event_name, {"outcome": done.outcome})
    else:
        log.info("segment.report_unneeded", video_id=done.video_id, segment=done.segment_id)
