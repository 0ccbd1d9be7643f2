"""The decode floor: what any inference pass is measured against."""

import subprocess
import time
from pathlib import Path

from fanreel.adapters.media.ffmpeg import ffmpeg_binary


def decode_floor(path: Path) -> float:
    """Return the wall seconds ffmpeg needs to decode the first video stream and throw it away.

    Raises subprocess.CalledProcessError when the file cannot be decoded.
    """
    command = [
        ffmpeg_binary(),
        "-v",
        "error",
        "-nostdin",
        "-i",
        f"file:{path}",
        "-map",
        "0:v:0",
        "-f",
        "null",
        "-",
    ]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
