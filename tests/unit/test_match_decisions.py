"""Who is who: every gate alone, and what must hold for any gallery."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanreel.contracts import AppearanceDocument, Consent, FanDocument, MatchDocument, Vectors
from fanreel.domain.matching import MatchPolicy, decide_matches, decision_for
from fanreel.errors import ContractBroken

from .matching_world import CONTRACT, EVENT, appearance, crowd, fan, person, seen_at, with_attributes

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("made_templates")]

POLICY = MatchPolicy()
CLOSE, NEARLY = 0.40, 0.60
"""Surely the fan, and within the review band, for single selfies."""


def decide_one(one: FanDocument, seen: AppearanceDocument, *others: FanDocument) -> MatchDocument | None:
    decided = decide_matches([one, *others], [seen, *crowd(20)], POLICY)
    return next((match for match in decided if match.appearance_id == seen.id), None)


def test_a_close_good_face_is_a_match_with_its_evidence() -> None:
    decided = decide_one(fan("ann", person(0)), appearance("a", seen_at(person(0), CLOSE)), fan("bob", person(1)))
    assert decided is not None
    assert (decided.decision, decided.fan_id, decided.evidence.gates) == ("match", "ann", ())
    assert decided.evidence.distance == pytest.approx(CLOSE, abs=1e-3)
    assert decided.evidence.distance < decided.evidence.threshold < decided.evidence.review_threshold
    assert decided.evidence.runner_up_fan_id == "bob"
    assert "2 fans × 21 appearances" in decided.evidence.threshold_reason
    assert decided.probability > 0.95
    assert decided.model_contract == CONTRACT


def test_between_match_and_nobody_lies_review() -> None:
    decided = decide_one(fan("ann", person(0)), appearance("a", seen_at(person(0), NEARLY)))
    assert decided is not None
    assert decided.decision == "review"
    assert decided.evidence.threshold < decided.evidence.distance


def test_strangers_are_nobody() -> None:
    gallery = [fan(f"fan-{i}", person(i)) for i in range(10)]
    assert decide_matches(gallery, crowd(200), POLICY) == []


@pytest.mark.parametrize(
    ("gate", "changes"),
    [
        ("too_few_supporting_faces", {"supporting_faces": 1}),
        ("face_too_small", {"face_height_px": 39.0}),
        ("face_too_small", {"face_height_px": float("nan")}),
        ("too_blurred", {"sharpness": 0.2}),
        ("mixed_track", {"spread": 0.43}),
        ("gender_contradiction", {"female_probability": 0.02, "apparent_gender": "male"}),
        ("age_contradiction", {"age_years": 62.0}),
    ],
)
def test_one_gate_turns_a_match_into_a_review(gate: str, changes: dict[str, Any]) -> None:
    ann = with_attributes(fan("ann", person(0)), female_probability=0.97, age_years=25.0)
    good = decide_one(ann, appearance("a", seen_at(person(0), 0.2)))
    assert good is not None
    assert good.decision == "match"
    bad = decide_one(ann, appearance("a", seen_at(person(0), 0.2), **changes))
    assert bad is not None
    assert (bad.decision, bad.evidence.gates) == ("review", (gate,))


def test_a_gate_and_a_distance_in_the_review_band_together_are_nobody() -> None:
    seen = appearance("a", seen_at(person(0), NEARLY), supporting_faces=1)
    assert decide_one(fan("ann", person(0)), seen) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"female_probability": 0.02, "apparent_gender": "undetermined"},
        {"female_probability": 0.2, "apparent_gender": "male"},
        {"female_probability": None, "age_years": None},
        {"age_years": 62.0, "face_height_px": 90.0},
        {"age_years": 62.0, "quality": 0.5},
    ],
)
def test_unsure_attributes_contradict_nothing(changes: dict[str, Any]) -> None:
    ann = with_attributes(fan("ann", person(0)), female_probability=0.97, age_years=25.0)
    decided = decide_one(ann, appearance("a", seen_at(person(0), CLOSE), **changes))
    assert decided is not None
    assert decided.decision == "match"


def test_a_sibling_nearly_as_close_sends_it_to_review() -> None:
    sibling = seen_at(person(0), 0.2, noise=3)
    decided = decide_one(fan("ann", person(0)), appearance("a", seen_at(person(0), CLOSE)), fan("bea", sibling))
    assert decided is not None
    assert (decided.decision, decided.evidence.runner_up_fan_id) == ("review", "bea")
    assert "small_margin" in decided.evidence.gates


def test_selfies_of_perhaps_two_people_match_nothing_without_review() -> None:
    doubtful = fan("ann", person(0), reason="selfies_disagree")
    decided = decide_one(doubtful, appearance("a", seen_at(person(0), CLOSE)))
    assert decided is not None
    assert (decided.decision, decided.evidence.gates) == ("review", ("selfies_disagree",))


def test_two_faces_of_one_frame_are_two_people() -> None:
    ann = fan("ann", person(0))
    near = appearance("near", seen_at(person(0), 0.20, noise=1), left=0)
    far = appearance("far", seen_at(person(0), 0.45, noise=2), left=600)
    decided = {match.appearance_id: match for match in decide_matches([ann], [near, far], POLICY)}
    assert decided["near"].decision == "match"
    assert (decided["far"].decision, decided["far"].evidence.gates) == ("review", ("one_to_one_in_frame",))


def test_two_equally_close_faces_of_one_frame_are_both_doubtful() -> None:
    faces = [appearance(str(i), seen_at(person(0), 0.40 + i / 100, noise=i), left=600 * i) for i in range(2)]
    decided = decide_matches([fan("ann", person(0))], faces, POLICY)
    assert [match.decision for match in decided] == ["review", "review"]


@pytest.mark.parametrize(
    "changes",
    [{"start_ms": 10_000, "left": 600}, {"left": 20}],
    ids=["one after the other", "one face followed twice"],
)
def test_only_faces_seen_apart_at_one_time_exclude_each_other(changes: dict[str, Any]) -> None:
    first = appearance("1", seen_at(person(0), 0.40, noise=1))
    second = appearance("2", seen_at(person(0), 0.42, noise=2), **changes)
    decided = decide_matches([fan("ann", person(0))], [first, second], POLICY)
    assert [match.decision for match in decided] == ["match", "match"]


def test_different_sample_times_still_meet_in_one_frame() -> None:
    near = appearance("near", seen_at(person(0), 0.2, noise=1))
    later = appearance("later", seen_at(person(0), 0.45, noise=2), start_ms=90, left=600)
    decided = {
        match.appearance_id: match.decision
        for match in decide_matches([fan("ann", person(0))], [near, later], POLICY)
    }
    assert decided == {"near": "match", "later": "review"}


def test_pooled_templates_need_to_be_nearer() -> None:
    """The same distance means less between templates pooled from varied faces."""
    seen = appearance("a", seen_at(person(0), 0.52))
    pooled = appearance("a", seen_at(person(0), 0.52), spread=0.4)
    single, varied = (decide_one(fan("ann", person(0)), one) for one in (seen, pooled))
    assert single is not None
    assert varied is not None
    assert (single.decision, varied.decision) == ("match", "review")
    assert varied.evidence.threshold < 0.52 < single.evidence.threshold


@given(st.integers(1, 20_000), st.integers(0, 5_000), st.integers(0, 5_000))
def test_a_larger_search_is_never_looser(fans: int, appearances: int, more: int) -> None:
    assert POLICY.pair_fmr(fans, appearances + more) <= POLICY.pair_fmr(fans, appearances)
    assert POLICY.pair_fmr(fans + more, appearances) <= POLICY.pair_fmr(fans, appearances)
    assert POLICY.pair_fmr(fans, appearances) * fans * appearances <= POLICY.target_false_matches * (1 + 1e-12)


def test_the_threshold_follows_the_size_of_the_search() -> None:
    ann, seen = fan("ann", person(0)), appearance("a", seen_at(person(0), CLOSE))
    thresholds = [
        next(
            m for m in decide_matches([ann], [seen, *crowd(count)], POLICY) if m.fan_id == "ann"
        ).evidence.threshold
        for count in (10, 2_000, 20_000)
    ]
    assert thresholds[0] > thresholds[1] > thresholds[2]


def test_appearances_that_can_never_match_do_not_tighten_the_search() -> None:
    ann, seen = fan("ann", person(0)), appearance("a", seen_at(person(0), CLOSE))
    single = [one.model_copy(update={"supporting_faces": 1}) for one in crowd(2_000)]
    assert decide_matches([ann], [seen, *single], POLICY)[0].evidence == decide_matches([ann], [seen], POLICY)[
        0
    ].evidence.model_copy(
        update={"threshold_reason": decide_matches([ann], [seen, *single], POLICY)[0].evidence.threshold_reason}
    )


# --- what must hold for any gallery -----------------------------------------------------------------

worlds = st.lists(
    st.tuples(
        st.integers(0, 4),  # who
        st.floats(0.1, 0.7),  # how far from the selfie
        st.integers(0, 29),  # in which direction
        st.integers(0, 3),  # when
        st.integers(0, 2),  # where
        st.floats(0.0, 0.4),  # spread
    ),
    min_size=1,
    max_size=10,
)


def world(rows: list[tuple[int, float, int, int, int, float]]) -> list[AppearanceDocument]:
    return [
        appearance(
            f"a{i:02d}", seen_at(person(who), far, noise), start_ms=1_000 * when, left=400 * where, spread=spread
        )
        for i, (who, far, noise, when, where, spread) in enumerate(rows)
    ]


GALLERY = [fan(f"fan-{i}", person(i)) for i in range(4)]


def matched(decided: list[MatchDocument]) -> set[tuple[str, str]]:
    return {(match.fan_id, match.appearance_id) for match in decided if match.decision == "match"}


@given(worlds)
@settings(max_examples=40, deadline=None)
def test_no_fan_is_matched_twice_in_one_frame(rows: list[tuple[int, float, int, int, int, float]]) -> None:
    seen = {one.id: one for one in world(rows)}
    places: set[tuple[str, int, tuple[int, ...]]] = set()
    times: set[tuple[str, int]] = set()
    for name, appearance_id in sorted(matched(decide_matches(GALLERY, list(seen.values()), POLICY))):
        one = seen[appearance_id]
        place = (name, one.start_ms, one.boxes[0])
        if place in places:
            continue  # the same face in the same place, followed twice
        assert (name, one.start_ms) not in times
        times.add((name, one.start_ms))
        places.add(place)


@given(worlds, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_order_does_not_matter(rows: list[tuple[int, float, int, int, int, float]], shuffler: Any) -> None:
    fans, seen = list(GALLERY), world(rows)
    expected = decide_matches(fans, seen, POLICY)
    shuffler.shuffle(fans)
    shuffler.shuffle(seen)
    assert decide_matches(fans, seen, POLICY) == expected


@given(worlds, st.integers(0, 29), st.floats(0.05, 0.9), st.integers(0, 4))
@settings(max_examples=60, deadline=None)
def test_a_further_fan_never_creates_a_match_for_another(
    rows: list[tuple[int, float, int, int, int, float]], noise: int, far: float, like: int
) -> None:
    seen = world(rows)
    newcomer = fan("new", seen_at(person(like), far, noise))
    before, after = (matched(decide_matches(fans, seen, POLICY)) for fans in (GALLERY, [*GALLERY, newcomer]))
    assert {pair for pair in after if pair[0] != "new"} <= before


@given(worlds, st.integers(0, 4), st.floats(0.1, 0.9))
@settings(max_examples=30, deadline=None)
def test_a_further_appearance_never_creates_a_match_elsewhere(
    rows: list[tuple[int, float, int, int, int, float]], who: int, far: float
) -> None:
    seen = world(rows)
    further = appearance("zz", seen_at(person(who), far, 29), start_ms=1_000)
    before, after = (matched(decide_matches(GALLERY, some, POLICY)) for some in (seen, [*seen, further]))
    assert {pair for pair in after if pair[1] != "zz"} <= before


# --- who and what is compared ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"template": None},
        {"consent": None},
        {"consent": Consent(given=False, text_version="1", given_at="2026-05-01T10:00:00Z")},
        {"status": "erased"},
        {"event_ids": ("another event",)},
    ],
)
def test_fans_without_template_consent_or_part_in_the_event_are_not_searched(changes: dict[str, Any]) -> None:
    seen = appearance("a", seen_at(person(0), CLOSE))
    assert decide_matches([fan("ann", person(0), **changes)], [seen], POLICY) == []


def test_videos_are_searches_of_their_own() -> None:
    """The same time in two videos is no common frame."""
    one = appearance("1", seen_at(person(0), 0.40, noise=1))
    other = appearance("2", seen_at(person(0), 0.41, noise=2), left=600, video_id="v-2")
    decided = decide_matches([fan("ann", person(0))], [one, other], POLICY)
    assert [match.decision for match in decided] == ["match", "match"]


@pytest.mark.parametrize(("fans", "seen"), [([], []), ([], crowd(3)), ([fan("ann", person(0))], [])])
def test_nothing_to_compare_is_nobody(fans: list[FanDocument], seen: list[AppearanceDocument]) -> None:
    assert decide_matches(fans, seen, POLICY) == []


def test_appearances_without_template_are_passed_over() -> None:
    assert decide_matches([fan("ann", person(0))], [appearance("a", None)], POLICY) == []


def broken(code: str, fans: list[FanDocument], seen: list[AppearanceDocument]) -> None:
    with pytest.raises(ContractBroken) as caught:
        decide_matches(fans, seen, POLICY)
    assert caught.value.code == code


def test_different_networks_are_never_compared() -> None:
    other = CONTRACT.model_copy(update={"sha256": "0" * 64})
    broken("model_contract_mismatch", [fan("ann", person(0), model_contract=other)], list(crowd(1)))


def test_a_network_without_calibration_decides_nothing() -> None:
    other = CONTRACT.model_copy(update={"model_id": "unknown"})
    seen = appearance("a", person(0), model_contract=other)
    broken("calibration_missing", [fan("ann", person(0), model_contract=other)], [seen])


@pytest.mark.parametrize(
    "row",
    [np.full(64, np.nan, np.float32), np.zeros(64, np.float32), 3 * person(0), person(0)[:32]],
    ids=["not a number", "no direction", "not unit", "too short"],
)
def test_damaged_templates_are_refused(row: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    broken("template_invalid", [fan("ann", person(0))], [appearance("a", row)])


def test_a_template_without_contract_or_given_twice_is_refused() -> None:
    ann, seen = fan("ann", person(0)), appearance("a", person(0))
    broken("template_without_contract", [fan("ann", person(0), model_contract=None)], [seen])
    broken("duplicate_fan", [ann, ann], [seen])
    broken("duplicate_appearance", [ann], [seen, seen])


def test_half_precision_templates_are_accepted() -> None:
    packed = Vectors.pack(seen_at(person(0), CLOSE)[None, :], "float16")
    decided = decide_matches([fan("ann", person(0))], [appearance("a", person(0), template=packed)], POLICY)
    assert [match.decision for match in decided] == ["match"]
    assert decided[0].event_id == EVENT


@pytest.mark.parametrize(
    ("distance", "gates", "decision"),
    [
        (0.5, (), "match"),
        (0.5, ("small_margin",), "review"),
        (0.7, (), "review"),
        (0.7, ("low_probability",), "review"),
        (0.7, ("small_margin", "low_probability"), "none"),
    ],
)
def test_decision_table(distance: float, gates: tuple[str, ...], decision: str) -> None:
    assert decision_for(distance, 0.6, gates) == decision
