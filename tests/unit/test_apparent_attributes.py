"""Joining what attribute networks say, voting over a track, and the head's motion in excitement."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanreel.domain.attributes import (
    ADULT_FROM_YEARS,
    DECLARED_FROM,
    EXPRESSIONS,
    apparent_gender,
    apparent_person,
    baseline_attributes,
    mean_expressions,
)
from fanreel.domain.excitement import MOTION_FULL, MOTION_SHARE, face_level, head_motion
from fanreel.errors import ContractBroken
from fanreel.evaluation.calibration import honesty, reference_mix, reference_weights

pytestmark = pytest.mark.unit

CALIBRATION = baseline_attributes()
SHARES = st.lists(st.floats(0, 1), min_size=7, max_size=7).filter(lambda row: sum(row) > 0.01)


def distribution(shares: list[float]) -> np.ndarray:
    return np.array([shares], np.float32) / np.float32(sum(shares))


@given(SHARES, SHARES)
def test_joined_expressions_are_a_distribution_whatever_the_networks_say(
    first: list[float], second: list[float]
) -> None:
    joined = CALIBRATION.expressions(distribution(first), distribution(second))
    assert joined.sum() == pytest.approx(1, abs=1e-5)
    assert (joined > 0).all()


@pytest.mark.parametrize("seen", range(7))
def test_what_both_networks_are_sure_of_is_what_is_said_but_less_surely(seen: int) -> None:
    sure = np.full((1, 7), 0.001, np.float32)
    sure[0, seen] = 0.994
    joined = CALIBRATION.expressions(sure, sure)[0]
    assert int(joined.argmax()) == seen
    assert joined[seen] < 0.994


def test_no_faces_join_to_no_rows() -> None:
    assert CALIBRATION.expressions(np.zeros((0, 7)), np.zeros((0, 7))).shape == (0, 7)
    assert CALIBRATION.female_probability(np.zeros(0), np.zeros(0)).shape == (0,)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_more_of_a_womans_looks_never_lowers_the_probability(first: float, second: float, more: float) -> None:
    low = CALIBRATION.female_probability(np.array([first]), np.array([second]))[0]
    high = CALIBRATION.female_probability(np.array([max(first, more)]), np.array([second]))[0]
    assert 0 <= low <= high <= 1


def test_a_calibration_is_refused_for_other_networks() -> None:
    CALIBRATION.check(CALIBRATION.networks)
    with pytest.raises(ContractBroken) as broken:
        CALIBRATION.check({**CALIBRATION.networks, "emotion": "0" * 64})
    assert broken.value.code == "calibration_missing"


@pytest.mark.parametrize(
    ("female", "age", "votes", "verdict"),
    [
        (DECLARED_FROM, 30.0, 2, "female"),
        (1 - DECLARED_FROM, 30.0, 2, "male"),
        (DECLARED_FROM - 0.01, 30.0, 9, "undetermined"),
        (0.99, 30.0, 1, "undetermined"),
        (0.99, ADULT_FROM_YEARS - 1, 9, "undetermined"),
    ],
)
def test_apparent_gender_needs_a_clear_vote_of_a_grown_face(
    female: float, age: float, votes: int, verdict: str
) -> None:
    assert apparent_gender(female, age, votes) == verdict


def test_a_poor_face_hardly_counts_in_the_vote() -> None:
    person = apparent_person(np.array([0.99, 0.98, 0.01]), np.array([30, 30, 60]), np.array([1, 1, 0.02]))
    assert person.gender == "female"
    assert person.age_years < 31


def test_expressions_of_a_track_are_the_mean_over_measured_faces() -> None:
    rows = np.full((3, 7), np.nan)
    rows[0], rows[1] = np.eye(7)[1], np.eye(7)[6]
    mean = mean_expressions(rows, np.array([3.0, 1.0, 50.0]))
    assert (mean["happy"], mean["surprised"]) == (0.75, 0.25)
    assert list(mean) == list(EXPRESSIONS)
    assert mean_expressions(rows[2:], np.ones(1)) == {}


# --- head motion ------------------------------------------------------------------------------------------


def drifting(jerk: float) -> np.ndarray:
    """A face of 100 px under a pan of 40 px per look, at one look `jerk` px beside its way."""
    left = 40.0 * np.arange(7)
    left[3] += jerk
    return np.stack([left, np.zeros(7), left + 100, np.full(7, 100.0)], axis=1)


def test_a_steady_pan_is_no_motion_and_a_jerk_is() -> None:
    pts = np.arange(7) * 200
    assert head_motion(pts, drifting(0)).max() == pytest.approx(0, abs=1e-9)
    moved = head_motion(pts, drifting(30))
    assert int(moved.argmax()) == 3
    assert moved[3] == pytest.approx(0.3)


def test_motion_is_measured_in_face_sizes_and_copes_with_missed_looks() -> None:
    pts = np.array([0, 200, 600, 800])
    steady = np.stack([pts * 0.2, pts * 0.0, pts * 0.2 + 100, pts * 0.0 + 100], axis=1)
    assert head_motion(pts, steady).max() == pytest.approx(0, abs=1e-9)
    assert head_motion(np.arange(7) * 200, 3 * drifting(30))[3] == pytest.approx(0.3)
    assert head_motion(pts[:2], steady[:2]).tolist() == [0, 0]


def test_a_jerking_head_adds_its_share_to_a_calm_face_and_nothing_to_a_full_one() -> None:
    calm, full = np.zeros(1), np.ones(1)
    assert face_level(calm, calm, calm, np.array([MOTION_FULL]))[0] == pytest.approx(MOTION_SHARE)
    assert face_level(full, full, full, np.array([MOTION_FULL]))[0] == pytest.approx(1.0)


# --- how honesty is measured ------------------------------------------------------------------------------


def test_weights_give_every_class_the_share_of_the_reference_mix() -> None:
    label, counts = np.array([0] * 8 + [1] * 2), np.array([900.0, 100.0])
    weight = reference_weights(label, counts)
    assert weight.sum() == pytest.approx(1)
    assert weight[label == 1].sum() == pytest.approx(reference_mix(counts)[1]) == pytest.approx(0.25)


def test_honest_confidence_has_no_calibration_error_and_boasting_has() -> None:
    label, weight = np.array([0, 0, 0, 1]), np.full(4, 0.25)
    honest, boasting = np.tile([0.75, 0.25], (4, 1)), np.tile([0.99, 0.01], (4, 1))
    assert honesty(honest, label, weight).ece == pytest.approx(0)
    assert honesty(boasting, label, weight).ece == pytest.approx(0.24)
    assert honesty(boasting, label, weight).accuracy == pytest.approx(0.75)
