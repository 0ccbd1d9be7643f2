"""`fanreel up`: the whole local stack in one terminal."""

import contextlib
import re
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from fanreel.commands.detector import fallback_note
from fanreel.commands.run import terminated_as_interrupt
from fanreel.errors import FanreelError
from fanreel.local.stack import LocalStack
from fanreel.settings import get_settings

console = Console(highlight=False, soft_wrap=True)
problems = Console(stderr=True, highlight=False, soft_wrap=True)
COLOURS = {"azurite": "blue", "cosmos": "magenta", "host": "cyan", "worker": "green"}
FOLLOW_SECONDS = 0.2
# A client that polls would fill the screen; the log file has every call.
POLLED = re.compile(r"Executed 'Functions\.get_\w+' \(Succeeded, Reason='This function was called over HTTP")


class LogFollower:
    """Reads what is new in growing log files, whole lines only."""

    def __init__(self, logs: dict[str, Path]) -> None:
        self._logs = logs
        self._offsets = dict.fromkeys(logs, 0)

    def lines(self) -> list[tuple[str, str]]:
        """Return (name, line) for every line written since the last call."""
        found: list[tuple[str, str]] = []
        for name, path in self._logs.items():
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                file.seek(self._offsets[name])
                data = file.read()
                whole = data[: data.rfind(b"\n") + 1]
                self._offsets[name] += len(whole)
                found += [(name, line) for line in whole.decode("utf-8", "replace").splitlines() if line.strip()]
        return found


def up(
    port: Annotated[int | None, typer.Option(help="Port of the Functions host.", min=1, max=65535)] = None,
) -> None:
    """Run the whole stack here until Ctrl-C: Azurite, the Cosmos emulator, the Functions host and one worker.

    The Cosmos emulator keeps everything in memory: every start is a fresh one.
    """
    stack = LocalStack(port=port, shared=True)
    follower = LogFollower(stack.logs)
    try:
        note = fallback_note(get_settings())
        if note:
            console.print(note, markup=False)
        with terminated_as_interrupt(), stack:
            _print_new(follower)
            _introduce(stack)
            while True:
                _print_new(follower)
                stack.check()
                time.sleep(FOLLOW_SECONDS)
    except KeyboardInterrupt:
        _print_new(follower)
        console.print("stopped")
    except FanreelError as error:
        problems.print(f"fanreel up: {error.message} ({error.code})", markup=False)
        raise typer.Exit(1) from error


def _print_new(follower: LogFollower) -> None:
    for name, line in follower.lines():
        if POLLED.search(line):
            continue
        console.print(Text(f"{name:>7} │ ", style=COLOURS[name]) + Text.from_ansi(line))


def _introduce(stack: LocalStack) -> None:
    info = stack.info
    rows = {
        "API": info.api_url,
        "storage": info.storage_connection,
        "Cosmos DB": f"{info.cosmos_endpoint}  key {info.cosmos_key}",
        "logs": info.directory,
    }
    for name, value in rows.items():
        console.print(Text(f"{name:>9}  ", style="bold") + Text(value))
    console.print("The keys are the emulators' published ones. Everything is forgotten on stop. Ctrl-C stops.")
    console.print("In another terminal: fanreel run VIDEO --fans DIR --out DIR, fanreel status")
