"""One source in a montage's filter graph: opened around a clip, and on which clock."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from fanreel.contracts import MediaInfo
from fanreel.domain.montage import PlacedClip, Timeline

from .picture import HD_HEIGHT

PREROLL_MS = 1_000
"""Read this much before and after a clip: sound lags the picture in the file."""
UNINDEXED_PREROLL_MS = 6_000
"""The same where the container lists no keyframes (transport streams): seeking lands up to one keyframe interval
late, and broadcasts have one at least every 5 s."""

Stream = Any
"""A node of ffmpeg-python's graph; the package has no types."""


@dataclass(frozen=True, slots=True)
class RenderSource:
    """Where a broadcast can be read: an http(s) URL (its signature is never logged) or a local path."""

    url_or_path: str
    media: MediaInfo

    @property
    def is_url(self) -> bool:
        """Tell whether it is read over the network."""
        return self.url_or_path.startswith(("http://", "https://"))


def open_source(source: RenderSource, placed: PlacedClip, **extra: Any) -> Stream:
    """Open a source around one clip; only the container it was probed as, nothing it may point to."""
    clip = placed.clip
    preroll_ms = PREROLL_MS if source.media.keyframes_ms else UNINDEXED_PREROLL_MS
    from_ms = clip.start_ms - source.media.container_start_ms - preroll_ms
    until_ms = clip.end_ms - source.media.container_start_ms + PREROLL_MS
    options: dict[str, Any] = {
        "t": seconds(until_ms - max(0, from_ms)),
        "threads": 2,
        "format_whitelist": source.media.container,
        # A frame that changes size in mid-stream is scaled; it must not restart the whole graph.
        "reinit_filter:v": 0,
        **extra,
    }
    if source.media.coded_height >= HD_HEIGHT:
        # What an untagged stream counts as; a tagged one says it itself.
        options["colorspace:v"] = "bt709"
    if from_ms > 0:
        options["ss"] = seconds(from_ms)
    if not source.is_url:
        return ffmpeg.input(f"file:{Path(source.url_or_path).absolute()}", protocol_whitelist="file", **options)
    network = {
        "protocol_whitelist": "http,https,tcp,tls",
        "reconnect": 1,
        "reconnect_on_network_error": 1,
        "reconnect_on_http_error": "429,5xx",
        "reconnect_delay_max": 4,
        "rw_timeout": 30_000_000,
    }
    return ffmpeg.input(source.url_or_path, **network, **options)


def first_frame_s(media: MediaInfo, placed: PlacedClip, timeline: Timeline) -> Fraction:
    """Return the clip's first frame on the source's own clock, in seconds."""
    return media.origin_pts * media.time_base.fraction() + placed.source_frame / timeline.rate


def exact(value_s: Fraction) -> str:
    """Write seconds as ffmpeg reads them, to the nanosecond: milliseconds are coarse for samples."""
    return f"{float(value_s):.9f}"


def seconds(ms: int) -> str:
    """Write milliseconds as the seconds ffmpeg reads."""
    return f"{ms / 1000:.3f}"


def ratio(rate: Fraction) -> str:
    """Write a frame rate exactly."""
    return f"{rate.numerator}/{rate.denominator}"
