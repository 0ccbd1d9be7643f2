"""What a container holds, told by its data and not only by its header."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, BinaryIO

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fanreel.contracts.media import AudioInfo, MediaInfo, Rational
from fanreel.errors import InputRejected

from .clock import restarts
from .container import PacketFaults, ReadBudget, ReadBudgetSpent, decoded, only, opened, packets, stamp
from .picture import Converter, orientation_of, square_aspect
from .source import MediaSource

FIRST_FRAME_PACKETS = 1_000
"""Packets tried for a first decodable frame: 40 s at 25 fps, more than any keyframe interval in use."""
TAIL_SECONDS = 4
"""How much of the end is read (not decoded) to see where the last frame lies."""
TAIL_BUDGET_BYTES = 64 * 1024 * 1024
"""Most bytes read for that; a container without an index would else be read whole."""
TRUNCATED_SECONDS = 2.0
TRUNCATED_SHARE = 0.02
"""An unindexed file ends early when both this much and this share of its declared length are missing."""
MAX_FRAME_RATE = 1_000
PICTURE_STREAM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
TRANSFERS = {
    1: "bt709",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    13: "srgb",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    18: "arib-std-b67",
}
"""ITU-T H.273 transfer characteristics by number."""


def probe(source: MediaSource) -> MediaInfo:
    """Open, decode the first frame, look at the index and at the end.

    Reads header, index, first and last pictures only. `duration_ms` is where the last frame that is really there
    ends. Raises InputRejected: `empty_file`, `not_a_video`, `index_missing` (an MP4 cut off before its index),
    `no_video_stream` (sound only, or just cover art), `no_decodable_frame`, `clock_restarts` (two recordings in
    one file).
    """
    try:
        budget = ReadBudget()
        with opened(source, budget) as container:
            opening = _first_frame(container, source)
            index = _read_index(opening.stream, container.size)
            budget.left = TAIL_BUDGET_BYTES
            end_pts = _last_end(container, opening.stream, index)
            if restarts(container, opening.stream):
                raise InputRejected(
                    "clock_restarts",
                    "The file joins recordings whose clocks all start anew; upload them one by one.",
                    file=source.name,
                )
            budget.left = None
            return _described(source, container, opening, index, end_pts)
    except InputRejected as error:
        if error.code == "not_a_video" and _lacks_index(source):
            raise InputRejected(
                "index_missing",
                "The file ends before its index: the upload was cut off. Upload it again.",
                file=source.name,
            ) from error
        raise


@dataclass(frozen=True, slots=True)
class _Opening:
    """The stream to use, its first presented frame, and by how much its keyframes' PTS exceed their DTS."""

    stream: VideoStream
    frame: VideoFrame
    delay: int


def _first_frame(container: InputContainer, source: MediaSource) -> _Opening:
    """Return the stream to use and its first presented frame: the largest picture that decodes."""
    candidates = [s for s in container.streams.video if not s.disposition & PICTURE_STREAM]
    if not candidates:
        raise InputRejected(
            "no_video_stream", "The file holds no moving picture; upload the video itself.", file=source.name
        )
    candidates.sort(key=lambda s: (s.frames == 0 and not len(s.index_entries), -s.width * s.height))
    wanted = {stream.index for stream in candidates}
    for other in container.streams:
        if other.index not in wanted:
            other.discard = Discard.all
    faults = PacketFaults()
    first: dict[int, VideoFrame] = {}
    delays: dict[int, int] = {}
    for count, packet in enumerate(packets(container, tuple(candidates), faults)):
        if packet is None or count > FIRST_FRAME_PACKETS or candidates[0].index in first:
            break
        at = packet.stream_index
        if packet.is_keyframe and packet.pts is not None and packet.dts is not None:
            delays.setdefault(at, packet.pts - packet.dts)
        if at not in first:
            for frame in decoded(packet.stream, packet, faults)[:1]:
                first[at] = frame
    for stream in candidates:
        if stream.index in first:
            return _Opening(stream, first[stream.index], delays.get(stream.index, 0))
    raise InputRejected(
        "no_decodable_frame", "No picture of the video can be decoded; export it again as H.264.", file=source.name
    )


@dataclass(frozen=True, slots=True)
class _Index:
    """What the container's sample index says. Timestamps are decoding times in the stream's time base."""

    keyframes: tuple[int, ...] = ()
    last_present: int | None = None
    beyond_end: bool = False
    complete: bool = False


def _read_index(stream: VideoStream, size: int) -> _Index:
    """Read the index; samples that lie beyond the file's end are not there."""
    keyframes: list[int] = []
    last_present: int | None = None
    beyond = False
    entries = stream.index_entries
    for entry in entries:
        if entry.pos + entry.size > size:
            beyond = True
            continue
        last_present = entry.timestamp if last_present is None else max(last_present, entry.timestamp)
        if entry.is_keyframe and not entry.is_discard:
            keyframes.append(entry.timestamp)
    return _Index(
        tuple(keyframes), last_present, beyond, complete=len(entries) > 1 and len(entries) >= stream.frames > 0
    )


def _declared_end(container: InputContainer, stream: VideoStream) -> int | None:
    """Return the end the header declares, in the stream's time base."""
    base = stream.time_base or Fraction(1, 1000)
    if stream.duration:
        return (stream.start_time or 0) + stream.duration
    if container.duration:
        return int(
            Fraction(container.start_time or 0, av.time_base) / base
            + Fraction(container.duration, av.time_base) / base
        )
    return None


