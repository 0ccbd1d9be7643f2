"""The triggers of one app that listen by themselves: queues, blobs and timers; and calls by hand."""

import asyncio
import json
import logging
import os
import uuid
from collections.abc import Coroutine, Sequence
from typing import Any

from azure.functions import meta

from devhost.bindings import converter, split_blob_path
from devhost.blobs import POISON_QUEUE, BlobConsumer, BlobNotices, BlobWatch, ContainerScanner, watch_of
from devhost.calls import FunctionRunner
from devhost.config import HOST_STORAGE, HostConfig, QueueOptions, substitute_settings
from devhost.durable.store import Store
from devhost.errors import ConfigError
from devhost.loader import LoadedFunction
from devhost.ncrontab import parse_schedule
from devhost.options import HostOptions
from devhost.queues import Delivery, QueuePump
from devhost.storage import StorageAccounts
from devhost.timers import TimerListener

log = logging.getLogger("devhost.host")


def blob_watches(functions: Sequence[LoadedFunction], *, poll_event_grid: bool) -> list[BlobWatch]:
    """What the blob-triggered functions watch; raises :class:`ConfigError` for a path that makes no sense."""
    return [
        watch_of(f, substitute_settings(f.trigger.text("path"), os.environ), poll_event_grid=poll_event_grid)
        for f in functions
        if f.trigger.type == "blobTrigger"
    ]


class Listeners:
    """Every listener of one app.

    Args:
        config: host.json.
        options: the command line.
        functions: the app's functions.
        watches: what its blob functions watch.
        accounts: storage.
        runner: calls functions.
        store: where timers remember their last run.
        host_id: names the host's receipts and its internal queue.

    Raises:
        ConfigError: a setting a trigger needs is missing.
    """

    def __init__(
        self, config: HostConfig, options: HostOptions, functions: Sequence[LoadedFunction],
        watches: Sequence[BlobWatch], accounts: StorageAccounts, runner: FunctionRunner, store: Store,
        host_id: str,
    ) -> None:  # fmt: skip
        self._config, self._options, self._watches = config, options, watches
        self._accounts, self._runner, self._store, self._host_id = accounts, runner, store, host_id
        self._tasks: list[asyncio.Task[None]] = []
        self._pumps: list[QueuePump] = []
        self._background: set[asyncio.Task[Any]] = set()
        timers = [self._timer(f) for f in functions if f.trigger.type == "timerTrigger"]
        self._pumps += [self._queue_pump(f) for f in functions if f.trigger.type == "queueTrigger"]
        scanners = self._blob_scanners() if watches else []
        self._listening: list[QueuePump | TimerListener | ContainerScanner] = [*self._pumps, *timers, *scanners]

    def start(self) -> None:
        """Listen from now on."""
        for listener in self._listening:
            task = asyncio.create_task(listener.run())
            task.add_done_callback(_report_dead_listener)
            self._tasks.append(task)

    async def stop(self, grace_s: float) -> None:
        """Listen no more; messages being handled get ``grace_s``, others come back after their lease."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(pump.drain(grace_s) for pump in self._pumps))

    async def abandon_calls(self) -> None:
        """Cancel calls made by hand that still run."""
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    def _queue_pump(self, function: LoadedFunction) -> QueuePump:
        name = substitute_settings(function.trigger.text("queueName"), os.environ)
        service = self._accounts.queues(function.trigger.text("connection"))

        async def handle(delivery: Delivery) -> None:
            value = converter("queueTrigger").decode(
                meta.Datum(delivery.body, "bytes"), trigger_metadata=delivery.metadata()
            )
            await self._runner.run(
                function, value, delivery.binding_data(), f"New queue message detected on '{name}'."
            )

        return QueuePump(
            service.get_queue_client(name),
            service.get_queue_client(f"{name}-poison"),
            handle,
            self._config.queues,
            lease_s=self._options.queue_lease_s,
        )

    def _timer(self, function: LoadedFunction) -> TimerListener:
        schedule = parse_schedule(substitute_settings(function.trigger.text("schedule"), os.environ))
        return TimerListener(function, schedule, self._runner.run_timer, self._store)

    def _blob_scanners(self) -> list[ContainerScanner]:
        self._notices = BlobNotices(self._accounts, self._host_id)
        consumer = BlobConsumer(self._accounts, self._watches, self._runner.run)
        options = QueueOptions(
            batch_size=min(32, self._config.blob_parallelism),
            new_batch_threshold=self._config.blob_parallelism // 2,
            max_dequeue_count=self._config.blob_max_dequeue_count,
            retry_delay_s=self._config.queues.retry_delay_s, max_polling_s=self._config.queues.max_polling_s,
        )  # fmt: skip
        poison = self._accounts.queues(HOST_STORAGE).get_queue_client(POISON_QUEUE)
        pump = QueuePump(
            self._notices.queue,
            poison,
            consumer.handle,
            options,
            lease_s=self._options.queue_lease_s,
            max_parallel=self._config.blob_parallelism,
        )
        self._pumps.append(pump)
        self._blob_pump = pump
        groups: dict[tuple[str, str], list[BlobWatch]] = {}
        for watch in self._watches:
            setting = self._accounts.setting(watch.connection)
            if watch.polled:
                groups.setdefault((setting, watch.pattern.container), []).append(watch)
        return [
            ContainerScanner(self._accounts, self._notices, group, self._options.blob_scan_s, pump.nudge)
            for group in groups.values()
        ]

    # --- calls ------------------------------------------------------------------------------------------------
    async def notify_blob(self, function: LoadedFunction, container: str, blob: str, etag: str) -> None:
        """Record that ``function`` must see a blob version, when its path asks for that blob."""
        watch = next(watch for watch in self._watches if watch.function is function)
        if watch.pattern.container == container and watch.pattern.match(blob) is not None:
            await self._notices.send(function, container, blob, etag)
            self._blob_pump.nudge()

    async def run_by_hand(self, function: LoadedFunction, text: str) -> None:
        """``POST /admin/functions/{name}``: run a function by hand; the answer does not wait for it.

        Raises:
            ConfigError: functions of this kind cannot be started by hand.
        """
        kind = function.trigger.type
        if kind == "blobTrigger":
            container, name = split_blob_path(text)
            await self._notices.send(function, container, name, "")
            self._blob_pump.nudge()
            return
        if kind == "queueTrigger":
            delivery = Delivery(text.encode(), str(uuid.uuid4()), 1, "")
            value = converter(kind).decode(meta.Datum(text, "string"), trigger_metadata=delivery.metadata())
            self._spawn(self._runner.run(function, value, delivery.binding_data(), "Called by the administrator."))
        elif kind == "timerTrigger":
            self._spawn(self._timer(function).fire(past_due=False))
        elif kind == "activityTrigger":
            try:
                value = json.loads(text)
            except ValueError:
                value = text
            self._spawn(self._runner.run_activity(function, value))
        else:
            raise ConfigError(f"a function with {kind} cannot be started by hand")

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # failures are logged where they happen; this only marks them as seen


def _report_dead_listener(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("A trigger listener has stopped and listens no more", exc_info=task.exception())
