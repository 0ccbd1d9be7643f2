"""How loud a sound is by EBU R 128, told by ffmpeg's ebur128."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import ffmpeg

from .ffmpeg import ffmpeg_binary
from .render_run import run_ffmpeg
from .render_source import Stream

SILENCE_LUFS = -70.0
"""The absolute gate of EBU R 128: below it there is nothing to level."""
_SUMMARY = re.compile(
    r"I:\s+(\S+) LUFS\s+Threshold:\s+(\S+) LUFS.*?LRA:\s+(\S+) LU\s.*?Peak:\s+(\S+) dBFS", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Loudness:
    """What EBU R 128 measures: integrated LUFS, true peak dBTP, range LU, gate LUFS."""

    integrated: float
    true_peak: float
    loudness_range: float
    threshold: float


def measure_film_loudness(path: Path) -> Loudness | None:
    """Measure the sound of a finished film (EBU R 128); None when it is silent or shorter than 0.4 s.

    Raises TransientFault (see `run_ffmpeg`).
    """
    log_file = path.with_suffix(".ebur128")

    def run(command: list[str], log: Path) -> str:
        return run_ffmpeg(command, log_file=log, timeout_s=120, length_ms=1)

    try:
        return loudness_of(run(loudness_command(opened(path), ffmpeg_binary()), log_file))
    finally:
        log_file.unlink(missing_ok=True)


def loudness_command(sound: Stream, binary: str) -> list[str]:
    """Return the command that tells how loud a sound is, for `loudness_of`."""
    measured = sound.filter("ebur128", peak="true", framelog="quiet")
    return compiled(ffmpeg.output(measured, "-", format="null"), binary)


def compiled(output: Stream, binary: str, *, loglevel: str = "info", graph_file: Path | None = None) -> list[str]:
    """Return the command of a graph, to be run by `run_ffmpeg`.

    A graph that grows with the number of clips goes into `graph_file`: Linux takes no argument longer than
    131,071 bytes (MAX_ARG_STRLEN), and some ninety clips in two formats are longer.
    """
    command: list[str] = (
        output.global_args("-hide_banner", "-nostdin", "-nostats", "-loglevel", loglevel, "-copyts")
        .global_args("-progress", "pipe:1")
        .overwrite_output()
        .compile(cmd=binary)
    )
    if graph_file is not None:
        at = command.index("-filter_complex")
        graph_file.write_text(command[at + 1], encoding="utf-8")
        command[at : at + 2] = ["-/filter_complex", str(graph_file)]
    return command


def loudness_of(told: str) -> Loudness | None:
    """Read ebur128's summary from what ffmpeg told; None for silence, which has no loudness."""
    found = _SUMMARY.findall(told)
    if not found:
        return None
    integrated, threshold, loudness_range, peak = map(float, found[-1])
    if not math.isfinite(peak) or integrated <= SILENCE_LUFS:
        return None
    return Loudness(integrated, peak, loudness_range, threshold)


def opened(path: Path) -> Stream:
    """Open a local file's sound."""
    return ffmpeg.input(f"file:{path}", protocol_whitelist="file").audio
