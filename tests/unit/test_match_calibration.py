"""What a distance means: monotone, inverse to itself, bound to one network."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.special import ndtr

from fanreel.domain.matching import CalibrationFile, MatchPolicy, baseline_calibration, decide_matches
from fanreel.inference.catalogue import catalogue
from fanreel.inference.embedder import fused_contract

from .matching_world import CONTRACT, appearance, fan

pytestmark = pytest.mark.unit

CALIBRATION = baseline_calibration()
cohesions = st.floats(0.85, 1.0)
distances = st.floats(0.0, 2.0)


def at(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(values, np.float64)


def test_it_was_measured_for_the_network_that_ships() -> None:
    shipped = fused_contract(
        catalogue().entry("face_recognition").sha256, catalogue().entry("face_context").sha256
    )
    assert shipped == CALIBRATION.contract, "the network changed: run benchmarks/fit_calibration.py"


@pytest.mark.parametrize(("fmr", "distance"), [(1e-3, 0.626), (1e-4, 0.577), (1e-5, 0.534), (1e-6, 0.496)])
def test_single_pictures_agree_with_the_independent_measurement(fmr: float, distance: float) -> None:
    """9.2 million pairs of 4,281 people (reference/models.md); ours are 4.3 million pairs of 2,086 of them."""
    ours = float(CALIBRATION.distance_at(fmr, at(1.0))[0])
    assert ours == pytest.approx(distance, abs=0.01)
    assert ours <= distance, "never looser than the larger measurement"


@given(st.floats(1e-9, 0.5), cohesions)
def test_threshold_and_rate_are_inverse(fmr: float, cohesion: float) -> None:
    distance = CALIBRATION.distance_at(fmr, at(cohesion))
    if distance[0] > 0:
        assert ndtr(CALIBRATION.deviation(distance, at(cohesion)))[0] == pytest.approx(fmr, rel=1e-6)


@given(st.floats(1e-9, 1e-2), cohesions, cohesions)
def test_more_pooling_never_loosens_the_threshold(fmr: float, one: float, other: float) -> None:
    low, high = sorted((one, other))
    tight, loose = CALIBRATION.distance_at(fmr, at(low, high))
    assert tight <= loose + 1e-12


@given(distances, distances, cohesions)
def test_nearer_is_never_less_likely_the_same_person(one: float, other: float, cohesion: float) -> None:
    near, far = CALIBRATION.log_likelihood_ratio(at(*sorted((one, other))), at(cohesion, cohesion))
    assert near >= far - 1e-9


def test_below_the_first_knot_the_threshold_goes_on_falling() -> None:
    first = float(CALIBRATION.cohesion[0])
    below, knot = CALIBRATION.distance_at(1e-4, at(first - 0.05, first))
    assert below < knot - 0.01


def test_a_file_with_unordered_knots_is_refused() -> None:
    knot = {"genuineMean": 0.4, "genuineStd": 0.1, "impostorMean": 0.8, "impostorStd": 0.08}
    file = {
        "modelContract": CONTRACT.to_wire(),
        "measuredOn": "x",
        "command": "x",
        "knots": [{"cohesion": 1.0, **knot}, {"cohesion": 0.9, **knot}],
    }
    with pytest.raises(ValidationError, match="ascend"):
        CalibrationFile.from_wire(file)


def test_a_stadium_is_searched_in_seconds() -> None:
    """10,000 fans × 2,000 appearances of real length; the budget (2 s) is for an idle machine, this is a guard."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(12_000, 1_152)).astype(np.float32) + 1
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    fans = [fan(f"f{i:05d}", rows[i]) for i in range(10_000)]
    seen = [appearance(f"a{i:04d}", rows[10_000 + i], start_ms=1_000 * i) for i in range(2_000)]
    started = time.process_time()
    assert decide_matches(fans, seen, MatchPolicy()) == []
    assert time.process_time() - started < 15
