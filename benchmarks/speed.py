"""`make bench`: seconds and × real time of the decode floor, each stage and the whole job, on this machine, now.

Everything is measured in one run on one machine, so the ratios hold where the seconds do not.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.decode import decode_floor
from benchmarks.material import Material, broadcast, quiet_logs
from fanreel.adapters.media.source import FileSource
from fanreel.commands.analyze import STAGES, analyze_video
from fanreel.inference.networks import load_networks
from fanreel.settings import get_settings


def main() -> None:
    """Measure and print."""
    quiet_logs()
    material = broadcast()
    console = Console(width=100)
    rows: list[tuple[str, float]] = [("decode floor (ffmpeg to null)", decode_floor(material.video))]
    networks = load_networks(get_settings())
    networks.warm_up()
    analysis = analyze_video(FileSource(material.video), networks, get_settings())
    length = analysis.media.duration_ms / 1000
    rows += [(label, analysis.seconds[stage]) for stage, label in STAGES.items() if stage in analysis.seconds]
    rows.append(("analyze, one process, no server", analysis.seconds["total"]))
    rows += _end_to_end(material)

    table = Table(title=f"{material.name}, {length:.1f} s, detector {networks.detector.name}")
    for name in ("what", "seconds", "× real time", "× decode floor"):
        table.add_column(name, justify="left" if name == "what" else "right")
    floor = rows[0][1]
    for name, seconds in rows:
        speed = f"{length / seconds:.2f}" if seconds >= 0.01 else "–"
        table.add_row(name, f"{seconds:.2f}", speed, f"{seconds / floor:.2f}")
    console.print(table)


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
