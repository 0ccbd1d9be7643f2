"""Frames of a time range, by true PTS, each exactly once."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import chain

from av.codec.context import ThreadType
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fanreel.contracts.media import MediaInfo
from fanreel.domain.faces import Bgr

from .clock import RESTART_SECONDS
from .container import PacketFaults, decoded, only, opened, packets, stamp, to_ms, to_pts
from .picture import Converter, square_aspect
from .source import MediaSource

SEEK_BACK_MS = (0, 2_000, 10_000, 30_000, 120_000)
"""How far before the wanted time to look for a keyframe, one after the other: an index may list decoding times,
a transport stream has none at all, and an open GOP needs the one before."""

RESTART_FRAMES = 12
"""So many frames in a row that far back are a clock that starts again; fewer are broken timestamps."""


@dataclass(slots=True)
class DecodeStats:
    """What decoding a range came to; complete when the iteration has ended.

    `frames_corrupt` counts unreadable packets and frames the decoder flagged. `last_pts_ms` is -1 while no
    frame was seen.
    """

    frames_decoded: int = 0
    frames_corrupt: int = 0
    last_pts_ms: int = -1


class Frame:
    """A decoded frame; converted when first asked, and once."""

    __slots__ = ("_bgr", "_converter", "_small", "_small_for", "_source", "coded_size", "is_corrupt", "pts_ms")

    def __init__(self, source: VideoFrame, pts_ms: int, converter: Converter) -> None:
        self.pts_ms = pts_ms
        self.coded_size: tuple[int, int] = (source.width, source.height)
        """Width and height as coded; another one than the frame's before is a change of programme."""
        self.is_corrupt: bool = source.is_corrupt
        """Whether the decoder flagged the picture as damaged."""
        self._source: VideoFrame | None = source
        self._converter = converter
        self._bgr: Bgr | None = None
        self._small: Bgr | None = None
        self._small_for = 0  # the width that was asked for: a narrow picture stays narrower

    def bgr(self) -> Bgr:
        """Return the picture at the video's displayed size; the same array every time, not to be written to."""
        if self._bgr is None:
            self._bgr = self._converter.full(self._coded())
        return self._bgr

    def small(self, width: int) -> Bgr:
        """Return the picture at most `width` pixels wide, aspect kept, without converting the full one."""
        if self._small is None or self._small_for != width:
            self._small_for = width
            self._small = self._converter.small(self._coded(), width)
        return self._small

    def release(self) -> None:
        """Let go of the coded picture, half as large as the full one; pictures made so far can still be had."""
        self._source = None

    def _coded(self) -> VideoFrame:
        assert self._source is not None, "The frame was released before this picture was made."
        return self._source


def iter_frames(
    source: MediaSource, media: MediaInfo, start_ms: int, end_ms: int, stats: DecodeStats | None = None
) -> Generator[Frame]:
    """Yield every frame with start_ms <= pts_ms < end_ms, once, in order of presentation.

    Broken packets are skipped and counted in `stats`. Reads from the last keyframe before the range on. Closing
    the generator closes the container. Raises what the source raises, and InputRejected when it cannot be opened.
    """
    stats = stats if stats is not None else DecodeStats()
    faults = PacketFaults()
    done_ms = start_ms - 1
    try:
        for frame in _pass(source, media, start_ms, end_ms, faults, ThreadType.AUTO):
            done_ms = frame.pts_ms
            _count(stats, frame)
            yield frame
        if faults.lost_at_end:
            for frame in _pass(source, media, done_ms + 1, end_ms, PacketFaults(), ThreadType.SLICE):
                _count(stats, frame)
                yield frame
    finally:
        stats.frames_corrupt += faults.count


def _count(stats: DecodeStats, frame: Frame) -> None:
    stats.frames_decoded += 1
    stats.frames_corrupt += frame.is_corrupt
    stats.last_pts_ms = frame.pts_ms


def _pass(
    source: MediaSource, media: MediaInfo, start_ms: int, end_ms: int, faults: PacketFaults, threads: ThreadType
) -> Iterator[Frame]:
    """Decode the range once. SLICE threads report a broken packet at once; AUTO (frame by frame) is faster."""
    with opened(source) as container:
        pictures = _sought(container, _video(container, media, threads), media, start_ms, faults)
        if pictures is not None:
            yield from _in_range(pictures, media, start_ms, end_ms)
            return
    faults.count = 0
    with opened(source) as container:
        pictures = _decode(container, _video(container, media, threads), faults)
        yield from _in_range(pictures, media, start_ms, end_ms)


def _in_range(pictures: Iterator[VideoFrame], media: MediaInfo, start_ms: int, end_ms: int) -> Iterator[Frame]:
    """Yield what is in range, ascending; end where the clock starts again, since times mean two pictures there."""
    converter = Converter(square_aspect(media.sample_aspect.fraction()), (media.width, media.height))
    back = int(RESTART_SECONDS / media.time_base.fraction())
    last_pts: int | None = None
    far_behind = 0
    for picture in pictures:
        pts = stamp(picture)
        if pts is None:
            continue
        if last_pts is not None and pts <= last_pts:
            far_behind = far_behind + 1 if pts < last_pts - back else 0
            if far_behind >= RESTART_FRAMES:
                return
            continue
        last_pts, far_behind = pts, 0
        pts_ms = to_ms(media, pts)
        if pts_ms >= end_ms:
            return
        if pts_ms >= start_ms:
            yield Frame(picture, pts_ms, converter)


def _video(container: InputContainer, media: MediaInfo, threads: ThreadType) -> VideoStream:
    stream = container.streams[media.video_index]
    assert isinstance(stream, VideoStream)
    stream.thread_type = threads
    only(container, stream)
    return stream


def _sought(
    container: InputContainer, stream: VideoStream, media: MediaInfo, start_ms: int, faults: PacketFaults
) -> Iterator[VideoFrame] | None:
    """Return decoded frames beginning at or before start_ms; None when only reading from the start can."""
    if start_ms <= 0:
        return _decode(container, stream, faults)
    wanted = to_pts(media, start_ms)
    for back_ms in SEEK_BACK_MS:
        if start_ms - back_ms <= 0:
            break
        faults.count = 0
        try:
            container.seek(to_pts(media, start_ms - back_ms), stream=stream, backward=True)
        except FFmpegError:
            break
        pictures = _decode(container, stream, faults, keyed_by=wanted)
        first = next(pictures, None)
        if first is not None and (at := stamp(first)) is not None and at <= wanted:
            return chain((first,), pictures)
    return None


def _decode(
    container: InputContainer, stream: VideoStream, faults: PacketFaults, keyed_by: int | None = None
) -> Iterator[VideoFrame]:
    """Yield frames from where the container stands.

    With `keyed_by`, packets before the first keyframe are skipped, and nothing comes when that keyframe is
    presented later.
    """
    waiting = keyed_by is not None
    for packet in packets(container, stream, faults):
        if waiting and packet is not None and packet.size:
            if not packet.is_keyframe:
                continue
            at = stamp(packet)
            if at is None or (keyed_by is not None and at > keyed_by):
                return
            waiting = False
        yield from decoded(stream, packet, faults)
