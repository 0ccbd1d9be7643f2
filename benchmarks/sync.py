"""How far sound and picture are apart in rendered montages, clip by clip, measured on the output.

    python -m benchmarks.sync

Sources that flash and beep at the same moments (`benchmarks/sync_sources.py`) are cut into montages of three clips
with crossfades; once more behind a title card, and with slow motion in the second clip. In every clip the flash of
each second and the beep of that second (told by its pitch) are looked for; their distance is the clip's offset
(positive: sound late). What the source itself is off by is in it, and in a column of its own: nobody can tell a
file in which sound was muxed late from one in which it is late.
"""

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import av
import numpy as np
import typer
from av.audio.frame import AudioFrame
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.sync_sources import FIRST_HZ, LENGTH_S, MARK_S, SOURCES, STEP_HZ, Planted
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.render import RenderSource, render_montage
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import MontageClip, MontagePlan, RenderStyle
from fanreel.domain.montage import Timeline, output_rate, place_clips

LIMIT_MS = 40.0
HZ = 48_000
NEAR_S = 0.35
"""How far from its expected place a mark is looked for: less than half a second, so that it is that second's."""
CLEAR_S = 0.25
"""Marks nearer to a clip's border may lie in a crossfade."""
CLIPS_MS = ((613, 2_513), (3_207, 5_611), (6_450, 8_330))
STYLED = frozenset({"plain", "50 fps", "sound starts late"})
"""Sources that are rendered behind a card and with slow motion as well."""
SLOW_MS = (3_700, 4_400)
"""Slowed down in the second clip: the mark at 4 s lies in it, the one at 5 s after it."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ClipOffset:
    """One mark in one clip: where it was expected in the output, and what was found there, in seconds."""

    clip: int
    second: int
    expected_s: float
    flash_s: float | None
    beep_s: float | None

    @property
    def offset_ms(self) -> float | None:
        """Sound against picture, positive when late; None when one of them is missing."""
        if self.flash_s is None or self.beep_s is None:
            return None
        return (self.beep_s - self.flash_s) * 1000


def plan_of(style: str = "plain") -> MontagePlan:
    """The montage every source is cut to: `plain`, behind a `card`, or with `slow` motion."""
    clips = tuple(
        MontageClip(video_id="v", start_ms=start, end_ms=end, score=0.5, reason="", appearance_id=f"a{start}")
        for start, end in CLIPS_MS
    )
    if style == "slow":
        slow = {"slow_from_ms": SLOW_MS[0], "slow_to_ms": SLOW_MS[1], "slow_factor": 2}
        clips = (clips[0], clips[1].model_copy(update=slow), *clips[2:])
    render = RenderStyle(title="Cup final", intro_ms=1_500) if style == "card" else RenderStyle()
    card_ms = render.intro_ms - 200 if style == "card" else 0
    return MontagePlan(
        montage_id=f"m-{style}",
        fan_id="f",
        event_id="e",
        clips=clips,
        duration_ms=card_ms + sum(clip.played_ms for clip in clips) - 200 * (len(clips) - 1),
        crossfade_ms=200,
        width=320,
        height=180,
        render=render,
    )


def measure(source: Planted, folder: Path, style: str = "plain") -> list[ClipOffset]:
    """Make a source, render a montage of it, and find every mark of every clip in the output."""
    path = source.make(folder)
    media = probe(FileSource(path))
    plan = plan_of(style)
    rendered = render_montage(plan, {"v": RenderSource(str(path), media)}, folder / f"out-{style}")
    timeline = place_clips(plan, output_rate([media.frame_rate.fraction()]))
    film = rendered.files["mp4"]
    return offsets(source, timeline, flash_levels(film), sound_of(film))


def offsets(
    source: Planted, timeline: Timeline, levels: tuple[list[float], Floats], sound: Floats
) -> list[ClipOffset]:
    """Find in a rendered film what was planted in its clips (`levels`: `flash_levels`, `sound`: `sound_of`)."""
    found: list[ClipOffset] = []
    for index, placed in enumerate(timeline.clips):
        clip = placed.clip
        for second in range(1, LENGTH_S):
            mark_s = source.mark_s(second)
            if not clip.start_ms / 1000 + CLEAR_S <= mark_s <= clip.end_ms / 1000 - CLEAR_S - MARK_S:
                continue
            expected_s = float(timeline.ms(timeline.film_frame(placed, round(mark_s * 1000)))) / 1000
            beep_s = find_beep(sound, expected_s, second)
            found.append(ClipOffset(index, second, expected_s, find_flash(*levels, expected_s), beep_s))
    return found


def flash_levels(film: Path) -> tuple[list[float], Floats]:
    """Return the time of every frame and how bright the middle of its picture is, 0..255."""
    stamps: list[float] = []
    levels: list[float] = []
    with av.open(str(film)) as container:
        for frame in container.decode(video=0):
            assert frame.time is not None
            grey = frame.to_ndarray(format="gray")
            height, width = grey.shape
            stamps.append(frame.time)
            levels.append(float(grey[height // 3 : height * 2 // 3, width * 2 // 5 : width * 3 // 5].mean()))
    return stamps, np.asarray(levels, np.float32)


def find_flash(stamps: Sequence[float], levels: Floats, expected_s: float) -> float | None:
    """Return when the picture turns white near a moment."""
    high = levels > 190
    rises = [stamps[i] for i in range(1, len(stamps)) if high[i] and not high[i - 1]]
    return min(
        (at for at in rises if abs(at - expected_s) < NEAR_S), key=lambda at: abs(at - expected_s), default=None
    )


def find_beep(sound: Floats, expected_s: float, second: int) -> float | None:
    """Return when the beep of a second begins near a moment, to about a millisecond; None for another's."""
    first = max(0, round((expected_s - NEAR_S) * HZ))
    piece = sound[first : round((expected_s + NEAR_S + MARK_S) * HZ)]
    if len(piece) < HZ // 10:
        return None
    waves = [piece * _wave(FIRST_HZ + STEP_HZ * each, len(piece)) for each in range(LENGTH_S + 1)]
    # The tone's strength in 5 ms windows; its rise to half of its height is its beginning.
    step = HZ // 200
    strength = np.abs(np.convolve(waves[second], np.ones(step, np.float32) / step, mode="valid"))
    if strength.max() < 0.02:
        return None
    at = int(np.argmax(strength > strength.max() / 2)) + step // 2
    # So short a window hears neighbouring pitches, too: the whole beep tells which it is.
    heard = [abs(wave[at : at + round(0.8 * MARK_S * HZ)].sum()) for wave in waves]
    return (first + at) / HZ if int(np.argmax(heard)) == second else None


