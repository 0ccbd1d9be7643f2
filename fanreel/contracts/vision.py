"""Raw analysis results: blobs `results/<videoId>/<segmentId>.<attempt>` and `….sound.<n>`.

Columns instead of lists of objects: row i of every column of a track is its i-th sampled face.
"""

from typing import Literal

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
    clothing_lab: tuple[tuple[float, float, float] | None, ...] = ()
    """Dominant colour under each face (CIE L*a*b*, L 0..100), none where it was not in the picture; empty when an
    older worker did not look."""


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
    expressions: tuple[tuple[float, ...], ...] = ()
    """Per sample the calibrated probabilities of neutral, happy, sad, angry, fearful, disgusted, surprised."""
    embedded: EmbeddedFaces | None = None


class ShotMeasure(Wire):
    """Cheap measures of each look, on a small picture, for the quality and the kind of shots.

    Shares are 0..1 of the picture; columns that an older worker did not measure are empty.
    """

    pts_ms: tuple[int, ...]
    sharpness: tuple[float, ...]
    """Variance of the Laplacian."""
    luma: tuple[float, ...]
    """Mean, 0..255."""
    motion: tuple[float, ...]
    """Mean absolute grey difference to the look before; 0 for a segment's first."""
    still: tuple[float, ...] = ()
    """Share that did not move since the look before; 1 for a segment's first."""
    detail: tuple[float, ...] = ()
    """Share of fine detail."""
    flat: tuple[float, ...] = ()
    """Share without any detail."""
    grass: tuple[float, ...] = ()
    skin: tuple[float, ...] = ()
    flow: tuple[float, ...] = ()
    """Mean speed of the optical flow since the look before, picture widths per second; 0 for a segment's first."""
    own_flow: tuple[float, ...] = ()
    """The same after the camera's own motion is taken out."""
    picture_hash: tuple[str, ...] = ()
    """64-bit perceptual hash of each look, 16 hexadecimal digits."""


class Transition(Wire):
    """A gradual change of picture, from the last frame of the old shot to the first of the new one, both whole.

    A fade goes through a blank (black or white) part, from its first to its last frame.
    """

    start_ms: int
    end_ms: int
    kind: Literal["dissolve", "fade"]
    blank_from_ms: int | None = None
    blank_to_ms: int | None = None


class ReadText(Wire):
    """Text read in one of the profile's graphics regions at one look; confidence 0..1."""

    pts_ms: int
    region: str
    text: str
    confidence: float


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
    transitions: tuple[Transition, ...] = ()
    """Dissolves that have their middle in the owned range, and all fades seen: neighbours' are joined."""
    tracks: tuple[TrackResult, ...]
    picture: ShotMeasure
    texts: tuple[ReadText, ...] = ()
    """What scoreboards and banners say, where the profile names their regions and a reader is installed."""
    seconds: dict[str, float]
    """Seconds spent per pipeline stage."""


class SoundResult(Message):
    """Loudness, and what is heard, per whole second of a segment (the second starting at second_ms[i])."""

    video_id: str
    segment_id: str
    second_ms: tuple[int, ...]
    loudness_db: tuple[float, ...]
    """RMS level in dBFS, K-weighted; -120 for digital silence."""
    cheer: tuple[float, ...] = ()
    """0..1, how likely the crowd is heard roaring in the second; this and the four below are independent of one
    another, one value per second, and empty when an older worker did not listen."""
    applause: tuple[float, ...] = ()
    whistle: tuple[float, ...] = ()
    speech: tuple[float, ...] = ()
    music: tuple[float, ...] = ()
    reason: str | None = None
    """Why there is no (complete) sound: `no_audio`, `audio_undecodable`; else empty."""
