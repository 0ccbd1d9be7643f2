"""Looks at a rendered montage before anyone else does."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import av.container
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fanreel.domain.montage import Timeline
from fanreel.errors import InputRejected

MAX_AV_OFFSET_MS = 40.0
"""DESIGN §7; sound 45 ms early is where viewers begin to notice (ITU-R BT.1359)."""
AAC_FRAME = 1024
AAC_FRAME_MS = AAC_FRAME / 48.0
MAX_OFF_PLACE_MS = 2.0
"""A container rounds times to its time base, a small part of a millisecond at the rates we write."""


def check_montage(path: Path, timeline: Timeline, size: tuple[int, int]) -> float:
    """Return the offset of sound against picture at the start, in milliseconds (positive: sound late).

    Raises InputRejected (`render_failed`) when the file is not what was planned: streams, size, length
    (± 1 frame), A/V offset (< 40 ms), a picture missing from its rate or a hole in the sound (either would put
    all clips after it out of sync), or `moov` not before `mdat`. Rendering again would give the same file.
    """
    with path.open("rb") as file:
        _require(_is_faststart(file), "moov lies behind mdat")
    try:
        with av.open(str(path)) as container:
            _require(len(container.streams) == 2, f"{len(container.streams)} streams")
            offset_ms = _check_streams(container, timeline, size)
            _check_times(container, timeline)
    except FFmpegError as error:
        raise InputRejected("render_failed", "The rendered montage cannot be read.", error=str(error)) from error
    return offset_ms


def _check_streams(container: av.container.InputContainer, timeline: Timeline, size: tuple[int, int]) -> float:
    _require(bool(container.streams.video) and bool(container.streams.audio), "a stream is missing")
    video, audio = container.streams.video[0], container.streams.audio[0]
    _require((video.codec.name, video.profile) == ("h264", "High"), f"video is {video.codec.name} {video.profile}")
    _require(audio.codec.name == "aac", f"audio is {audio.codec.name}")
    _require((video.width, video.height) == size, f"picture is {video.width}×{video.height}")
    _require(abs(video.frames - timeline.frames) <= 1, f"{video.frames} frames, planned {timeline.frames}")
    frame_ms = float(1000 / timeline.rate)
    video_ms = _ms(video.duration, video.time_base)
    audio_ms = _ms(audio.duration, audio.time_base)
    _require(abs(video_ms - timeline.duration_ms) <= frame_ms + 1, f"{video_ms:.0f} ms of picture")
    _require(abs(audio_ms - timeline.duration_ms) <= frame_ms + AAC_FRAME_MS, f"{audio_ms:.0f} ms of sound")
    picture_start_ms = _first_ms(container, video)
    container.seek(0)
    offset_ms = _first_ms(container, audio) - picture_start_ms
    _require(abs(offset_ms) < MAX_AV_OFFSET_MS, f"sound starts {offset_ms:.1f} ms from the picture")
    return round(offset_ms, 3)


def _check_times(container: av.container.InputContainer, timeline: Timeline) -> None:
    """Walk all packets, decoding none: each picture, and each frame of sound, right after the one before."""
    times: dict[str, list[Fraction]] = {"video": [], "audio": []}
    container.seek(0)
    for packet in container.demux():
        if packet.pts is not None:  # the empty packet at the end has none
            times[packet.stream.type].append(packet.pts * packet.time_base)
    rate = container.streams.audio[0].sample_rate
    for kind, step_s in (("video", 1 / timeline.rate), ("audio", Fraction(AAC_FRAME, rate))):
        stamps = sorted(times[kind])
        for index, at in enumerate(stamps):
            off_ms = float(at - stamps[0] - index * step_s) * 1000
            _require(abs(off_ms) < MAX_OFF_PLACE_MS, f"{kind} frame {index} is {off_ms:.1f} ms from its place")


def _first_ms(container: av.container.InputContainer, stream: VideoStream | AudioStream) -> float:
    for frame in container.decode(stream):
        assert isinstance(frame, VideoFrame | AudioFrame)
        return _ms(frame.pts, frame.time_base)
    raise InputRejected("render_failed", "The rendered montage has an empty stream.")


def _ms(pts: int | None, time_base: Fraction | None) -> float:
    _require(pts is not None and time_base is not None, "a stream without times")
    assert pts is not None
    assert time_base is not None
    return float(pts * time_base * 1000)


def _is_faststart(file: BinaryIO) -> bool:
    """Walk the top-level boxes (ISO/IEC 14496-12 §4.2) until `moov` or `mdat` is met."""
    while len(header := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", header)
        if kind in (b"moov", b"mdat"):
            return kind == b"moov"
        if size == 1:
            size = struct.unpack(">Q", file.read(8))[0] - 8
        if size < 8:
            return False
        file.seek(size - 8, 1)
    return False


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise InputRejected("render_failed", f"The rendered montage is not what was planned: {what}.")
