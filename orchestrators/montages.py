"""Montages: one per fan and event, made side by side."""

from collections.abc import Sequence

import azure.durable_functions as df

from fanreel.contracts import MontagePlanned, MontageWork, RenderOutcome

from .base import Steps, closing_step, orchestrator, step

PAGE = 50
"""Montages under way at once per orchestration: keeps histories short."""


ROUNDS = 3
"""Times a montage is planned anew because its material changed while it was rendered; whoever changed it makes
the montage as well, so giving up leaves nothing undone."""
OVERTAKEN = "overtaken"


@orchestrator
def make_montage(context: df.DurableOrchestrationContext) -> Steps:
    """Plan, render and publish one fan's montage of an event; answers what came of it."""
    work = MontageWork.from_wire(context.get_input())
    answer: dict[str, object] = {}
    for _ in range(ROUNDS):
        answer = yield from _make(context, work)
        if answer["reason"] != OVERTAKEN:
            break
    return answer


def _make(context: df.DurableOrchestrationContext, work: MontageWork) -> Steps:
    try:
        planned = MontagePlanned.from_wire((yield step(context, "plan_montage", work)))
        if not planned.needed:
            return {"published": False, "reason": planned.reason}
        work = work.model_copy(update={"montage_id": planned.montage_id})
        rendered = RenderOutcome.from_wire((yield step(context, "render_montage", work)))
        if not rendered.rendered:
            return {"published": False, "reason": rendered.reason}
        published = MontagePlanned.from_wire((yield step(context, "publish_montage", work)))
        return {"published": published.needed, "reason": published.reason}
    except Exception:
        # One montage that cannot be made must not fail a whole video.
        yield closing_step(context, "abandon_montage", work)
        return {"published": False, "reason": "montage_failed"}


def make_montages(
    context: df.DurableOrchestrationContext, fan_ids: Sequence[str], event_id: str, name: str
) -> Steps:
    """Make the montages of these fans, at most `PAGE` at a time; `name` makes the instance ids unique."""
    for first in range(0, len(fan_ids), PAGE):
        works = [MontageWork(fan_id=fan_id, event_id=event_id) for fan_id in fan_ids[first : first + PAGE]]
        yield context.task_all(
            [
                context.call_sub_orchestrator(
                    "make_montage", work.to_wire(), instance_id=f"{context.instance_id}-{name}-{first + index}"
                )
                for index, work in enumerate(works)
            ]
        )
