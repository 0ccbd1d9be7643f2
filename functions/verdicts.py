"""What people say about doubtful matches: the questions that are open, and the verdicts taken down.

A verdict is kept for good (the latest counts, the history stays) and is taken into account by every later search
of the video. Here it is only written down; `apply_review` makes it count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fanreel.adapters.services import Services
from fanreel.contracts import (
    FAN,
    Answer,
    AppearanceDocument,
    FanDocument,
    FanSearch,
    MatchDocument,
    ReviewDocument,
    Verdict,
    utc_now,
)
from fanreel.domain import naming
from fanreel.domain.matching import CoVisible, MatchPolicy, face_id_of, is_about, resolve_links
from fanreel.errors import InputRejected, NotAllowed

from .intake import Start

NOT_FOUND = "not_found"
QUESTION_CHANGED = "question_changed"


@dataclass(frozen=True, slots=True)
class Heard:
    """A verdict taken down, and the orchestration that makes it count; `is_new` unless it was known already."""

    review: ReviewDocument
    is_new: bool
    start: Start


@dataclass(frozen=True, slots=True)
class Question:
    """A doubtful match nobody has decided yet; `review_id` says what exactly is asked."""

    match: MatchDocument
    appearance: AppearanceDocument
    review_id: str
    verdicts: int
    """How many verdicts there are already; more than none where they contradict each other."""


def open_questions(services: Services, event_id: str) -> list[Question]:
    """Return an event's doubtful matches by match id; those just answered are left out at once.

    That is by video, and within one by time, as its appearances are numbered.
    """
    documents = services.documents
    where = "c.eventId = @event AND c.decision = 'review'"
    matches = list(documents.query(MatchDocument, where, {"@event": event_id}))
    reviews = {one.id: one for one in documents.query(ReviewDocument, "", {}, partition=event_id)}
    seen = _appearances_of(services, matches)
    questions = [
        _question(match, seen[match.appearance_id], reviews)
        for match in matches
        if match.appearance_id in seen and _is_about(match, seen[match.appearance_id])
    ]
    return sorted((one for one in questions if _is_open(one, reviews)), key=lambda one: one.match.id)


def find_question(services: Services, event_id: str, match_id: str) -> tuple[str, str]:
    """Return fan and appearance of a match. Raises InputRejected `not_found`."""
    where = "c.id = @id AND c.eventId = @event"
    found = next(iter(services.documents.query(MatchDocument, where, {"@id": match_id, "@event": event_id})), None)
    if found is None:
        raise InputRejected(NOT_FOUND, "There is no such match in this event.")
    return found.fan_id, found.appearance_id


def give_verdict(
    services: Services,
    fan_id: str,
    appearance_id: str,
    answer: Answer,
    by: str,
    *,
    event_id: str | None = None,
    review_id: str | None = None,
    verdicts: int | None = None,
) -> Heard:
    """Take down what somebody says about a fan and a face; the same answer again changes nothing.

    `review_id` is what the person was asked; given, it must still be what these ids mean. `verdicts` is how many
    there were when they were asked; given, nobody may have answered since (but the same).

    Raises:
        InputRejected: `not_found`.
        NotAllowed: `consent_missing`; `question_changed`; of a `same` also `fan_said_not_me` and what
            `_check_same` says.
    """
    appearance = _appearance(services, appearance_id, event_id)
    fan = _fan(services, fan_id, appearance.event_id)
    asked = review_id_of(fan_id, appearance)
    if review_id not in (None, asked):
        raise NotAllowed(
            QUESTION_CHANGED, "The video was analysed again; look at the open questions as they are now."
        )
    if answer == "same":
        _check_same(services, fan, appearance)
    verdict = Verdict(answer=answer, by=by, at=utc_now())
    review, is_new = _take_down(services, _review(asked, fan_id, appearance, verdict), verdicts)
    try:
        _fan(services, fan_id, appearance.event_id)
    except (InputRejected, NotAllowed):  # erased meanwhile: nothing is kept of them
        services.documents.delete(ReviewDocument, review.id, review.event_id)
        raise
    search = FanSearch(fan_id=fan_id, event_id=review.event_id, video_id=review.video_id)
    instance_id = naming.review_instance_id(review.id, review.said)
    return Heard(review, is_new, Start("apply_review", instance_id, search))


def not_me(services: Services, fan_id: str, appearance_id: str) -> Heard:
    """Take down that a fan does not recognise themselves in an appearance they were matched with.

    Raises:
        InputRejected: `not_found`, also for an appearance that has nothing to do with this fan.
        NotAllowed: `consent_missing`; `question_changed` when the video was analysed again since.
    """
    appearance = _appearance(services, appearance_id, None)
    documents = services.documents
    match = documents.get(MatchDocument, naming.match_id(appearance_id, fan_id), fan_id)
    review_id = review_id_of(fan_id, appearance)
    if match is None and documents.get(ReviewDocument, review_id, appearance.event_id) is None:
        raise InputRejected(NOT_FOUND, "There is no such appearance of this fan.")
    if match is not None and not _is_about(match, appearance):
        raise NotAllowed(QUESTION_CHANGED, "The video was analysed again; look at the montage as it is now.")
    return give_verdict(services, fan_id, appearance_id, "different", FAN)


def review_id_of(fan_id: str, appearance: AppearanceDocument) -> str:
    """Return the id of the review about a fan and this very appearance."""
    return naming.review_id(fan_id, face_id_of(appearance))


def _check_same(services: Services, fan: FanDocument, appearance: AppearanceDocument) -> None:
    """Refuse a `same` that cannot be made a match.

    Raises NotAllowed: `fan_cannot_be_matched`, `appearance_cannot_be_matched` (no template, or two networks);
    `fan_said_not_me`; `appearance_of_another_fan`; `two_faces_of_one_frame`.
    """
    if appearance.template is None:
        raise NotAllowed("appearance_cannot_be_matched", "No face of this appearance was good enough.")
    if fan.template is None or fan.model_contract != appearance.model_contract:
        raise NotAllowed("fan_cannot_be_matched", "The fan has to add a selfie first.")
    documents = services.documents
    span = {"@from": appearance.start_ms, "@to": appearance.end_ms}
    meeting = list(
        documents.query(
            AppearanceDocument, "c.startMs <= @to AND c.endMs >= @from", span, partition=appearance.video_id
        )
    )
    where, parameters = "c.videoId = @video", {"@video": appearance.video_id}
    reviews = documents.query(ReviewDocument, where, parameters, partition=appearance.event_id)
    links = resolve_links(reviews, meeting)
    # What the fan said counts as well where it was said of an earlier analysis.
    _check_fans_own(links.different.get((fan.fan_id, appearance.id)))
    same = links.same
    if any(one == appearance.id and who != fan.fan_id for who, one in same):
        raise NotAllowed(
            "appearance_of_another_fan", "Somebody said that this is another fan; say first that it is not."
        )
    rows = [one.id for one in meeting]
    beside = CoVisible(meeting, MatchPolicy().same_place_iou).beside(rows.index(appearance.id))
    if any((fan.fan_id, rows[row]) in same for row in beside):
        raise NotAllowed(
            "two_faces_of_one_frame",
            "Somebody said that the fan is another face seen at the same time; say first that it is not.",
        )


def _check_fans_own(known: ReviewDocument | None) -> None:
    """Refuse to recognise a fan in a face of which they have said themselves that it is not theirs."""
    if known is not None and (known.latest.answer, known.latest.by) == ("different", FAN):
        raise NotAllowed("fan_said_not_me", "The fan has said that it is somebody else; nobody can overrule that.")


def _take_down(services: Services, fresh: ReviewDocument, expected: int | None) -> tuple[ReviewDocument, bool]:
    """Store the first verdict of a review, or add it to those known; says whether that changed anything.

    `expected` is how many there must be, if any number. All is looked at again here, in one step with the writing.
    """
    created = services.documents.create(fresh) if not expected else None
    if created is not None:
        return created, True
    is_new = False

    def changed(known: ReviewDocument) -> ReviewDocument | None:
        nonlocal is_new
        is_new = _adds(fresh.latest, known.latest)
        if not is_new:
            return None
        if fresh.latest.answer == "same":
            _check_fans_own(known)
        if expected not in (None, len(known.verdicts)):
            raise NotAllowed(QUESTION_CHANGED, "Somebody has answered meanwhile; look at the questions again.")
        return known.model_copy(update={"verdicts": (*known.verdicts, fresh.latest)})

    known = services.documents.update(ReviewDocument, fresh.id, fresh.event_id, changed)
    if known is None and expected:
        raise NotAllowed(QUESTION_CHANGED, "What was said has been erased; look at the questions again.")
    if known is None:  # erased in between
        raise InputRejected(NOT_FOUND, "There is no such fan in this event.")
    return known, is_new


def _adds(verdict: Verdict, latest: Verdict) -> bool:
    """Whether a verdict says anything new: another answer, or the fan's own word for what an operator said."""
    return verdict.answer != latest.answer or (verdict.by == FAN and latest.by != FAN)


