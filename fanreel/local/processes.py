"""One child process: started on a leash, logging into a file, stopped by its own id."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from fanreel.errors import TransientFault

LEASH = Path(__file__).with_name("_leash.py")
TAIL_LINES = 25
POLL_SECONDS = 0.05


def project_root() -> Path:
    """Return the checkout this library runs from: where `node_modules`, `host.json` and the rooms lie."""
    return Path(__file__).resolve().parents[2]


def free_ports(count: int) -> list[int]:
    """Return TCP ports of 127.0.0.1 that nobody listens on right now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def accepts(port: int) -> bool:
    """Whether something on 127.0.0.1 takes connections on this port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log file; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


class ChildProcess:
    """A command that lives no longer than this process does.

    It has a process group of its own, so that Ctrl-C in the terminal reaches only us and we stop the
    children in order. Start it from a thread that lives as long as the child should: Linux ties the
    leash to the starting thread.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        self.name = name
        self.command = tuple(command)
        self.log = log
        self.env = dict(env)
        self.cwd = cwd or project_root()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while started."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """Exit status of a child that has ended (negative: the signal); none while it runs or before start."""
        return self._process.poll() if self._process else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; output is appended to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *self.command]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                leash,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
            )

    def wait_ready(self, ports: Sequence[int], seconds: float) -> None:
        """Wait until it takes connections on all ports.

        Raises `TransientFault` (`child_ended`, `child_not_ready`) with the tail of its log.
        """
        deadline = time.monotonic() + seconds
        waiting = list(ports)
        while waiting:
            self.check()
            waiting = [port for port in waiting if not accepts(port)]
            if waiting and time.monotonic() > deadline:
                raise TransientFault(
                    "child_not_ready", self._report(f"{self.name} did not answer within {seconds:.0f} s")
                )
            if waiting:
                time.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Raise `TransientFault` (`child_ended`) with the tail of its log if it has ended by itself."""
        if not self.running:
            raise TransientFault(
                "child_ended", self._report(f"{self.name} ended (exit status {self.exit_code})"), child=self.name
            )

    def stop(self, grace_seconds: float = 10.0) -> None:
        """Ask it to end (SIGTERM), then end it and what it started (SIGKILL). Nothing if it is not running."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace_seconds)
        self.kill()

    def kill(self) -> None:
        """End it and what it started at once (SIGKILL to its group), and collect its status."""
        process = self._process
        if process is None:
            return
        # The group outlives its leader while a grandchild (an ffmpeg, say) still runs.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _report(self, what: str) -> str:
        text = tail(self.log)
        return f"{what}. Log: {self.log}" + (f"\n{text}" if text else " (empty)")
