"""What an episode writes: history, new work, messages to parent and children, in one transaction."""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from devhost.durable.episode import EpisodeResult, LiveInstance
from devhost.durable.history import Event, EventType, execution_started, iso, stamped
from devhost.durable.store import ActivityRow, InstanceRow, Store, TimerRow

log = logging.getLogger("devhost.durable")

Deliver = Callable[[str, str, Event], None]


@dataclass(slots=True)
class NewWork:
    """What an episode's decisions set going once the transaction is in; ``events`` is what it appended."""

    events: list[Event] = field(default_factory=list[Event])
    activities: list[ActivityRow] = field(default_factory=list[ActivityRow])
    timers: list[TimerRow] = field(default_factory=list[TimerRow])
    children: list[str] = field(default_factory=list[str])


class Ledger:
    """Writes the outcome of episodes.

    Args:
        store: the task hub's database.
        deliver: posts a message within the current transaction (instance, execution, message).
    """

    def __init__(self, store: Store, deliver: Deliver) -> None:
        self._store, self._deliver = store, deliver

    def commit(
        self,
        row: InstanceRow,
        live: LiveInstance,
        fresh: list[Event],
        origin: dict[int, int],
        result: EpisodeResult,
    ) -> NewWork | None:
        """Write one episode; ``None`` when the instance was purged while the orchestrator ran.

        Args:
            row: the instance as it was when the episode began.
            live: its history before the episode.
            fresh: the episode's events.
            origin: inbox number of each message taken → its position in ``fresh``, −1 for void ones.
            result: what the orchestrator decided.
        """
        stamp = fresh[0]["Timestamp"]
        with self._store.transaction():
            current = self._store.instance(row.id)
            if current is None or current.execution_id != row.execution_id:
                return None
            current.updated = stamp
            if result.custom_status is not None or result.final_status != "Failed":
                current.custom_status = result.custom_status
            if current.status == "Pending":
                current.status = "Running"
            carried = {id(event) for event in result.carried_events}
            self._store.take_inbox(s for s, at in origin.items() if at < 0 or id(fresh[at]) not in carried)
            work = self._record_decisions(row, list(fresh), result, stamp)
            self._close_episode(current, live, work.events, result, stamp)
        return work

    def _record_decisions(
        self, row: InstanceRow, events: list[Event], result: EpisodeResult, stamp: str
    ) -> "NewWork":
        """Within the commit: append each decision to ``events`` and record the work it means."""
        work = NewWork(events)
        for task_id, decision in result.decisions.items():
            event = stamped(decision, stamp, task_id)
            events.append(event)
            if event["EventType"] == EventType.TASK_SCHEDULED:
                work.activities.append(self._store.add_activity(row.id, row.execution_id, task_id, event))
            elif event["EventType"] == EventType.SUB_ORCHESTRATION_CREATED:
                work.children.append(self._create_child(row, task_id, event, stamp))
            elif task_id not in result.cancelled_timers:
                timer = TimerRow(row.id, row.execution_id, task_id, event["FireAt"])
                self._store.add_timer(timer)
                work.timers.append(timer)
        for task_id in result.cancelled_timers:
            self._store.finish_timer(row.id, row.execution_id, task_id)
        return work

    def _close_episode(
        self, current: InstanceRow, live: LiveInstance, events: list[Event], result: EpisodeResult, stamp: str
    ) -> None:
        """Within the commit: append the history, and end or renew the execution when it is over."""
        if result.final_status is not None:
            events.append(_completed_event(result.final_status, result.output, stamp, len(live.events)))
        events.append(stamped({"EventType": EventType.ORCHESTRATOR_COMPLETED}, stamp))
        if result.continued:
            self._store.clear_history(current.id)
            current.execution_id = uuid.uuid4().hex
            current.input = result.continue_input
        else:
            self._store.append_history(current.id, len(live.events), events)
        if result.final_status is not None:
            self._end(current, result.final_status, result.output)
        self._store.put_instance(current)

    def _end(self, row: InstanceRow, status: str, output: str | None) -> None:
        """Within a transaction: give ``row`` its final status and tell its parent."""
        row.status, row.output = status, output
        level = logging.INFO if status == "Completed" else logging.WARNING
        log.log(level, "Orchestration '%s' %s (instance '%s')%s", row.name, status.lower(), row.id,
                "" if status == "Completed" else f": {output}")  # fmt: skip
        if row.parent_id is None or row.parent_execution_id is None:
            return
        event: Event = {"EventType": EventType.SUB_ORCHESTRATION_COMPLETED, "Result": output}
        if status != "Completed":
            event = {"EventType": EventType.SUB_ORCHESTRATION_FAILED, "Reason": output or "", "Details": ""}
        self._deliver(row.parent_id, row.parent_execution_id, {**event, "TaskScheduledId": row.parent_task_id})

    def _create_child(self, parent: InstanceRow, task_id: int, event: Event, stamp: str) -> str:
        """Within a commit: create the sub-orchestration of a decision; completes ``event`` with its id."""
        child_id = str(event["InstanceId"] or f"{parent.execution_id}:{task_id}")
        event["InstanceId"] = child_id
        existing = self._store.instance(child_id)
        if existing is not None and existing.is_active:
            reason = f"An Orchestration instance with the status {existing.status} already exists."
            failure = {"EventType": EventType.SUB_ORCHESTRATION_FAILED, "Reason": reason, "Details": ""}
            self._deliver(parent.id, parent.execution_id, {**failure, "TaskScheduledId": task_id})
            return parent.id
        self._store.delete_instance(child_id)
        self._store.put_instance(
            InstanceRow(
                id=child_id, execution_id=uuid.uuid4().hex, name=str(event["Name"]), version=str(event["Version"]),
                input=event["Input"], status="Pending", custom_status=None, output=None,
                parent_id=parent.id, parent_execution_id=parent.execution_id, parent_task_id=task_id,
                created=stamp, updated=stamp,
            )
        )  # fmt: skip
        return child_id

    def terminate(self, row: InstanceRow, live: LiveInstance, message: Event) -> None:
        """End an instance because ``message`` (ExecutionTerminated) says so; the rest of its inbox is dropped."""
        stamp = iso(datetime.now(UTC))
        reason = str(message.get("Input") or "")
        with self._store.transaction():
            events = [stamped({"EventType": EventType.ORCHESTRATOR_STARTED}, stamp)]
            if not live.events:
                started = execution_started(row.name, row.version, row.input, row.id, row.execution_id)
                events.append(stamped(started, stamp))
            events.append(stamped(message, stamp))
            events.append(_completed_event("Terminated", reason, stamp, len(live.events)))
            events.append(stamped({"EventType": EventType.ORCHESTRATOR_COMPLETED}, stamp))
            self._store.take_inbox([seq for seq, _ in self._store.inbox(row.id)])
            self._store.clear_timers(row.id)
            self._store.append_history(row.id, len(live.events), events)
            row.updated = stamp
            self._end(row, "Terminated", reason)
            self._store.put_instance(row)


def _completed_event(status: str, output: str | None, stamp: str, event_id: int) -> Event:
    event = {"EventType": EventType.EXECUTION_COMPLETED, "OrchestrationStatus": status, "Result": output}
    return stamped(event, stamp, event_id)
