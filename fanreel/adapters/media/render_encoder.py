"""Which encoder writes a film, and how it is set."""

import subprocess
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

import structlog

from .render_source import ratio

log = structlog.get_logger()

Encoder = Literal["libx264", "h264_nvenc"]
EncoderChoice = Literal["auto", "libx264", "h264_nvenc"]

SURE_ENCODER: Encoder = "libx264"
"""The one that writes wherever ffmpeg runs."""
ENCODER_FAULTS = frozenset({"render_failed", "render_crashed", "render_stalled", "render_no_memory"})
"""Ends of a render that may be a GPU's doing: all its sessions taken, its memory full, its driver gone."""

TRIAL_TIMEOUT_S = 20.0
"""A driver takes a few seconds to wake; one that takes longer is not worth waiting for."""

_SETTINGS: dict[Encoder, dict[str, Any]] = {
    # 720p within half its own length on two cores (DESIGN §11).
    "libx264": {"preset": "veryfast", "crf": 21},
    "h264_nvenc": {"preset": "p5", "rc": "vbr", "cq": 23, "b:v": 0, "bf": 2},
}


def choose_encoder(choice: EncoderChoice, binary: str) -> Encoder:
    """Return the encoder to use: with `auto` NVENC where it works, libx264 elsewhere."""
    if choice != "auto":
        return choice
    return "h264_nvenc" if has_nvenc(binary) else SURE_ENCODER


@lru_cache(maxsize=4)
def has_nvenc(binary: str) -> bool:
    """Tell whether NVENC really encodes here; tried once in a process.

    That a binary lists it says nothing: it loads the driver when it runs, and some GPUs have no encoder.
    """
    command = [
        binary,
        "-hide_banner",
        "-nostdin",
        "-loglevel",
        "error",
        "-f",
        "lavfi",
        "-i",
        "color=s=256x144:d=0.2",
    ]
    command += ["-c:v", "h264_nvenc", "-profile:v", "high", "-f", "null", "-"]
    try:
        tried = subprocess.run(command, capture_output=True, timeout=TRIAL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    log.info("render.encoder_tried", encoder="h264_nvenc", works=tried.returncode == 0)
    return tried.returncode == 0


def picture_encoding(encoder: Encoder, rate: Fraction) -> dict[str, Any]:
    """Return ffmpeg's output options for the picture: H.264 High, 4:2:0, seekable every two seconds."""
    return {
        "c:v": encoder,
        **_SETTINGS[encoder],
        "profile:v": "high",
        "pix_fmt": "yuv420p",
        "r": ratio(rate),
        # Scrubbing on a phone wants a keyframe every two seconds.
        "g": round(rate * 2),
    }