def _review(review_id: str, fan_id: str, appearance: AppearanceDocument, verdict: Verdict) -> ReviewDocument:
    return ReviewDocument(
        id=review_id,
        event_id=appearance.event_id,
        fan_id=fan_id,
        video_id=appearance.video_id,
        appearance_id=appearance.id,
        start_ms=appearance.start_ms,
        end_ms=appearance.end_ms,
        pts_ms=appearance.pts_ms,
        boxes=appearance.boxes,
        verdicts=(verdict,),
    )


def _appearance(services: Services, appearance_id: str, event_id: str | None) -> AppearanceDocument:
    video_id = naming.video_of_appearance(appearance_id)
    found = services.documents.get(AppearanceDocument, appearance_id, video_id) if video_id else None
    if found is None or event_id not in (None, found.event_id):
        raise InputRejected(NOT_FOUND, "There is no such appearance in this event.")
    return found


def _fan(services: Services, fan_id: str, event_id: str) -> FanDocument:
    fan = services.documents.get(FanDocument, fan_id, fan_id)
    if fan is None or fan.status == "erased" or event_id not in fan.event_ids:
        raise InputRejected(NOT_FOUND, "There is no such fan in this event.")
    if fan.consent is None or not fan.consent.given:
        raise NotAllowed("consent_missing", "Without consent nothing is said about a fan's face.")
    return fan


