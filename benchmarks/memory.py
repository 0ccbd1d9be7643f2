"""`python -m benchmarks.memory VIDEO [--minutes 30]`: memory while a long video is analysed, merged and searched.

The video is looped without re-encoding to the length asked for. Memory is this process's resident set, the most of
each minute of video: what is flat here stays flat however long the video is.
"""

import os
import resource
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.material import broadcast, quiet_logs
from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.commands.analyze import EVENT_ID
from fanreel.commands.eval_broadcast import enrolled_fans
from fanreel.contracts import SegmentPlanDocument, SegmentResult
from fanreel.domain.matching import MatchPolicy, baseline_calibration, decide_matches
from fanreel.domain.media import plan_segments
from fanreel.domain.merging import MergedVideo, merge_segments
from fanreel.inference.networks import Networks, load_networks
from fanreel.settings import get_settings
from gpu_workers.pipeline.segment import analyze_segment

MINUTE_MS = 60_000
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Memory:
    """The most memory seen in each minute of video, MiB."""

    by_minute: dict[int, float] = field(default_factory=dict[int, float])

    def note(self, pts_ms: int) -> None:
        """Look at the memory now, `pts_ms` into the video."""
        minute = pts_ms // MINUTE_MS
        self.by_minute[minute] = max(self.by_minute.get(minute, 0.0), resident_mib())


def main(
    video: Annotated[Path, typer.Argument(help="The video to loop.")],
    minutes: Annotated[int, typer.Option(min=1, help="Length to loop it to.")] = 30,
) -> None:
    """Measure and print."""
    quiet_logs()
    console = Console(width=100)
    networks = load_networks(get_settings())
    networks.warm_up()
    memory = Memory()
    rows = [("networks loaded and warm", resident_mib(), 0.0)]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        plan, results = _analysed(_looped(video, minutes, Path(folder)), networks, memory)
        minute_rows = [(f"minute {minute + 1}", most, 0.0) for minute, most in sorted(memory.by_minute.items())]
        rows += [*minute_rows, ("all segments", resident_mib(), time.perf_counter() - started)]
    started = time.perf_counter()
    merged = merge_segments(plan, results, [], event_id=EVENT_ID)
    rows.append((f"merged: {len(merged.appearances)} appearances", resident_mib(), time.perf_counter() - started))
    started = time.perf_counter()
    matches = _matches(merged, networks)
    rows.append((f"searched: {matches} matches", resident_mib(), time.perf_counter() - started))
    table = Table(title=f"{video.name} looped to {plan.media.duration_ms / MINUTE_MS:.1f} min")
    for name in ("after", "MiB", "seconds"):
        table.add_column(name, justify="left" if name == "after" else "right")
    for name, mib, seconds in rows:
        table.add_row(name, f"{mib:.0f}", f"{seconds:.1f}" if seconds else "")
    console.print(table)
    console.print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def resident_mib() -> float:
    """Return the resident set of this process."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE_BYTES / 2**20


def _looped(video: Path, minutes: int, folder: Path) -> Path:
    """Return the video repeated to a length, packets copied."""
    out = folder / f"looped{video.suffix}"
    command = [ffmpeg_binary(), "-v", "error", "-nostdin", "-stream_loop", "-1", "-i", f"file:{video}"]
    subprocess.run([*command, "-t", str(60 * minutes), "-c", "copy", f"file:{out}"], check=True)
    return out


def _analysed(video: Path, networks: Networks, memory: Memory) -> tuple[SegmentPlanDocument, list[SegmentResult]]:
    settings, source = get_settings(), FileSource(video)
    media = probe(source)
    segments = plan_segments(media, target_ms=settings.segment_target_ms, overlap_ms=settings.segment_overlap_ms)
    plan = SegmentPlanDocument(video_id="looped", media=media, segments=segments)
    results = [
        analyze_segment(source, media, segment, networks, settings, video_id="looped", progress=memory.note)
        for segment in segments
    ]
    return plan, results


def _matches(merged: MergedVideo, networks: Networks) -> int:
    policy = MatchPolicy(target_false_matches=get_settings().target_false_matches)
    fans = enrolled_fans(broadcast().fans, networks, baseline_calibration())
    return sum(match.decision == "match" for match in decide_matches(fans, list(merged.appearances), policy))


if __name__ == "__main__":
    typer.run(main)
