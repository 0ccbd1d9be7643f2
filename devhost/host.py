"""The host: puts loader, storage, engine and HTTP together, starts and stops them in order."""

import fcntl
import hashlib
import os
import uuid
from typing import Any, TextIO

from aiohttp import web

from devhost.bindings import BindingIO
from devhost.calls import FunctionRunner
from devhost.config import HostConfig
from devhost.durable.api import RPC_PREFIX, DurableApi
from devhost.durable.engine import Engine
from devhost.durable.operations import Operations
from devhost.durable.store import Store
from devhost.errors import AppError, PortInUseError, StateInUseError
from devhost.invoke import Invoker
from devhost.listeners import Listeners, blob_watches
from devhost.loader import LoadedFunction
from devhost.options import HostOptions
from devhost.server import MAX_BODY_BYTES, HttpEndpoint, HttpFront, cors_middleware, endpoint_of
from devhost.storage import StorageAccounts

HOST_ID_SETTING = "AzureFunctionsWebHost__hostid"

SUPPORTED_TRIGGERS = frozenset(
    {"httpTrigger", "queueTrigger", "blobTrigger", "timerTrigger",
     "orchestrationTrigger", "activityTrigger", "entityTrigger"}
)  # fmt: skip


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
        self._runner: web.AppRunner | None = None
        self.endpoints: list[HttpEndpoint] = [
            endpoint_of(f, config.route_prefix) for f in functions if f.trigger.type == "httpTrigger"
        ]
        for function in functions:
            if function.trigger.type not in SUPPORTED_TRIGGERS:
                raise AppError(
                    f"function {function.name!r}: trigger {function.trigger.type!r} is not offered here"
                )
        self._watches = blob_watches(functions, poll_event_grid=options.poll_event_grid)

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
        # Built before anything runs: a missing setting stops the start.
        self._listeners = Listeners(
            self.config, self.options, self.functions, self._watches, self.accounts, self.runner, self.store,
            self.host_id,
        )  # fmt: skip
        self._front = HttpFront(
            self.endpoints, self.functions, self.runner.run_http,
            self._listeners.run_by_hand, self._listeners.notify_blob, self.host_id,
        )  # fmt: skip
        await self._listen()
        self.engine.start()
        self._listeners.start()

    async def stop(self) -> None:
        """Stop listeners first, give running work ``grace_s``, then close everything."""
        await self._listeners.stop(self.options.grace_s)
        if self._runner is not None:
            await self._runner.cleanup()
        await self.engine.stop()
        await self._listeners.abandon_calls()
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

    def _client_binding(self) -> str:
        rpc = f"http://127.0.0.1:{self._rpc_port}{RPC_PREFIX}/"
        return self.durable.client_binding(f"http://localhost:{self.port}", rpc)


async def _close_sdk_session() -> None:
    """Close the HTTP session the SDK's durable client keeps for the life of the process."""
    from azure.durable_functions.models.utils import http_utils

    session: Any = getattr(http_utils, "_client_session", None)
    if session is not None and not session.closed:
        await session.close()
