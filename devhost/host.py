"""The host: puts loader, storage, engine and HTTP together, starts and stops them in order."""

import asyncio
import fcntl
import hashlib
import json
import logging
import os
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from aiohttp import web
from azure.functions import meta

from devhost.bindings import BindingIO, converter, split_blob_path
from devhost.blobs import POISON_QUEUE, BlobConsumer, BlobNotices, BlobWatch, ContainerScanner, watch_of
from devhost.calls import FunctionRunner
from devhost.config import HOST_STORAGE, HostConfig, QueueOptions, substitute_settings
from devhost.durable.api import RPC_PREFIX, DurableApi
from devhost.durable.engine import Engine
from devhost.durable.operations import Operations
from devhost.durable.store import Store
from devhost.errors import AppError, ConfigError, PortInUseError, StateInUseError
from devhost.invoke import Invoker
from devhost.loader import LoadedFunction
from devhost.ncrontab import parse_schedule
from devhost.queues import Delivery, QueuePump
from devhost.server import MAX_BODY_BYTES, HttpEndpoint, HttpFront, cors_middleware, endpoint_of
from devhost.storage import StorageAccounts
from devhost.timers import TimerListener

log = logging.getLogger("devhost.host")

HOST_ID_SETTING = "AzureFunctionsWebHost__hostid"

