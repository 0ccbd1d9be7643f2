"""Command line: ``python -m devhost [--app DIR] [--port N]``."""

import argparse
import asyncio
import hashlib
import logging
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from devhost.config import (
    apply_local_settings,
    load_host_config,
    load_local_host,
)
from devhost.errors import HostError
from devhost.host import Host
from devhost.loader import LoadedFunction, load_app
from devhost.options import HostOptions

log = logging.getLogger("devhost.host")

_EVERYWHERE = ("127.0.0.1", "0.0.0.0", "::")  # noqa: S104 -- compared with, not listened on


def build_parser() -> argparse.ArgumentParser:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m devhost", description="A local Azure Functions host in Python."
    )
    parser.add_argument(
        "--app", type=Path, default=Path(), metavar="DIR", help="folder of function_app.py (default: here)"
    )
    parser.add_argument(
        "--port",
        type=int,
        metavar="N",
        help="HTTP port, 0 for any free one (default: LocalHttpPort of local.settings.json, else 7071)",
    )
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--state", type=Path, metavar="DIR",
                        help="folder of the history (default: .fanreel/devhost/<hash of DIR>)")  # fmt: skip
    parser.add_argument("--blob-scan-seconds", type=float, default=1.0, metavar="S",
                        help="pause between scans of watched containers (default: 1)")  # fmt: skip
    parser.add_argument("--poll-eventgrid-blobs", action="store_true",
                        help="poll for blob triggers with source EventGrid too")  # fmt: skip
    parser.add_argument("--grace-seconds", type=float, default=5.0, metavar="S",
                        help="time running functions get when the host stops (default: 5)")  # fmt: skip
    parser.add_argument("--queue-lease-seconds", type=int, default=60, metavar="S",
                        help="messages of a host that was killed come back after this (default: 60)")  # fmt: skip
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    return parser


class _Formatter(logging.Formatter):
    """``[2026-01-02T03:04:05.678Z] message``, as Core Tools prints."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def configure_logging(level: str) -> None:
    """One readable line per record on standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Formatter("[%(asctime)s] %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("azure").setLevel(logging.WARNING)
    logging.getLogger("aiohttp").setLevel(logging.WARNING)
    # Raised by the SDK on every replay of a late timer or an early event; it deals with both.
    warnings.filterwarnings("ignore", message="Potential duplicate Task completion")
    warnings.filterwarnings("ignore", message="azure.functions df_loads was called without expected_type")
    logging.getLogger("azure.functions.DurableFunctions").setLevel(logging.WARNING)


def default_state_dir(app_dir: Path) -> Path:
    """Where an app's state lies unless told otherwise: one folder per app folder."""
    return Path(".fanreel") / "devhost" / hashlib.sha256(str(app_dir).encode()).hexdigest()[:12]


def function_lines(host: Host) -> list[str]:
    """The "Functions:" list, as ``func start`` prints it."""
    routes = {endpoint.function.name: endpoint for endpoint in host.endpoints}
    lines = ["", "Functions:", ""]

    def line(function: LoadedFunction) -> str:
        endpoint = routes.get(function.name)
        if endpoint is None:
            return f"\t{function.name}: {function.trigger.type}"
        verbs = f"[{','.join(endpoint.methods)}] " if endpoint.methods else ""
        shown = "localhost" if host.options.address in _EVERYWHERE else host.options.address
        return f"\t{function.name}: {verbs}http://{shown}:{host.port}/{endpoint.route.template}"

    for function in sorted(host.functions, key=lambda f: (f.trigger.type != "httpTrigger", f.name)):
        lines += [line(function), ""]
    return lines


def prepare_environment(app_dir: Path) -> None:
    """Settings and the variables Core Tools sets; what the caller set already wins."""
    apply_local_settings(app_dir, os.environ)
    os.environ.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
    os.environ.setdefault("AzureWebJobsScriptRoot", str(app_dir))


async def serve(host: Host) -> None:
    """Run until SIGINT or SIGTERM."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    await host.start()
    sys.stdout.write("\n".join(function_lines(host)) + "\n")
    sys.stdout.flush()
    log.info("Host started on http://%s:%d (state: %s)", host.options.address, host.port, host.options.state_dir)
    await stopping.wait()
    log.info("Stopping")
    await host.stop()
    log.info("Stopped")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the host; 0 after a clean stop, 1 with one line on standard error when it cannot start."""
    options = build_parser().parse_args(arguments)
    configure_logging(options.log_level)
    app_dir: Path = options.app.resolve()
    try:
        prepare_environment(app_dir)
        config = load_host_config(app_dir, os.environ)
        functions = load_app(app_dir)
        if not functions:
            raise HostError("the app declares no functions")
        state_dir: Path = (options.state or default_state_dir(app_dir)).resolve()
        local = load_local_host(app_dir)
        host_options = HostOptions(
            state_dir=state_dir,
            address=options.address,
            port=local.port if options.port is None else options.port,
            blob_scan_s=options.blob_scan_seconds,
            poll_event_grid=options.poll_eventgrid_blobs,
            grace_s=options.grace_seconds,
            queue_lease_s=options.queue_lease_seconds,
            cors=local.cors,
        )
        host = Host(config, functions, host_options)
        asyncio.run(serve(host))
    except HostError as error:
        sys.stderr.write(f"devhost: {error}\n")
        sys.stderr.flush()
        return 1
    sys.stdout.flush()
    sys.stderr.flush()
    # A synchronous function may still hold a pool thread; the interpreter would wait for it without end.
    os._exit(0)
