"""One broadcast: its state, and what was found in it beside the people (container `videos`)."""

from typing import Any, Literal

from pydantic import Field, field_serializer, field_validator

from .base import Document, Message, Wire
from .columns import from_columns, to_columns
from .vision import ReadText

VideoStatus = Literal[
    "received", "analyzing", "matching", "rendering", "ready", "ready_partial", "rejected", "failed"
]
TERMINAL_VIDEO_STATUSES: frozenset[str] = frozenset({"ready", "ready_partial", "rejected", "failed"})
SoundKind = Literal["cheer", "applause", "whistle", "speech", "music", "loud"]


class Instance(Wire):
    """A span in which an element is seen."""

    start_ms: int
    end_ms: int


class Shot(Wire):
    """A shot: [start_ms, end_ms), with 0..1 picture quality."""

    start_ms: int
    end_ms: int
    quality: float = 0.5
    clear_from_ms: int | None = None
    """Where no dissolve or fade covers the shot: [clear_from_ms, clear_to_ms). None: all of it."""
    clear_to_ms: int | None = None
    kind: str = "unknown"
    """What is shown: `people`, `crowd`, `play`, `graphic`, or `unknown` when the likeliest is not likely."""
    fan_probability: float | None = None
    """0..1: that spectators or people can be recognised in it; none where it was not judged."""
    shot_type: str = "none"
    """Editorial size: `extreme_close_up` … `wide`, `two_shot`, `group`; `none` without a face."""
    replay_of: int | None = None
    """Index of the earlier shot whose pictures this one repeats (replay or near-duplicate)."""
    highest_face: float | None = None
    """Height of the highest face found in it at any look, whoever's, as a share of the picture's height. 0: nobody
    was found; none: nobody looked, or the video was merged before there was this field."""


class SoundSpan(Wire):
    """Where something is heard: [start_ms, end_ms), with the highest confidence in it, 0..1."""

    start_ms: int
    end_ms: int
    confidence: float


class SoundEvent(Wire):
    """One kind of sound and everywhere it is heard; `loud` is far above the match's usual loudness."""

    kind: SoundKind
    instances: tuple[SoundSpan, ...]

    @field_validator("instances", mode="before")
    @classmethod
    def _read_spans(cls, stored: object) -> object:
        return from_columns(stored)


class ScoreSpan(Wire):
    """The score that the graphics show from `start_ms` to `end_ms`, like `2–1`."""

    start_ms: int
    end_ms: int
    score: str


class CrowdSound(Wire):
    """What is heard, one value per second from 0; columns of one length, empty without sound."""

    short_term_lufs: tuple[float, ...] = ()
    """Loudness of the three seconds around (EBU R 128 short-term), -70 and below for silence."""
    above_usual_lu: tuple[float, ...] = ()
    """How far that lies above the moving median around it."""
    cheer: tuple[float, ...] = ()
    applause: tuple[float, ...] = ()
    whistle: tuple[float, ...] = ()
    speech: tuple[float, ...] = ()
    music: tuple[float, ...] = ()
    crowd: tuple[float, ...] = ()
    """0..1: how much the crowd is up, from likelihoods and loudness together."""


class Highlight(Wire):
    """Interesting action of a match: [start_ms, end_ms), ranked from 1, score 0..1, and why in plain words."""

    rank: int
    start_ms: int
    end_ms: int
    peak_ms: int
    score: float
    reasons: tuple[str, ...]
    parts: dict[str, float] = Field(default_factory=dict)
    """What the score is made of, 0..1 each: `crowd`, `excitement`, `replay`, `cuts`, `motion`, `fans` …"""
    unusual: bool = False
    """An outlier against the match's own baseline."""


class InsightsDocument(Message):
    """Blob `results/<videoId>/insights`: the raw curves behind the video document's public view."""

    video_id: str
    loudness_db: tuple[float, ...] = ()
    """K-weighted level in dBFS, one value per second from 0; -120 for silence."""
    sound: CrowdSound = CrowdSound()
    excitement: tuple[float, ...] = ()
    action: tuple[float, ...] = ()
    """How interesting each second is, 0..1: what highlights are peaks of."""
    unusual: tuple[float, ...] = ()
    """How far each second lies from the match's own baseline, in robust standard deviations."""
    texts: tuple[ReadText, ...] = ()


class SegmentCounts(Wire):
    """Progress in segments."""

    total: int = 0
    done: int = 0
    failed: int = 0


class Gap(Wire):
    """A range that could not be analysed, and why (stable code)."""

    start_ms: int
    end_ms: int
    reason: str


class VideoDocument(Document):
    """Container `videos`, /videoId; id = videoId. One per broadcast: state, progress and insights.

    Its long lists are stored as columns (`columns`), as the store takes no document above 2 MB; records are read,
    too.
    """

    video_id: str
    event_id: str
    name: str
    blob_name: str
    blob_etag: str
    instance_id: str
    status: VideoStatus
    reason: str | None = None
    """Stable reason code when rejected, partial or failed."""
    reason_detail: str | None = None
    duration_ms: int = 0
    frame_width: int = 0
    """Displayed size that the boxes of faces count in, pixels; 0 until faces were looked for."""
    frame_height: int = 0
    segment_states: dict[str, Literal["queued", "done", "failed"]] = Field(default_factory=dict)
    """Per segment id; a map so that progress is an idempotent patch."""
    shots: tuple[Shot, ...] = ()
    excitement: tuple[float, ...] = ()
    """Crowd and faces together, 0..1, one value per second from 0."""
    profile: str = "default"
    """Name of the profile: what the upload's metadata asked for."""
    title: str = ""
    """What the event is called on montages (`title` in the upload's metadata); empty: no title card."""
    subtitle: str = ""
    crowd: tuple[float, ...] = ()
    """How much the crowd is up, 0..1, one value per second from 0 (`CrowdSound.crowd`)."""
    sounds: tuple[SoundEvent, ...] = ()
    highlights: tuple[Highlight, ...] = ()
    """Best first."""
    scores: tuple[ScoreSpan, ...] = ()
    """In order of time; empty where no score could be read."""
    gaps: tuple[Gap, ...] = ()
    appearances: int = 0
    people: int = 0
    seconds: dict[str, float] = Field(default_factory=dict)
    """Seconds spent, per stage, summed over segments."""

    @field_serializer("shots", "scores", "gaps", when_used="json")
    def _stored_spans(self, spans: tuple[Wire, ...]) -> dict[str, Any]:
        return to_columns(spans)

    @field_serializer("sounds", when_used="json")
    def _stored_sounds(self, sounds: tuple[SoundEvent, ...]) -> list[dict[str, Any]]:
        return [{"kind": event.kind, "instances": to_columns(event.instances)} for event in sounds]

    @field_validator("shots", "scores", "gaps", mode="before")
    @classmethod
    def _read_spans(cls, stored: object) -> object:
        return from_columns(stored)

    def counts(self) -> SegmentCounts:
        """Return how many segments there are, are done, have failed."""
        states = list(self.segment_states.values())
        return SegmentCounts(total=len(states), done=states.count("done"), failed=states.count("failed"))
