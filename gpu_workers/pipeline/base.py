"""What the stages of the vision pipeline have in common."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from typing import ClassVar, Protocol

from fanreel.domain.faces import Bgr


class PipelineFrame(Protocol):
    """A decoded frame as stages see it; pictures are made when asked for and must not be written to."""

    @property
    def pts_ms(self) -> int:
        """Milliseconds from the video's first presented frame."""
        ...

    @property
    def coded_size(self) -> tuple[int, int]:
        """Width and height as coded; pictures have one size all the same."""
        ...

    def bgr(self) -> Bgr:
        """Return the picture at the video's displayed size."""
        ...

    def small(self, width: int) -> Bgr:
        """Return the picture at most `width` pixels wide."""
        ...


class FrameStage(ABC):
    """A stage fed frames in order of time, one segment through; its own methods give the result afterwards."""

    name: ClassVar[str]
    """Key of the stage in the `seconds` of a result."""

    @abstractmethod
    def process_frame(self, frame: PipelineFrame) -> None:
        """Take in the next frame."""


class StageClock:
    """Wall seconds spent per stage; a stage at work in several threads at once counts all of them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, name: str, seconds: float) -> None:
        """Add to the stage's total."""
        with self._lock:
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    @contextmanager
    def measure(self, name: str) -> Generator[None]:
        """Add the time of the block to the stage's total."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - started)
