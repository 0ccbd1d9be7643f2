"""How fast montages are rendered, and how well upright ones keep the fan inside.

    python -m benchmarks.render [--only speed|reframing]

Speed: six clips of a real broadcast (made pictures where the shared media are missing) with cards and crossfades.
Reframing: a square that stands for the face moves through a made 720p film on known ways; the boxes given to the
renderer are what a detector would say, five a second and off by some pixels. Counted are the pixels of the output.
"""

import argparse
import math
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import ffmpeg
import numpy as np
from numpy.typing import NDArray

from benchmarks.material import quiet_logs, shared_media
from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.render import Rendered, RenderSource, render_montage
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import FocusPoint, MontageClip, MontageFormat, MontagePlan, RenderStyle
from fanreel.domain.montage import place_clips, upright_crop

CLIPS, CLIP_MS, CROSSFADE_MS = 6, 3_500, 250
LENGTH_S, RATE, WIDTH, HEIGHT, SIDE = 6, 25, 1280, 720, 72
BOX_EVERY_MS, BOX_NOISE_PX = 200, 4.0
SEED = 11
BOTH: tuple[MontageFormat, ...] = ("16:9", "9:16")


@dataclass(frozen=True, slots=True)
class Way:
    """How the square moves: its left side at a time, as Python knows it and as ffmpeg does."""

    name: str
    left: Callable[[float], float]
    expression: str


WAYS = (
    Way("sits still", lambda _: 804.0, "804"),
    Way("sways", lambda t: 600 + 40 * math.sin(3 * t), "600+40*sin(3*t)"),
    Way("walks through the picture", lambda t: 60 + 190 * t, "60+190*t"),
    Way("runs there and back", lambda t: 604 - 560 * math.cos(2 * math.pi * t / 6), "604-560*cos(2*PI*t/6)"),
    Way(
        "jumps aside every two seconds",
        lambda t: 300 + 350 / (1 + math.exp(-20 * (t - 2))) - 250 / (1 + math.exp(-20 * (t - 4))),
        "300+350/(1+exp(-20*(t-2)))-250/(1+exp(-20*(t-4)))",
    ),
)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("speed", "reframing"))
    only = parser.parse_args().only
    quiet_logs()
    with tempfile.TemporaryDirectory(prefix="fanreel-render-") as folder:
        if only != "reframing":
            _speed(Path(folder))
        if only != "speed":
            _reframing(Path(folder))


def _speed(folder: Path) -> None:
    print("| source | film | formats | length s | seconds | × length | CPU s | CPU s ÷ 2 cores × length |")
    print("|---|---|---|---|---|---|---|---|")
    for name, path in _speed_sources(folder):
        for height in (720, 1080):
            for formats in (BOTH[:1], BOTH):
                plan = _plan(_spread(path), height, formats)
                rendered, clock_s, cpu_s = _timed(plan, path, folder / f"{height}-{len(formats)}")
                length_s = rendered.duration_ms / 1000
                print(
                    f"| {name} | {height}p | {' + '.join(formats)} | {length_s:.1f} | {clock_s:.1f} "
                    f"| {clock_s / length_s:.2f} | {cpu_s:.1f} | {cpu_s / 2 / length_s:.2f} |",
                    flush=True,
                )


def _reframing(folder: Path) -> None:
    print("\n| the face | frames | wholly inside: pixels | geometry | tremor px | tremor if boxes were followed |")
    print("|---|---|---|---|---|---|")
    inside = total = 0
    for way in WAYS:
        path = _made(folder, way)
        plan = _plan((_focused(way),), HEIGHT, BOTH)
        rendered = render_montage(plan, _sources(path), folder / "out")
        whole = _whole(rendered.files["vertical.mp4"])
        inside, total = inside + int(whole.sum()), total + len(whole)
        print(
            f"| {way.name} | {len(whole)} | {whole.mean():.4f} | {rendered.containment:.4f} "
            f"| {_tremor(_window(plan)):.2f} | {_tremor(_following(way)):.2f} |",
            flush=True,
        )
    print(f"| all | {total} | {inside / total:.4f} | | | |")


def _timed(plan: MontagePlan, path: Path, out: Path) -> tuple[Rendered, float, float]:
    before, started = _cpu_s(), time.perf_counter()
    rendered = render_montage(plan, _sources(path), out, encoder="libx264")
    return rendered, time.perf_counter() - started, _cpu_s() - before


def _cpu_s() -> float:
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


def _speed_sources(folder: Path) -> list[tuple[str, Path]]:
    media = shared_media()
    if media is not None:
        return [
            ("broadcast, 720p", media / "broadcast/broadcast.mp4"),
            ("football, 1080p", media / "video/sports/ucl_football_cuts_1080p.mp4"),
        ]
    return [("made, 720p", _made(folder, WAYS[3]))]


