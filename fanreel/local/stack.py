"""The whole of fanreel on this machine: Azurite, the Cosmos emulator, the Functions host and one worker.

The Cosmos emulator keeps everything in memory, so a stack is always fresh: nothing of an earlier run is in it.
"""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import SecretStr

from fanreel.adapters.services import Services
from fanreel.errors import FanreelError, InputRejected
from fanreel.settings import Settings

from .processes import ChildProcess, accepts, free_ports, project_root
from .servers import Azurite, CosmosEmulator

ChildName = Literal["azurite", "cosmos", "host", "worker"]
HOST_PORT = 7071
"""Core Tools' own default; another free one when it is taken."""
HOST_READY_SECONDS = 90.0
STOP_SECONDS: Mapping[str, float] = {"worker": 8.0, "host": 8.0}
"""Local grace. A job cut off here is lost with the stack anyway."""
LOCAL_LEASE_SECONDS = 60
"""A killed local worker's job comes back in a minute rather than in the cloud's five."""
KEPT_RUNS = 5


@dataclass(frozen=True, slots=True)
class StackInfo:
    """Where a running stack is reached. Written to `.fanreel/run/current.json` for other commands."""

    pid: int
    api_url: str
    storage_connection: str
    cosmos_endpoint: str
    cosmos_key: str
    directory: str
    started_at: str
    shared: bool
    """Whether other commands may give it work: that of `fanreel up`, not one that a `run` will take down."""

    def settings(self) -> Settings:
        """Return this process's settings, pointed at the stack."""
        return Settings(
            storage_connection=SecretStr(self.storage_connection),
            storage_account=None,
            blob_source="polling",
            cosmos_endpoint=self.cosmos_endpoint,
            cosmos_key=SecretStr(self.cosmos_key),
        )

    def log(self, name: str) -> Path:
        """Return the log file of a child."""
        return Path(self.directory) / f"{name}.log"

    def alive(self) -> bool:
        """Whether its owner still runs and its host still answers."""
        with contextlib.suppress(ValueError, IndexError):
            return _process_exists(self.pid) and accepts(int(self.api_url.rsplit(":", 1)[1].split("/")[0]))
        return False


def run_directory() -> Path:
    """Return where stacks keep their state; `FANREEL_RUN_DIR` names another place."""
    named = os.environ.get("FANREEL_RUN_DIR")
    return Path(named) if named else project_root() / ".fanreel" / "run"


def current_stack() -> StackInfo | None:
    """Return the running stack that was published last, if it still runs."""
    try:
        data: Any = json.loads((run_directory() / "current.json").read_text())
        info = StackInfo(**data)
    except (OSError, ValueError, TypeError):
        return None
    return info if info.alive() else None


