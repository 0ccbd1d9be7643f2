"""Runs one ffmpeg process: bounded in time, told about, stoppable, with an error that says whose fault it was."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from fanreel.errors import FanreelError, InputRejected, TransientFault

Progress = Callable[[float], None]
"""Called with the part done, 0..1."""
Stop = Callable[[], bool]
"""Asked a few times a second, from another thread, whether the result is still wanted; true ends the process."""

STOPPED = "render_stopped"
"""Code of an InputRejected: nobody wants the result any more."""
STALL_S = 90.0
"""Without a frame or a sample for so long a process is stuck. Three network timeouts (30 s each,
`render_source`) pass before a source on a bad line is given up. Counted from the first frame or sample on: before
that all sources are opened, one after the other, and nothing is told."""
_POLL_S = 0.2

_UNREADABLE = re.compile(
    r"Invalid data found|moov atom not found|No such file|404 Not Found|does not contain any stream"
    r"|matches no streams|not on whitelist|Permission denied|Is a directory",
    re.IGNORECASE,
)
_OPENING = re.compile(r"Error opening input|Error configuring|matches no streams", re.IGNORECASE)
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE)
_NO_MEMORY = re.compile(r"Cannot allocate memory", re.IGNORECASE)
_SIGNATURE = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]+")
_TAIL_CHARACTERS = 600
_MOVING = frozenset({"frame", "out_time_us", "total_size"})
"""What grows in `-progress` while anything happens at all."""


def run_ffmpeg(
    command: Sequence[str],
    *,
    log_file: Path,
    timeout_s: float,
    length_ms: int,
    progress: Progress | None = None,
    stop: Stop | None = None,
    stall_s: float = STALL_S,
) -> str:
    """Run a command built with `-progress pipe:1` to its end; return what it wrote to stderr (`log_file`).

    The process never outlives the call: with its group it is killed when `stop` says so, when it has begun and
    then not moved for `stall_s`, after `timeout_s`, and when `progress` or `stop` raises. Raises InputRejected
    (`render_stopped`; `source_unreadable` when a source cannot be opened) or TransientFault: `render_timeout`,
    `render_stalled`, `render_crashed` (died of a signal), `render_no_space`, `render_no_memory`, `render_failed`
    (anything else, or it could not be started). Signed URLs are cut out of what is told.
    """
    progress = None if progress is None else never_back(progress)
    with log_file.open("wb") as log, _started(command, log) as process:
        watchdog = _Watchdog(process, timeout_s, stall_s, stop)
        watchdog.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                watchdog.heard(line)
                _tell(line, length_ms, progress)
            return_code = process.wait()
        finally:
            watchdog.finish()
            _kill(process)
    if watchdog.verdict is not None:
        raise watchdog.verdict
    told = log_file.read_text(errors="replace")
    if return_code != 0:
        raise _fault(return_code, told)
    if progress is not None:
        progress(1.0)
    return told


def _started(command: Sequence[str], log: BinaryIO) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        raise TransientFault(
            "render_failed", "ffmpeg could not be started.", error=error.strerror or type(error).__name__
        ) from error


class _Watchdog(threading.Thread):
    """Ends a process that takes too long, stands still or is no longer wanted; `verdict` says which."""

    def __init__(
        self, process: subprocess.Popen[str], timeout_s: float, stall_s: float, stop: Stop | None
    ) -> None:
        super().__init__(name="render-watchdog", daemon=True)
        self.verdict: Exception | None = None
        self._process = process
        self._timeout_s, self._stall_s, self._is_unwanted = timeout_s, stall_s, stop
        self._started_at = time.monotonic()
        self._moved_at: float | None = None
        self._last: dict[str, str] = {}
        self._over = threading.Event()

    def heard(self, line: str) -> None:
        """Take note of a line of progress: it only counts as one if something grew."""
        key, _, value = line.strip().partition("=")
        if key in _MOVING and self._last.get(key) != value:
            self._last[key] = value
            self._moved_at = time.monotonic()

    def run(self) -> None:
        """Look at the process until it ends or has to be ended."""
        while not self._over.wait(_POLL_S):
            try:
                self.verdict = self._judged()
            except Exception as fault:  # handed to whoever waits for the process
                self.verdict = fault
            if self.verdict is not None:
                _kill(self._process)
                return

    def finish(self) -> None:
        """Stop looking."""
        self._over.set()
        self.join()

    def _judged(self) -> FanreelError | None:
        if self._is_unwanted is not None and self._is_unwanted():
            return InputRejected(STOPPED, "The montage is no longer wanted as it was planned.")
        now = time.monotonic()
        if now - self._started_at > self._timeout_s:
            return TransientFault(
                "render_timeout", "Rendering took too long and was stopped.", timeout_s=self._timeout_s
            )
        if self._moved_at is not None and now - self._moved_at > self._stall_s:
            return TransientFault(
                "render_stalled", "Rendering stood still and was stopped.", stall_s=self._stall_s
            )
        return None


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a process and whatever it started, unless it has ended (its number may be somebody else's by then)."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):  # it ended this very moment
            os.killpg(process.pid, signal.SIGKILL)


def never_back(progress: Progress) -> Progress:
    """Keep what is told from falling: ffmpeg tells of whichever stream is ahead, and sound runs ahead."""
    most = 0.0

    def tell(done: float) -> None:
        nonlocal most
        most = max(most, done)
        progress(most)

    return tell


def _tell(line: str, length_ms: int, progress: Progress | None) -> None:
    key, _, value = line.strip().partition("=")
    if progress is not None and key == "out_time_us" and value.lstrip("-").isdigit():
        progress(min(max(int(value) / 1000 / length_ms, 0.0), 1.0))


def _fault(return_code: int, text: str) -> FanreelError:
    told = _SIGNATURE.sub(r"\1?…", text).strip()[-_TAIL_CHARACTERS:]
    if _OPENING.search(text) and _UNREADABLE.search(text):
        return InputRejected(
            "source_unreadable",
            "A source video of this montage can no longer be read; upload it again.",
            return_code=return_code,
            stderr=told,
        )
    code, message = _transient(return_code, text)
    return TransientFault(code, message, return_code=return_code, stderr=told)


def _transient(return_code: int, text: str) -> tuple[str, str]:
    if return_code < 0:
        return "render_crashed", f"ffmpeg died of signal {-return_code}."
    if _NO_SPACE.search(text):
        return "render_no_space", "There is no room to render."
    if _NO_MEMORY.search(text):
        return "render_no_memory", "There is not enough memory to render."
    return "render_failed", "ffmpeg could not render."