def _appearances_of(services: Services, matches: Sequence[MatchDocument]) -> dict[str, AppearanceDocument]:
    by_video: dict[str, list[str]] = {}
    for match in matches:
        by_video.setdefault(match.video_id, []).append(match.appearance_id)
    return {
        one.id: one
        for video_id, ids in by_video.items()
        for one in services.documents.query(
            AppearanceDocument, "ARRAY_CONTAINS(@ids, c.id)", {"@ids": ids}, partition=video_id
        )
    }


def _is_about(match: MatchDocument, appearance: AppearanceDocument) -> bool:
    """Whether the match was decided about this very appearance: after another analysis ids count anew."""
    if match.face_id is None:  # decided before matches said so
        return (match.start_ms, match.end_ms) == (appearance.start_ms, appearance.end_ms)
    return match.face_id == face_id_of(appearance)


def _question(
    match: MatchDocument, appearance: AppearanceDocument, reviews: Mapping[str, ReviewDocument]
) -> Question:
    asked = review_id_of(match.fan_id, appearance)
    return Question(match, appearance, asked, len(reviews[asked].verdicts) if asked in reviews else 0)


def _is_open(question: Question, reviews: Mapping[str, ReviewDocument]) -> bool:
    """Whether nobody has answered since the match was decided."""
    review = reviews.get(question.review_id)
    if review is None or not is_about(review, question.appearance):
        return True
    # Verdicts that contradict each other come back as a question.
    return review.latest.answer == "same" and "reviews_contradict" in question.match.evidence.gates
