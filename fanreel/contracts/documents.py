"""Cosmos DB documents. The partition key of each is named in its docstring (DESIGN §3)."""

from typing import Any, Literal

from pydantic import Field, field_serializer, field_validator

from .base import Document, Message, ModelContract, Vectors, Wire
from .columns import from_columns, to_columns
from .vision import ReadText

VideoStatus = Literal[
    "received", "analyzing", "matching", "rendering", "ready", "ready_partial", "rejected", "failed"
]
TERMINAL_VIDEO_STATUSES: frozenset[str] = frozenset({"ready", "ready_partial", "rejected", "failed"})
Decision = Literal["match", "review", "none"]
SelfieStatus = Literal["accepted", "rejected"]
FanStatus = Literal["created", "enrolling", "ready", "rejected", "erased"]
MontageStatus = Literal["rendering", "ready", "failed", "cancelled"]
SoundKind = Literal["cheer", "applause", "whistle", "speech", "music", "loud"]
MontageFormat = Literal["16:9", "9:16"]


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


class FaceRef(Wire):
    """The best-looking face of an appearance: where to cut a thumbnail from."""

    pts_ms: int
    box: tuple[int, int, int, int]
    quality: float


class AppearanceDocument(Document):
    """Container `appearances`, /videoId. One person followed through (part of) one shot.

    The template is a unit row pooled over `supporting_faces` embedded faces; none when no face was good
    enough to be recognised. Never returned by an API.
    """

    video_id: str
    event_id: str
    person_id: str | None = None
    start_ms: int
    end_ms: int
    shot_index: int
    pts_ms: tuple[int, ...]
    boxes: tuple[tuple[int, int, int, int], ...]
    supporting_faces: int = 0
    quality: float = 0.0
    """Pooled face quality 0..1 of the supporting faces."""
    face_height_px: float = 0.0
    sharpness: float = 0.0
    spread: float = 0.0
    """Root-mean-square distance of the supporting faces to the template: large when a track mixes two people."""
    template: Vectors | None = None
    model_contract: ModelContract | None = None
    female_probability: float | None = None
    age_years: float | None = None
    apparent_gender: Literal["female", "male", "undetermined"] = "undetermined"
    excitement: float = 0.0
    """Peak of the smoothed excitement over the appearance, 0..1."""
    excitement_curve: tuple[float, ...] = ()
    """0..1, one value per entry of pts_ms."""
    expression: str | None = None
    """The likeliest of `expressions`."""
    expressions: dict[str, float] = Field(default_factory=dict)
    """Calibrated probability of each expression, averaged over the faces by quality; empty when not measured."""
    best_face: FaceRef | None = None
    clothing: str | None = None
    """Plain colour word of what is worn under the face (`red`, `dark blue`, …); none when not clear."""
    rise: float = 0.0
    """Fastest upward movement of the face, in face heights per second: jumping is above about 3."""


class PersonDocument(Document):
    """Container `people`, /videoId. An unknown or known person of one video: their appearances, clustered."""

    video_id: str
    event_id: str
    appearance_ids: tuple[str, ...]
    instances: tuple[Instance, ...]
    screen_time_ms: int
    best_face: FaceRef | None = None


class Consent(Wire):
    """Recorded before a selfie is embedded."""

    given: bool
    text_version: str
    given_at: str


class SelfieRecord(Wire):
    """One uploaded selfie and what became of it."""

    blob_name: str
    blob_etag: str
    status: SelfieStatus
    reason: str | None = None
    """Stable reason code when rejected: `selfie_no_face`, `selfie_several_faces`, `selfie_face_too_small`,
    `selfie_face_too_blurred`, `selfie_unreadable`, `consent_missing` …"""
    hint: str | None = None
    """What the fan can do about it, in one sentence."""
    quality: float = 0.0
    face_height_px: float = 0.0
    template: Vectors | None = None
    female_probability: float | None = None
    age_years: float | None = None
    advice: tuple[str, ...] = ()
    """Stable codes of what could be better on an accepted selfie, or should be looked at: `selfie_face_turned`,
    `selfie_eyes_covered`, `selfie_may_be_a_photo_of_a_photo` … The picture is used all the same."""
    liveness: dict[str, float] = Field(default_factory=dict)
    """What the anti-spoofing networks say, 0..1 each: `real`, `live`. Advice for operators, never a fact; empty
    when they did not look."""


class FanDocument(Document):
    """Container `fans`, /fanId; id = fanId."""

    fan_id: str
    event_ids: tuple[str, ...]
    consent: Consent | None = None
    status: FanStatus = "created"
    reason: str | None = None
    selfies: tuple[SelfieRecord, ...] = ()
    template: Vectors | None = None
    cohesion: float | None = None
    """Mean cosine of the pooled selfies with the template, 0..1."""
    duplicate_of: tuple[str, ...] = ()
    """Ids of other fans of the same event whose template is as near as one person's: for operators to review."""
    model_contract: ModelContract | None = None
    searched_selfies: int = 0
    """How many of the selfies' searches have finished; equals len(selfies) when nothing is under way."""
    search_round: int = 0
    """Counts searches that no new selfie set off: for added events, or because the last one failed."""
    searched_round: int = 0
    """The last of these that has finished."""
    search_reason: str | None = None
    """`search_failed` while what was found may be incomplete; registering again starts another search."""


