"""Decoding beside inference: a thread that finds cuts on every frame and hands over the frames to be looked at."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType

from fanreel.adapters.media.frames import DecodeStats, Frame, iter_frames
from fanreel.adapters.media.source import MediaSource
from fanreel.contracts import MediaInfo, Segment

from .base import StageClock
from .sampling import Sampler
from .shots import ShotSettings, ShotStage

QUEUED_FRAMES, QUEUED_BYTES = 4, 50_000_000
"""Sampled frames that may wait, enough to even out key frames, and what their pictures may take."""

_SHOTS = ShotSettings()


def picture_bytes(media: MediaInfo) -> int:
    """Return what a displayed picture of the video takes, BGR."""
    return 3 * media.width * media.height


def frames_within(most: int, budget_bytes: int, frame_bytes: int, least: int = 1) -> int:
    """Return how many pictures of `frame_bytes` may be held: what fits in the budget, from `least` to `most`.

    `least` are held whatever they take: work stands still with fewer.
    """
    return max(least, min(most, budget_bytes // max(frame_bytes, 1)))


@dataclass(frozen=True, slots=True)
class SampledFrame:
    """A frame to look at, and the cuts known when it was decoded: complete before `known_until_ms`."""

    frame: Frame
    cuts_ms: tuple[int, ...]
    known_until_ms: int


class DecodeThread:
    """Iterate over it, inside `with`, for the sampled frames; afterwards `shots` and `stats` are complete."""

    def __init__(
        self, source: MediaSource, media: MediaInfo, segment: Segment, sample_fps: float, clock: StageClock
    ) -> None:
        self.shots = ShotStage()
        self.stats = DecodeStats()
        self._open: Callable[[], Generator[Frame]] = lambda: iter_frames(
            source, media, segment.start_ms, segment.decode_end_ms, self.stats
        )
        self._segment = segment
        self._sampler = Sampler(sample_fps, from_ms=segment.start_ms)
        self._clock = clock
        self._frames: queue.Queue[SampledFrame | BaseException | None] = queue.Queue(
            frames_within(QUEUED_FRAMES, QUEUED_BYTES, picture_bytes(media))
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._decode, name="decode", daemon=True)

    def __enter__(self) -> "DecodeThread":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def __iter__(self) -> Iterator[SampledFrame]:
        while True:
            started = time.perf_counter()
            item = self._frames.get()
            self._clock.add("wait", time.perf_counter() - started)
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def _decode(self) -> None:
        try:
            self._read()
            self._put(None)
        except Exception as error:
            self._put(error)

    def _read(self) -> None:
        with closing(self._open()) as frames:
            self._pass_on(frames)

    def _pass_on(self, frames: Iterator[Frame]) -> None:
        recent: deque[int] = deque(maxlen=_SHOTS.frames_ahead + 2)
        while not self._stop.is_set():
            with self._clock.measure("decode"):
                frame = next(frames, None)
            if frame is None:
                return
            with self._clock.measure(self.shots.name):
                self.shots.process_frame(frame)
            recent.append(frame.pts_ms)
            if self._sampler.wants(frame.pts_ms):
                with self._clock.measure("convert"):
                    frame.bgr()
                frame.release()  # the shot stage made the small picture
                cuts = self.shots.cuts_ms(self._segment.start_ms, self._segment.decode_end_ms)
                self._put(SampledFrame(frame, cuts, recent[0] - _SHOTS.min_gap_ms))

    def _put(self, item: SampledFrame | BaseException | None) -> None:
        """Wait for room, but not for a reader that has gone."""
        while not self._stop.is_set():
            try:
                self._frames.put(item, timeout=0.2)
            except queue.Full:
                continue
            return
