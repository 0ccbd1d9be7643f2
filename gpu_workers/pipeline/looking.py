"""Looks taken beside everything else: several frames at once, answers in the order of the frames."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import cv2

from fanreel.inference.runtime import Provider, usable_cores

from .decoding import SampledFrame, frames_within
from .faces import FaceStage, Look

FRAMES_TOGETHER: dict[Provider, int] = {"cpu": 1, "cuda": 8}
"""Frames that share a call of the detector. A CPU gains nothing by it: larger planes fall out of its cache."""
CUDA_THREADS = 2
"""One prepares the next frames while the device is busy with the other's."""
FRAMES_AHEAD, BYTES_AHEAD = 12, 150_000_000
"""Frames on their way or waiting to be taken, work to do while faces are being embedded, and what their pictures
may take: of 1080p all twelve fit, of 4K six. Every thread has work and one frame waits, whatever that takes."""

Taken = tuple[Look, SampledFrame]


class LookThreads:
    """Hand frames in with `submit`, inside `with`, and take the looks from `ready` and at last from `rest`.

    A network call stays in the thread that makes it (`RuntimeOptions.threads`), so that work is spread by frames:
    two threads with a frame each are a quarter faster than two that share the layers of one.
    """

    def __init__(self, stage: FaceStage, provider: Provider, threads: int = 0, *, frame_bytes: int) -> None:
        cv2.setNumThreads(1)  # the same for picture operations; OpenCV knows only one number for the whole process
        self._stage = stage
        self._together = FRAMES_TOGETHER[provider]
        workers = CUDA_THREADS if provider == "cuda" else threads or usable_cores()
        self.most_ahead = frames_within(
            FRAMES_AHEAD, BYTES_AHEAD, frame_bytes, least=max(workers, self._together) + 1
        )
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="look")
        self._waiting: list[SampledFrame] = []
        self._running: deque[tuple[Future[list[Look]], list[SampledFrame]]] = deque()
        self.looks_taken = 0
        self.detections = 0

    def __enter__(self) -> "LookThreads":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, frame: SampledFrame) -> None:
        """Take in the next frame."""
        self._waiting.append(frame)
        if len(self._waiting) >= self._together:
            self._start()

    def ready(self) -> Iterator[Taken]:
        """Yield what is done, in order, and wait only when too many frames are on their way; raises ModelFault."""
        while self._running and (self._running[0][0].done() or self._ahead > self.most_ahead):
            yield from self._take()

    def rest(self) -> Iterator[Taken]:
        """Yield everything that was handed in; raises ModelFault."""
        self._start()
        while self._running:
            yield from self._take()

    @property
    def _ahead(self) -> int:
        return sum(len(frames) for _, frames in self._running)

    def _start(self) -> None:
        frames, self._waiting = self._waiting, []
        if frames:
            future = self._pool.submit(self._stage.look, [f.frame for f in frames], self.looks_taken)
            self._running.append((future, frames))
            self.looks_taken += len(frames)

    def _take(self) -> Iterator[Taken]:
        future, frames = self._running.popleft()
        looks = future.result()
        self.detections += sum(len(look.boxes) for look in looks)
        yield from zip(looks, frames, strict=True)