class Evidence(Wire):
    """Why a decision was made; enough to explain it to a person.

    Distances are L2 distances of unit templates, 0..2; margins are in strangers' standard deviations.
    """

    distance: float
    threshold: float
    review_threshold: float
    threshold_reason: str
    runner_up_fan_id: str | None
    runner_up_margin: float | None
    """How much farther the nearest other fan is."""
    supporting_faces: int
    supporting_distances: tuple[float, ...] = ()
    """From the appearance to each selfie that counts, by blob name."""
    rival_appearance_id: str | None = None
    """The other face of the same frames that is nearest to the fan."""
    rival_margin: float | None = None
    """How much farther that one is."""
    gates: tuple[str, ...] = ()
    """Names of the gates that spoke against a match, in the order they fired; a person's `same` overrules them."""
    reviewed: bool = False
    """A person has said that it is the fan."""
    review_id: str | None = None
    """The review in which they said so."""


class MatchDocument(Document):
    """Container `matches`, /fanId. One fan against one appearance; only `match` and `review` are stored."""

    fan_id: str
    video_id: str
    event_id: str
    appearance_id: str
    start_ms: int
    end_ms: int
    probability: float
    """That it is this fan, as measured; 1 when a person has said so."""
    decision: Decision
    evidence: Evidence
    model_contract: ModelContract
    face_id: str | None = None
    """Which face was decided about, by when and where it was seen (`naming.face_id`): other ids count anew."""


class FocusPoint(Wire):
    """Where the fan's face is at one moment of a clip, in pixels of the displayed frame."""

    pts_ms: int
    box: tuple[int, int, int, int]


class MontageClip(Wire):
    """A planned clip: [start_ms, end_ms) of a video, why it is in, and how it scored.

    An `opener` shows the match, not the fan: a wide shot just before their first moment, without an appearance.
    """

    video_id: str
    start_ms: int
    end_ms: int
    score: float
    reason: str
    appearance_id: str
    kind: Literal["moment", "opener"] = "moment"
    scores: dict[str, float] = Field(default_factory=dict)
    """What the score is made of, 0..1 each."""
    caption: str = ""
    """What the clip shows, in plain words."""
    focus: tuple[FocusPoint, ...] = ()
    """The fan's face through the clip, by time: what an upright picture keeps inside. Empty for openers."""
    slow_from_ms: int | None = None
    """[slow_from_ms, slow_to_ms) of the source is played `slow_factor` times as long, without its sound's pitch
    changing; none: nothing is."""
    slow_to_ms: int | None = None
    slow_factor: int = 1

    @property
    def played_ms(self) -> int:
        """Length on the montage's timeline."""
        length_ms = self.end_ms - self.start_ms
        if self.slow_from_ms is None or self.slow_to_ms is None:
            return length_ms
        return length_ms + (self.slow_to_ms - self.slow_from_ms) * (self.slow_factor - 1)


class RenderStyle(Wire):
    """How a montage looks and sounds, as far as the profile and the event say; part of what makes its id."""

    formats: tuple[MontageFormat, ...] = ("16:9",)
    """The first is the film; the others are files of their own."""
    title: str = ""
    subtitle: str = ""
    intro_ms: int = 0
    """Length of the title card before the first clip, its crossfade included; 0: none."""
    end_text: str = ""
    outro_ms: int = 0
    lower_third: Literal["none", "title", "caption"] = "none"
    brand_colour: str = "#101820"
    accent_colour: str = "#f2aa4c"
    denoise: bool = True
    music_bed: str = ""
    """File name of the profile's music, laid under the whole; empty: none."""
    music_sha256: str = ""
    """Of that file's bytes: another music under the same name is another montage."""
    music_gain_db: float = -18.0
    duck_db: float = 9.0
    """How far the music gives way where the broadcast's own sound is up."""
    poster: Literal["frame", "cutout"] = "frame"


class MontagePlan(Wire):
    """What will be rendered. `montage_id` is derived from fan, event and clips: same plan, same id."""

    montage_id: str
    fan_id: str
    event_id: str
    clips: tuple[MontageClip, ...]
    duration_ms: int
    crossfade_ms: int
    width: int
    height: int
    profile: str = "default"
    order: Literal["chronological", "build_up"] = "chronological"
    render: RenderStyle = RenderStyle()


class MontageDocument(Document):
    """Container `montages`, /fanId; id = `montage-<eventId>`: the fan's current montage of that event.

    `files` maps kind (`mp4`, `vertical.mp4`, `webp`, `jpg`, `edl`, `otio`, `vtt`, `srt`) to a blob name in
    container `montages`.
    """

    fan_id: str
    event_id: str
    montage_id: str
    status: MontageStatus
    reason: str | None = None
    plan: MontagePlan
    duration_ms: int
    files: dict[str, str] = Field(default_factory=dict)
    av_offset_ms: float | None = None
    loudness_lufs: float | None = None
    """Integrated loudness and true peak of the finished film (EBU R 128); none without sound."""
    true_peak_dbtp: float | None = None
    progress: float = 0.0
    """Part of the rendering that is done, 0..1: of `pending_id` where there is one."""
    pending_id: str = ""
    """The newer montage being made while this one is out."""
    cancels: int = 0
    """How often making this event's montage was cancelled: names what a resumption lifts."""
    version: int = 1
    """Counts how often this event's montage was published with another plan."""
    superseded: tuple[str, ...] = ()
    """Ids of montages this one took the place of and whose files are still to be deleted."""
