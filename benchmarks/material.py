"""What the benchmarks run on: the shared test media where it lies beside the checkout, else the demo broadcast."""

import logging
from dataclasses import dataclass
from pathlib import Path

import structlog

from fanreel.demo import make_demo
from fanreel.local.processes import project_root
from fanreel.local.servers import npm_package


@dataclass(frozen=True, slots=True)
class Material:
    """A broadcast, one folder of selfies per fan, and the file that says who is really seen when."""

    name: str
    video: Path
    fans: Path
    truth: Path


def shared_media() -> Path | None:
    """Return the directory of shared test media, if there is one."""
    path = project_root().parent / "shared" / "media"
    return path if path.is_dir() else None


def broadcast() -> Material:
    """Return the shared broadcast, or the demo."""
    media = shared_media()
    if media is not None:
        folder = media / "broadcast"
        return Material("shared broadcast", folder / "broadcast.mp4", folder / "selfies", folder / "truth.json")
    demo = make_demo(project_root() / ".fanreel" / "demo", npm_package("@vladmandic/face-api"))
    return Material("demo broadcast", demo.broadcast, demo.fans, demo.truth)


def quiet_logs() -> None:
    """Keep the pipeline's events out of the tables."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
