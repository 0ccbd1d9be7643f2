"""What was measured of a clip, in the few steps that words can tell apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from fanreel.contracts import AppearanceDocument, VideoDocument
from fanreel.domain.attributes import ADULT_FROM_YEARS, Gender
from fanreel.domain.captions.motion import JUMPING_FROM, STILL_BELOW, upward_speed
from fanreel.domain.captions.score import score_between
from fanreel.domain.excitement import F64
from fanreel.domain.shot_types import ShotType

AgeGroup = Literal["unknown", "child", "young", "adult", "older"]
Expression = Literal["unclear", "smiling", "surprised", "downcast", "tense"]
Motion = Literal["unknown", "still", "moving", "jumping"]
Company = Literal["unseen", "one", "several", "many"]
Noise = Literal["none", "roar", "applause", "whistle", "music", "noise"]

CHILD_BELOW_YEARS = 10.0
YOUNG_BELOW_YEARS = 22.0
OLDER_FROM_YEARS = 65.0
"""Ages are apparent and off by years (`fanreel eval attributes`): the words keep well away from the borders, so
`adult`, which is not said at all, takes the widest part."""

SURE_EXPRESSION = 0.6
"""Calibrated probability (`fanreel eval expression`) from which an expression is said. Fear and disgust never are:
measured on labelled faces they are mostly wrong."""
_EXPRESSIONS: dict[str, Expression] = {
    "happy": "smiling",
    "surprised": "surprised",
    "sad": "downcast",
    "angry": "tense",
}

EXCITED_FROM = 0.6
RISING_BY = 0.25
"""Excitement 0..1: its peak in the clip, and how far that lies above where the clip begins."""
BEGINNING_SHARE = 0.25

HEARD_FROM = 0.5
"""Confidence from which a sound is said, and share of the crowd's range that is a roar."""
HEARD_SHARE = 0.2
"""A sound is the clip's when it fills this share of it."""
_SOUNDS: tuple[tuple[str, Noise], ...] = (
    ("cheer", "roar"),
    ("applause", "applause"),
    ("whistle", "whistle"),
    ("music", "music"),
    ("loud", "noise"),
)
"""What is said when several are heard: the first."""
MANY_PEOPLE = 4


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """One person in one clip. The defaults say nothing: what was not measured is not told.

    excited  the excitement reaches EXCITED_FROM; rising: it grows through the clip.
    company  how many others are seen beside the person, at half of the moments at least.
    clothing plain colour word of what is worn; empty when not clear.
    in_crowd the shot shows a crowd.
    score    as read in the picture, like `2–1`; empty when not read.
    """

    gender: Gender = "undetermined"
    age_group: AgeGroup = "unknown"
    expression: Expression = "unclear"
    excited: bool = False
    rising: bool = False
    motion: Motion = "unknown"
    clothing: str = ""
    company: Company = "unseen"
    in_crowd: bool = False
    noise: Noise = "none"
    shot_type: ShotType = "none"
    score: str = ""


def clip_facts(
    video: VideoDocument,
    appearance: AppearanceDocument,
    others: Sequence[AppearanceDocument],
    start_ms: int,
    end_ms: int,
) -> ClipFacts:
    """Return what can be said of [start_ms, end_ms) of a video about the person of `appearance`.

    `others` may be all appearances of the video, this one included.
    """
    pts = np.array(appearance.pts_ms, np.int64)
    inside = (pts >= start_ms) & (pts < end_ms)
    looks_ms = pts[inside].tolist()
    beside = [o for o in others if _is_other(o, appearance) and o.start_ms < end_ms and o.end_ms > start_ms]
    shot = video.shots[appearance.shot_index] if 0 <= appearance.shot_index < len(video.shots) else None
    group = age_group(appearance.age_years)
    curve = np.array(appearance.excitement_curve, np.float64)
    excited, rising = _excitement(curve[inside] if len(curve) == len(pts) else curve[:0])
    return ClipFacts(
        gender="undetermined" if group == "child" or _is_minor(appearance) else appearance.apparent_gender,
        age_group=group,
        expression=expression_of(appearance),
        excited=excited,
        rising=rising,
        motion=_motion(appearance, beside, start_ms, end_ms),
        clothing=appearance.clothing or "",
        company=_company(beside, looks_ms),
        in_crowd=shot is not None and shot.kind == "crowd",
        noise=noise_of(video, start_ms, end_ms),
        shot_type=_shot_type(shot.shot_type if shot is not None else "none"),
        score=score_between(video.scores, start_ms, end_ms),
    )


