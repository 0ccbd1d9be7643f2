"""From stored documents to the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fanreel.contracts import (
    AppearanceDocument,
    FanDocument,
    Instance,
    MatchDocument,
    MontageDocument,
    VideoDocument,
)

from .model import AppearanceReport, ClipReport, FanReport, MontageReport, Report, VideoReport


@dataclass(frozen=True, slots=True)
class RunDocuments:
    """Everything a report is made from.

    matches and montages by fan id; appearances by video id; files: fan id → kind (`mp4`, `jpg` …) → local file.
    """

    videos: Sequence[VideoDocument]
    fans: Sequence[FanDocument]
    matches: Mapping[str, Sequence[MatchDocument]] = field(default_factory=dict[str, Sequence[MatchDocument]])
    montages: Mapping[str, MontageDocument] = field(default_factory=dict[str, MontageDocument])
    appearances: Mapping[str, Sequence[AppearanceDocument]] = field(
        default_factory=dict[str, Sequence[AppearanceDocument]]
    )
    files: Mapping[str, Mapping[str, Path]] = field(default_factory=dict[str, Mapping[str, Path]])


def build_report(run: RunDocuments, timings: Mapping[str, float], out: Path) -> Report:
    """Return the report; `out` is the folder it will lie in, which paths are relative to."""
    return Report(
        videos=tuple(_video(video) for video in run.videos),
        fans=tuple(_fan(fan, run, out) for fan in run.fans),
        timings={name: round(value, 3) for name, value in timings.items()},
    )


def _video(video: VideoDocument) -> VideoReport:
    return VideoReport(
        video_id=video.video_id,
        name=video.name,
        status=video.status,
        reason=video.reason,
        duration_ms=video.duration_ms,
        shots=tuple(Instance(start_ms=shot.start_ms, end_ms=shot.end_ms) for shot in video.shots),
        segments=video.counts(),
        profile=video.profile,
        highlights=video.highlights,
        sounds=video.sounds,
    )


def _fan(fan: FanDocument, run: RunDocuments, out: Path) -> FanReport:
    matches = sorted(run.matches.get(fan.fan_id, ()), key=lambda match: (match.video_id, match.start_ms))
    return FanReport(
        fan_id=fan.fan_id,
        status=fan.status,
        reason=fan.reason,
        appearances=tuple(
            AppearanceReport(
                video_id=match.video_id,
                start_ms=match.start_ms,
                end_ms=match.end_ms,
                probability=round(match.probability, 4),
                decision=match.decision,
            )
            for match in matches
        ),
        montage=_montage(fan.fan_id, run, out),
    )


def _montage(fan_id: str, run: RunDocuments, out: Path) -> MontageReport | None:
    montage = run.montages.get(fan_id)
    files = {kind: file.relative_to(out).as_posix() for kind, file in sorted(run.files.get(fan_id, {}).items())}
    if montage is None or "mp4" not in files:
        return None
    return MontageReport(
        path=files["mp4"],
        files=files,
        duration_ms=montage.duration_ms,
        loudness_lufs=montage.loudness_lufs,
        true_peak_dbtp=montage.true_peak_dbtp,
        av_offset_ms=montage.av_offset_ms,
        clips=tuple(
            ClipReport(
                video_id=clip.video_id,
                start_ms=clip.start_ms,
                end_ms=clip.end_ms,
                kind=clip.kind,
                reason=clip.reason,
                caption=clip.caption,
            )
            for clip in montage.plan.clips
        ),
    )
