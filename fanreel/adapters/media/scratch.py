"""Folders for what is being made, which nobody has to clean up after a killed process.

A process that is killed cannot tidy. Beside it stands a guard, which ends the ffmpeg that may still be writing and
removes the folder. And where the guard went as well, or there was none, each folder holds a file that its maker
keeps locked; the kernel drops the lock with the process, and whoever makes the next folder does the same to those
that nobody holds.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import structlog

from ._scratch_guard import end_writers

log = structlog.get_logger()

GUARD = Path(__file__).with_name("_scratch_guard.py")
_LOCK = ".lock"
NEW_S = 60.0
"""A folder that has no lock for so long never gets one: its maker was killed before, or while it was removed."""


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
            with _guarded(folder):
                yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _guarded(folder: Path) -> Generator[None]:
    """Have the folder cleaned up at the end of the block, or of this process within it."""
    try:
        # In a session of its own no signal meant for us ends it, too.
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as fault:  # the next call cleans up
        log.warning("scratch.unguarded", error=type(fault).__name__)
        yield
        return
    with guard:  # closes the pipe and waits for its end
        yield


def remove_abandoned(root: Path, prefix: str) -> None:
    """Remove the folders whose makers are gone, and end what still writes into them."""
    for folder in root.glob(f"{prefix}*"):
        with _held(folder / _LOCK) as is_ours:
            if is_ours or _never_locked(folder):
                end_writers(folder)
                shutil.rmtree(folder, ignore_errors=True)
                log.info("scratch.abandoned_removed", folder=folder.name)


def _never_locked(folder: Path) -> bool:
    """Say whether a folder of ours has no lock although it is older than any that is just being made."""
    try:
        status = folder.lstat()
        is_locked = (folder / _LOCK).exists()
    except OSError:  # somebody else's, or gone by now
        return False
    is_old = time.time() - status.st_mtime > NEW_S
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and is_old and not is_locked


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
