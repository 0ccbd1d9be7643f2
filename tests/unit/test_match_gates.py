"""Each gate of the policy at its border, what the evidence says of it, and inputs that are hardly faces at all."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fanreel.domain.matching as matching
from fanreel.contracts import Evidence, FanDocument, MatchDocument, Vectors
from fanreel.domain.boxes import iou
from fanreel.domain.matching import CoVisible, MatchPolicy, decide_matches
from fanreel.domain.matching.gates import APPEARANCE_GATES, PAIR_GATES, Candidate, fired
from fanreel.errors import ContractBroken

from .matching_world import CONTRACT, STRANGER_COSINE, WORLD, appearance, fan, person, seen_at, with_attributes

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("made_templates")]

POLICY = MatchPolicy()
A_LITTLE = 1e-4
SEEN = appearance("a", person(0))
FINE = Candidate(
    appearance=SEEN,
    probability=1.0,
    runner_up_margin=float("inf"),
    rival_margin=float("inf"),
    fan_female_probability=float("nan"),
    fan_age_years=float("nan"),
    selfies_disagree=False,
)
NAN = float("nan")


def candidate(**changes: Any) -> Candidate:
    """A candidate with nothing against it but these changes; `seen_…` are the appearance's."""
    seen = {name.removeprefix("seen_"): value for name, value in changes.items() if name.startswith("seen_")}
    own = {name: value for name, value in changes.items() if not name.startswith("seen_")}
    return replace(FINE, appearance=SEEN.model_copy(update=seen), **own)


def test_nothing_speaks_against_a_good_candidate() -> None:
    assert fired(FINE, POLICY) == ()


SURE, OPPOSITE = POLICY.gender_confidence, 1 - POLICY.gender_confidence
MALE = {"seen_female_probability": 0.0, "seen_apparent_gender": "male"}
OLD = 20.0 + POLICY.max_age_gap_years
AGED = {
    "fan_age_years": 20.0,
    "seen_age_years": OLD + A_LITTLE,
    "seen_quality": POLICY.age_min_quality,
    "seen_face_height_px": POLICY.age_min_face_height_px,
}

BORDERS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "too_few_supporting_faces": (
        {"seen_supporting_faces": POLICY.min_supporting_faces},
        [{"seen_supporting_faces": POLICY.min_supporting_faces - 1}, {"seen_supporting_faces": 0}],
    ),
    "face_too_small": (
        {"seen_face_height_px": POLICY.min_face_height_px},
        [{"seen_face_height_px": one} for one in (POLICY.min_face_height_px - A_LITTLE, 1.0, 0.0, NAN)],
    ),
    "too_blurred": (
        {"seen_sharpness": POLICY.min_sharpness},
        [{"seen_sharpness": one} for one in (POLICY.min_sharpness - A_LITTLE, NAN)],
    ),
    "mixed_track": (
        {"seen_spread": POLICY.max_spread},
        [{"seen_spread": one} for one in (POLICY.max_spread + A_LITTLE, NAN)],
    ),
    "selfies_disagree": ({"selfies_disagree": False}, [{"selfies_disagree": True}]),
    "small_margin": (
        {"runner_up_margin": POLICY.min_runner_up_margin},
        [{"runner_up_margin": one} for one in (POLICY.min_runner_up_margin - A_LITTLE, -1.0, NAN)],
    ),
    "one_to_one_in_frame": (
        {"rival_margin": POLICY.min_rival_margin},
        [{"rival_margin": one} for one in (POLICY.min_rival_margin - A_LITTLE, -1.0, NAN)],
    ),
    "gender_contradiction": (
        {"fan_female_probability": SURE - A_LITTLE, **MALE},
        [
            {"fan_female_probability": SURE, "seen_female_probability": OPPOSITE, "seen_apparent_gender": "male"},
            {"fan_female_probability": 0.0, "seen_female_probability": SURE, "seen_apparent_gender": "female"},
            {
                "fan_female_probability": 1.0, **MALE,
                "seen_quality": 0.0, "seen_face_height_px": POLICY.min_face_height_px,
            },
        ],
    ),
    "age_contradiction": ({**AGED, "seen_age_years": OLD}, [AGED, {**AGED, "fan_age_years": 2 * OLD + 1}]),
    "person_denied": ({"person_denied": False}, [{"person_denied": True}]),
    "reviews_contradict": ({"reviews_contradict": False}, [{"reviews_contradict": True}]),
    "low_probability": (
        {"probability": POLICY.min_match_probability},
        [{"probability": one} for one in (POLICY.min_match_probability - A_LITTLE, NAN)],
    ),
}  # fmt: skip


