"""History events as the Durable extension writes them (DurableTask.Core/History), and the SDK's input JSON."""

import json
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

Event = dict[str, Any]


class EventType(IntEnum):
    """DurableTask event type numbers; the SDK's ``HistoryEventType`` has the same values."""

    EXECUTION_STARTED = 0
    EXECUTION_COMPLETED = 1
    EXECUTION_TERMINATED = 3
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    SUB_ORCHESTRATION_CREATED = 7
    SUB_ORCHESTRATION_COMPLETED = 8
    SUB_ORCHESTRATION_FAILED = 9
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    ORCHESTRATOR_COMPLETED = 13
    EVENT_SENT = 14
    EVENT_RAISED = 15
    CONTINUE_AS_NEW = 16
    GENERIC_EVENT = 17
    EXECUTION_SUSPENDED = 19
    EXECUTION_RESUMED = 20


EVENT_NAMES = {
    EventType.EXECUTION_STARTED: "ExecutionStarted",
    EventType.EXECUTION_COMPLETED: "ExecutionCompleted",
    EventType.EXECUTION_TERMINATED: "ExecutionTerminated",
    EventType.TASK_SCHEDULED: "TaskScheduled",
    EventType.TASK_COMPLETED: "TaskCompleted",
    EventType.TASK_FAILED: "TaskFailed",
    EventType.SUB_ORCHESTRATION_CREATED: "SubOrchestrationInstanceCreated",
    EventType.SUB_ORCHESTRATION_COMPLETED: "SubOrchestrationInstanceCompleted",
    EventType.SUB_ORCHESTRATION_FAILED: "SubOrchestrationInstanceFailed",
    EventType.TIMER_CREATED: "TimerCreated",
    EventType.TIMER_FIRED: "TimerFired",
    EventType.ORCHESTRATOR_STARTED: "OrchestratorStarted",
    EventType.ORCHESTRATOR_COMPLETED: "OrchestratorCompleted",
    EventType.EVENT_SENT: "EventSent",
    EventType.EVENT_RAISED: "EventRaised",
    EventType.CONTINUE_AS_NEW: "ContinueAsNew",
    EventType.GENERIC_EVENT: "GenericEvent",
    EventType.EXECUTION_SUSPENDED: "ExecutionSuspended",
    EventType.EXECUTION_RESUMED: "ExecutionResumed",
}

SCHEDULING = frozenset(
    {EventType.TASK_SCHEDULED, EventType.SUB_ORCHESTRATION_CREATED, EventType.TIMER_CREATED, EventType.EVENT_SENT}
)
# Events that end an open task, and the key under which they name it.
COMPLETIONS = {
    EventType.TASK_COMPLETED: "TaskScheduledId",
    EventType.TASK_FAILED: "TaskScheduledId",
    EventType.SUB_ORCHESTRATION_COMPLETED: "TaskScheduledId",
    EventType.SUB_ORCHESTRATION_FAILED: "TaskScheduledId",
    EventType.TIMER_FIRED: "TimerId",
}
FAILURES = frozenset({EventType.TASK_FAILED, EventType.SUB_ORCHESTRATION_FAILED})


def dumps(value: Any) -> str:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"))


def iso(moment: datetime) -> str:
    """UTC timestamp with microseconds, the form history events carry."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_iso(text: str) -> datetime:
    """The aware UTC moment of an ISO timestamp; one without offset is taken as UTC."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def stamped(event: Event, timestamp: str, event_id: int = -1) -> Event:
    """``event`` with the fields every history event must carry (``IsPlayed`` depends on the episode)."""
    return {"EventId": event_id, "Timestamp": timestamp, **event}


def execution_started(
    name: str, version: str, raw_input: str | None, instance_id: str, execution_id: str
) -> Event:
    """The second event of every history; the SDK insists on ``Version``."""
    return {
        "EventType": EventType.EXECUTION_STARTED,
        "Name": name,
        "Version": version,
        "Input": raw_input,
        "Tags": None,
        "ParentInstance": None,
        "OrchestrationInstance": {"InstanceId": instance_id, "ExecutionId": execution_id},
    }


def played(event: Event, is_played: bool) -> str:
    """JSON of ``event`` with its ``IsPlayed``; OrchestratorStarted never counts as played (DTFX)."""
    flag = is_played and event["EventType"] != EventType.ORCHESTRATOR_STARTED
    return dumps({**event, "IsPlayed": flag})


def context_json(
    past: list[str], fresh: list[str], *, raw_input: str | None, instance_id: str, parent_id: str | None
) -> str:
    """The string an orchestration trigger receives (extension: OrchestrationContextToString).

    Args:
        past: JSON of the events of earlier episodes.
        fresh: JSON of this episode's events.
        raw_input: JSON text of the instance's input.
        instance_id: the instance.
        parent_id: the parent instance of a sub-orchestration.
    """
    head = dumps(
        {
            "instanceId": instance_id,
            "isReplaying": bool(past),
            "parentInstanceId": parent_id,
            "upperSchemaVersion": 1,
            "upperSchemaVersionNew": 2,
            "longRunningTimerIntervalDuration": "3.00:00:00",
            "maximumShortTimerDuration": "6.00:00:00",
            "defaultHttpAsyncRequestSleepTimeMillseconds": 30000,
        }
    )
    return f'{head[:-1]},"input":{raw_input or "null"},"history":[{",".join([*past, *fresh])}]}}'
