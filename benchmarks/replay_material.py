"""Clips shown again as broadcasts do it: slower, smaller, coded harder, with graphics over them, zoomed in."""

import subprocess
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.adapters.media.frames import iter_frames
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import Shot
from fanreel.domain.replays import Looks
from gpu_workers.pipeline.picture import PictureStage
from gpu_workers.pipeline.sampling import Sampler
from gpu_workers.pipeline.shots import ShotStage

SAMPLE_FPS = 5.0
LEAST_MS = 1_600
"""Shorter shots are not asked for: too few looks to tell."""
PIECE_MS = 4_000
"""Long shots are cut into pieces of this length, each a view from one camera that repeats no other."""

CHOSEN_ON = ("ucl_football_cuts_1080p", "nba_celebrations_13cuts", "friends", "night_stadium_aerial")
JUDGED_ON = (
    "laliga_wide_720p",
    "cricket_ipl_portrait_letterbox",
    "nba_halfcourt",
    "promo_many_faces_20cuts",
    "hamilton_white_house",
    "station_crowd_1080p",
    "chaplin_bw",
)


@dataclass(frozen=True, slots=True)
class Repeat:
    """How a replay differs from what it repeats."""

    name: str
    slower: float
    zoom: float
    quality: int
    """x264's constant rate factor: higher is worse."""
    graphics: bool

    @property
    def filters(self) -> str:
        """The picture's way through ffmpeg."""
        chain = [f"setpts={self.slower}*PTS", "fps=25", "scale=320:-2"]
        if self.zoom != 1:
            chain += [f"crop=iw/{self.zoom}:ih/{self.zoom}", "scale=320:-2"]
        if self.graphics:
            chain += [
                "drawbox=x=iw*0.04:y=ih*0.06:w=iw*0.14:h=ih*0.11:color=red:t=fill",
                "drawbox=x=iw*0.12:y=ih*0.87:w=iw*0.62:h=ih*0.08:color=navy:t=fill",
            ]
        return ",".join([*chain, "setsar=1"])


REPEATS = (
    Repeat("again", 1, 1, 28, graphics=False),
    Repeat("again, logo and banner", 1, 1, 32, graphics=True),
    Repeat("half speed, logo and banner", 2, 1, 32, graphics=True),
    Repeat("third speed, logo and banner", 3, 1, 32, graphics=True),
    Repeat("half speed, 5 % closer, logo", 2, 1.05, 32, graphics=True),
    Repeat("half speed, 15 % closer, logo", 2, 1.15, 32, graphics=True),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """The shots of a clip and what its looks are like."""

    shots: tuple[Shot, ...]
    looks: Looks


def look(path: Path) -> Seen:
    """Look at a clip as a worker does, and cut its long shots into pieces."""
    source = FileSource(path)
    media = probe(source)
    sampler, shots, picture = Sampler(SAMPLE_FPS, from_ms=0), ShotStage(), PictureStage()
    for frame in iter_frames(source, media, 0, media.duration_ms + 1):
        shots.process_frame(frame)
        if sampler.wants(frame.pts_ms):
            picture.process_frame(frame)
    edges = [0, *shots.cuts_ms(0, media.duration_ms + 1), media.duration_ms]
    return Seen(tuple(_pieces(edges)), Looks.of([picture.measures()]))


def repeated(path: Path, seen: Seen, repeat: Repeat, folder: Path) -> Seen:
    """Return the clip shown again; its shots are the clip's own, as much longer as it is slower."""
    made = folder / "again.mp4"
    coding = ("-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", str(repeat.quality), "-pix_fmt", "yuv420p")
    command = [ffmpeg_binary(), "-v", "error", "-y", "-nostdin", "-threads", "1", "-i", str(path)]
    subprocess.run([*command, "-vf", repeat.filters, *coding, str(made)], check=True)
    shots = tuple(
        Shot(start_ms=round(s.start_ms * repeat.slower), end_ms=round(s.end_ms * repeat.slower))
        for s in seen.shots
    )
    return Seen(shots, look(made).looks)


def joined(parts: list[Seen]) -> Seen:
    """Return one programme of several, one after the other."""
    shots: list[Shot] = []
    times: list[np.ndarray] = []
    start = 0
    for part in parts:
        shots += [
            s.model_copy(update={"start_ms": s.start_ms + start, "end_ms": s.end_ms + start}) for s in part.shots
        ]
        times.append(part.looks.times_ms + start)
        start += max(part.shots[-1].end_ms, int(part.looks.times_ms[-1]) + 1)
    return Seen(tuple(shots), Looks(np.concatenate(times), np.concatenate([part.looks.hashes for part in parts])))


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for what is made on the way."""
    return tempfile.TemporaryDirectory(prefix="fanreel-replays-")


def _pieces(edges: list[int]) -> list[Shot]:
    pieces: list[Shot] = []
    for start, end in pairwise(edges):
        count = max(1, round((end - start) / PIECE_MS))
        inner = np.linspace(start, end, count + 1).round().astype(int).tolist()
        pieces += [Shot(start_ms=a, end_ms=b) for a, b in pairwise(inner)]
    return pieces