def test_every_gate_has_its_border_tested_and_stands_in_the_table() -> None:
    names = [gate.__name__ for gate in (*APPEARANCE_GATES, *PAIR_GATES)]
    assert list(BORDERS) == names
    table = re.findall(r"^([a-z_]+)  +\S.*  +(\S+)$", matching.__doc__ or "", re.MULTILINE)
    listed = {name: number for name, number in table if name != "name"}
    assert list(listed) == names
    assert all(number == "–" or hasattr(POLICY, number) for number in listed.values())


@pytest.mark.parametrize("gate", BORDERS)
def test_a_gate_fires_beyond_its_border_and_not_at_it(gate: str) -> None:
    silent, loud = BORDERS[gate]
    assert fired(candidate(**silent), POLICY) == ()
    for changes in loud:
        assert fired(candidate(**changes), POLICY) == (gate,), changes


@pytest.mark.parametrize(
    "changes",
    [
        {"seen_quality": POLICY.age_min_quality - A_LITTLE},
        {"seen_face_height_px": POLICY.age_min_face_height_px - A_LITTLE},
        {"fan_age_years": NAN},
        {"seen_age_years": NAN},
        {"seen_age_years": None},
    ],
)
def test_age_speaks_only_of_large_good_faces_on_both_sides_known(changes: dict[str, Any]) -> None:
    assert fired(candidate(**AGED), POLICY) == ("age_contradiction",)
    assert fired(candidate(**{**AGED, **changes}), POLICY) == ()


@pytest.mark.parametrize(
    "changes",
    [{"fan_female_probability": NAN}, {"seen_female_probability": NAN}, {"seen_female_probability": None}],
)
def test_an_unknown_gender_contradicts_nothing(changes: dict[str, Any]) -> None:
    clear = {"fan_female_probability": 1.0, "seen_female_probability": 0.0, "seen_apparent_gender": "male"}
    assert fired(candidate(**clear), POLICY) == ("gender_contradiction",)
    assert fired(candidate(**{**clear, **changes}), POLICY) == ()


# --- the evidence ------------------------------------------------------------------------------------


def only(found: list[MatchDocument], appearance_id: str) -> MatchDocument:
    return next(one for one in found if one.appearance_id == appearance_id)


def test_the_evidence_says_all_that_was_weighed() -> None:
    ann = with_attributes(fan("ann", person(0)), female_probability=0.9, age_years=30.0)
    one = appearance("one", seen_at(person(0), 0.2, 1))
    rival = appearance("rival", seen_at(person(1), 0.3, 2), left=600)
    far = appearance("far", seen_at(person(2), 0.3, 3), left=300)
    evidence = only(decide_matches([ann, fan("bob", person(1))], [one, rival, far], POLICY), "one").evidence
    assert evidence.distance == pytest.approx(0.2, abs=1e-3)
    assert evidence.supporting_faces == one.supporting_faces
    assert evidence.supporting_distances == pytest.approx([0.2], abs=1e-3), "one selfie"
    assert evidence.runner_up_fan_id == "bob"
    calibration = WORLD
    cohesion = np.ones(1)
    to_bob = np.sqrt(2 - 2 * (1 - 0.2**2 / 2) * STRANGER_COSINE)
    expected = [calibration.deviation(np.array([at]), cohesion)[0] for at in (0.2, to_bob)]
    assert evidence.runner_up_margin == pytest.approx(expected[1] - expected[0], abs=0.02)
    assert evidence.rival_appearance_id in ("rival", "far")
    assert evidence.rival_margin is not None
    assert evidence.rival_margin > POLICY.min_rival_margin
    fmr = POLICY.pair_fmr(2, 3)
    assert evidence.threshold == pytest.approx(float(calibration.distance_at(fmr, cohesion)[0]), abs=1e-3)
    assert (
        f"2 fans × 3 appearances (counted as at least {POLICY.min_search_pairs} pairs)"
        in evidence.threshold_reason
    )
    assert f"pair FMR {fmr:.1e}; cohesion of the templates 1.000" in evidence.threshold_reason
    assert (evidence.reviewed, evidence.review_id, evidence.gates) == (False, None, ())


