"""A video without surprises, described as the probe would."""

from typing import Any

from fanreel.contracts import MediaInfo, Rational


def plain_media(duration_ms: int, **changes: Any) -> MediaInfo:
    """Return 720p25 H.264 in MP4, silent, from zero, without a list of keyframes; `changes` replace fields."""
    plain = MediaInfo(
        container="mp4",
        size_bytes=1,
        duration_ms=duration_ms,
        video_index=0,
        video_codec="h264",
        pixel_format="yuv420p",
        width=1280,
        height=720,
        coded_width=1280,
        coded_height=720,
        rotation=0,
        sample_aspect=Rational(num=1, den=1),
        frame_rate=Rational(num=25, den=1),
        time_base=Rational(num=1, den=12_800),
        origin_pts=0,
        container_start_ms=0,
        keyframes_ms=(),
        audio=(),
        color_transfer="bt709",
        interlaced=False,
        truncated=False,
    )
    return plain.model_copy(update=changes)
