"""Films with planted flashes and beeps, made on the spot by ffmpeg, and how to find them again."""

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.contracts import MontageClip, MontagePlan
from fanreel.domain.montage import place_clips

FLASHES_S = (1.0, 3.0, 5.0, 7.0, 9.0, 11.0)
MARK_S = 0.1
"""Length of a flash and of a beep."""
LENGTH_S = 12


def make(path: Path, *arguments: str) -> Path:
    """Run ffmpeg quietly; `arguments` come before the output path."""
    command = [ffmpeg_binary(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments, str(path)]
    subprocess.run(command, check=True, timeout=60)
    return path


def picture(*, size: str = "320x180", rate: str = "25", more: str = "") -> list[str]:
    """A dark moving test picture that turns white at FLASHES_S."""
    flashes = f"drawbox=t=fill:c=white:enable='between(mod(t,2),0.999,{1 + MARK_S - 0.001})'"
    chain = f"testsrc2=s={size}:r={rate}:d={LENGTH_S},eq=brightness=-0.5,{flashes}{more}"
    return ["-f", "lavfi", "-i", chain]


def sound(*, sample_rate: int = 48_000, shift_s: float = 0.0) -> list[str]:
    """Faint noise that beeps at FLASHES_S, counted `shift_s` after its own start."""
    beep = f"if(lt(mod(t+{1 + shift_s},2),{MARK_S}),0.5*sin(2*PI*1000*t),0.002*(random(0)-0.5))"
    return ["-f", "lavfi", "-i", f"aevalsrc='{beep}':s={sample_rate}:d={LENGTH_S}"]


H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "60", "-c:a", "aac")
PCM = ("-c:a", "pcm_s16le")
"""Sound without an encoder's delay, where the source itself must be exact."""


def plan_of(*spans: tuple[str, int, int], crossfade_ms: int = 200, name: str = "m-test") -> MontagePlan:
    """A plan of (video id, start, end) clips at 320×180."""
    clips = tuple(
        MontageClip(video_id=video, start_ms=start, end_ms=end, score=0.5, reason="", appearance_id=f"a{start}")
        for video, start, end in spans
    )
    total = sum(end - start for _, start, end in spans) - crossfade_ms * (len(spans) - 1)
    return MontagePlan(
        montage_id=name,
        fan_id="somebody-7",
        event_id="e",
        clips=clips,
        duration_ms=total,
        crossfade_ms=crossfade_ms,
        width=320,
        height=180,
    )


def expected_marks_s(plan: MontagePlan, rate: Fraction) -> list[float]:
    """Where the flashes must lie in the output, in seconds, once the clips are on its frame grid."""
    return [
        float((placed.start_frame - placed.source_frame) / rate) + t
        for placed in place_clips(plan, rate).clips
        for t in FLASHES_S
        if placed.clip.start_ms <= t * 1000 < placed.clip.end_ms
    ]


def planned_marks_s(plan: MontagePlan) -> list[float]:
    """The same by the plan alone, in milliseconds without any grid."""
    marks: list[float] = []
    at_ms = 0
    for clip in plan.clips:
        marks += [(at_ms - clip.start_ms) / 1000 + t for t in FLASHES_S if clip.start_ms <= t * 1000 < clip.end_ms]
        at_ms += clip.end_ms - clip.start_ms - plan.crossfade_ms
    return marks


def flashes_s(path: Path) -> list[float]:
    """Seconds at which the middle of the picture turns white."""
    stamps, levels = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            assert frame.time is not None
            stamps.append(frame.time)
            grey = frame.to_ndarray(format="gray")
            height, width = grey.shape
            levels.append(grey[height // 3 : height * 2 // 3, width * 2 // 5 : width * 3 // 5].mean())
    return _rises(stamps, np.asarray(levels) > 190)


def beeps_s(path: Path) -> list[float]:
    """Seconds at which the sound rises to a third of its loudest, to the millisecond."""
    samples = sound_of(path)
    usable = len(samples) // 48 * 48
    loud = np.abs(samples[:usable]).reshape(-1, 48).max(axis=1)
    calm = np.maximum.reduce([np.roll(loud, shift) for shift in range(8)])  # bridges the wave's zero crossings
    return _rises([index / 1000 for index in range(len(calm))], calm > calm[8:].max() / 3)


def sound_of(path: Path) -> np.ndarray:
    """All samples at 48 kHz, mixed to one channel, placed by their time stamps."""
    parts: list[np.ndarray] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            if not parts:
                assert frame.time is not None
                parts.append(np.zeros(max(0, round(frame.time * 48_000)), np.float32))
            parts.append(frame.to_ndarray().mean(axis=0))
    return np.concatenate(parts)


def _rises(stamps, high) -> list[float]:
    return [stamps[i] for i in range(len(stamps)) if high[i] and (i == 0 or not high[i - 1])]