def test_alone_there_is_no_runner_up_and_no_rival() -> None:
    one = appearance("one", seen_at(person(0), 0.2))
    evidence = only(decide_matches([fan("ann", person(0))], [one], POLICY), "one").evidence
    assert (evidence.runner_up_fan_id, evidence.runner_up_margin) == (None, None)
    assert (evidence.rival_appearance_id, evidence.rival_margin) == (None, None)


def test_evidence_written_before_there_were_reviews_is_still_read() -> None:
    old = {
        "distance": 0.4, "threshold": 0.5, "reviewThreshold": 0.6, "thresholdReason": "r", "runnerUpFanId": None,
        "runnerUpMargin": None, "supportingFaces": 5,
    }  # fmt: skip
    assert Evidence.from_wire(old).reviewed is False


# --- inputs that are hardly faces --------------------------------------------------------------------

ROWS = {
    "not a number": np.full(64, np.nan, np.float32),
    "one not a number": np.concatenate([person(0)[:63], [np.float32("nan")]]),
    "infinite": np.full(64, np.inf, np.float32),
    "no direction": np.zeros(64, np.float32),
    "not unit": 3 * person(0),
    "too short": person(0)[:32],
}


def vectors_of(row: Any) -> Vectors:
    return Vectors.pack(np.asarray(row, np.float32)[None, :])


def is_refused(fans: list[FanDocument], seen: list[Any]) -> bool:
    with pytest.raises(ContractBroken) as caught:
        decide_matches(fans, seen, POLICY)
    return caught.value.code == "template_invalid"


@pytest.mark.parametrize("name", ROWS)
def test_a_damaged_template_is_refused_wherever_it_stands(name: str) -> None:
    ann, good, bad = fan("ann", person(0)), appearance("a", person(0)), vectors_of(ROWS[name])
    selfie = with_attributes(ann, 0.5, 30.0).selfies[0].model_copy(update={"template": bad})
    assert is_refused([ann], [good.model_copy(update={"template": bad})])
    assert is_refused([ann.model_copy(update={"template": bad})], [good])
    assert is_refused([ann.model_copy(update={"selfies": (selfie,)})], [good])


@pytest.mark.parametrize(
    "changes",
    [{"data": "A" * 8}, {"data": "A" * 5}, {"shape": (2, 32)}, {"shape": (0, 64), "data": ""}],
    ids=["too little", "no base64", "two rows", "no row"],
)
def test_a_template_that_does_not_fit_its_own_shape_is_refused(changes: dict[str, Any]) -> None:
    bad = vectors_of(person(0)).model_copy(update=changes)
    assert is_refused([fan("ann", person(0))], [appearance("a", person(0), template=bad)])


def test_a_half_precision_template_that_overflowed_is_refused() -> None:
    bad = Vectors.pack(np.full((1, 64), np.inf), "float16")
    assert is_refused([fan("ann", person(0))], [appearance("a", person(0), template=bad)])


def test_measures_that_are_not_numbers_disarm_nobody_else() -> None:
    """One appearance or selfie of unknown quality must not make the rest nobody, nor itself somebody."""
    ann, bob = (with_attributes(fan(name, person(i)), 0.5, 30.0) for i, name in enumerate(("ann", "bob")))
    unsure = bob.selfies[0].model_copy(update={"quality": NAN, "female_probability": NAN, "age_years": NAN})
    odd = appearance("odd", seen_at(person(1), 0.2), start_ms=9_000, spread=NAN, quality=NAN, sharpness=NAN)
    good = appearance("good", seen_at(person(0), 0.2))
    found = decide_matches([ann, bob.model_copy(update={"selfies": (unsure,)})], [good, odd], POLICY)
    assert [(one.appearance_id, one.decision) for one in found] == [("good", "match")]


