"""How loud montages are before and after: the joined sound as it is, and the finished film's AAC.

    python -m benchmarks.loudness --audio ../shared/media/audio

Each montage is two clips, crossfaded, of one shared sound under a test picture, at a level and in a layout of its
own. Measured by ffmpeg's ebur128 (EBU R 128, true peak at four times the rate).
"""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.material import quiet_logs
from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.render import render_montage
from fanreel.adapters.media.render_graph import RenderSource, sound_command
from fanreel.adapters.media.render_loudness import Loudness, measure_film_loudness
from fanreel.adapters.media.render_mix import MAX_GAIN_DB, TARGET_LUFS, TRUE_PEAK_DBTP
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import MontageClip, MontagePlan
from fanreel.domain.montage import output_rate, place_clips


@dataclass(frozen=True, slots=True)
class _Case:
    """A shared sound, what is done to it before it is a broadcast's, and how long the montage is."""

    name: str
    file: str
    chain: str = "anull"
    length_ms: int = 6_000


CASES = (
    _Case("speech as it is", "fw_jfk.flac"),
    _Case("speech 24 dB quieter", "fw_jfk.flac", "volume=-24dB"),
    _Case("speech 50 dB quieter", "fw_jfk.flac", "volume=-50dB"),
    _Case("speech, mono 16 kHz", "paa_diarizationExample.wav"),
    _Case("speech in 5.1, centre", "fw_jfk.flac", "pan=5.1|FC=FL"),
    _Case("music and speech", "paa_speech_music_sample.wav"),
    _Case("crowd", "football_crowd2.mp3"),
    _Case("roar, near full scale", "football_goal2.mp3", length_ms=3_600),
    _Case("crowd clipped at +20 dB", "football_crowd2.mp3", "volume=20dB,asoftclip=type=hard"),
    _Case(
        "claps (peaks 25 dB above)",
        "halftime_crowd.mp3",
        "volume=volume='if(lt(mod(t,0.5),0.004),12,0.2)':eval=frame",
    ),
    _Case("rain", "rain.mp3"),
    _Case("0.7 s of a goal", "football_goal.ogg", length_ms=700),
    _Case("0.3 s of a goal", "football_goal.ogg", length_ms=300),
    _Case("hiss at -75 dBFS", "rain.mp3", "volume=-55dB"),
    _Case("silence", "rain.mp3", "volume=0"),
)


def main(audio: Annotated[Path, typer.Option("--audio", help="The folder of the shared sounds.")]) -> None:
    """Print the table."""
    quiet_logs()
    table = Table(title="two clips of each, crossfaded; target −16 LUFS ± 1, true peak ≤ −1.5 dBTP")
    for name in ("sound", "before LUFS", "before dBTP", "after LUFS", "after dBTP", "meets"):
        table.add_column(name, justify="left" if name == "sound" else "right")
    with tempfile.TemporaryDirectory() as folder:
        for index, case in enumerate(CASES):
            before, after = _made(case, audio, Path(folder) / f"{index}")
            table.add_row(case.name, *_told(before), *_told(after), _verdict(before, after))
    Console(width=110).print(table)


def _told(loudness: Loudness | None) -> tuple[str, str]:
    if loudness is None:
        return "none", "none"
    return f"{loudness.integrated:.1f}", f"{loudness.true_peak:.1f}"


def _verdict(before: Loudness | None, after: Loudness | None) -> str:
    if after is None:
        return "not heard by EBU R 128"
    if after.true_peak > TRUE_PEAK_DBTP:
        return "no"
    if abs(after.integrated - TARGET_LUFS) <= 1:
        return "yes"
    is_at_limit = before is not None and after.integrated - before.integrated >= MAX_GAIN_DB - 1
    return f"raised by no more than {MAX_GAIN_DB:.0f} dB" if is_at_limit else "no"


def _made(case: _Case, audio: Path, folder: Path) -> tuple[Loudness | None, Loudness | None]:
    folder.mkdir()
    film = folder / "source.mkv"
    command = [
        ffmpeg_binary(),
        "-loglevel",
        "error",
        "-nostdin",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=160x90:r=25:d=8",
    ]
    command += ["-stream_loop", "-1", "-i", str(audio / case.file), "-af", case.chain, "-t", "8"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le", str(film)]
    subprocess.run(command, check=True)
    source = RenderSource(str(film), probe(FileSource(film)))
    plan = _plan(case)
    timeline = place_clips(plan, output_rate([source.media.frame_rate.fraction()]))
    joined = folder / "joined.wav"
    command = sound_command(timeline, {"v": source}, joined, binary=ffmpeg_binary())
    subprocess.run(command, check=True, capture_output=True)
    rendered = render_montage(plan, {"v": source}, folder / "out")
    return measure_film_loudness(joined), measure_film_loudness(rendered.files["mp4"])


def _plan(case: _Case) -> MontagePlan:
    fade_ms = min(200, case.length_ms // 4)
    middle_ms = case.length_ms // 2
    spans = ((0, middle_ms + fade_ms), (middle_ms, case.length_ms))
    clips = tuple(
        MontageClip(video_id="v", start_ms=start, end_ms=end, score=0.5, reason="", appearance_id=f"a{start}")
        for start, end in spans
    )
    return MontagePlan(
        montage_id="m",
        fan_id="f",
        event_id="e",
        clips=clips,
        duration_ms=case.length_ms,
        crossfade_ms=fade_ms,
        width=160,
        height=90,
    )


if __name__ == "__main__":
    typer.run(main)
