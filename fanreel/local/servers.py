"""Azurite and the Cosmos DB emulator from npm: started on free ports, ready when `start` returns."""

import os
import shutil
from pathlib import Path
from typing import Protocol, Self

from fanreel.errors import InputRejected, TransientFault

from .processes import ChildProcess, free_ports, project_root

AZURITE_ACCOUNT = "devstoreaccount1"
# The emulators' published well-known keys; they open nothing but a local emulator.
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
COSMOS_KEY = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="
READY_SECONDS = 60.0
START_ATTEMPTS = 3
"""A free port may be taken between our look and the server's bind."""


class Server(Protocol):
    """What the stack needs of anything it starts."""

    @property
    def process(self) -> ChildProcess:
        """The running child."""
        ...

    def stop(self) -> None:
        """End it."""
        ...


def node_binary() -> str:
    """Return the path of node. Raises `InputRejected` (`node_missing`)."""
    found = shutil.which("node")
    if found is None:
        raise InputRejected("node_missing", "node was not found: install Node.js 20 or newer and put it on PATH")
    return found


def npm_package(name: str) -> Path:
    """Return the directory of an installed npm package. Raises `InputRejected` (`npm_package_missing`)."""
    path = project_root() / "node_modules" / name
    if not (path / "package.json").is_file():
        raise InputRejected(
            "npm_package_missing", f"npm package {name} is not installed: run `make setup` (or `npm ci`)"
        )
    return path


class _NodeServer:
    """Start and stop, with another port when the first was taken."""

    name: str
    port_count: int

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._process: ChildProcess | None = None
        self.ports: tuple[int, ...] = ()

    @property
    def process(self) -> ChildProcess:
        """The running child; only between `start` and `stop`."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is not started")
        return self._process

    def start(self) -> Self:
        """Start and wait until it answers.

        Raises `InputRejected` when node or the package is missing, `TransientFault` when it does not come up.
        """
        node = node_binary()
        for attempt in range(START_ATTEMPTS):
            self.ports = tuple(free_ports(self.port_count))
            child = ChildProcess(
                self.name,
                [node, *self._arguments()],
                log=self.directory / f"{self.name}.log",
                env=os.environ,
            )
            self._process = child
            child.start()
            try:
                child.wait_ready(self.ports, READY_SECONDS)
            except BaseException as error:
                child.kill()
                if isinstance(error, TransientFault) and attempt + 1 < START_ATTEMPTS:
                    continue
                raise
            return self
        raise AssertionError("unreachable: the last attempt returns or raises")

    def stop(self) -> None:
        """End the server."""
        if self._process is not None:
            self._process.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _arguments(self) -> list[str]:
        raise TypeError(f"{type(self).__name__} does not say how it is started")


class Azurite(_NodeServer):
    """Azure Storage on this machine. Data and log lie in `directory` and survive a stop.

    ports: blob, queue, table.
    """

    name = "azurite"
    port_count = 3

    @property
    def blob_endpoint(self) -> str:
        """URL of the blob service, account included."""
        return f"http://127.0.0.1:{self.ports[0]}/{AZURITE_ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """What goes into `AzureWebJobsStorage`."""
        blob, queue, table = self.ports
        return ";".join(
            [
                "DefaultEndpointsProtocol=http",
                f"AccountName={AZURITE_ACCOUNT}",
                f"AccountKey={AZURITE_KEY}",
                f"BlobEndpoint=http://127.0.0.1:{blob}/{AZURITE_ACCOUNT}",
                f"QueueEndpoint=http://127.0.0.1:{queue}/{AZURITE_ACCOUNT}",
                f"TableEndpoint=http://127.0.0.1:{table}/{AZURITE_ACCOUNT}",
            ]
        )

    def _arguments(self) -> list[str]:
        blob, queue, table = map(str, self.ports)
        data = self.directory / "azurite"
        data.mkdir(parents=True, exist_ok=True)
        script = npm_package("azurite") / "dist" / "src" / "azurite.js"
        ports = ["--blobPort", blob, "--queuePort", queue, "--tablePort", table]
        quiet = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        return [str(script), "--location", str(data), *ports, *quiet]


class CosmosEmulator(_NodeServer):
    """Cosmos DB (SQL API) on this machine, over plain http. In memory only: a stop forgets everything.

    Stricter than the service in one thing: a single-partition query must name the partition key in its text too
    (`WHERE c.fanId = @fanId`).
    """

    name = "cosmos"
    port_count = 1
    key = COSMOS_KEY

    @property
    def endpoint(self) -> str:
        """Account endpoint."""
        return f"http://127.0.0.1:{self.ports[0]}/"

    def _arguments(self) -> list[str]:
        launcher = Path(__file__).with_name("cosmos_server.cjs")
        return [str(launcher), str(npm_package("@vercel/cosmosdb-server")), str(self.ports[0])]