def _wave(pitch_hz: float, samples: int) -> NDArray[np.complex64]:
    return np.exp(-2j * np.pi * pitch_hz * np.arange(samples) / HZ).astype(np.complex64)


def sound_of(film: Path, origin_s: float = 0.0) -> Floats:
    """Return all samples at 48 kHz as one channel, placed by their time stamps after `origin_s`."""
    parts: list[tuple[int, Floats]] = []
    resampler = av.AudioResampler("fltp", "mono", HZ)
    with av.open(str(film)) as container:
        for frame in container.decode(audio=0):
            assert isinstance(frame, AudioFrame)
            assert frame.time is not None
            at = round((frame.time - origin_s) * HZ)
            parts += [(at, one.to_ndarray()[0].astype(np.float32)) for one in resampler.resample(frame)]
    sound = np.zeros(max((at + len(samples) for at, samples in parts), default=0), np.float32)
    for at, samples in parts:
        if at + len(samples) > 0:
            sound[max(0, at) : at + len(samples)] = samples[max(0, -at) :]
    return sound


def source_offset_ms(source: Planted, path: Path) -> float | None:
    """Return how far sound and picture are apart in the source itself, the median over its marks."""
    media = probe(FileSource(path))
    origin_s = float(media.origin_pts * media.time_base.fraction())
    stamps, levels = flash_levels(path)
    if not media.audio:
        return None
    sound = sound_of(path, origin_s)
    found: list[float] = []
    for second in range(1, LENGTH_S - 1):
        expected_s = source.mark_s(second)
        flash_s = find_flash([at - origin_s for at in stamps], levels, expected_s)
        beep_s = find_beep(sound, expected_s, second)
        found += [] if flash_s is None or beep_s is None else [(beep_s - flash_s) * 1000]
    return statistics.median(found) if found else None


def main(
    only: Annotated[str, typer.Option(help="Measure only sources whose name contains this.")] = "",
) -> None:
    """Measure every source in every style and print the tables."""
    table = Table(
        "source",
        "montage",
        "clips",
        "offset min",
        "median",
        "max ms",
        "in the source",
        "picture off plan ms",
        box=None,
    )
    everything: list[float] = []
    bad: list[str] = []
    with tempfile.TemporaryDirectory() as directory:
        for source in (one for one in SOURCES if only in one.name):
            styles = (
                ("plain", "card", "slow")
                if source.name in {"plain", "50 fps", "sound starts late"}
                else ("plain",)
            )
            for style in styles:
                folder = Path(directory) / source.name.replace(" ", "_")
                folder.mkdir(exist_ok=True)
                marks = measure(source, folder, style)
                values = [mark.offset_ms for mark in marks if mark.offset_ms is not None]
                if not is_in_sync(source, marks):
                    bad.append(f"{source.name} ({style})")
                everything += values
                planted = source_offset_ms(source, source.make(folder))
                table.add_row(source.name, style, str(len({m.clip for m in marks})), *_row(marks, values, planted))
    console = Console(width=130)
    console.print(table)
    console.print(_distribution(everything))
    if bad:
        console.print(f"not in sync: {', '.join(bad)}")
        raise typer.Exit(1)


def is_in_sync(source: Planted, marks: Sequence[ClipOffset]) -> bool:
    """Say whether every clip has a mark, every mark its flash, and its beep within 40 ms (none without sound)."""
    if {mark.clip for mark in marks} != set(range(len(CLIPS_MS))) or any(mark.flash_s is None for mark in marks):
        return False
    if not source.has_sound:
        return all(mark.beep_s is None for mark in marks)
    return all(mark.offset_ms is not None and abs(mark.offset_ms) < LIMIT_MS for mark in marks)


def _row(marks: Sequence[ClipOffset], values: Sequence[float], planted: float | None) -> tuple[str, ...]:
    off = [abs(mark.flash_s - mark.expected_s) * 1000 for mark in marks if mark.flash_s is not None]
    spread = [f"{pick(values):+.1f}" for pick in (min, statistics.median, max)] if values else ["–"] * 3
    return (*spread, "–" if planted is None else f"{planted:+.1f}", f"{max(off):.0f}" if off else "–")


def _distribution(values: Sequence[float]) -> str:
    if not values:
        return "no offsets"
    sizes = np.abs(np.asarray(values))
    parts = [f"{len(values)} marks", f"median |offset| {np.median(sizes):.1f} ms"]
    parts += [f"p95 {np.percentile(sizes, 95):.1f} ms", f"largest {sizes.max():.1f} ms"]
    parts += [f"within {limit} ms: {np.mean(sizes < limit):.0%}" for limit in (10, 20, 40)]
    return ", ".join(parts)


if __name__ == "__main__":
    typer.run(main)
