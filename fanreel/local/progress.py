"""Live progress of a run: a table on a terminal, a line per change elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .inputs import Inputs
from .job import State

STAGES = {
    "received": "probing",
    "analyzing": "analysing",
    "matching": "matching fans",
    "rendering": "cutting montages",
    "ready": "ready",
    "ready_partial": "ready, with gaps",
    "rejected": "rejected",
    "failed": "failed",
}
COLOURS = {"ready": "green", "ready_partial": "yellow", "rejected": "red", "failed": "red"}


class VideoClock:
    """How long each video's analysis has taken so far, and the length of video it has got through."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began: dict[str, float] = {}
        self._ended: dict[str, float] = {}

    def note(self, video_id: str, video: dict[str, Any]) -> None:
        """Take in the latest state of a video."""
        counts = video.get("segments") or {}
        if counts.get("total"):
            self._began.setdefault(video_id, self._now())
        if counts.get("total") and counts["done"] + counts["failed"] >= counts["total"]:
            self._ended.setdefault(video_id, self._now())

    def speed(self, video_id: str, video: dict[str, Any]) -> float | None:
        """Length of the video analysed so far ÷ time it took; none until a segment is done."""
        counts = video.get("segments") or {}
        began = self._began.get(video_id)
        if began is None or not counts.get("done"):
            return None
        seconds = self._ended.get(video_id, self._now()) - began
        covered = int(video.get("durationMs") or 0) / 1000 * counts["done"] / counts["total"]
        return covered / seconds if seconds > 0.05 else None

    def analysis_seconds(self, video_id: str) -> float | None:
        """Seconds from the plan to the last segment; none while it runs."""
        if video_id not in self._ended:
            return None
        return self._ended[video_id] - self._began[video_id]


class ProgressView:
    """Shows states as they come. Use as a context manager."""

    def __init__(self, inputs: Inputs, console: Console) -> None:
        self.clock = VideoClock()
        self._inputs = inputs
        self._console = console
        self._told: dict[str, str] = {}
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, state: State) -> None:
        """Draw, or write what is new."""
        for video_id, video in state.videos.items():
            self.clock.note(video_id, video)
        if self._live:
            self._live.update(Group(self._table(state), self._fans_line(state)))
            return
        for video in self._inputs.videos:
            known = state.videos.get(video.video_id, {})
            self._tell(video.name, f"{video.name}: {self._stage(known)} {self._counts(known)}".rstrip())
        self._tell("fans", self._fans_line(state).plain)

    def _tell(self, key: str, line: str) -> None:
        if self._told.get(key) != line:
            self._told[key] = line
            self._console.print(line, markup=False)

    def _table(self, state: State) -> Table:
        table = Table.grid(padding=(0, 2))
        for video in self._inputs.videos:
            known = state.videos.get(video.video_id, {})
            counts = known.get("segments") or {}
            total = counts.get("total") or 0
            bar: RenderableType = ProgressBar(total or 1, counts.get("done") or 0, width=24)
            speed = self.clock.speed(video.video_id, known)
            status = str(known.get("status") or "")
            table.add_row(
                Text(video.name, style="bold"),
                bar,
                self._counts(known),
                Text(self._stage(known), style=COLOURS.get(status, "cyan")),
                "" if speed is None else f"{speed:.2f}× real time",
            )
        return table

    def _stage(self, video: dict[str, Any]) -> str:
        status = video.get("status")
        if status is None:
            return "uploaded"
        reason = f" ({video['reason']})" if video.get("reason") else ""
        return STAGES.get(str(status), str(status)) + reason

    def _counts(self, video: dict[str, Any]) -> str:
        counts = video.get("segments") or {}
        if not counts.get("total"):
            return ""
        failed = f", {counts['failed']} failed" if counts.get("failed") else ""
        return f"{counts['done']}/{counts['total']} segments{failed}"

    def _fans_line(self, state: State) -> Text:
        fans = self._inputs.fans
        done = sum(state.fan_done(fan) for fan in fans)
        judged = sum(len(known.get("selfies") or ()) for known in state.fans.values())
        total = sum(len(fan.selfies) for fan in fans)
        return Text(f"fans: {done}/{len(fans)} enrolled and searched ({judged}/{total} selfies)")
