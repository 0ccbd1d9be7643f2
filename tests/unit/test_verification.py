"""The field's numbers, on scores whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from fanreel.errors import InputRejected
from fanreel.evaluation.det import det_svg
from fanreel.evaluation.labelled import Embedded, group_of
from fanreel.evaluation.pooling import draw_pools, genuine_pairs, pooled_verification
from fanreel.evaluation.verification import accuracy, all_pairs, missed_pairs, read_pairs, verification

pytestmark = pytest.mark.unit


def test_pairs_are_read_with_and_without_a_header() -> None:
    lines = "Ann_A\t1\t2\nAnn_A\t1\tBob\t3\n"
    expected = [("Ann_A/Ann_A_0001", "Ann_A/Ann_A_0002", True), ("Ann_A/Ann_A_0001", "Bob/Bob_0003", False)]
    for text in (lines, "1\t1\n" + lines):
        assert [(pair.one, pair.other, pair.same) for pair in read_pairs(text)] == expected


@pytest.mark.parametrize("text", ["", "10\t300\n", "Ann 1\nAnn 1\n", "Ann one two\n", "Ann 1 Bob 2 3\n"])
def test_a_malformed_list_says_where(text: str) -> None:
    with pytest.raises(InputRejected) as refused:
        read_pairs(text)
    assert refused.value.code == "pairs_malformed"


def test_rates_are_those_of_the_normal_curves_the_scores_are_drawn_from() -> None:
    rng = np.random.default_rng(0)
    genuine = rng.normal(0.7, 0.05, 20_000).astype(np.float32)
    impostor = rng.normal(0.5, 0.05, 1_000_000).astype(np.float32)
    found = verification(genuine, impostor)
    assert found.auc == pytest.approx(norm.cdf(0.2 / (0.05 * np.sqrt(2))), abs=0.001)
    assert found.eer == pytest.approx(norm.cdf(-2), abs=0.002)
    for rate in found.rates:
        threshold = norm.isf(rate.fmr, 0.5, 0.05)
        tolerance = 4 / np.sqrt(rate.fmr * 1_000_000) * 0.2
        assert rate.tar == pytest.approx(norm.sf(threshold, 0.7, 0.05), abs=max(tolerance, 0.01)), rate.fmr


@settings(max_examples=50)
@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40), st.integers(100, 400), st.integers(0, 9))
def test_no_threshold_lets_more_strangers_through_than_it_says(
    genuine: list[float], count: int, seed: int
) -> None:
    impostor = np.random.default_rng(seed).choice(np.linspace(-1, 1, 60), count).astype(np.float32)
    found = verification(np.array(genuine, np.float32), impostor)
    for rate in found.rates:
        cosine = 1 - rate.distance**2 / 2
        assert (impostor > cosine + 1e-6).mean() <= rate.fmr
    tars = [rate.tar for rate in found.rates]
    assert tars == sorted(tars, reverse=True), "stricter rates accept no more"


def test_a_photograph_without_a_face_counts_against_every_rate() -> None:
    genuine, impostor = np.full(6, 0.9, np.float32), np.linspace(-0.5, 0.5, 1_000).astype(np.float32)
    assert all(rate.tar == 1.0 for rate in verification(genuine, impostor).rates)
    assert all(rate.tar == 0.75 for rate in verification(genuine, impostor, missed_genuine=2).rates)
    assert missed_pairs(np.array(["a", "a", "b"]), ["a", "a", "c"]) == 2 + 3


def test_all_pairs_are_counted_once() -> None:
    rows = np.eye(4, dtype=np.float32)
    genuine, impostor = all_pairs(rows, rows, np.array(["a", "a", "b", "b"]))
    assert (len(genuine), len(impostor)) == (2, 4)


def test_listed_pairs_are_told_apart_by_a_threshold_chosen_without_them() -> None:
    angles = np.deg2rad(np.arange(0, 200, 2.0))
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    names = np.array([f"P{i // 2}/P{i // 2}_{i % 2 + 1:04d}" for i in range(100)])
    text = "".join(f"P{i}\t1\t2\nP{i}\t1\tP{(i + 20) % 50}\t1\n" for i in range(40)) + "Ghost\t1\t2\n"
    found = accuracy(read_pairs(text), names, rows)
    assert found.pairs == 81
    assert found.missed == 1
    assert found.accuracy == pytest.approx(80 / 81, abs=0.01), "only the pair without a face is wrong"


def embedded(people: int, each: int) -> Embedded:
    rng = np.random.default_rng(3)
    person = np.repeat([f"p{i}" for i in range(people)], each)
    own = np.repeat(rng.normal(size=(people, 32)), each, axis=0)
    rows = own + rng.normal(scale=1.2, size=(people * each, 32))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    names = np.array([f"{who}/{i}" for i, who in enumerate(person)])
    ones = np.ones(len(rows), np.float32)
    return Embedded(rows, names, person, ones, ones, ones, ones)


def test_pooling_more_faces_recognises_more() -> None:
    faces = embedded(60, 8)
    genuine, impostor = all_pairs(faces.rows, faces.rows, faces.person)
    single, pooled = verification(genuine, impostor), pooled_verification(faces, 3)
    assert pooled is not None
    assert pooled.rates[1].tar > single.rates[1].tar + 0.1
    assert pooled_verification(faces, 5) is None, "nobody has ten photographs"


def test_pools_of_one_person_share_no_photograph() -> None:
    faces = embedded(3, 6)
    one, other = draw_pools(faces, 3, 5, seed=1), draw_pools(faces, 3, 5, seed=2)
    disjoint = sum(
        set(a).isdisjoint(b)
        for a, p in zip(one.members.tolist(), one.person, strict=True)
        for b, q in zip(other.members.tolist(), other.person, strict=True)
        if p == q
    )
    assert len(genuine_pairs(one, other, faces.name, faces.name)) == disjoint > 0


def test_people_are_divided_for_ever_and_about_as_planned() -> None:
    groups = [group_of(f"Person_{i}") for i in range(2_000)]
    assert groups.count("prototypes") == pytest.approx(1_000, abs=100)
    assert groups.count("calibration") == pytest.approx(500, abs=80)
    assert (group_of("George_W_Bush"), group_of("Serena_Williams")) == ("prototypes", "calibration")


def test_the_drawing_is_well_formed_and_escapes_names() -> None:
    from xml.etree import ElementTree

    curve = np.array([[1e-6, 0.5], [1e-3, 0.1], [1.0, 0.0]])
    drawing = ElementTree.fromstring(det_svg({"a < b & c": curve}, "t"))
    assert any("a < b & c" in (text.text or "") for text in drawing.iter())
