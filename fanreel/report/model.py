"""The shape of `report.json` (camelCase on the wire). Times are milliseconds inside the named video."""

from fanreel.contracts import Decision, FanStatus, Instance, SegmentCounts, VideoStatus, Wire


class VideoReport(Wire):
    """One broadcast."""

    video_id: str
    name: str
    status: VideoStatus
    reason: str | None
    duration_ms: int
    shots: tuple[Instance, ...]
    segments: SegmentCounts


class AppearanceReport(Wire):
    """A decision about one appearance of a fan: `match`, or `review` for a person to decide."""

    video_id: str
    start_ms: int
    end_ms: int
    probability: float
    decision: Decision


class ClipReport(Wire):
    """A clip of a montage, as a range of its video."""

    video_id: str
    start_ms: int
    end_ms: int


class MontageReport(Wire):
    """A finished montage; `path` is relative to the report."""

    path: str
    duration_ms: int
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