def age_group(age_years: float | None) -> AgeGroup:
    """Return the words' age group of an apparent age."""
    if age_years is None:
        return "unknown"
    if age_years < CHILD_BELOW_YEARS:
        return "child"
    if age_years < YOUNG_BELOW_YEARS:
        return "young"
    return "older" if age_years >= OLDER_FROM_YEARS else "adult"


def expression_of(appearance: AppearanceDocument) -> Expression:
    """Return the expression that is sure enough to be said."""
    name = max(appearance.expressions, key=lambda e: appearance.expressions[e], default="")
    sure = appearance.expressions.get(name, 0.0) >= SURE_EXPRESSION
    return _EXPRESSIONS.get(name, "unclear") if sure else "unclear"


def noise_of(video: VideoDocument, start_ms: int, end_ms: int) -> Noise:
    """Return what is heard over [start_ms, end_ms), the plainest first; `none` when nothing is sure."""
    for kind, noise in _SOUNDS:
        spans = [span for event in video.sounds if event.kind == kind for span in event.instances]
        heard_ms = sum(
            max(0, min(span.end_ms, end_ms) - max(span.start_ms, start_ms))
            for span in spans
            if span.confidence >= HEARD_FROM
        )
        if end_ms > start_ms and heard_ms >= HEARD_SHARE * (end_ms - start_ms):
            return noise
    return "roar" if crowd_level(video, start_ms, end_ms) >= HEARD_FROM else "none"


def crowd_level(video: VideoDocument, start_ms: int, end_ms: int) -> float:
    """Return how much the crowd is up over [start_ms, end_ms), the mean of its seconds, 0..1."""
    seconds = video.crowd[start_ms // 1000 : -(-end_ms // 1000)]
    return float(np.mean(seconds)) if seconds else 0.0


def _is_minor(appearance: AppearanceDocument) -> bool:
    return appearance.age_years is not None and appearance.age_years < ADULT_FROM_YEARS


def _is_other(other: AppearanceDocument, appearance: AppearanceDocument) -> bool:
    if other.id == appearance.id or other.video_id != appearance.video_id:
        return False
    return other.person_id is None or other.person_id != appearance.person_id


def _excitement(curve: F64) -> tuple[bool, bool]:
    if not len(curve):
        return False, False
    beginning = float(np.mean(curve[: max(1, int(len(curve) * BEGINNING_SHARE))]))
    peak = float(curve.max())
    return peak >= EXCITED_FROM, peak - beginning >= RISING_BY


def _motion(
    appearance: AppearanceDocument, beside: Sequence[AppearanceDocument], start_ms: int, end_ms: int
) -> Motion:
    """Say how the face moved against the faces around it: what moves them all together is the camera."""
    speed = _speeds(appearance, start_ms, end_ms)
    if not speed:
        return "unknown"
    around = [_speeds(other, start_ms, end_ms) for other in beside]
    # Others who sink do not make somebody rise who sits still.
    own = [
        value - max(0.0, float(np.median([o[at] for o in around if at in o] or [0.0])))
        for at, value in speed.items()
    ]
    if max(own) >= JUMPING_FROM:
        return "jumping"
    return "still" if max(abs(value) for value in speed.values()) < STILL_BELOW else "moving"


def _speeds(appearance: AppearanceDocument, start_ms: int, end_ms: int) -> dict[int, float]:
    """Return the upward speed by time, where it is known."""
    pts = np.array(appearance.pts_ms, np.int64)
    rows = np.flatnonzero((pts >= start_ms) & (pts < end_ms))
    boxes = np.array(appearance.boxes, np.float64).reshape(-1, 4)[rows]
    speed = upward_speed(pts[rows], boxes)
    known = np.isfinite(speed)
    return dict(zip(pts[rows][known].tolist(), speed[known].tolist(), strict=True))


def _company(beside: Sequence[AppearanceDocument], looks_ms: Sequence[int]) -> Company:
    counts = [sum(other.start_ms <= at < other.end_ms for other in beside) for at in looks_ms]
    usual = float(np.median(counts)) if counts else 0.0
    if usual >= MANY_PEOPLE:
        return "many"
    if usual >= 2:
        return "several"
    return "one" if usual >= 1 else "unseen"


def _shot_type(name: str) -> ShotType:
    return next((known for known in get_args(ShotType) if known == name), "none")
