"""The shape of `report.json` (camelCase on the wire). Times are milliseconds inside the named video."""

from fanreel.contracts import (
    Decision,
    FanStatus,
    Highlight,
    Instance,
    SegmentCounts,
    SoundEvent,
    VideoStatus,
    Wire,
)


class VideoReport(Wire):
    """One broadcast."""

    video_id: str
    name: str
    status: VideoStatus
    reason: str | None
    duration_ms: int
    shots: tuple[Instance, ...]
    segments: SegmentCounts
    profile: str
    highlights: tuple[Highlight, ...]
    sounds: tuple[SoundEvent, ...]


class AppearanceReport(Wire):
    """A decision about one appearance of a fan: `match`, or `review` for a person to decide."""

    video_id: str
    start_ms: int
    end_ms: int
    probability: float
    decision: Decision


class ClipReport(Wire):
    """A clip of a montage, as a range of its video, with why it is in and what it shows."""

    video_id: str
    start_ms: int
    end_ms: int
    kind: str
    reason: str
    caption: str


class MontageReport(Wire):
    """A finished montage; paths are relative to the report, `files` by kind (`vertical.mp4`, `srt`, …)."""

    path: str
    files: dict[str, str]
    duration_ms: int
    loudness_lufs: float | None
    true_peak_dbtp: float | None
    av_offset_ms: float | None
    clips: tuple[ClipReport, ...]


class FanReport(Wire):
    """One fan."""

    fan_id: str
    status: FanStatus
    reason: str | None
    appearances: tuple[AppearanceReport, ...]
    montage: MontageReport | None


class Report(Wire):
    """A whole run. `timings` are seconds, or a multiple of real time where the name says so."""

    videos: tuple[VideoReport, ...]
    fans: tuple[FanReport, ...]
    timings: dict[str, float]
