"""What people said about a face and a fan: it holds, it is never asked again, and it makes no other match."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanreel.contracts import Answer, AppearanceDocument, FanDocument, MatchDocument, ReviewDocument, Verdict
from fanreel.domain.matching import CoVisible, MatchPolicy, decide_matches, face_id_of, resolve_links

from .matching_world import EVENT, appearance, crowd, fan, person, seen_at

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("made_templates")]

POLICY = MatchPolicy()
CLOSE, NEARLY, FAR = 0.40, 0.60, 0.75
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ANN, BOB = fan("ann", person(0)), fan("bob", person(1))


def review(
    one: AppearanceDocument, fan_id: str, answer: Answer, minute: int = 0, **changes: Any
) -> ReviewDocument:
    verdict = Verdict(answer=answer, by="eve", at=NOON + timedelta(minutes=minute))
    return ReviewDocument(
        id=f"r-{one.id}-{fan_id}",
        event_id=EVENT,
        fan_id=fan_id,
        video_id=one.video_id,
        appearance_id=one.id,
        start_ms=one.start_ms,
        end_ms=one.end_ms,
        pts_ms=one.pts_ms,
        boxes=one.boxes,
        verdicts=(verdict,),
    ).model_copy(update=changes)


def decide(
    fans: Sequence[FanDocument], seen: Sequence[AppearanceDocument], *reviews: ReviewDocument
) -> dict[tuple[str, str], MatchDocument]:
    found = decide_matches(fans, seen, POLICY, reviews=reviews)
    return {(match.fan_id, match.appearance_id): match for match in found}


def outcomes(decided: dict[tuple[str, str], MatchDocument]) -> dict[tuple[str, str], str]:
    return {pair: match.decision for pair, match in decided.items()}


@pytest.mark.parametrize("distance", [CLOSE, NEARLY, FAR])
def test_what_a_person_recognised_is_a_match_and_says_so(distance: float) -> None:
    seen = appearance("a", seen_at(person(0), distance), supporting_faces=1)
    decided = decide([ANN, BOB], [seen, *crowd(20)], review(seen, "ann", "same"))["ann", "a"]
    assert (decided.decision, decided.probability) == ("match", 1.0)
    assert (decided.evidence.reviewed, decided.evidence.review_id) == (True, "r-a-ann")
    assert "too_few_supporting_faces" in decided.evidence.gates, "what spoke against it is kept"
    assert decided.evidence.distance == pytest.approx(distance, abs=1e-3)
    assert decided.evidence.runner_up_fan_id == "bob", "weighed like any other, however far"


@pytest.mark.parametrize("distance", [CLOSE, NEARLY])
def test_what_a_person_ruled_out_is_neither_matched_nor_asked_again(distance: float) -> None:
    seen = appearance("a", seen_at(person(0), distance))
    assert decide([ANN, BOB], [seen])
    assert decide([ANN, BOB], [seen], review(seen, "ann", "different")) == {}


def test_ruling_out_the_runner_up_makes_no_match_for_the_nearest() -> None:
    seen, bea = appearance("a", seen_at(person(0), CLOSE)), fan("bea", seen_at(person(0), 0.2, noise=3))
    before = decide([ANN, bea], [seen])
    after = decide([ANN, bea], [seen], review(seen, "bea", "different"))
    assert outcomes(before) == outcomes(after) == {("ann", "a"): "review"}


def test_ruling_out_the_nearest_asks_about_the_next_and_matches_nobody() -> None:
    seen, bea = appearance("a", seen_at(person(0), 0.2)), fan("bea", seen_at(person(0), 0.3, noise=3))
    after = decide([ANN, bea], [seen], review(seen, "ann", "different"))
    assert outcomes(after) == {("bea", "a"): "review"}
    evidence = after["bea", "a"].evidence
    assert evidence.gates[0] == "small_margin"
    assert evidence.runner_up_fan_id == "ann"
    assert evidence.runner_up_margin is not None
    assert evidence.runner_up_margin < 0
    assert decide([ANN, bea], [seen], review(seen, "ann", "different"), review(seen, "bea", "different")) == {}


def test_ruling_out_a_rival_makes_no_match_for_the_face_beside_it() -> None:
    faces = [appearance(str(i), seen_at(person(0), 0.40 + i / 100, noise=i), left=600 * i) for i in range(2)]
    assert set(outcomes(decide([ANN], faces)).values()) == {"review"}
    after = decide([ANN], faces, review(faces[1], "ann", "different"))
    assert outcomes(after) == {("ann", "0"): "review"}
    assert after["ann", "0"].evidence.rival_appearance_id == "1"


def test_a_face_beside_one_that_is_surely_the_fan_is_not_the_fan() -> None:
    near = appearance("near", seen_at(person(0), 0.20, noise=1))
    far = appearance("far", seen_at(person(0), 0.45, noise=2), left=600)
    assert outcomes(decide([ANN], [near, far])) == {("ann", "near"): "match", ("ann", "far"): "review"}
    assert outcomes(decide([ANN], [near, far], review(far, "ann", "same"))) == {("ann", "far"): "match"}


def test_an_appearance_that_is_surely_somebody_is_nobody_else() -> None:
    seen = appearance("a", seen_at(person(0), CLOSE))
    assert outcomes(decide([ANN, BOB], [seen], review(seen, "bob", "same"))) == {("bob", "a"): "match"}
    assert decide([ANN], [seen], review(seen, "bob", "same")) == {}, "nor when that one cannot be compared now"


def test_verdicts_that_cannot_both_be_true_are_asked_about_again() -> None:
    near, far = appearance("1", seen_at(person(0), 0.2)), appearance("2", seen_at(person(0), 0.4, 2), left=600)
    for pair in (
        decide([ANN], [near, far], review(near, "ann", "same"), review(far, "ann", "same")),
        decide([ANN, BOB], [near], review(near, "ann", "same"), review(near, "bob", "same")),
    ):
        assert [match.decision for match in pair.values()] == ["review", "review"]
        assert all("reviews_contradict" in match.evidence.gates for match in pair.values())


@pytest.mark.parametrize(
    ("first", "then", "expected"), [("same", "different", {}), ("different", "same", "match")]
)
def test_the_later_of_two_opposite_verdicts_counts(first: Answer, then: Answer, expected: Any) -> None:
    seen = appearance("a", seen_at(person(0), NEARLY))
    older = review(seen, "ann", first, minute=0)
    newer = review(seen, "ann", then, minute=1, id="a-name-that-sorts-first")
    for reviews in ((older, newer), (newer, older)):
        found = outcomes(decide([ANN], [seen], *reviews))
        assert found == ({("ann", "a"): expected} if expected else {})


def test_a_ruled_out_face_of_a_person_makes_their_other_faces_doubtful() -> None:
    first = appearance("1", seen_at(person(0), 0.2, 1), person_id="p-1")
    again = appearance("2", seen_at(person(0), 0.2, 2), start_ms=9_000, person_id="p-1")
    other = appearance("3", seen_at(person(0), 0.2, 3), start_ms=19_000, person_id="p-2")
    after = decide([ANN], [first, again, other], review(first, "ann", "different"))
    assert outcomes(after) == {("ann", "2"): "review", ("ann", "3"): "match"}
    assert after["ann", "2"].evidence.gates == ("person_denied",)
    confirmed = decide(
        [ANN], [first, again, other], review(first, "ann", "different"), review(again, "ann", "same")
    )
    assert outcomes(confirmed) == {("ann", "2"): "match", ("ann", "3"): "match"}


# --- after another analysis the ids mean other faces --------------------------------------------------


def test_a_verdict_follows_the_face_and_not_the_id() -> None:
    looked_at = appearance("v-1-a00001", seen_at(person(0), NEARLY, 1), start_ms=5_000)
    renamed = looked_at.model_copy(update={"id": "v-1-a00002"})
    somebody = appearance("v-1-a00001", seen_at(person(0), CLOSE, 2), start_ms=1_000)
    for answer, expected in (("same", "match"), ("different", None)):
        after = outcomes(decide([ANN], [somebody, renamed], review(looked_at, "ann", answer)))  # type: ignore[arg-type]
        assert after.get(("ann", renamed.id)) == expected
        assert after["ann", somebody.id] == "match"


@pytest.mark.parametrize("sightings", ["boxes", "times"])
def test_a_verdict_is_about_every_sighting_and_not_only_the_span_and_the_first(sightings: str) -> None:
    """Two people who are visible for a whole shot have the same span, and may begin in the same place."""
    looked_at = appearance("v-1-a00001", seen_at(person(0), NEARLY, 1), start_ms=1_000)
    first = looked_at.boxes[0]
    moved: dict[str, Any] = {"boxes": (first, *((900, 100, 1_050, 300),) * (len(looked_at.boxes) - 1))}
    if sightings == "times":
        moved = {"pts_ms": (1_000, 5_000, 5_400), "end_ms": looked_at.end_ms}
    somebody = looked_at.model_copy(update=moved)
    assert resolve_links([review(looked_at, "ann", "same")], [looked_at]).same
    assert not resolve_links([review(looked_at, "ann", "same")], [somebody]).same
    assert face_id_of(looked_at) != face_id_of(somebody)


def test_a_denial_holds_for_every_part_of_what_was_looked_at() -> None:
    looked_at = appearance("old", seen_at(person(0), CLOSE), start_ms=1_000)
    moved: dict[str, Any] = {"pts_ms": (1_400, 9_000), "boxes": ((20, 100, 170, 300),) * 2}
    longer = appearance("new", seen_at(person(0), CLOSE), start_ms=1_400, end_ms=9_000, **moved)
    beside = appearance("other", seen_at(person(1), CLOSE), start_ms=1_000, left=600)
    verdict = review(looked_at, "ann", "different")
    assert resolve_links([verdict], [longer, beside]).different.keys() == {("ann", "new")}


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),
        ({"pts_ms": (1_200, 1_400), "start_ms": 1_200, "boxes": ((10, 100, 160, 300),) * 2}, True),
        ({"end_ms": 1_900}, True),
        ({"end_ms": 1_901}, False),
        ({"start_ms": 499}, False),
        ({"boxes": ((0, 100, 150, 300), (0, 100, 150, 300), (140, 100, 290, 300))}, False),
        ({"pts_ms": (1_000, 5_000, 6_000), "end_ms": 1_400}, False),
        ({"boxes": (), "pts_ms": ()}, False),
    ],
    ids=["itself", "a part", "half a second more", "more", "begins before", "wanders off", "holes", "nowhere"],
)
def test_a_recognition_holds_only_for_what_lies_within_what_was_looked_at(
    changes: dict[str, Any], holds: bool
) -> None:
    looked_at = appearance("old", seen_at(person(0), CLOSE), start_ms=1_000)
    now = looked_at.model_copy(update={"id": "new", **changes})
    assert bool(resolve_links([review(looked_at, "ann", "same")], [now]).same) is holds


def test_a_denial_of_a_face_whose_place_is_unknown_holds_for_the_time() -> None:
    nowhere = appearance("old", seen_at(person(0), CLOSE), boxes=(), pts_ms=())
    now = appearance("new", seen_at(person(0), CLOSE), left=600)
    later = appearance("later", seen_at(person(0), CLOSE), start_ms=2_000)
    verdict = review(nowhere, "ann", "different")
    assert resolve_links([verdict], [now, later]).different.keys() == {("ann", "new")}


def test_a_verdict_about_another_video_says_nothing() -> None:
    seen = appearance("a", seen_at(person(0), CLOSE))
    other = review(seen, "ann", "different", video_id="v-2")
    assert outcomes(decide([ANN], [seen], other)) == {("ann", "a"): "match"}


# --- what must hold for any gallery and any verdicts --------------------------------------------------

GALLERY = [*(fan(f"fan-{i}", person(i)) for i in range(4)), fan("fan-4", seen_at(person(0), 0.25, noise=30))]
"""Four strangers, and a sibling of the first."""

worlds = st.lists(
    st.tuples(
        st.integers(0, 4),  # who
        st.floats(0.1, 0.7),  # how far from the selfie
        st.integers(0, 29),  # in which direction
        st.integers(0, 3),  # when
        st.integers(0, 2),  # where
        st.integers(0, 2),  # which person of the video
    ),
    min_size=1,
    max_size=8,
)
verdicts = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 4), st.sampled_from(["same", "different"]), st.integers(0, 9)),
    max_size=6,
)
World = list[tuple[int, float, int, int, int, int]]
Said = list[tuple[int, int, Answer, int]]


def world(rows: World) -> list[AppearanceDocument]:
    return [
        appearance(
            f"a{i:02d}", seen_at(person(who), far, noise), start_ms=1_000 * when, left=400 * where,
            person_id=f"p-{cluster}",
        )
        for i, (who, far, noise, when, where, cluster) in enumerate(rows)
    ]  # fmt: skip


def said(seen: list[AppearanceDocument], rows: Said) -> list[ReviewDocument]:
    return [
        review(seen[i % len(seen)], f"fan-{who}", answer, minute, id=f"r-{n}")
        for n, (i, who, answer, minute) in enumerate(rows)
    ]


def pairs(found: list[MatchDocument], decision: str) -> set[tuple[str, str]]:
    return {(match.fan_id, match.appearance_id) for match in found if match.decision == decision}


@given(worlds, verdicts)
@settings(max_examples=80, deadline=None)
def test_a_verdict_never_creates_a_match_but_its_own(rows: World, given_rows: Said) -> None:
    seen = world(rows)
    reviews = said(seen, given_rows)
    before, after = (decide_matches(GALLERY, seen, POLICY, reviews=some) for some in ((), reviews))
    links = resolve_links(reviews, seen)
    assert pairs(after, "match") <= pairs(before, "match") | links.same.keys()
    assert not (pairs(after, "match") | pairs(after, "review")) & links.different.keys()
    for match in after:
        if (match.fan_id, match.appearance_id) in links.same:
            contradicts = "reviews_contradict" in match.evidence.gates
            assert match.decision == ("review" if contradicts else "match")


@given(worlds, verdicts)
@settings(max_examples=60, deadline=None)
def test_whatever_is_said_nobody_is_two_faces_of_a_frame_and_no_face_two_people(
    rows: World, given_rows: Said
) -> None:
    seen = world(rows)
    found = pairs(decide_matches(GALLERY, seen, POLICY, reviews=said(seen, given_rows)), "match")
    assert len({appearance_id for _, appearance_id in found}) == len(found)
    beside, row = CoVisible(seen, POLICY.same_place_iou), {one.id: i for i, one in enumerate(seen)}
    for fan_id, appearance_id in found:
        others = {seen[i].id for i in beside.beside(row[appearance_id])}
        assert not {(fan_id, other) for other in others} & found


@given(worlds, verdicts, st.integers(0, 29), st.floats(0.05, 0.9), st.integers(0, 4))
@settings(max_examples=40, deadline=None)
def test_with_verdicts_too_a_further_fan_creates_no_match_for_another(
    rows: World, given_rows: Said, noise: int, far: float, like: int
) -> None:
    seen = world(rows)
    reviews = said(seen, given_rows)
    newcomer = fan("new", seen_at(person(like), far, noise))
    before, after = (
        pairs(decide_matches(fans, seen, POLICY, reviews=reviews), "match")
        for fans in (GALLERY, [*GALLERY, newcomer])
    )
    assert {pair for pair in after if pair[0] != "new"} <= before


@given(worlds, verdicts, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_reviews_does_not_matter(rows: World, given_rows: Said, shuffler: Any) -> None:
    seen = world(rows)
    reviews = said(seen, given_rows)
    expected = decide_matches(GALLERY, seen, POLICY, reviews=reviews)
    shuffler.shuffle(reviews)
    assert decide_matches(GALLERY, seen, POLICY, reviews=reviews) == expected


def test_a_thousand_reviews_of_a_long_video_are_resolved_at_once() -> None:
    seen = [appearance(f"n{i}", seen_at(person(0), CLOSE), start_ms=1_000 * i) for i in range(2_000)]
    reviews = [review(one, "ann", "different", id=f"r-{i}") for i, one in enumerate(seen[:1_000])]
    renamed = [one.model_copy(update={"id": f"m{i}"}) for i, one in enumerate(seen)]
    assert len(resolve_links(reviews, renamed).different) == 1_000
    assert resolve_links(reviews, seen).different.keys() == {("ann", f"n{i}") for i in range(1_000)}