class LocalStack:
    """Everything started on enter and stopped on exit; host and worker can be ended and restarted in between.

    `env` overrides what the host and the worker see; `port` 0 takes any free one for the host. `publish` writes
    `current.json`, by which other commands find the stack; `shared` invites them to use it. Enter it from the main
    thread (see `ChildProcess`).
    """

    def __init__(
        self,
        *,
        directory: Path | None = None,
        port: int | None = None,
        env: Mapping[str, str] | None = None,
        publish: bool = True,
        shared: bool = False,
    ) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        self.directory = directory or run_directory() / f"{stamp}-{os.getpid()}"
        self._asked_port = port
        self._extra_env = dict(env or {})
        self._publish = publish
        self._shared = shared
        self._azurite = Azurite(self.directory)
        self._cosmos = CosmosEmulator(self.directory)
        self._children: dict[str, ChildProcess] = {}
        self._down: set[str] = set()
        self._info: StackInfo | None = None

    @property
    def info(self) -> StackInfo:
        """Where it is reached; only while it runs."""
        if self._info is None:
            raise RuntimeError("the stack is not started")
        return self._info

    @property
    def settings(self) -> Settings:
        """Settings pointed at the stack."""
        return self.info.settings()

    @property
    def logs(self) -> dict[str, Path]:
        """Log file per child, in the order they start."""
        return {name: self.directory / f"{name}.log" for name in ("azurite", "cosmos", "host", "worker")}

    def start(self) -> Self:
        """Start everything and wait until the host answers.

        Raises `InputRejected` when something is not installed or a port is taken, `TransientFault` with the end of
        the log when a part does not come up. What was started by then is stopped again.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything, in the opposite order."""
        for name in ("worker", "host"):
            if name in self._children:
                self._children[name].stop(STOP_SECONDS[name])
        self._cosmos.stop()
        self._azurite.stop()
        # Selfies and montages lie there, and their documents have died with the Cosmos emulator.
        shutil.rmtree(self.directory / "azurite", ignore_errors=True)
        self._unpublish()
        self._info = None

    def check(self) -> None:
        """Raise `TransientFault` (`child_ended`) with the tail of its log if a part ended by itself."""
        for name, child in self._children.items():
            if name not in self._down:
                child.check()

    def kill(self, name: ChildName) -> None:
        """End a part with SIGKILL and leave it down until `restart`."""
        self._down.add(name)
        self._children[name].kill()

    def restart(self, name: Literal["host", "worker"]) -> None:
        """Stop the host or the worker if it still runs, and start it again on the same state."""
        child = self._children[name]
        child.stop(STOP_SECONDS[name])
        self._start_child(child)

    def pid(self, name: ChildName) -> int | None:
        """Process id of a part."""
        return self._children[name].pid

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        _forget_old_data(self.directory)
        self._azurite.start()
        self._cosmos.start()
        self._children = {"azurite": self._azurite.process, "cosmos": self._cosmos.process}
        port = self._choose_port()
        self._info = StackInfo(
            pid=os.getpid(),
            api_url=f"http://127.0.0.1:{port}/api",
            storage_connection=self._azurite.connection_string,
            cosmos_endpoint=self._cosmos.endpoint,
            cosmos_key=self._cosmos.key,
            directory=str(self.directory),
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            shared=self._shared,
        )
        self._create_stores()
        host = [sys.executable, "-m", "devhost", "--app", str(project_root()), "--port", str(port)]
        host += ["--state", str(self.directory / "host")]
        worker = [sys.executable, "-m", "gpu_workers.worker"]
        for name, command in (("host", host), ("worker", worker)):
            child = ChildProcess(name, command, log=self.logs[name], env=self._environment())
            self._children[name] = child
            self._start_child(child)
        if self._publish:
            target = run_directory() / "current.json"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(asdict(self._info), indent=1))
            target.chmod(0o600)

    def _start_child(self, child: ChildProcess) -> None:
        child.start()
        self._down.discard(child.name)
        if child.name == "host":
            child.wait_ready([int(self.info.api_url.rsplit(":", 1)[1].split("/")[0])], HOST_READY_SECONDS)

    def _create_stores(self) -> None:
        # Before the host: its triggers may look at a container as soon as they listen.
        with contextlib.closing(Services.connect(self.settings)) as services:
            services.ensure()

    def _environment(self) -> dict[str, str]:
        info = self.info
        models = Path(os.environ.get("FANREEL_MODEL_DIR", ".fanreel/models"))
        return {
            **os.environ,
            "AzureWebJobsStorage": info.storage_connection,
            "FANREEL_STORAGE_CONNECTION": info.storage_connection,
            "FANREEL_COSMOS_ENDPOINT": info.cosmos_endpoint,
            "FANREEL_COSMOS_KEY": info.cosmos_key,
            "FANREEL_BLOB_SOURCE": "polling",
            "FANREEL_LEASE_SECONDS": str(LOCAL_LEASE_SECONDS),
            "FANREEL_IDLE_EXIT_SECONDS": "0",
            "FANREEL_MODEL_DIR": str(project_root() / models),
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "PYTHONUNBUFFERED": "1",
            **self._extra_env,
        }

    def _choose_port(self) -> int:
        port = HOST_PORT if self._asked_port is None else self._asked_port
        if port == 0:
            return free_ports(1)[0]
        if not accepts(port):
            return port
        if self._asked_port is not None:
            raise InputRejected("port_taken", f"port {port} is in use: choose another with --port")
        return free_ports(1)[0]

    def _unpublish(self) -> None:
        path = run_directory() / "current.json"
        with contextlib.suppress(OSError, ValueError, FanreelError):
            if self._publish and json.loads(path.read_text()).get("pid") == os.getpid():
                path.unlink()


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _forget_old_data(current: Path) -> None:
    """Drop the stored copies of earlier, finished stacks (their documents died with them); keep recent logs."""
    runs = sorted((path for path in current.parent.iterdir() if path.is_dir()), reverse=True)
    if current.parent != run_directory():
        return
    for index, path in enumerate(path for path in runs if path != current):
        owner = path.name.rpartition("-")[2]
        if not owner.isdigit() or _process_exists(int(owner)):
            continue
        target = path if index >= KEPT_RUNS else path / "azurite"
        shutil.rmtree(target, ignore_errors=True)
