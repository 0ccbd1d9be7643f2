"""The decode floor: what any inference pass is measured against."""

import resource
import subprocess
import time
from pathlib import Path

from fanreel.adapters.media.ffmpeg import ffmpeg_binary


def decode_floor(path: Path) -> tuple[float, float]:
    """Return the seconds, by the clock and of all cores, that ffmpeg needs to decode the video and throw it away.

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
    before, started = _cpu_of_children(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started, _cpu_of_children() - before


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
