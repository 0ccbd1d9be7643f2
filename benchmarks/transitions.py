"""How well dissolves are found, and what is taken for one: mixes of real clips, and the clips themselves.

    python -m benchmarks.transitions --videos ../shared/media/video

Stretches of two clips are mixed frame by frame, as a vision mixer does it; what moves goes on moving, and some
hold a cut of their own. The numbers of fanreel/domain/transitions.py were chosen on such mixes of these very
clips: what is printed is not held out.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from fanreel.adapters.media.frames import iter_frames
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import Transition
from fanreel.domain.faces import Bgr
from fanreel.domain.transitions import boundary_ms
from gpu_workers.pipeline.shots import WORK_SIZE, ShotStage

CLIPS = (
    "people/friends.mp4",
    "people/hamilton_white_house.mp4",
    "people/chaplin_bw.mp4",
    "people/station_crowd_1080p.mp4",
    "sports/laliga_wide_720p.mp4",
    "sports/nba_celebrations_13cuts.mp4",
    "sports/nba_halfcourt.mp4",
    "sports/night_stadium_aerial.mp4",
    "sports/ucl_football_cuts_1080p.mp4",
)
LENGTHS_FRAMES = (6, 12, 25, 40)
MIXES = 40
LEAD_FRAMES = 20
FRAME_MS = 40


@dataclass(frozen=True, slots=True)
class _Drawn:
    pts_ms: int
    picture: Bgr

    @property
    def coded_size(self) -> tuple[int, int]:
        return WORK_SIZE

    def bgr(self) -> Bgr:
        return self.picture

    def small(self, width: int) -> Bgr:  # noqa: ARG002
        return self.picture


def main(videos: Annotated[Path, typer.Option("--videos", help="The folder of the shared clips.")]) -> None:
    """Print how many made dissolves are found, and where, and the transitions found in the clips as they are."""
    console = Console(width=110)
    clips = {name: _pictures(videos / name) for name in CLIPS}
    table = Table(title=f"dissolves of {len(CLIPS)} clips into each other, {MIXES} of each length")
    for name in ("frames", "found", "middle off by, frames (median)", "length found / true (median)"):
        table.add_column(name, justify="right")
    rng = np.random.default_rng(0)
    for length in LENGTHS_FRAMES:
        found = [one for _ in range(MIXES) if (one := _tried(list(clips.values()), length, rng)) is not None]
        off, ratio = (np.median([one[row] for one in found]) if found else np.nan for row in (0, 1))
        table.add_row(str(length), f"{len(found)} of {MIXES}", f"{off:.1f}", f"{ratio:.2f}")
    console.print(table)
    for name, pictures in clips.items():
        seen = [f"{t.kind} {t.start_ms // FRAME_MS}–{t.end_ms // FRAME_MS}" for t in _stage(pictures)]
        console.print(f"{name}: {', '.join(seen) or 'no transition'}", highlight=False)


def _tried(clips: list[list[Bgr]], length: int, rng: np.random.Generator) -> tuple[float, float] | None:
    """Mix two clips; return how far off the middle was found and the length's ratio, or None."""
    one, two = (_stretch(clips[int(row)], length, rng) for row in rng.choice(len(clips), 2, replace=False))
    mixed: list[Bgr] = []
    for step in range(length):
        share = (step + 1) / (length + 1)
        blend = cv2.addWeighted(one[LEAD_FRAMES + step], 1 - share, two[step], share, 0)
        mixed.append(np.asarray(blend, np.uint8))
    middle = LEAD_FRAMES + length / 2
    for transition in _stage([*one[:LEAD_FRAMES], *mixed, *two[length:]]):
        off = abs(boundary_ms(transition) / FRAME_MS - middle)
        if transition.kind == "dissolve" and off <= max(3.0, length / 4):
            return off, (transition.end_ms - transition.start_ms) / FRAME_MS / length
    return None


def _stretch(clip: list[Bgr], length: int, rng: np.random.Generator) -> list[Bgr]:
    start = int(rng.integers(0, len(clip) - length - LEAD_FRAMES))
    return clip[start : start + length + LEAD_FRAMES]


def _stage(pictures: list[Bgr]) -> tuple[Transition, ...]:
    stage = ShotStage()
    for index, picture in enumerate(pictures):
        stage.process_frame(_Drawn(index * FRAME_MS, picture))
    return stage.transitions(0, len(pictures) * FRAME_MS)


def _pictures(path: Path) -> list[Bgr]:
    source = FileSource(path)
    media = probe(source)
    frames = iter_frames(source, media, 0, media.duration_ms + 1)
    return [np.asarray(cv2.resize(frame.small(WORK_SIZE[0]), WORK_SIZE), np.uint8) for frame in frames]


if __name__ == "__main__":
    typer.run(main)
