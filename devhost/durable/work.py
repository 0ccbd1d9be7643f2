"""Outstanding work of the engine: activities that must run, timers that must fire."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from azure.functions import meta

from devhost.bindings import converter
from devhost.durable.history import Event, EventType, parse_iso
from devhost.durable.store import ActivityRow, Store, TimerRow
from devhost.errors import FunctionFailedError
from devhost.loader import LoadedFunction

log = logging.getLogger("devhost.durable")

MAX_SLEEP_S = 3600.0  # timers are re-armed at least hourly, so a clock change cannot strand them
# A full disk or a locked file is for a person to mend; until then the work is kept and the write tried again.
FIRST_RETRY_S = 0.5
MAX_RETRY_S = 30.0
RunActivity = Callable[[LoadedFunction, Any], Awaitable[Any]]
Deliver = Callable[[str, str, Event], None]


def retry_pause_s(failures: int) -> float:
    """Pause after that many failed writes in a row (1, 2, …): doubling up to ``MAX_RETRY_S``."""
    return min(FIRST_RETRY_S * 2.0 ** min(failures - 1, 16), MAX_RETRY_S)


class ActivityRunner:
    """Runs recorded activities, at most ``limit`` at a time, oldest first.

    An activity's row leaves the database in the transaction that delivers its result, so one that was running
    when the host died is run again: at least once, as in Azure.
    """

    def __init__(
        self, store: Store, functions: dict[str, LoadedFunction], run: RunActivity, deliver: Deliver, limit: int
    ) -> None:
        self._store, self._functions, self._run, self._deliver = store, functions, run, deliver
        self._slots = asyncio.Semaphore(limit)
        self._tasks: set[asyncio.Task[None]] = set()

    def launch(self, row: ActivityRow) -> None:
        """Run one activity as soon as a slot is free."""
        task = asyncio.create_task(self._work(row))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Abandon what is running; it is run again at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, row: ActivityRow) -> None:
        async with self._slots:
            event = await self._outcome(row)
        failures = 0
        while True:
            try:
                self._record(row, event)
                return
            except sqlite3.Error as error:
                failures += 1
                pause_s = retry_pause_s(failures)
                log.error("Activity '%s' of instance '%s' has run; its result cannot be saved, again in %g s: %s",
                          row.name, row.instance_id, pause_s, error)  # fmt: skip
                await asyncio.sleep(pause_s)

    def _record(self, row: ActivityRow, event: Event) -> None:
        with self._store.transaction():
            if self._store.finish_activity(row.seq):  # not so when the instance was purged meanwhile
                self._deliver(row.instance_id, row.execution_id, event)

    async def _outcome(self, row: ActivityRow) -> Event:
        function = self._functions.get(row.name.lower())
        try:
            if function is None:
                raise FunctionFailedError(LookupError(f"the app has no activity function {row.name!r}"))
            value = decode_activity_input(row.input)
            result = encode_activity_result(await self._run(function, value))
        except FunctionFailedError as error:
            return failed_event(row, str(error))
        except Exception as error:
            # Nothing may leave the orchestration waiting: whatever went wrong around the call is its failure.
            log.error("Activity '%s' of instance '%s': %s", row.name, row.instance_id, error)
            return failed_event(row, f"{type(error).__name__}: {error}")
        return {"EventType": EventType.TASK_COMPLETED, "TaskScheduledId": row.task_id, "Result": result}


def failed_event(row: ActivityRow, message: str) -> Event:
    """TaskFailed as the extension words it."""
    return {
        "EventType": EventType.TASK_FAILED,
        "TaskScheduledId": row.task_id,
        "Reason": f"Activity function '{row.name}' failed: {message}",
        "Details": "",
    }


def decode_activity_input(scheduled_input: str) -> Any:
    """The value user code gets for TaskScheduled.Input, a JSON array of one JSON text."""
    text: str = json.loads(scheduled_input)[0]
    return converter("activityTrigger").decode(meta.Datum(text, "string"), trigger_metadata=None)


def encode_activity_result(value: Any) -> str | None:
    """JSON text of an activity's return value, ``None`` for JSON null; ``ValueError`` when it is not JSON."""
    text: str = converter("activityTrigger").encode(value, expected_type=None).value
    return None if text == "null" else text


class TimerService:
    """Fires recorded timers at their time or, after a restart, as soon as possible."""

    def __init__(self, store: Store, deliver: Deliver) -> None:
        self._store, self._deliver = store, deliver
        self._handles: dict[tuple[str, str, int], asyncio.TimerHandle] = {}

    def arm(self, timer: TimerRow) -> None:
        """Fire ``timer`` when its time has come."""
        delay = (parse_iso(timer.fire_at) - datetime.now(UTC)).total_seconds()
        key = (timer.instance_id, timer.execution_id, timer.task_id)
        loop = asyncio.get_running_loop()
        self._handles[key] = loop.call_later(min(max(delay, 0.0), MAX_SLEEP_S), self._due, timer)

    def disarm(self, instance_id: str, execution_id: str, task_id: int) -> None:
        """Forget a cancelled timer; its row is the caller's to remove."""
        handle = self._handles.pop((instance_id, execution_id, task_id), None)
        if handle is not None:
            handle.cancel()

    def disarm_all(self, instance_id: str) -> None:
        """Forget the timers of an instance that has ended; their rows are the caller's to remove."""
        for key in [key for key in self._handles if key[0] == instance_id]:
            self._handles.pop(key).cancel()

    def stop(self) -> None:
        """Fire nothing more."""
        for handle in self._handles.values():
            handle.cancel()
        self._handles.clear()

    def _due(self, timer: TimerRow, failures: int = 0) -> None:
        key = (timer.instance_id, timer.execution_id, timer.task_id)
        self._handles.pop(key, None)
        # Never early: the SDK's clock must not stand before the FireAt it is told about.
        if datetime.now(UTC) < parse_iso(timer.fire_at):
            self.arm(timer)
            return
        try:
            self._record(timer)
        except sqlite3.Error as error:
            pause_s = retry_pause_s(failures + 1)
            log.error("A timer of instance '%s' is due but cannot be saved, again in %g s: %s",
                      timer.instance_id, pause_s, error)  # fmt: skip
            loop = asyncio.get_running_loop()
            self._handles[key] = loop.call_later(pause_s, self._due, timer, failures + 1)

    def _record(self, timer: TimerRow) -> None:
        with self._store.transaction():
            if not self._store.finish_timer(timer.instance_id, timer.execution_id, timer.task_id):
                return
            event = {"EventType": EventType.TIMER_FIRED, "TimerId": timer.task_id, "FireAt": timer.fire_at}
            self._deliver(timer.instance_id, timer.execution_id, event)
