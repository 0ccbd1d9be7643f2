"""Runs one ffmpeg process: bounded in time, with progress, with an error that says whose fault it was."""

import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from fanreel.errors import FanreelError, InputRejected, TransientFault

Progress = Callable[[float], None]
"""Called with the part done, 0..1."""

_UNREADABLE = re.compile(
    r"Invalid data found|moov atom not found|No such file|404 Not Found|does not contain any stream"
    r"|matches no streams|not on whitelist|Permission denied|Is a directory",
    re.IGNORECASE,
)
_OPENING = re.compile(r"Error opening input|Error configuring|matches no streams", re.IGNORECASE)
_SIGNATURE = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]+")
_TAIL_CHARACTERS = 600


def run_ffmpeg(
    command: Sequence[str], *, log_file: Path, timeout_s: float, length_ms: int, progress: Progress | None = None
) -> str:
    """Run a command built with `-progress pipe:1` to its end; return what it wrote to stderr (`log_file`).

    Raises InputRejected (`source_unreadable`) when a source cannot be opened, TransientFault
    (`render_failed`) when it ran past `timeout_s`, was killed or failed otherwise. The process never
    outlives the call. Signed URLs are cut out of what is told.
    """
    timed_out = threading.Event()
    with (
        log_file.open("wb") as log,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):

        def stop() -> None:
            timed_out.set()
            process.kill()

        watchdog = threading.Timer(timeout_s, stop)
        watchdog.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                _tell(line, length_ms, progress)
            return_code = process.wait()
        finally:
            watchdog.cancel()
            if process.poll() is None:
                process.kill()
    if timed_out.is_set():
        raise TransientFault("render_failed", "Rendering took too long and was stopped.", timeout_s=timeout_s)
    told = log_file.read_text(errors="replace")
    if return_code != 0:
        raise _fault(return_code, told)
    if progress is not None:
        progress(1.0)
    return told


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
    return TransientFault("render_failed", "ffmpeg could not render.", return_code=return_code, stderr=told)
