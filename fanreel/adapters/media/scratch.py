"""Folders for what is being made, which nobody has to clean up after a killed process.

A process that is killed cannot tidy. Each folder holds a file that its maker keeps locked; the kernel drops the
lock with the process, and whoever makes the next folder removes those that nobody holds, and ends the ffmpeg that
may still be writing into them.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path

import structlog

log = structlog.get_logger()

_LOCK = ".lock"


@contextlib.contextmanager
def scratch_folder(purpose: str, root: Path | None = None) -> Generator[Path]:
    """Make a folder in `root` (the system's temporary one) that goes with the block, or with the next call.

    `purpose` is part of its name; only folders of the same purpose are cleaned up.
    """
    root = root or Path(tempfile.gettempdir())
    prefix = f"fanreel-{purpose}-"
    remove_abandoned(root, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    try:
        with (folder / f"{_LOCK}ing").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # It bears its name only once it is held: nobody may find the folder unlocked.
            (folder / f"{_LOCK}ing").rename(folder / _LOCK)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(root: Path, prefix: str) -> None:
    """Remove the folders whose makers are gone, and end what still writes into them."""
    for folder in root.glob(f"{prefix}*"):
        with _held(folder / _LOCK) as is_ours:
            if is_ours:
                _end_writers(folder)
                shutil.rmtree(folder, ignore_errors=True)
                log.info("scratch.abandoned_removed", folder=folder.name)


@contextlib.contextmanager
def _held(lock: Path) -> Generator[bool]:
    """Take a folder's lock if nobody has it."""
    try:
        file = lock.open("rb")
    except OSError:  # being removed this moment, or somebody else's
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def _end_writers(folder: Path) -> None:
    """Kill processes of ours that name the folder as an argument: a killed renderer's ffmpeg (where /proc is)."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes().split(b"\0")
            if b"ffmpeg" in Path(os.fsdecode(command[0])).name.encode() and any(
                os.fsencode(folder) + b"/" in argument for argument in command
            ):
                os.kill(int(process.name), signal.SIGKILL)