SUPPORTED_TRIGGERS = frozenset(
    {"httpTrigger", "queueTrigger", "blobTrigger", "timerTrigger",
     "orchestrationTrigger", "activityTrigger", "entityTrigger"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What the command line decides."""

    state_dir: Path
    address: str = "127.0.0.1"
    port: int = 7071
    blob_scan_s: float = 1.0
    poll_event_grid: bool = False
    grace_s: float = 5.0
    queue_lease_s: int = 60
    cors: tuple[str, ...] = ()


class Host:
    """One running function app.

    Args:
        config: host.json.
        functions: the app's functions.
        options: the command line.
    """

    def __init__(self, config: HostConfig, functions: list[LoadedFunction], options: HostOptions) -> None:
        self.config, self.functions, self.options = config, functions, options
        digest = hashlib.sha256(str(config.app_dir).encode()).hexdigest()[:12]
        # The variable is spelt as Azure documents it.
        self.host_id = os.environ.get(HOST_ID_SETTING, f"devhost-{digest}").lower()
        self.port = options.port
        self._rpc_port = 0
        self._lock: TextIO | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._pumps: list[QueuePump] = []
        self._runner: web.AppRunner | None = None
        self._background: set[asyncio.Task[Any]] = set()
        self.endpoints: list[HttpEndpoint] = [
            endpoint_of(f, config.route_prefix) for f in functions if f.trigger.type == "httpTrigger"
        ]
        for function in functions:
            if function.trigger.type not in SUPPORTED_TRIGGERS:
                raise AppError(
                    f"function {function.name!r}: trigger {function.trigger.type!r} is not offered here"
                )
        self._watches = [self._watch(f) for f in functions if f.trigger.type == "blobTrigger"]

    async def start(self) -> None:
        """Open the state, listen on HTTP, start the listeners.

        Raises:
            PortInUseError: the port is taken.
            StateInUseError: another host uses the state folder.
            ConfigError: a setting a trigger needs is missing.
        """
        self._lock_state()
        self.store = Store(self.options.state_dir / "durable.db")
        workers = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
        threads = int(workers) if workers.isdigit() else min(32, (os.cpu_count() or 1) + 4)
        self.invoker = Invoker(self.config.app_dir, threads, self.config.durable.max_activities)
        self.accounts = StorageAccounts(os.environ)
        bindings = BindingIO(self.accounts, os.environ, encode_messages=self.config.queues.base64)
        self.runner = FunctionRunner(self.invoker, bindings, self._client_binding)
        self.engine = Engine(self.store, self.functions, self.runner.run_activity, self.config.durable)
        key = self.store.set_meta_default("system_key", uuid.uuid4().hex)
        self.durable = DurableApi(
            Operations(self.engine), self.store, self.engine.wait_finished, self.config.durable.hub_name, key
        )
        self._front = HttpFront(
            self.endpoints, self.functions, self.runner.run_http, self._run_admin, self._notify_blob, self.host_id
        )
        listeners = self._build_listeners()  # before anything runs: a missing setting stops the start
        try:
            await self._listen()
        except PortInUseError:
            for listener in listeners:
                listener.close()
            raise
        self.engine.start()
        self._tasks = [asyncio.create_task(listener) for listener in listeners]
        for task in self._tasks:
            task.add_done_callback(_report_dead_listener)

    async def stop(self) -> None:
        """Stop listeners first, give running work ``grace_s``, then close everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(pump.drain(self.options.grace_s) for pump in self._pumps))
        if self._runner is not None:
            await self._runner.cleanup()
        await self.engine.stop()
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await _close_sdk_session()
        await self.accounts.close()
        self.invoker.close()
        self.store.close()
        if self._lock is not None:
            self._lock.close()

    def _lock_state(self) -> None:
        self.options.state_dir.mkdir(parents=True, exist_ok=True)
        self._lock = (self.options.state_dir / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise StateInUseError(
                f"another host is running on the state folder {self.options.state_dir}"
            ) from None

    async def _listen(self) -> None:
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[cors_middleware(self.options.cors)])
        self.durable.register(app)
        self._front.register(app)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=self.options.grace_s
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.options.address, self.options.port).start()
        except OSError as error:
            await self._runner.cleanup()
            where = f"{self.options.address}:{self.options.port}"
            raise PortInUseError(f"port {self.options.port} is not free ({where}: {error.strerror})") from error
        # The SDK's durable client talks to its own loopback port, whatever address the app listens on.
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        addresses: list[Any] = self._runner.addresses
        self.port, self._rpc_port = addresses[0][1], addresses[1][1]
        os.environ["WEBSITE_HOSTNAME"] = f"localhost:{self.port}"

    # --- listeners --------------------------------------------------------------------------------------------
    def _watch(self, function: LoadedFunction) -> BlobWatch:
        path = substitute_settings(function.trigger.text("path"), os.environ)
        return watch_of(function, path, poll_event_grid=self.options.poll_event_grid)

    def _build_listeners(self) -> list[Coroutine[Any, Any, None]]:
        listeners = [self._queue_listener(f) for f in self.functions if f.trigger.type == "queueTrigger"]
        listeners += [self._timer_listener(f) for f in self.functions if f.trigger.type == "timerTrigger"]
        if self._watches:
            listeners += self._blob_listeners()
        return listeners

    def _queue_listener(self, function: LoadedFunction) -> Coroutine[Any, Any, None]:
        name = substitute_settings(function.trigger.text("queueName"), os.environ)
        service = self.accounts.queues(function.trigger.text("connection"))

        async def handle(delivery: Delivery) -> None:
            value = converter("queueTrigger").decode(
                meta.Datum(delivery.body, "bytes"), trigger_metadata=delivery.metadata()
            )
            await self.runner.run(
                function, value, delivery.binding_data(), f"New queue message detected on '{name}'."
            )

        pump = QueuePump(
            service.get_queue_client(name),
            service.get_queue_client(f"{name}-poison"),
            handle,
            self.config.queues,
            lease_s=self.options.queue_lease_s,
        )
        self._pumps.append(pump)
        return pump.run()

    def _timer_listener(self, function: LoadedFunction) -> Coroutine[Any, Any, None]:
        return self._timer(function).run()

    def _timer(self, function: LoadedFunction) -> TimerListener:
        schedule = parse_schedule(substitute_settings(function.trigger.text("schedule"), os.environ))
        return TimerListener(function, schedule, self.runner.run_timer, self.store)

    def _blob_listeners(self) -> list[Coroutine[Any, Any, None]]:
        self._notices = BlobNotices(self.accounts, self.host_id)
        consumer = BlobConsumer(self.accounts, self._watches, self.runner.run)
        options = QueueOptions(
            batch_size=min(32, self.config.blob_parallelism),
            new_batch_threshold=self.config.blob_parallelism // 2,
            max_dequeue_count=self.config.blob_max_dequeue_count,
            retry_delay_s=self.config.queues.retry_delay_s, max_polling_s=self.config.queues.max_polling_s,
        )  # fmt: skip
        poison = self.accounts.queues(HOST_STORAGE).get_queue_client(POISON_QUEUE)
        pump = QueuePump(
            self._notices.queue,
            poison,
            consumer.handle,
            options,
            lease_s=self.options.queue_lease_s,
            max_parallel=self.config.blob_parallelism,
        )
        self._pumps.append(pump)
        self._blob_pump = pump
        groups: dict[tuple[str, str], list[BlobWatch]] = {}
        for watch in self._watches:
            setting = self.accounts.setting(watch.connection)
            if watch.polled:
                groups.setdefault((setting, watch.pattern.container), []).append(watch)
        scans = [
            ContainerScanner(self.accounts, self._notices, group, self.options.blob_scan_s, pump.nudge).run()
            for group in groups.values()
        ]
        return [pump.run(), *scans]

    # --- calls ------------------------------------------------------------------------------------------------
    def _client_binding(self) -> str:
        rpc = f"http://127.0.0.1:{self._rpc_port}{RPC_PREFIX}/"
        return self.durable.client_binding(f"http://localhost:{self.port}", rpc)

    async def _notify_blob(self, function: LoadedFunction, container: str, blob: str, etag: str) -> None:
        watch = next(watch for watch in self._watches if watch.function is function)
        if watch.pattern.container == container and watch.pattern.match(blob) is not None:
            await self._notices.send(function, container, blob, etag)
            self._blob_pump.nudge()

    async def _run_admin(self, function: LoadedFunction, text: str) -> None:
        """``POST /admin/functions/{name}``: run a function by hand; the answer does not wait for it."""
        kind = function.trigger.type
        if kind == "blobTrigger":
            container, name = split_blob_path(text)
            await self._notices.send(function, container, name, "")
            self._blob_pump.nudge()
            return
        if kind == "queueTrigger":
            delivery = Delivery(text.encode(), str(uuid.uuid4()), 1, "")
            value = converter(kind).decode(meta.Datum(text, "string"), trigger_metadata=delivery.metadata())
            self._spawn(self.runner.run(function, value, delivery.binding_data(), "Called by the administrator."))
        elif kind == "timerTrigger":
            self._spawn(self._timer(function).fire(past_due=False))
        elif kind == "activityTrigger":
            try:
                value = json.loads(text)
            except ValueError:
                value = text
            self._spawn(self.runner.run_activity(function, value))
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


async def _close_sdk_session() -> None:
    """Close the HTTP session the SDK's durable client keeps for the life of the process."""
    from azure.durable_functions.models.utils import http_utils

    session: Any = getattr(http_utils, "_client_session", None)
    if session is not None and not session.closed:
        await session.close()