@pytest.mark.parametrize("height_px", [1.0, 0.0])
def test_a_face_of_one_pixel_is_never_a_match(height_px: float) -> None:
    tiny = appearance("tiny", person(0), face_height_px=height_px, boxes=((5, 5, 6, 6),) * 3)
    found = decide_matches([fan("ann", person(0))], [tiny], POLICY)
    assert [(one.decision, one.evidence.gates) for one in found] == [("review", ("face_too_small",))]


def test_of_five_hundred_faces_of_one_frame_at_most_one_is_the_fan() -> None:
    faces = [
        appearance(f"a{i:03d}", seen_at(person(0), 0.1 if i == 77 else 0.5, noise=i % 30), left=160 * i)
        for i in range(500)
    ]
    found = decide_matches([fan("ann", person(0))], faces, POLICY)
    assert [one.appearance_id for one in found if one.decision == "match"] == ["a077"]


def test_identical_templates_of_many_fans_are_nobodys() -> None:
    found = decide_matches([fan(f"twin-{i}", person(0)) for i in range(5)], [appearance("a", person(0))], POLICY)
    assert [(one.fan_id, one.decision) for one in found] == [("twin-0", "review")]
    assert found[0].evidence.runner_up_margin == 0.0


def test_an_appearance_and_a_gallery_of_different_networks_name_both() -> None:
    other = CONTRACT.model_copy(update={"preprocessing": "another"})
    with pytest.raises(ContractBroken) as caught:
        decide_matches([fan("ann", person(0), model_contract=other)], [appearance("a", person(0))], POLICY)
    assert caught.value.code == "model_contract_mismatch"
    assert len(caught.value.details["contracts"]) == 2  # type: ignore[arg-type]


# --- who is beside whom ------------------------------------------------------------------------------

spans = st.lists(
    st.tuples(st.lists(st.integers(-300, 3_000), max_size=5, unique=True), st.integers(0, 200)), max_size=7
)


@given(spans)
@settings(max_examples=150, deadline=None)
def test_beside_is_what_looking_at_every_pair_of_sightings_says(rows: list[tuple[list[int], int]]) -> None:
    seen = [
        appearance(str(i), None, pts_ms=tuple(sorted(pts)), boxes=((left, 0, left + 150, 100),) * len(pts))
        for i, (pts, left) in enumerate(rows)
    ]
    beside = CoVisible(seen, 0.5)
    for i, one in enumerate(seen):
        slow = []
        for j, other in enumerate(seen):
            mine, theirs = (x.pts_ms or (x.start_ms, x.end_ms) for x in (one, other))
            meets = mine[0] <= theirs[-1] and theirs[0] <= mine[-1]
            # Nobody moves in this world, so any common time tells.
            apart = not (one.boxes and other.boxes) or bool(
                iou(np.array(one.boxes[0]), np.array(other.boxes[0])) < 0.5
            )
            if i != j and meets and apart:
                slow.append(j)
        assert beside.beside(i).tolist() == slow


def test_a_face_seen_badly_beats_no_face_of_the_same_frame_seen_well() -> None:
    """Two faces of one frame at one distance: whatever their quality, nobody can tell which is the fan's."""
    seen = [
        appearance("poor", seen_at(person(0), 0.3, 0), left=0, quality=0.3),
        appearance("good", seen_at(person(0), 0.3, 1), left=600, quality=0.95),
    ]
    bins = tuple(
        replace(WORLD.bins[0], impostor_std=WORLD.bins[0].impostor_std * narrower) for narrower in (0.5, 1.0)
    )
    measured = replace(WORLD, edges=np.array([0.0, 0.9]), bins=bins)
    found = decide_matches([fan("ann", person(0))], seen, POLICY, calibration=measured)
    assert [one.decision for one in found] == ["review", "review"]
    assert all("one_to_one_in_frame" in one.evidence.gates for one in found)
