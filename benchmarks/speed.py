"""`make bench`: the speed of analysing videos and of the whole job, on this machine, now.

Everything is measured in one run on one machine, so the ratios hold where the seconds do not. Each video is
analysed in a process of its own, and set against ffmpeg decoding the video and throwing it away plus the bare time
of the networks' calls.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.table import Table

from benchmarks.decode import decode_floor
from benchmarks.material import Material, broadcast, quiet_logs, shared_media
from benchmarks.one_video import Cost
from benchmarks.peer import peer_line
from fanreel.commands.analyze import STAGES

CLIPS = (
    "video/sports/ucl_football_cuts_1080p.mp4",
    "video/people/station_crowd_1080p.mp4",
    "video/sports/laliga_wide_720p.mp4",
    "video/people/acted_expressions_one_woman.mp4",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A video, what decoding it costs (by the clock, of all cores), and what analysing it costs."""

    name: str
    floor_seconds: float
    floor_cpu_seconds: float
    cost: Cost


def main() -> None:
    """Measure and print."""
    quiet_logs()
    console = Console(width=110)
    material, media = broadcast(), shared_media()
    clips = [media / clip for clip in CLIPS] if media is not None else []
    all_measured = [measured(path) for path in (*clips, material.video)]
    console.print(_overview(all_measured))
    console.print(_stages(all_measured[-1], material))
    console.print(peer_line(material.video))


def measured(video: Path) -> Measured:
    """Measure one video."""
    floor, floor_cpu = decode_floor(video)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.one_video", str(video)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{video}: {done.stderr}")
    return Measured(video.name, floor, floor_cpu, cast(Cost, json.loads(done.stdout)))


def _overview(videos: list[Measured]) -> Table:
    table = Table(title=f"analyze against decoding + bare networks (detector {videos[0].cost['detector']})")
    table.add_column("seconds by the clock / of all cores")
    for name in ("length", "decode", "networks", "analyze", "÷ both", "× real time", "peak MiB"):
        table.add_column(name, justify="right")
    for video in videos:
        cost = video.cost
        bound = video.floor_seconds + cost["bare_seconds"]
        bound_cpu = video.floor_cpu_seconds + cost["bare_cpu_seconds"]
        total = cost["seconds"]["total"]
        table.add_row(
            video.name,
            f"{cost['video_seconds']:.1f}",
            f"{video.floor_seconds:.2f} / {video.floor_cpu_seconds:.2f}",
            f"{cost['bare_seconds']:.2f} / {cost['bare_cpu_seconds']:.2f}",
            f"{total:.2f} / {cost['cpu_seconds']:.2f}",
            f"{total / bound:.2f} / {cost['cpu_seconds'] / bound_cpu:.2f}",
            f"{cost['video_seconds'] / total:.2f}",
            f"{cost['peak_mib']:.0f}",
        )
    return table


def _stages(video: Measured, material: Material) -> Table:
    seconds, length = video.cost["seconds"], video.cost["video_seconds"]
    rows = [("decode floor (ffmpeg to null)", video.floor_seconds)]
    rows += [(label, seconds[stage]) for stage, label in STAGES.items() if stage in seconds]
    rows.append(("analyze, one process, no server", seconds["total"]))
    rows += _end_to_end(material)
    table = Table(title=f"{material.name}, {length:.1f} s; stages overlap")
    for name in ("what", "seconds", "× real time"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for name, spent in rows:
        table.add_row(name, f"{spent:.2f}", f"{length / spent:.2f}" if spent >= 0.01 else "–")
    return table


def _end_to_end(material: Material) -> list[tuple[str, float]]:
    """Run the whole job with a stack of its own."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "fanreel.cli", "run", str(material.video)]
        command += ["--fans", str(material.fans), "--out", out]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"fanreel run failed:\n{done.stdout}{done.stderr}")
        timings = json.loads((Path(out) / "report.json").read_text("utf-8"))["timings"]
    return [
        ("end to end: starting the stack", timings["stackSeconds"]),
        ("end to end: upload to last montage", timings["workSeconds"]),
        ("end to end: everything", timings["totalSeconds"]),
    ]


if __name__ == "__main__":
    main()
