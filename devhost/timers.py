"""Timer triggers: NCRONTAB schedules in UTC, with the last run remembered across restarts."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.functions import meta

from devhost.bindings import converter
from devhost.durable.store import Store
from devhost.errors import FunctionFailedError
from devhost.invoke import RetryState
from devhost.loader import LoadedFunction
from devhost.ncrontab import Schedule

log = logging.getLogger("devhost.timer")

MAX_SLEEP_S = 3600.0
# Azure monitors (and catches up) only schedules of a minute and more.
MONITORED_INTERVAL = timedelta(minutes=1)
RunTimer = Callable[[LoadedFunction, Any, RetryState], Awaitable[Any]]


class TimerListener:
    """Runs one timer-triggered function on its schedule, never twice at once.

    Args:
        function: the function.
        schedule: its parsed schedule.
        run: calls it with the converted TimerRequest.
        store: where the last occurrence is remembered.
    """

    def __init__(self, function: LoadedFunction, schedule: Schedule, run: RunTimer, store: Store) -> None:
        self._function, self._schedule, self._run, self._store = function, schedule, run, store
        self._key = f"timer:{function.name}"
        self._last: datetime | None = None

    async def run(self) -> None:
        """Follow the schedule until cancelled."""
        remembered = self._store.meta(self._key)
        now = datetime.now(UTC)
        due = self._schedule.next_after(now)
        if remembered is not None:
            self._last = datetime.fromisoformat(remembered)
            missed = self._schedule.next_after(self._last)
            if missed < now and due - missed >= MONITORED_INTERVAL:
                await self.fire(past_due=True)
        if self._function.trigger.data.get("runOnStartup"):
            await self.fire(past_due=False)
        while True:
            due = self._schedule.next_after(datetime.now(UTC))
            while (left_s := (due - datetime.now(UTC)).total_seconds()) > 0:
                await asyncio.sleep(min(left_s, MAX_SLEEP_S))
            await self.fire(past_due=False)

    async def fire(self, *, past_due: bool) -> None:
        """Call the function once, with the attempts its retry policy grants."""
        now = datetime.now(UTC)
        payload = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {
                "Last": (self._last or datetime.fromtimestamp(0, UTC)).isoformat(),
                "Next": self._schedule.next_after(now).isoformat(),
                "LastUpdated": (self._last or now).isoformat(),
            },
            "IsPastDue": past_due,
        }
        self._last = now
        try:
            self._store.set_meta(self._key, now.isoformat())
        except sqlite3.Error as error:
            # Unremembered, a restart may run this occurrence once more; a dead listener would run none.
            log.error("Timer '%s': its run cannot be remembered: %s", self._function.name, error)
        request = converter("timerTrigger").decode(meta.Datum(json.dumps(payload), "json"), trigger_metadata=None)
        await with_retries(self._function, lambda retry: self._run(self._function, request, retry))


async def with_retries(function: LoadedFunction, attempt: Callable[[RetryState], Awaitable[Any]]) -> None:
    """Call ``attempt`` as often as the function's retry policy allows; the last failure is only logged."""
    policy = function.retry_policy or {}
    limit = int(policy.get("max_retry_count") or 0)
    count = 0
    while True:
        try:
            await attempt(RetryState(count, limit))
            return
        except FunctionFailedError as error:
            if limit >= 0 and count >= limit:
                log.debug("'%s' failed for good: %s", function.name, error)
                return
            await asyncio.sleep(retry_delay_s(policy, count))
            count += 1


def retry_delay_s(policy: dict[str, Any], failures: int) -> float:
    """Pause before the next attempt: fixed, or doubling between the policy's bounds."""
    if policy.get("strategy") == "exponential_backoff":
        low = _seconds(policy.get("minimum_interval"), 2.0)
        return min(low * 2**failures, _seconds(policy.get("maximum_interval"), 15 * 60.0))
    return _seconds(policy.get("delay_interval"), 0.0)


def _seconds(text: Any, default: float) -> float:
    if text is None:
        return default
    hours, minutes, seconds = ([0.0, 0.0] + [float(part) for part in str(text).split(":")])[-3:]
    return hours * 3600 + minutes * 60 + seconds