def _spread(path: Path) -> tuple[MontageClip, ...]:
    """Return clips spread evenly over a video, the face wandering a little in each."""
    duration_ms = probe(FileSource(path)).duration_ms
    length_ms = min(CLIP_MS, duration_ms // 2)
    media = probe(FileSource(path))
    left, top, side = media.width // 3, media.height // 3, media.height // 8
    clips: list[MontageClip] = []
    for index in range(CLIPS):
        start_ms = (duration_ms - length_ms) * index // CLIPS
        focus = tuple(
            FocusPoint(pts_ms=start_ms + t, box=(left + t // 20, top, left + t // 20 + side, top + side))
            for t in range(0, length_ms, BOX_EVERY_MS)
        )
        clips.append(_clip(start_ms, start_ms + length_ms, focus))
    return tuple(clips)


def _clip(start_ms: int, end_ms: int, focus: tuple[FocusPoint, ...]) -> MontageClip:
    return MontageClip(
        video_id="v",
        start_ms=start_ms,
        end_ms=end_ms,
        score=1.0,
        reason="benchmark",
        appearance_id=f"a{start_ms}",
        focus=focus,
    )


def _plan(clips: tuple[MontageClip, ...], height: int, formats: tuple[MontageFormat, ...]) -> MontagePlan:
    many = len(clips) > 1
    style = (
        {"title": "Home 2:1 Away", "intro_ms": 2_000, "end_text": "Thank you", "outro_ms": 1_500} if many else {}
    )
    return MontagePlan(
        montage_id=f"m{height}-{len(formats)}",
        fan_id="f",
        event_id="e",
        clips=clips,
        duration_ms=0,
        crossfade_ms=CROSSFADE_MS,
        width=height * 16 // 9,
        height=height,
        render=RenderStyle.model_validate({"formats": formats, **style}),
    )


def _sources(path: Path) -> dict[str, RenderSource]:
    return {"v": RenderSource(str(path), probe(FileSource(path)))}


def _made(folder: Path, way: Way) -> Path:
    """Make a film of a red square that moves over a grey test picture, with faint noise for sound."""
    path = folder / f"{way.name.replace(' ', '-')}.mp4"
    length = f"r={RATE}:d={LENGTH_S}"
    ground = ffmpeg.input(f"testsrc2=s={WIDTH}x{HEIGHT}:{length}", f="lavfi").filter("hue", s=0)
    square = ffmpeg.input(f"color=c=red:s={SIDE}x{SIDE}:{length}", f="lavfi")
    noise = ffmpeg.input(f"anoisesrc=a=0.02:c=pink:r=48000:d={LENGTH_S}", f="lavfi")
    moved = ffmpeg.overlay(ground.filter("eq", contrast=0.4), square, x=way.expression, y=300, eval="frame")
    output = ffmpeg.output(moved, noise, f"file:{path}", **{"c:v": "libx264", "preset": "ultrafast", "crf": 15})
    output.overwrite_output().global_args("-loglevel", "error").run(cmd=ffmpeg_binary())
    return path


def _boxes(way: Way) -> list[tuple[int, float]]:
    noise = np.random.default_rng(SEED)
    times = range(0, LENGTH_S * 1000 + 1, BOX_EVERY_MS)
    return [(t, way.left(t / 1000) + noise.normal(0, BOX_NOISE_PX)) for t in times]


def _focused(way: Way) -> MontageClip:
    points = (
        FocusPoint(pts_ms=t, box=(round(left), 300, round(left) + SIDE, 300 + SIDE)) for t, left in _boxes(way)
    )
    return _clip(0, LENGTH_S * 1000, tuple(points))


def _whole(path: Path) -> NDArray[np.bool_]:
    """Return, per frame of the upright film, whether the whole square is in it."""
    whole: list[bool] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            rgb = frame.to_ndarray(format="rgb24").astype(int)
            red = (rgb[:, :, 0] > 140) & (rgb[:, :, 1] < 90) & (rgb[:, :, 2] < 90)
            columns = np.flatnonzero(red.sum(axis=0) > SIDE // 2)
            # Some pixels of the edge are blurred by scaling and coding.
            whole.append(len(columns) > 0 and int(np.ptp(columns)) + 1 >= SIDE * 16 / 9 - 3)
    return np.array(whole)


def _window(plan: MontagePlan) -> NDArray[np.float64]:
    """Return where the upright film's window is, in its own whole pixels."""
    timeline = place_clips(plan, Fraction(RATE))
    return np.rint(upright_crop(timeline, timeline.clips[0], WIDTH, HEIGHT).lefts * 16 / 9)


def _following(way: Way) -> NDArray[np.float64]:
    """Return the way of a window that keeps every box in its middle, in pixels of the upright picture."""
    at_ms, lefts = zip(*_boxes(way), strict=True)
    frames_ms = np.arange(LENGTH_S * RATE) * 1000 / RATE
    return np.interp(frames_ms, at_ms, lefts) * 16 / 9


def _tremor(window: NDArray[np.float64]) -> float:
    """Return how much a way's speed changes from frame to frame, root mean square, in pixels."""
    return float(np.sqrt(np.mean(np.diff(window, 2) ** 2)))


if __name__ == "__main__":
    main()