def _last_end(container: InputContainer, stream: VideoStream, index: _Index) -> int | None:
    """Return where the last packet in the data ends, reading the tail only; None when that is dear to tell."""
    base = stream.time_base or Fraction(1, 1000)
    near = index.last_present if index.complete else _declared_end(container, stream)
    if near is None:
        return None
    only(container, stream)
    target = near - int(TAIL_SECONDS / base)
    try:
        container.seek(target, stream=stream, backward=True, any_frame=index.complete)
        return _end_of(container, stream)
    except (FFmpegError, ReadBudgetSpent):
        return None


def _end_of(container: InputContainer, stream: VideoStream) -> int | None:
    """Read packets to the end of the data; return the latest end of a presented one."""
    base = stream.time_base or Fraction(1, 1000)
    frame_units = int(1 / (_frame_rate(stream) * base))
    end: int | None = None
    for packet in packets(container, stream, PacketFaults()):
        if packet is None or packet.is_corrupt or packet.is_discard:
            continue
        at = stamp(packet)
        if at is not None:
            end = max(end or at, at + (packet.duration or frame_units))
    return end


def _frame_rate(stream: VideoStream) -> Fraction:
    """Return the average rate where it is known and sane, else libavformat's guess, else 25."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= MAX_FRAME_RATE:
            return Fraction(rate)
    return Fraction(25)


def _described(
    source: MediaSource,
    container: InputContainer,
    opening: _Opening,
    index: _Index,
    end_pts: int | None,
) -> MediaInfo:
    stream, frame = opening.stream, opening.frame
    base = stream.time_base or Fraction(1, 1000)
    origin = stamp(frame) or 0
    declared = _declared_end(container, stream)
    end = end_pts if end_pts is not None else declared
    if end is None:
        end = _scanned_end(source, stream.index)
    missing = float((declared - end) * base) if declared is not None else 0.0
    cut_off = missing > max(TRUNCATED_SECONDS, TRUNCATED_SHARE * float((end - origin) * base))
    truncated = index.beyond_end or cut_off
    aspect = square_aspect(stream.sample_aspect_ratio)
    width, height = Converter(aspect).displayed_size(frame)
    container_start = Fraction(container.start_time or 0, av.time_base) - origin * base
    return MediaInfo(
        container=container.format.name,
        size_bytes=container.size,
        duration_ms=max(1, ceil((end - origin) * base * 1000)),
        video_index=stream.index,
        video_codec=stream.codec_context.codec.canonical_name,
        pixel_format=frame.format.name,
        width=width,
        height=height,
        coded_width=frame.width,
        coded_height=frame.height,
        rotation=orientation_of(frame).rotation,
        sample_aspect=_rational(aspect),
        frame_rate=_rational(_frame_rate(stream)),
        time_base=_rational(base),
        origin_pts=origin,
        container_start_ms=ceil(container_start * 1000),
        keyframes_ms=_keyframes_ms(opening, index, origin, base),
        audio=tuple(_audio(container, origin * base)),
        color_transfer=TRANSFERS.get(frame.color_trc, "unspecified"),
        interlaced=frame.interlaced_frame,
        truncated=truncated,
        missing_ms=max(1, round(missing * 1000)) if truncated else 0,
    )


def _scanned_end(source: MediaSource, stream_index: int) -> int:
    """Read every packet (not decoding) of a file that declares no length, as browsers record them."""
    with opened(source) as container:
        stream = container.streams[stream_index]
        assert isinstance(stream, VideoStream)
        only(container, stream)
        return _end_of(container, stream) or 0


def _keyframes_ms(opening: _Opening, index: _Index, origin: int, base: Fraction) -> tuple[int, ...]:
    """Turn the index's decoding times into presentation times.

    One delay is taken for the whole stream; with open GOPs a listed time can be a few frames early, which
    costs a longer run-up and nothing else. An index of one entry is a container that keeps none.
    """
    if len(opening.stream.index_entries) < 2:
        return ()
    times = (int((at + opening.delay - origin) * base * 1000 // 1) for at in index.keyframes)
    return tuple(sorted({time for time in times if time >= 0}))


def _audio(container: InputContainer, origin_seconds: Fraction) -> Iterator[AudioInfo]:
    for stream in container.streams.audio:
        context: Any = stream.codec_context
        if context is None:  # a codec this build does not know
            continue
        start = Fraction(stream.start_time or 0) * (stream.time_base or 1) - origin_seconds
        yield AudioInfo(
            index=stream.index,
            codec=context.codec.canonical_name,
            channels=context.channels,
            sample_rate=context.sample_rate,
            layout=context.layout.name,
            start_ms=int(start * 1000 // 1),
        )


def _rational(value: Fraction) -> Rational:
    return Rational(num=value.numerator, den=value.denominator)


def _lacks_index(source: MediaSource) -> bool:
    """Tell whether this is an MP4 or MOV whose `moov` box is missing or incomplete (ISO 14496-12 §4.2)."""
    with source.open() as file:
        size = file.seek(0, io.SEEK_END)
        at, first = 0, True
        while at + 8 <= size:
            length, kind = _box(file, at)
            if first and kind != b"ftyp":
                return False
            if length < 8 or (kind == b"moov" and at + length <= size):
                return False
            at, first = at + length, False
        return not first


def _box(file: BinaryIO, at: int) -> tuple[int, bytes]:
    file.seek(at)
    header = file.read(16)
    length, kind = int.from_bytes(header[:4], "big"), header[4:8]
    return (int.from_bytes(header[8:16], "big") if length == 1 else length), kind
