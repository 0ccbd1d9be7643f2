"""The bundled ffmpeg, held back: a render that takes as long as what it reads would play, at no cost in CPU."""

import os
import subprocess
import sys
from pathlib import Path

from fanreel.adapters.media.ffmpeg import ffmpeg_binary

_SCRIPT = """#!{python} -S
import os, sys
arguments = []
is_film = "{film}" in sys.argv  # measuring and mixing its sound are not slow
for argument in sys.argv[1:]:
    arguments += ["-re"] if argument == "-i" and is_film else []
    arguments.append(argument)
os.execv("{ffmpeg}", ["{ffmpeg}", *arguments])
"""


FILM = "libx264"
"""What the slow one of a montage's several runs of ffmpeg has among its arguments."""


def slow_ffmpeg(folder: Path) -> Path:
    """Write a program that is ffmpeg reading the inputs of a film as they play; for FANREEL_FFMPEG."""
    program = folder / "slow-ffmpeg"
    program.write_text(_SCRIPT.format(python=sys.executable, ffmpeg=ffmpeg_binary(), film=FILM))
    program.chmod(0o755)
    return program


def renderers(mentioning: Path, doing: str = "") -> set[int]:
    """Process ids of every ffmpeg that names something in this folder (and has `doing` among its arguments)."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True)
    found = (line.split(None, 1) for line in listed.stdout.splitlines() if "ffmpeg" in line)
    return {int(pid) for pid, command in found if f"{mentioning}{os.sep}" in command and doing in command}
