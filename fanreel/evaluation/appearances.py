"""Who was recognised when, against what a person saw."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanreel.contracts import AppearanceDocument, MatchDocument
from fanreel.errors import InputRejected

TOLERANCE_S = 0.5
"""How far a match may reach beyond the span in which a person saw the fan: truths are read off by eye."""

OVERLAP_MS = 200
"""One look at 5 fps: two tracks may follow one face that long."""

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fan's face is: its centre lies between two columns of the picture, in pixels, from start to end."""

    fan_id: str
    start_s: float
    end_s: float
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Truth:
    """When each fan is on screen, in seconds, and where that is known; who is not named is not on screen."""

    spans: Mapping[str, tuple[Span, ...]]
    places: tuple[Place, ...] = ()


NOBODY = Truth({})


@dataclass(frozen=True, slots=True)
class FanScore:
    """Of one fan: matches and reviews, right and wrong.

    on_screen, found  spans in which the fan is on screen, and how many of them have a right match
    """

    fan_id: str
    on_screen: int
    found: int
    right: int
    wrong: int
    review_right: int
    review_wrong: int
    nearest: float | None
    """Least distance of a right match or review to its threshold, in distance; negative is inside."""


@dataclass(frozen=True, slots=True)
class Total:
    """Over all fans. Ratios are None where there is nothing to count.

    precision  right matches of all matches          recall  spans on screen with a right match
    people     fans on screen with a right match     review_rate  reviews of all recognisable appearances
    """

    right: int
    wrong: int
    precision: float | None
    recall: float | None
    people: float | None
    people_found: int
    people_on_screen: int
    reviews: int
    reviews_wrong: int
    review_rate: float | None


def read_truth(path: Path) -> Truth:
    """Read either form: scenes with who is `present`, or spans per person (the demo's).

    Raises InputRejected `truth_malformed`.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if "cutsMs" in data:
            spans = {name: tuple((a / 1000, b / 1000) for a, b in each) for name, each in data["people"].items()}
            return Truth(spans)
        seen: dict[str, list[Span]] = {}
        for scene in data["people"]:
            for name in scene.get("present", ()):
                seen.setdefault(name, []).append((float(scene["startSeconds"]), float(scene["endSeconds"])))
        return Truth({name: _joined(each) for name, each in seen.items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputRejected(
            "truth_malformed",
            f"{path}: expected {{people: [{{startSeconds, endSeconds, present}}]}} "
            f"or the demo's {{cutsMs, people: {{name: [[startMs, endMs]]}}}} ({error}).",
        ) from error


def read_places(path: Path) -> tuple[Place, ...]:
    """Read where faces are: a list of {fanId, startSeconds, endSeconds, left, right}.

    Raises InputRejected `truth_malformed`.
    """
    try:
        return tuple(
            Place(
                str(one["fanId"]),
                float(one["startSeconds"]),
                float(one["endSeconds"]),
                float(one["left"]),
                float(one["right"]),
            )
            for one in json.loads(path.read_text("utf-8"))["places"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputRejected("truth_malformed", f"{path}: not a list of places ({error}).") from error


def score_fan(
    fan_id: str,
    matches: Iterable[MatchDocument],
    truth: Truth,
    seen: Mapping[str, AppearanceDocument] | None = None,
) -> FanScore:
    """Score one fan's matches and reviews; `seen` holds the appearances by id, for truths that know places."""
    spans = truth.spans.get(fan_id, ())
    places = [place for place in truth.places if place.fan_id == fan_id]
    own = [match for match in matches if match.fan_id == fan_id]
    sure = [match for match in own if match.decision == "match"]
    asked = [match for match in own if match.decision == "review"]
    right = _one_at_a_time(
        [match for match in sure if _inside(match, spans) and not _elsewhere(match, seen, places)]
    )
    asked_right = [match for match in asked if _inside(match, spans)]
    found = sum(any(_touches(match, span) for match in right) for span in spans)
    margins = [match.evidence.distance - match.evidence.threshold for match in (*right, *asked_right)]
    return FanScore(
        fan_id,
        len(spans),
        found,
        len(right),
        len(sure) - len(right),
        len(asked_right),
        len(asked) - len(asked_right),
        min(margins, default=None),
    )


def total(scores: Sequence[FanScore], recognisable: int) -> Total:
    """Sum the fans up; `recognisable`: how many appearances of the video could be searched."""
    right, wrong = sum(one.right for one in scores), sum(one.wrong for one in scores)
    on_screen = [one for one in scores if one.on_screen]
    people_found = sum(one.right > 0 for one in on_screen)
    reviews = sum(one.review_right + one.review_wrong for one in scores)
    return Total(
        right=right,
        wrong=wrong,
        precision=_share(right, right + wrong),
        recall=_share(sum(one.found for one in on_screen), sum(one.on_screen for one in on_screen)),
        people=_share(people_found, len(on_screen)),
        people_found=people_found,
        people_on_screen=len(on_screen),
        reviews=reviews,
        reviews_wrong=sum(one.review_wrong for one in scores),
        review_rate=_share(reviews, recognisable),
    )


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start - joined[-1][1] <= 2 * TOLERANCE_S:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def _inside(match: MatchDocument, spans: Iterable[Span]) -> bool:
    start, end = match.start_ms / 1000, match.end_ms / 1000
    return any(low - TOLERANCE_S <= start and end <= high + TOLERANCE_S for low, high in spans)


def _elsewhere(
    match: MatchDocument, seen: Mapping[str, AppearanceDocument] | None, places: Sequence[Place]
) -> bool:
    """Whether the face is at another place than the fan's is known to be; unknown places say nothing."""
    appearance = None if seen is None else seen.get(match.appearance_id)
    middle_s = (match.start_ms + match.end_ms) / 2000
    known = [place for place in places if place.start_s <= middle_s <= place.end_s]
    if appearance is None or not known:
        return False
    centres = sorted((box[0] + box[2]) / 2 for box in appearance.boxes)
    centre = centres[len(centres) // 2]
    return not any(place.left <= centre <= place.right for place in known)


def _one_at_a_time(matches: Sequence[MatchDocument]) -> list[MatchDocument]:
    """Leave out of right matches all that overlap an earlier one for longer than one face is seen twice.

    Nobody is in two places: of two faces at one time at most one is the fan's.
    """
    kept: list[MatchDocument] = []
    for match in sorted(matches, key=lambda one: (one.start_ms, one.id)):
        if all(
            min(match.end_ms, one.end_ms) - max(match.start_ms, one.start_ms) <= OVERLAP_MS
            for one in kept
            if one.video_id == match.video_id
        ):
            kept.append(match)
    return kept


def _touches(match: MatchDocument, span: Span) -> bool:
    return match.start_ms / 1000 < span[1] and match.end_ms / 1000 > span[0]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
