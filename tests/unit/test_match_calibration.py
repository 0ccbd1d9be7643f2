"""What a distance means: monotone, inverse to itself, bound to one network."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.special import ndtr

from fanreel.contracts import Vectors
from fanreel.domain.matching import CalibrationFile, MatchPolicy, baseline_calibration, decide_matches
from fanreel.errors import ContractBroken
from fanreel.inference.catalogue import catalogue
from fanreel.inference.embedder import fused_contract

from .matching_world import CONTRACT, appearance, fan

pytestmark = pytest.mark.unit

CALIBRATION = baseline_calibration()
cohesions = st.floats(0.85, 1.0)
qualities = st.floats(0.0, 1.0)
distances = st.floats(0.0, 2.0)


def at(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(values, np.float64)


def test_it_was_measured_for_the_network_that_ships() -> None:
    shipped = fused_contract(
        catalogue().entry("face_recognition").sha256, catalogue().entry("face_context").sha256
    )
    assert shipped == CALIBRATION.contract, "the network changed: run benchmarks/fit_calibration.py"


@given(st.floats(1e-9, 0.5), cohesions)
def test_threshold_and_rate_are_inverse(fmr: float, cohesion: float) -> None:
    distance = CALIBRATION.distance_at(fmr, at(cohesion))
    if distance[0] > 0:
        assert ndtr(CALIBRATION.deviation(distance, at(cohesion)))[0] == pytest.approx(fmr, rel=1e-6)


@given(distances, distances, cohesions, qualities)
def test_nearer_is_never_less_likely_the_same_person(
    one: float, other: float, cohesion: float, quality: float
) -> None:
    near, far = CALIBRATION.log_likelihood_ratio(at(*sorted((one, other))), at(cohesion, cohesion), quality)
    assert near >= far - 1e-9


def test_below_the_first_knot_the_threshold_goes_on_falling() -> None:
    first = float(CALIBRATION.bins[-1].cohesion[0])
    below, knot = CALIBRATION.distance_at(1e-4, at(first - 0.05, first))
    assert below < knot - 0.01


def test_rows_of_many_qualities_are_each_measured_by_their_own_bin() -> None:
    quality = at(0.95, 0.1, 0.7, 0.1)
    together = CALIBRATION.deviation(np.full(4, 0.5), np.full(4, 0.93), quality)
    alone = [float(CALIBRATION.deviation(at(0.5), at(0.93), float(one))[0]) for one in quality]
    assert together.tolist() == alone
    assert len(set(alone)) == 3, "the bins differ"
    matrix = CALIBRATION.deviation(np.full((4, 3), 0.5), np.full((4, 3), 0.93), quality)
    assert np.array_equal(matrix[1], matrix[3])
    assert not np.array_equal(matrix[0], matrix[1])


@given(st.floats(1e-9, 0.5), cohesions, qualities, qualities)
def test_nobody_is_matched_for_being_seen_badly(fmr: float, cohesion: float, one: float, other: float) -> None:
    poor, good = CALIBRATION.distance_at(fmr, at(cohesion, cohesion), at(*sorted((one, other))))
    assert poor <= good
    assert CALIBRATION.distance_at(fmr, at(cohesion), at(np.nan))[0] <= poor


def test_a_face_with_many_lookalikes_must_come_nearer() -> None:
    """Of two equal cosines the one between people in a dense neighbourhood says less."""
    dense, sparse = CALIBRATION.prototypes[:1], -CALIBRATION.prototypes[:1]
    assert CALIBRATION.density(dense)[0] > CALIBRATION.usual_density > CALIBRATION.density(sparse)[0]
    assert CALIBRATION.distances(dense, dense)[0] > CALIBRATION.distances(sparse, sparse)[0]


def test_what_is_no_face_gains_no_more_than_the_rarest_face() -> None:
    assert CALIBRATION.density(-CALIBRATION.prototypes)[0] == pytest.approx(CALIBRATION.least_density)


def test_the_adjusted_cosine_is_the_cosine_less_both_densities() -> None:
    rng = np.random.default_rng(1)
    rows = (CALIBRATION.prototypes[:8] + rng.normal(scale=0.02, size=(8, 1_152))).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    one, other = rows[:4], rows[4:]
    density = CALIBRATION.density(rows)
    cosine = np.sum(one * other, axis=1) - (density[:4] + density[4:]) / 2 + CALIBRATION.usual_density
    assert CALIBRATION.distances(one, other) == pytest.approx(np.sqrt(np.maximum(2 - 2 * cosine, 0)), abs=1e-3)
    assert CALIBRATION.distances(one, other) == pytest.approx(CALIBRATION.distances(other, one), abs=1e-5)


def test_templates_of_another_length_are_refused() -> None:
    with pytest.raises(ContractBroken) as refused:
        CALIBRATION.density(np.ones((1, 7), np.float32))
    assert refused.value.code == "template_invalid"


KNOT = {"genuineMean": 0.4, "genuineStd": 0.1, "impostorMean": 0.8, "impostorStd": 0.08}
ORDERED = [{"cohesion": 0.9, **KNOT}, {"cohesion": 1.0, **KNOT}]


@pytest.mark.parametrize(
    "bins",
    [
        [{"minQuality": 0.0, "knots": ORDERED[::-1]}],
        [{"minQuality": 0.2, "knots": ORDERED}],
        [{"minQuality": 0.0, "knots": ORDERED}, {"minQuality": 0.0, "knots": ORDERED}],
    ],
)
def test_a_file_out_of_order_is_refused(bins: list[object]) -> None:
    file = {
        "modelContract": CONTRACT.to_wire(),
        "measuredOn": "x",
        "command": "x",
        "usualDensity": 0.5,
        "bins": bins,
        "prototypes": Vectors.pack(np.ones((1, 4), np.float32)).to_wire(),
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
