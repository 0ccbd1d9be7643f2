"""A selfie's way to a montage: embed, search what is analysed, cut."""

import azure.durable_functions as df

from fanreel.contracts import FanPageOutcome, FanSearch, SelfieOutcome, SelfieWork

from .base import Steps, closing_step, orchestrator, step
from .montages import make_montages


@orchestrator
def enroll_fan(context: df.DurableOrchestrationContext) -> Steps:
    """Take a selfie in and bring the fan's montages of all their events up to date; no video is analysed again."""
    work = SelfieWork.from_wire(context.get_input())
    context.set_custom_status({"stage": "embedding"})
    try:
        selfie = SelfieOutcome.from_wire((yield step(context, "embed_selfie", work)))
    except Exception:
        # The fan must not wait for a picture nobody will look at again.
        yield closing_step(context, "abandon_selfie", work)
        raise
    try:
        for index, event_id in enumerate(selfie.event_ids):
            context.set_custom_status({"stage": "searching", "event": event_id})
            search = FanSearch(fan_id=work.fan_id, event_id=event_id)
            try:
                affected = FanPageOutcome.from_wire((yield step(context, "search_fan", search)))
            except Exception:
                # Matches have come and gone up to where it broke, and nobody else makes these montages.
                affected = FanPageOutcome.from_wire((yield closing_step(context, "load_searched_fans", search)))
                yield from make_montages(context, affected.fan_ids, event_id, f"e{index}")
                raise
            yield from make_montages(context, affected.fan_ids, event_id, f"e{index}")
    except Exception:
        # Finished as well, so that nobody waits, but not as if everything had been looked at.
        yield closing_step(context, "abandon_search", work)
        raise
    yield closing_step(context, "finish_enrolment", work)
    context.set_custom_status({"stage": "finished"})
    return selfie.to_wire()
