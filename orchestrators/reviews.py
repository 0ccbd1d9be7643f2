"""What somebody said about a face, made to count: match that video again, make the montages that change."""

import azure.durable_functions as df

from fanreel.contracts import FanPageOutcome, FanSearch

from .base import Steps, closing_step, orchestrator
from .montages import make_montages


@orchestrator
def apply_review(context: df.DurableOrchestrationContext) -> Steps:
    """Let the latest verdicts about a video take effect; answers how many fans' montages were looked at."""
    search = FanSearch.from_wire(context.get_input())
    try:
        # Somebody may be seeing a stranger until this is done: it outlasts an outage.
        affected = FanPageOutcome.from_wire((yield closing_step(context, "search_fan", search)))
    except Exception:
        # Matches have come and gone up to where it broke, and nobody else makes these montages.
        affected = FanPageOutcome.from_wire((yield closing_step(context, "load_searched_fans", search)))
        yield from make_montages(context, affected.fan_ids, search.event_id, "r")
        raise
    yield from make_montages(context, affected.fan_ids, search.event_id, "r")
    return {"fans": len(affected.fan_ids)}
