"""Who is seen and who is looked for: appearances, people, fans and what was decided about them (DESIGN §3)."""

from typing import Literal

from pydantic import Field

from .base import Document, ModelContract, Vectors, Wire
from .videos import Instance

Decision = Literal["match", "review", "none"]
SelfieStatus = Literal["accepted", "rejected"]
FanStatus = Literal["created", "enrolling", "ready", "rejected", "erased"]


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
