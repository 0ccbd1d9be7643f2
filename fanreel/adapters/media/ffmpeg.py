"""Which ffmpeg binary is run."""

import os
import shutil

import imageio_ffmpeg

from fanreel.errors import InputRejected


def ffmpeg_binary() -> str:
    """Return the path of ffmpeg: FANREEL_FFMPEG when set, else the one inside the imageio-ffmpeg wheel.

    Raises InputRejected `ffmpeg_missing` when FANREEL_FFMPEG names nothing that can be run.
    """
    named = os.environ.get("FANREEL_FFMPEG")
    if not named:
        return imageio_ffmpeg.get_ffmpeg_exe()
    found = shutil.which(named)
    if found is None:
        raise InputRejected("ffmpeg_missing", f"FANREEL_FFMPEG names {named!r}, which is not a program.")
    return found
