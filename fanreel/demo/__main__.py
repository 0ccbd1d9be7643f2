"""`python -m fanreel.demo DIRECTORY` makes the demo broadcast and its selfies there."""

import sys
import time
from pathlib import Path

from fanreel.errors import FanreelError
from fanreel.local.servers import npm_package

from .maker import make_demo


def main() -> int:
    """Make the demo and say where it is."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m fanreel.demo DIRECTORY\n")
        return 2
    started = time.monotonic()
    try:
        demo = make_demo(Path(sys.argv[1]), npm_package("@vladmandic/face-api"))
    except FanreelError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(f"demo broadcast: {demo.broadcast} ({time.monotonic() - started:.1f} s)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
