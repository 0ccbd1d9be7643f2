"""Clean up after a maker of scratch files that has gone, however it went.

Used as a script: `python -I -S _scratch_guard.py FOLDER`, with a pipe as standard input whose other end only the
maker holds. The kernel closes that with the maker; then whatever ffmpeg still writes into the folder is ended,
and the folder removed. Nothing but the standard library: one of these stands beside every render (9 MB).
"""

import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path


def end_writers(folder: Path) -> None:
    """Kill processes of ours that name the folder as an argument: a killed renderer's ffmpeg (where /proc is)."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes().split(b"\0")
            if b"ffmpeg" in Path(os.fsdecode(command[0])).name.encode() and any(
                os.fsencode(folder) + b"/" in argument for argument in command
            ):
                os.kill(int(process.name), signal.SIGKILL)


def main() -> None:
    """Wait for the maker's end."""
    folder = Path(sys.argv[1])
    sys.stdin.buffer.read()
    end_writers(folder)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
