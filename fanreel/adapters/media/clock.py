"""Whether a file's clock runs through: two recordings in one file can show two pictures for one time."""

from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from .container import PacketFaults, ReadBudgetSpent, only, packets, stamp

STREAMED = frozenset({"mpegts", "mpeg"})
"""Formats without an index, which may be joined end to end and are sought by their timestamps."""

PLACES = 16
"""Places of a file whose time is asked. A recording shorter than a sixteenth of the file slips through; decoding
meets the jump then (`frames`)."""

PACKETS_PER_PLACE = 64
"""Video packets tried at a place for one with a time; broken ones come first when reading starts inside one."""

RESTART_SECONDS = 1.0
"""Pictures are coded out of order by a few frames; a clock that goes back this far starts again."""


def restarts(container: InputContainer, stream: VideoStream) -> bool:
    """Return whether the time goes back from some place of the file to a later one; moves the reading position."""
    if container.format.name not in STREAMED or stream.time_base is None:
        return False
    only(container, stream)
    back = int(RESTART_SECONDS / stream.time_base)
    latest: int | None = None
    for place in range(PLACES + 1):
        # Broadcast clocks wrap after 26 hours; the reader has already unwrapped them against the first one.
        at = _time_at(container, stream, container.size * place // (PLACES + 1))
        if at is None:
            continue
        if latest is not None and at < latest - back:
            return True
        latest = max(at, latest or at)
    return False


def _time_at(container: InputContainer, stream: VideoStream, byte: int) -> int | None:
    try:
        container.seek(byte, unsupported_byte_offset=True)
        for count, packet in enumerate(packets(container, stream, PacketFaults())):
            if packet is None or count > PACKETS_PER_PLACE:
                return None
            if (at := stamp(packet)) is not None:
                return at
    except (FFmpegError, ReadBudgetSpent):
        pass
    return None
