"""Raw analysis results: blobs `results/<videoId>/<segmentId>.<attempt>` and `….sound.<n>`.

Columns instead of lists of objects: row i of every column of a track is its i-th sampled face.
"""

from .base import Message, ModelContract, Vectors, Wire


class EmbeddedFaces(Wire):
    """The best faces of a track, kept one by one so that merged tracks can be pooled again."""

    pts_ms: tuple[int, ...]
    quality: tuple[float, ...]
    sharpness: tuple[float, ...]
    height_px: tuple[float, ...]
    female_probability: tuple[float, ...]
    age_years: tuple[float, ...]
    vectors: Vectors


class TrackResult(Wire):
    """One face followed through consecutive samples inside one shot of one segment."""

    track_id: int
    pts_ms: tuple[int, ...]
    boxes: tuple[tuple[int, int, int, int], ...]
    scores: tuple[float, ...]
    quality: tuple[float, ...]
    valence: tuple[float, ...] = ()
    """Empty when attributes were not measured (track below the quality floor); else one per sample."""
    arousal: tuple[float, ...] = ()
    mouth_open: tuple[float, ...] = ()
    expression: tuple[str, ...] = ()
    embedded: EmbeddedFaces | None = None


class ShotMeasure(Wire):
    """Cheap per-sample picture measures, for shot quality."""

    pts_ms: tuple[int, ...]
    sharpness: tuple[float, ...]
    luma: tuple[float, ...]
    motion: tuple[float, ...]


class SegmentResult(Message):
    """What the worker found in one segment."""

    video_id: str
    segment_id: str
    attempt: int
    start_ms: int
    end_ms: int
    model_contract: ModelContract
    detector: str
    frame_width: int
    frame_height: int
    frames_decoded: int
    frames_sampled: int
    frames_corrupt: int
    last_pts_ms: int
    """PTS of the last decodable frame in the range; far below `end_ms` when the data ends early."""
    cuts_ms: tuple[int, ...]
    """First frame of each new shot, within the segment's owned range."""
    tracks: tuple[TrackResult, ...]
    picture: ShotMeasure
    seconds: dict[str, float]
    """Seconds spent per pipeline stage."""


class SoundResult(Message):
    """Loudness per whole second of a segment (the second starting at second_ms[i])."""

    video_id: str
    segment_id: str
    second_ms: tuple[int, ...]
    loudness_db: tuple[float, ...]
    """RMS level in dBFS, K-weighted; -120 for digital silence."""
    reason: str | None = None
    """Why there is no (complete) sound: `no_audio`, `audio_undecodable`; else empty."""
