"""One way to open a container, walk its packets and decode them without dying of what is broken."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO

import av
import av.logging
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard, Stream

from fanreel.contracts.media import MediaInfo
from fanreel.errors import InputRejected

from .source import MediaSource

av.logging.set_level(None)  # broken packets are counted, not printed

READ_BYTES = 64 * 1024
"""What libavformat asks of the file at a time; small, because a container's streams may lie apart."""
MAX_FAILURES = 100
"""Consecutive unreadable packets after which the data is taken to have ended."""

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,flv,mxf,asf,ogg,wtv,dv,gxf,mpegvideo,mp3,wav,aac,flac"
)
"""Containers we read. Playlists and scripts (hls, dash, concat) are left out on purpose: they make the reader open
other files and addresses. The audio ones are in so that sound alone is called `no_video_stream`."""

Decoded = Any  # av.VideoFrame or av.AudioFrame, by the stream's kind


@dataclass(slots=True)
class PacketFaults:
    """How many packets could not be read or decoded.

    `lost_at_end`: the decoder failed while being emptied, where PyAV cannot go on receiving; the frames it still
    held are lost.
    """

    count: int = 0
    lost_at_end: bool = False


class ReadBudgetSpent(Exception):
    """More was read than the caller wanted to afford."""


@dataclass(slots=True)
class ReadBudget:
    """Bytes that may still be read; None for any number."""

    left: int | None = None


@contextmanager
def opened(source: MediaSource, budget: ReadBudget | None = None) -> Generator[InputContainer]:
    """Open a source as a container and close both afterwards.

    Raises InputRejected `empty_file` or `not_a_video`, and ReadBudgetSpent once the budget (its owner may change
    it at any time) is used up.
    """
    with source.open() as file:
        if file.seek(0, 2) == 0:
            raise InputRejected("empty_file", "The file is empty; upload it again.", file=source.name)
        file.seek(0)
        try:
            container = av.open(
                _Nameless(file, budget or ReadBudget()),
                mode="r",
                buffer_size=READ_BYTES,
                container_options={"format_whitelist": FORMATS},
            )
        except (FFmpegError, UnicodeError) as error:
            raise InputRejected(
                "not_a_video", "The file is not a video we can read; upload MP4, MOV, MKV or TS.", file=source.name
            ) from error
        with container:
            yield container


class _Nameless:
    """A file without its name: the name's ending must not decide which demuxer is tried."""

    def __init__(self, file: BinaryIO, budget: ReadBudget) -> None:
        self._read = file.read
        self._budget = budget
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable
        self.readable = file.readable

    def read(self, size: int) -> bytes:
        if self._budget.left is not None:
            self._budget.left -= size
            if self._budget.left < 0:
                raise ReadBudgetSpent
        return self._read(size)


def only(container: InputContainer, wanted: Stream) -> None:
    """Let the demuxer skip every other stream."""
    for stream in container.streams:
        if stream.index != wanted.index:
            stream.discard = Discard.all


def packets(
    container: InputContainer, streams: Stream | tuple[Stream, ...], faults: PacketFaults
) -> Iterator[Any]:
    """Yield the streams' packets, the empty flushing one last; unreadable stretches are counted and skipped."""
    failures = 0
    while failures < MAX_FAILURES:
        try:
            for packet in container.demux(streams):
                failures = 0
                yield packet
            return
        except FFmpegError:
            failures += 1
            faults.count += 1
    yield None


def decoded(stream: Stream, packet: Any, faults: PacketFaults) -> list[Decoded]:
    """Decode one packet (None flushes); a broken one is counted and gives nothing."""
    try:
        return stream.codec_context.decode(packet)  # pyright: ignore[reportAttributeAccessIssue]
    except FFmpegError:
        faults.count += 1
        faults.lost_at_end = packet is None or not packet.size
        return []


def stamp(item: Any) -> int | None:
    """Return when a frame or packet is presented: its PTS, or DTS in containers that keep none."""
    return item.pts if item.pts is not None else item.dts


def to_ms(media: MediaInfo, pts: int, time_base: Fraction | None = None) -> int:
    """Convert a stream's PTS to `pts_ms`, rounded down, exactly."""
    base = media.time_base.fraction()
    seconds = pts * (time_base or base) - media.origin_pts * base
    return int(seconds * 1000 // 1)


def to_pts(media: MediaInfo, time_ms: int, time_base: Fraction | None = None) -> int:
    """Return the least PTS whose `pts_ms` is at least `time_ms`."""
    base = media.time_base.fraction()
    seconds = Fraction(time_ms, 1000) + media.origin_pts * base
    return -int(-seconds / (time_base or base) // 1)
