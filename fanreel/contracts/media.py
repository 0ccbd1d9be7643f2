"""What a container holds, and how it is cut into segments.

Times are `…_ms`: integer milliseconds from the first presented video frame. `origin_pts` in units of
`time_base` is that frame's PTS, so `pts_ms = (pts - origin_pts) * time_base * 1000`, for sound too.
"""

from fractions import Fraction

from .base import Message, Wire


class Rational(Wire):
    """An exact ratio."""

    num: int
    den: int

    def fraction(self) -> Fraction:
        """Return it as a `Fraction`."""
        return Fraction(self.num, self.den)


class AudioInfo(Wire):
    """One audio stream. `start_ms` is where its first sample lies against the first video frame."""

    index: int
    codec: str
    channels: int
    sample_rate: int
    layout: str
    start_ms: int


class MediaInfo(Message):
    """A probed video. Width and height are those of the displayed frame (rotation and sample aspect applied)."""

    container: str
    size_bytes: int
    duration_ms: int
    video_index: int
    video_codec: str
    pixel_format: str
    width: int
    height: int
    coded_width: int
    coded_height: int
    rotation: int
    sample_aspect: Rational
    frame_rate: Rational
    time_base: Rational
    origin_pts: int
    container_start_ms: int
    """The container's own start time against the first video frame (usually 0 or negative): what ffmpeg's
    `-ss` counts from."""
    keyframes_ms: tuple[int, ...]
    """Known keyframes, ascending; empty when the container has no index."""
    audio: tuple[AudioInfo, ...]
    color_transfer: str
    interlaced: bool
    truncated: bool
    """The file ends before its own index says it should; `duration_ms` is what is there."""
    missing_ms: int = 0
    """How much more the file declares than it holds, when truncated."""


class Segment(Wire):
    """A time range of a video, decoded by one job.

    The ranges [start_ms, end_ms) tile the video; decoding goes on to `decode_end_ms` so that neighbours
    overlap. Cuts with owned_from_ms <= pts_ms < owned_to_ms belong to this segment: the owned ranges tile
    the video too, shifted by half the overlap, so that a cut is always judged with frames on both sides.
    """

    segment_id: str
    index: int
    start_ms: int
    end_ms: int
    decode_end_ms: int
    owned_from_ms: int
    owned_to_ms: int


class SegmentPlanDocument(Message):
    """Blob `results/<videoId>/plan`: what was probed and how it was cut."""

    video_id: str
    media: MediaInfo
    segments: tuple[Segment, ...]
    profile: str = "default"
    """Name of the profile the video is analysed with (DESIGN §7)."""
