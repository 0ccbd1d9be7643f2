"""What a durable client may ask: start, events, terminate, suspend, resume, rewind, restart, purge."""

import logging
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from devhost.durable.engine import Engine
from devhost.durable.episode import unknown_function
from devhost.durable.history import EVENT_NAMES, FAILURES, Event, EventType, iso
from devhost.durable.store import FINAL, InstanceRow
from devhost.errors import (
    DurableError,
    InstanceConflictError,
    InstanceNotFoundError,
    InvalidTransitionError,
    UnknownFunctionError,
)

log = logging.getLogger("devhost.durable")

MAX_INSTANCE_ID_LENGTH = 100
_BAD_ID = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")


class InstanceOverError(DurableError):
    """The instance has ended; the operation needs one that runs."""


class Operations:
    """The operations of one task hub; every method is atomic and belongs to the event loop's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.store

    def start(self, name: str, raw_input: str | None, instance_id: str | None = None, version: str = "") -> str:
        """Create an instance and return its id.

        Args:
            name: an orchestrator function.
            raw_input: JSON text, or ``None``.
            instance_id: wanted id; a finished instance of this id is replaced.
            version: recorded with the instance.

        Raises:
            UnknownFunctionError: no such orchestrator.
            InstanceConflictError: an instance of this id exists and has not ended.
            DurableError: the id has characters Azure refuses.
        """
        if name.lower() not in self._engine.orchestrators:
            raise UnknownFunctionError(unknown_function(name, "orchestrator", self._engine.known.orchestrators))
        instance_id = instance_id or uuid.uuid4().hex
        if _BAD_ID.search(instance_id) or instance_id.startswith("@") or len(instance_id) > MAX_INSTANCE_ID_LENGTH:
            raise DurableError(
                f"Instance id {instance_id!r} is not allowed: at most {MAX_INSTANCE_ID_LENGTH} characters, "
                r"no '/', '\', '#', '?' or control characters, and no leading '@'."
            )
        now = iso(datetime.now(UTC))
        with self._store.transaction():
            existing = self._store.instance(instance_id)
            if existing is not None and existing.is_active:
                raise InstanceConflictError(
                    f"An Orchestration instance with the status {existing.status} already exists."
                )
            self._store.delete_instance(instance_id)
            self._store.put_instance(
                InstanceRow(
                    id=instance_id, execution_id=uuid.uuid4().hex, name=name, version=version,
                    input=raw_input, status="Pending", custom_status=None, output=None,
                    parent_id=None, parent_execution_id=None, parent_task_id=None, created=now, updated=now,
                )
            )  # fmt: skip
        self._engine.forget(instance_id)
        self._engine.wake(instance_id)
        log.info("Orchestration '%s' started (instance '%s')", name, instance_id)
        return instance_id

    def get(self, instance_id: str) -> InstanceRow:
        """The instance; raises :class:`InstanceNotFoundError`."""
        row = self._store.instance(instance_id)
        if row is None:
            raise InstanceNotFoundError(f"No instance with ID '{instance_id}' found.")
        return row

    def _running(self, instance_id: str) -> InstanceRow:
        row = self.get(instance_id)
        if not row.is_active:
            raise InstanceOverError(f"Instance '{instance_id}' is {row.status}.")
        return row

    def raise_event(self, instance_id: str, name: str, raw_input: str | None) -> None:
        """Send an external event; ``raw_input`` is JSON text."""
        self._running(instance_id)
        self._post(instance_id, {"EventType": EventType.EVENT_RAISED, "Name": name, "Input": raw_input})

    def terminate(self, instance_id: str, reason: str) -> None:
        """End an instance; sub-orchestrations and running activities are left alone, as in Azure."""
        self._running(instance_id)
        self._post(instance_id, {"EventType": EventType.EXECUTION_TERMINATED, "Input": reason})

    def suspend(self, instance_id: str, reason: str) -> None:
        """Stop running episodes until resumed; messages wait."""
        row = self._running(instance_id)
        if row.status == "Suspended":
            raise InvalidTransitionError(f"Cannot suspend orchestration instance in the {row.status} state.")
        self._change_status(row, "Suspended", {"EventType": EventType.EXECUTION_SUSPENDED, "Reason": reason})

    def resume(self, instance_id: str, reason: str) -> None:
        """Run a suspended instance again."""
        row = self._running(instance_id)
        if row.status != "Suspended":
            raise InvalidTransitionError(f"Cannot resume orchestration instance in the {row.status} state.")
        self._change_status(row, "Running", {"EventType": EventType.EXECUTION_RESUMED, "Reason": reason})

    def restart(self, instance_id: str, *, with_new_id: bool) -> str:
        """Start the same orchestrator with the same input; returns the id."""
        row = self.get(instance_id)
        return self.start(row.name, row.input, None if with_new_id else row.id, row.version)

    def rewind(self, instance_id: str, reason: str) -> None:
        """Undo the failures of a failed instance, in its failed sub-orchestrations too, and run it on.

        Failed activities are taken out of history together with their scheduling, so they run again. As in
        DurableTask, histories in which a failure was already handled (retried) may not replay after this.
        """
        row = self.get(instance_id)
        if row.status in ("Running", "Pending", "Suspended", "ContinuedAsNew"):
            raise InvalidTransitionError(f"Cannot rewind orchestration instance in the {row.status} state.")
        if row.status != "Failed":
            raise InstanceOverError(
                f"Instance '{instance_id}' is {row.status}; only failed instances can be rewound."
            )
        rewound: list[str] = []
        with self._store.transaction():
            self._rewind_in_transaction(row, reason, rewound)
        for each in rewound:
            self._engine.forget(each)
            self._engine.wake(each)

    def _rewind_in_transaction(self, row: InstanceRow, reason: str, rewound: list[str]) -> None:
        history = self._store.history(row.id)
        failed = {e["TaskScheduledId"] for e in history if e["EventType"] in FAILURES}
        kept: list[Event] = []
        for event in history:
            kind = event["EventType"]
            if kind in FAILURES or kind == EventType.EXECUTION_COMPLETED:
                continue
            if kind == EventType.TASK_SCHEDULED and event["EventId"] in failed:
                continue
            if kind == EventType.SUB_ORCHESTRATION_CREATED and event["EventId"] in failed:
                child = self._store.instance(event["InstanceId"])
                if child is None or child.status != "Failed":
                    continue  # it is created afresh
                self._rewind_in_transaction(child, reason, rewound)
            kept.append(event)
        self._store.clear_history(row.id)
        self._store.append_history(row.id, 0, kept)
        row.status, row.output, row.updated = "Running", None, iso(datetime.now(UTC))
        self._store.put_instance(row)
        self._store.post(row.id, {"EventType": EventType.GENERIC_EVENT, "Data": f"Rewound: {reason}"})
        rewound.append(row.id)

    def purge(self, instance_id: str) -> int:
        """Forget one instance; returns how many were deleted (0 or 1)."""
        if self._store.instance(instance_id) is None:
            return 0
        with self._store.transaction():
            self._store.delete_instance(instance_id)
        self._engine.announce_end(instance_id)
        return 1

    def purge_matching(self, created_from: str, created_to: str | None, statuses: Sequence[str]) -> int:
        """Forget ended instances created in a period; returns how many."""
        wanted = [status for status in statuses if status in FINAL] if statuses else FINAL
        rows = self._store.query_instances(statuses=wanted, created_from=created_from, created_to=created_to)
        return sum(self.purge(row.id) for row in rows) if wanted else 0

    def _change_status(self, row: InstanceRow, status: str, message: Event) -> None:
        with self._store.transaction():
            row.status = status
            self._store.put_instance(row)
            self._store.post(row.id, message)
        self._engine.wake(row.id)

    def _post(self, instance_id: str, message: Event) -> None:
        with self._store.transaction():
            self._engine.deliver(instance_id, None, message)


def readable_history(history: Sequence[Event], *, show_output: bool) -> list[Event]:
    """``historyEvents`` of the status API: scheduling merged into completions, internal fields dropped."""
    scheduled = {event["EventId"]: event for event in history if event["EventId"] >= 0}
    shown: list[Event] = []
    for event in history:
        kind = EventType(event["EventType"])
        if kind in (EventType.TASK_SCHEDULED, EventType.ORCHESTRATOR_STARTED, EventType.ORCHESTRATOR_COMPLETED):
            continue
        if kind in (EventType.TIMER_CREATED, EventType.SUB_ORCHESTRATION_CREATED):
            continue
        entry = {k: v for k, v in event.items() if k not in ("EventId", "EventType", "Version", "Details")}
        task = entry.pop("TaskScheduledId", entry.pop("TimerId", None))
        origin = scheduled.get(task) if task is not None else None
        if origin is not None:
            entry["ScheduledTime"] = origin["Timestamp"]
            if origin.get("Name"):
                entry["FunctionName"] = origin["Name"]
        if kind == EventType.EXECUTION_STARTED:
            entry["FunctionName"] = entry.pop("Name", None)
        if not show_output:
            entry.pop("Result", None)
        shown.append({"EventType": EVENT_NAMES[kind], **entry})
    return shown
