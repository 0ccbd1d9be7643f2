"""What one analysis costs, in a process of its own: `python -m benchmarks.one_video VIDEO` prints it as JSON.

The networks' calls are noted while the video is analysed and made once more afterwards, on empty pictures of the
same shapes, all cores doing nothing else: the bare time of the networks.
"""

import json
import resource
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from benchmarks.material import quiet_logs
from fanreel.adapters.media.source import FileSource
from fanreel.commands.analyze import analyze_video
from fanreel.inference.networks import Networks, load_networks
from fanreel.inference.runtime import Array, OnnxSession, usable_cores
from fanreel.settings import get_settings

Call = tuple[tuple[str, tuple[int, ...], str], ...]
"""The inputs of one call: name, shape, dtype."""


class Cost(TypedDict):
    """Seconds by the clock and of all cores, and what they bought."""

    video_seconds: float
    detector: str
    seconds: dict[str, float]
    cpu_seconds: float
    bare_seconds: float
    bare_cpu_seconds: float
    network_calls: int
    peak_mib: float


@dataclass(slots=True)
class NotedSession:
    """A session that notes what it is asked, from whatever thread."""

    session: OnnxSession
    calls: list[Call] = field(default_factory=list[Call])

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Batch sizes worth running, largest first, ending in 1."""
        return self.session.batch_sizes

    @property
    def fills_batches(self) -> bool:
        """Whether a batch is filled up to the next size or split."""
        return self.session.fills_batches

    @property
    def calls_at_once(self) -> int:
        """How many calls are worth making at the same time."""
        return self.session.calls_at_once

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Return all outputs by name."""
        self.calls.append(tuple((name, value.shape, value.dtype.str) for name, value in feeds.items()))
        return self.session.run(feeds)

    def again(self, call: Call) -> None:
        """Make a call once more."""
        self.session.run({name: np.zeros(shape, dtype) for name, shape, dtype in call})


def noted(networks: Networks) -> tuple[Networks, list[NotedSession]]:
    """Return the networks with every session noting its calls."""
    sessions: dict[int, NotedSession] = {}

    def wrap(value: Any) -> Any:
        if isinstance(value, OnnxSession):
            return sessions.setdefault(id(value), NotedSession(value))
        if is_dataclass(value) and not isinstance(value, type) and not isinstance(value, NotedSession):
            changed = {f.name: wrap(getattr(value, f.name)) for f in fields(value) if f.init}
            return replace(value, **{n: v for n, v in changed.items() if v is not getattr(value, n)})
        return value

    return wrap(networks), list(sessions.values())


def measure(path: Path) -> Cost:
    """Analyse a video, then run its networks alone."""
    settings = get_settings()
    networks, sessions = noted(load_networks(settings))
    networks.warm_up()
    for session in sessions:
        session.calls.clear()
    before = _cpu_seconds()
    analysis = analyze_video(FileSource(path), networks, settings)
    cpu_seconds = _cpu_seconds() - before
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    before, started = _cpu_seconds(), time.perf_counter()
    with ThreadPoolExecutor(usable_cores()) as pool:
        for session in sessions:
            list(pool.map(session.again, session.calls))
    return Cost(
        video_seconds=analysis.media.duration_ms / 1000,
        detector=networks.detector.name,
        seconds=analysis.seconds,
        cpu_seconds=cpu_seconds,
        bare_seconds=time.perf_counter() - started,
        bare_cpu_seconds=_cpu_seconds() - before,
        network_calls=sum(len(session.calls) for session in sessions),
        peak_mib=peak_mib,
    )


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    quiet_logs()
    print(json.dumps(measure(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
