"""The durable engine: episodes one at a time per instance, each committed in one transaction."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from devhost.config import DurableOptions
from devhost.durable.episode import EpisodeInput, EpisodeResult, KnownFunctions, LiveInstance, run_episode
from devhost.durable.history import Event, EventType, execution_started, iso, parse_iso, stamped
from devhost.durable.ledger import Ledger
from devhost.durable.store import InstanceRow, Store
from devhost.durable.work import ActivityRunner, RunActivity, TimerService
from devhost.loader import LoadedFunction

log = logging.getLogger("devhost.durable")

# Replays hold the interpreter lock: more threads than this only add switching.
REPLAY_THREADS = 4
# After a long episode the instance rests as long as the episode took (at most this), so that completions
# gather and a wide fan-in costs a few replays instead of one per child.
MAX_REST_S = 0.5
MIN_EPISODE_FOR_REST_S = 0.02
RETRY_AFTER_ERROR_S = 2.0


class Engine:
    """Runs every orchestration of one app. All methods belong to the event loop's thread.

    Args:
        store: the task hub's database.
        functions: the app's functions; orchestrators and activities are picked out.
        run_activity: calls an activity function with its decoded input.
        options: concurrency limits.
    """

    def __init__(
        self, store: Store, functions: Sequence[LoadedFunction], run_activity: RunActivity, options: DurableOptions
    ) -> None:
        self.store = store
        self.orchestrators = _by_name(functions, "orchestrationTrigger")
        activities = _by_name(functions, "activityTrigger")
        self.known = KnownFunctions(frozenset(activities), frozenset(self.orchestrators))
        self._activities = ActivityRunner(store, activities, run_activity, self.deliver, options.max_activities)
        self._timers = TimerService(store, self.deliver)
        self._ledger = Ledger(store, self.deliver)
        self._live: dict[str, LiveInstance] = {}
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()
        self._running: set[str] = set()
        self._again: set[str] = set()
        self._finished: dict[str, list[asyncio.Future[None]]] = {}
        self._limit = options.max_orchestrators
        self._workers: list[asyncio.Task[None]] = []
        self._pool = ThreadPoolExecutor(REPLAY_THREADS, thread_name_prefix="orchestrator")

    def start(self) -> None:
        """Take up what the database holds: inboxes, activities and timers of an earlier run."""
        activities, timers, busy = self.store.activities(), self.store.timers(), self.store.busy_instances()
        if activities or timers or busy:
            log.info(
                "Resuming: %d instances with messages, %d activities, %d timers",
                len(busy), len(activities), len(timers),
            )  # fmt: skip
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._limit)]
        for row in activities:
            self._activities.launch(row)
        for timer in timers:
            self._timers.arm(timer)
        for instance_id in busy:
            self.wake(instance_id)

    async def stop(self) -> None:
        """Stop taking work; whatever is unfinished stays in the database."""
        self._timers.stop()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await self._activities.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def wake(self, instance_id: str) -> None:
        """Run an episode of the instance soon; calls during an episode lead to one more after it."""
        if instance_id in self._running:
            self._again.add(instance_id)
        elif instance_id not in self._queued:
            self._queued.add(instance_id)
            self._queue.put_nowait(instance_id)

    def forget(self, instance_id: str) -> None:
        """Drop the in-memory history; the database was changed behind it."""
        self._live.pop(instance_id, None)

    def deliver(self, instance_id: str, execution_id: str | None, event: Event) -> None:
        """Post a message within the current transaction, unless the instance or execution is over.

        Args:
            instance_id: addressee.
            execution_id: the execution it is meant for; ``None`` for any (external events).
            event: the message.
        """
        row = self.store.instance(instance_id)
        if row is None or not row.is_active or (execution_id is not None and execution_id != row.execution_id):
            return
        self.store.post(instance_id, event if execution_id is None else {**event, "ForExecution": execution_id})
        self.wake(instance_id)

    async def wait_finished(self, instance_id: str, timeout_s: float) -> bool:
        """Wait until the instance has ended; ``False`` after ``timeout_s``."""
        row = self.store.instance(instance_id)
        if row is None or not row.is_active:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._finished.setdefault(instance_id, []).append(future)
        try:
            await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            return False
        finally:
            waiting = self._finished.get(instance_id, [])
            if future in waiting:
                waiting.remove(future)
        return True

    def announce_end(self, instance_id: str) -> None:
        """Tell those who wait that the instance has ended."""
        self.forget(instance_id)
        self._timers.disarm_all(instance_id)
        for future in self._finished.pop(instance_id, []):
            if not future.done():
                future.set_result(None)

    async def _work(self) -> None:
        while True:
            instance_id = await self._queue.get()
            self._queued.discard(instance_id)
            self._running.add(instance_id)
            started = time.perf_counter()
            rest_s = 0.0
            try:
                await self._episode(instance_id)
                spent_s = time.perf_counter() - started
                rest_s = min(spent_s, MAX_REST_S) if spent_s > MIN_EPISODE_FOR_REST_S else 0.0
            except Exception:
                log.exception("Episode of instance '%s' could not be run; trying again", instance_id)
                self.forget(instance_id)
                self._again.add(instance_id)
                rest_s = RETRY_AFTER_ERROR_S
            finally:
                self._running.discard(instance_id)
            if instance_id in self._again:
                self._again.discard(instance_id)
                self._wake_later(instance_id, rest_s)

    def _wake_later(self, instance_id: str, delay_s: float) -> None:
        if delay_s <= 0:
            self.wake(instance_id)
        else:
            asyncio.get_running_loop().call_later(delay_s, self.wake, instance_id)

    def _load(self, row: InstanceRow) -> LiveInstance:
        live = self._live.get(row.id)
        if live is None or live.execution_id != row.execution_id:
            live = LiveInstance(row.execution_id)
            live.extend(self.store.history(row.id))
            self._live[row.id] = live
        return live

    async def _episode(self, instance_id: str) -> None:
        row = self.store.instance(instance_id)
        if row is None or not row.is_active:
            return
        inbox = self.store.inbox(instance_id)
        ending = next((e for _, e in inbox if e["EventType"] == EventType.EXECUTION_TERMINATED), None)
        if ending is not None:
            self._ledger.terminate(row, self._load(row), ending)
            self.announce_end(instance_id)
            return
        live = self._load(row)
        if row.status == "Suspended" or (live.events and not inbox):
            return
        fresh, origin = self._fresh_events(row, live, inbox)
        if live.absorb(fresh):
            self._commit(
                row, live, fresh, origin, EpisodeResult(custom_status=row.custom_status, replay=live.replay)
            )
            return
        episode = EpisodeInput(row.name, row.id, row.parent_id, row.input, live, fresh)
        orchestrator = self.orchestrators.get(row.name.lower())
        call: Callable[[Any], str] = orchestrator.call if orchestrator else _missing_orchestrator(row.name)
        loop = asyncio.get_running_loop()
        result = await loop.run_in_executor(self._pool, run_episode, episode, call, self.known)
        self._commit(row, live, fresh, origin, result)

    def _fresh_events(
        self, row: InstanceRow, live: LiveInstance, inbox: list[tuple[int, Event]]
    ) -> tuple[list[Event], dict[int, int]]:
        """Events of this episode, and inbox number → position in them (−1 for messages that are void)."""
        now = datetime.now(UTC)
        if live.events:  # a clock that was set back must not make the orchestration's time run backwards
            now = max(now, parse_iso(live.events[-1]["Timestamp"]))
        stamp = iso(now)
        fresh = [stamped({"EventType": EventType.ORCHESTRATOR_STARTED}, stamp)]
        if not live.events:
            started = execution_started(row.name, row.version, row.input, row.id, row.execution_id)
            fresh.append(stamped(started, stamp))
        origin: dict[int, int] = {}
        for seq, message in inbox:
            meant_for = message.pop("ForExecution", None)
            if meant_for is not None and meant_for != row.execution_id:
                origin[seq] = -1
                continue
            origin[seq] = len(fresh)
            fresh.append(stamped(message, stamp))
        return fresh, origin

    def _commit(
        self,
        row: InstanceRow,
        live: LiveInstance,
        fresh: list[Event],
        origin: dict[int, int],
        result: EpisodeResult,
    ) -> None:
        work = self._ledger.commit(row, live, fresh, origin, result)
        if work is None:
            return
        for task_id in result.cancelled_timers:
            self._timers.disarm(row.id, row.execution_id, task_id)
        for activity in work.activities:
            self._activities.launch(activity)
        for timer in work.timers:
            self._timers.arm(timer)
        for child in work.children:
            self.forget(child)
            self.wake(child)
        if result.final_status is not None:
            self.announce_end(row.id)
        elif result.continued:
            self.forget(row.id)
            self.wake(row.id)
        else:
            live.extend(work.events)
            live.settle(result.replay, work.events[len(fresh) :])


def _by_name(functions: Sequence[LoadedFunction], trigger: str) -> dict[str, LoadedFunction]:
    return {function.durable_name.lower(): function for function in functions if function.trigger.type == trigger}


def _missing_orchestrator(name: str) -> Callable[[Any], str]:
    def refuse(_: Any) -> str:
        raise LookupError(f"the app has no orchestrator function {name!r} any more")

    return refuse
