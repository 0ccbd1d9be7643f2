"""Run a command that is told to stop (SIGTERM) when whoever started it dies, however it dies.

Used as a script: `python -I -S _leash.py PARENT_PID COMMAND...`. The command keeps this process's id. A shim
and not `preexec_fn`, because code between fork and exec is unsafe in a program with threads. On systems
without `prctl` (macOS) the command simply runs.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        # The parent may have died before the leash was on.
        if os.getppid() != parent:
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606  no shell wanted


if __name__ == "__main__":
    main()
