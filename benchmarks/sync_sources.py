"""Films that flash and beep at the same moments, in every shape a broadcast comes in, made by the bundled ffmpeg.

The mark of second k lies on the source's first frame at or after k seconds, and its beep begins on that very
frame, at a pitch of its own: sound from another second cannot pass for the right one.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from fanreel.adapters.media.ffmpeg import ffmpeg_binary

LENGTH_S = 10
MARK_S = 0.1
FIRST_HZ, STEP_HZ = 500, 100
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "60")
_AAC = ("-c:a", "aac")


@dataclass(frozen=True, slots=True)
class Planted:
    """A source: its name, what the tables say of it, and the film file's arguments for ffmpeg.

    `shift_s` is how much earlier its marks lie on its own clock than they were planted.
    """

    name: str
    suffix: str
    arguments: tuple[str, ...]
    rate: Fraction = Fraction(25)
    shift_s: float = 0.0
    has_sound: bool = True
    remade: Callable[[Path, Path], tuple[str, ...]] | None = None
    """From the film as made and where it goes: the arguments that make of it what is meant."""

    def make(self, folder: Path) -> Path:
        """Write the film into a folder."""
        path = folder / f"{self.name.replace(' ', '_')}{self.suffix}"
        if self.remade is None:
            return _run(path, *self.arguments)
        return _run(path, *self.remade(_run(folder / f"raw_{path.stem}.mp4", *self.arguments), path))

    def mark_s(self, second: int) -> float:
        """When the mark of a second lies in the source, on its own clock."""
        return float(-(-second * self.rate // 1) / self.rate) - self.shift_s


def picture(rate: Fraction = Fraction(25), more: str = "", size: str = "320x180") -> tuple[str, ...]:
    """A dark moving picture that turns white at every mark."""
    since = _since_mark("t", rate)
    white = f"drawbox=t=fill:c=white:enable='between({since},-0.001,{MARK_S - 0.001})'"
    chain = f"testsrc2=s={size}:r={rate}:d={LENGTH_S},eq=brightness=-0.5,{white}{more}"
    return ("-f", "lavfi", "-i", chain)


def sound(
    rate: Fraction = Fraction(25),
    *,
    hz: int = 48_000,
    layout: str = "mono",
    starts_s: float = 0.0,
    pitch: float = 1.0,
) -> tuple[str, ...]:
    """Faint noise that beeps at every mark; it starts `starts_s` after the picture, `pitch` is another voice."""
    at = f"(t+{starts_s})"
    tone = f"sin(2*PI*{pitch}*({FIRST_HZ}+{STEP_HZ}*floor({at}+0.001))*t)"
    beep = f"if(between({_since_mark(at, rate)},0,{MARK_S}),0.5*{tone},0.002*(random(0)-0.5))"
    voices = {"mono": [beep], "stereo": [beep, beep], "5.1": ["0", "0", beep, "0", "0", "0"]}[layout]
    length_s = LENGTH_S - max(0.0, starts_s)
    return ("-f", "lavfi", "-i", f"aevalsrc='{'|'.join(voices)}':c={layout}:s={hz}:d={length_s}")


def _since_mark(t: str, rate: Fraction) -> str:
    """Seconds since the mark of the second that `t` lies in (a hair before a second counts as that second)."""
    return f"({t}-ceil(floor({t}+0.001)*{rate}-0.001)/({rate}))"


def _run(path: Path, *arguments: str) -> Path:
    command = [ffmpeg_binary(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments, str(path)]
    subprocess.run(command, check=True, timeout=120)
    return path


def _at_rate(name: str, rate: Fraction) -> Planted:
    return Planted(name, ".mp4", (*picture(rate), *sound(rate), *_H264, *_AAC), rate)


def _with(name: str, suffix: str, *arguments: str) -> Planted:
    return Planted(name, suffix, (*picture(), *arguments))


_NTSC = Fraction(30000, 1001)
_THIN = ",select='between(mod(t,1),0,0.2)+not(mod(n,3))'"
"""Frames come as they like, but every mark keeps its own."""
_GAP = "aselect='not(between(t,4.2,4.8)+between(t,6.5,6.7))'"

SOURCES: tuple[Planted, ...] = (
    _with("plain", ".mp4", *sound(layout="stereo"), *_H264, *_AAC),
    replace(_with("no sound", ".mp4", *_H264), has_sound=False),
    _with(
        "two sound tracks", ".mkv", *sound(), *sound(pitch=0.37, starts_s=0.4),
        "-map", "0", "-map", "1", "-map", "2", *_H264, *_AAC,
    ),
    _with("mono 22.05 kHz mp3", ".mkv", *sound(hz=22_050), *_H264, "-c:a", "libmp3lame"),
    _with("5.1 ac3", ".mkv", *sound(layout="5.1"), *_H264, "-c:a", "ac3"),
    _with("44.1 kHz", ".mp4", *sound(hz=44_100), *_H264, *_AAC),
    _with("32 kHz mp2", ".ts", *sound(hz=32_000), *_H264, "-c:a", "mp2"),
    _with("8 kHz mu-law", ".mov", *sound(hz=8_000), *_H264, "-c:a", "pcm_mulaw"),
    _at_rate("24 fps", Fraction(24)),
    _at_rate("29.97 fps", _NTSC),
    _at_rate("50 fps", Fraction(50)),
    _at_rate("60 fps", Fraction(60)),
    _at_rate("12.5 fps", Fraction(25, 2)),
    Planted(
        "variable rate", ".mkv",
        (*picture(Fraction(30), _THIN), *sound(Fraction(30)), *_H264, *_AAC, "-fps_mode", "vfr"), Fraction(30),
    ),
    _with("transport stream from 1.4 s", ".ts", *sound(), *_H264, *_AAC, "-bf", "2"),
    _with("transport stream from 10 h", ".ts", *sound(), *_H264, *_AAC, "-output_ts_offset", "36000"),
    Planted(
        "negative start", ".mp4",
        (*picture(), *sound(), *_H264, *_AAC, "-bf", "3", "-movflags", "+negative_cts_offsets",
         "-output_ts_offset", "-0.7", "-avoid_negative_ts", "disabled"), shift_s=0.72,
    ),
    _with("sound starts late", ".mkv", "-itsoffset", "0.9", *sound(starts_s=0.9), *_H264, "-c:a", "flac"),
    Planted(
        "sound starts early", ".mkv",
        ("-itsoffset", "0.8", *picture(), *sound(starts_s=-0.8), *_H264, "-c:a", "pcm_s16le"),
    ),
    Planted(
        "edit list", ".mp4", (*picture(), *sound(), *_H264, *_AAC), shift_s=1.7,
        remade=lambda raw, _: ("-ss", "1.7", "-i", str(raw), "-c", "copy"),
    ),
    Planted(
        "fragmented", ".mp4", (*picture(), *sound(), *_H264, *_AAC),
        remade=lambda raw, _: ("-i", str(raw), "-c", "copy", "-movflags", "frag_keyframe+empty_moov"),
    ),
    _with(
        "vp9 opus", ".webm", *sound(), "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8",
        "-b:v", "300k", "-c:a", "libopus",
    ),
    _with("avi mp3", ".avi", *sound(hz=44_100), "-c:v", "mpeg4", "-q:v", "4", "-c:a", "libmp3lame"),
    Planted(
        "interlaced mpeg2", ".ts",
        (*picture(Fraction(50), ",tinterlace=interleave_top,setfield=tff"), *sound(), "-c:v", "mpeg2video",
         "-q:v", "4",
         "-flags", "+ildct+ilme", "-c:a", "mp2"),
    ),
    Planted(
        "rotated", ".mp4", (*picture(), *sound(), *_H264, *_AAC),
        remade=lambda raw, _: ("-display_rotation", "90", "-i", str(raw), "-c", "copy"),
    ),
    _with("b-pyramid open gop", ".mp4", *sound(), *_H264, *_AAC, "-bf", "5", "-b_strategy", "0",
          "-x264-params", "b-pyramid=normal:open-gop=1"),
    _with("gaps in the sound", ".mkv", *sound(), "-af", _GAP, *_H264, "-c:a", "pcm_s16le"),
    _with("hevc flac", ".mkv", *sound(hz=96_000), "-c:v", "libx265", "-preset", "ultrafast",
          "-x265-params", "log-level=none", "-c:a", "flac"),
)  # fmt: skip
"""Every shape, by name."""
