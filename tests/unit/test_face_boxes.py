"""Suppression without a loop answers what the greedy loop answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fanreel.inference.boxes import areas, intersections, suppress

pytestmark = pytest.mark.unit


def greedy(boxes: np.ndarray, scores: np.ndarray, max_overlap: float, max_contained: float) -> list[int]:
    common, area = intersections(boxes, boxes), areas(boxes)
    kept: list[int] = []
    for row in np.argsort(-scores, kind="stable"):
        beaten = any(
            common[row, k] > max_overlap * max(area[row] + area[k] - common[row, k], 1e-9)
            or common[row, k] > max_contained * max(min(area[row], area[k]), 1e-9)
            for k in kept
        )
        if not beaten:
            kept.append(int(row))
    return kept


@st.composite
def detections(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    count = draw(st.integers(0, 40))
    corner = draw(npst.arrays(np.float32, (count, 2), elements=st.integers(0, 30)))
    size = draw(npst.arrays(np.float32, (count, 2), elements=st.integers(0, 20)))
    scores = draw(npst.arrays(np.float32, count, elements=st.integers(0, 8)))
    return np.concatenate([corner, corner + size], axis=1), scores


@given(detections(), st.sampled_from([0.2, 0.35, 0.45]), st.sampled_from([0.6, 1.0]))
def test_suppression_equals_the_greedy_loop(
    found: tuple[np.ndarray, np.ndarray], max_overlap: float, max_contained: float
) -> None:
    boxes, scores = found
    assert suppress(boxes, scores, max_overlap, max_contained).tolist() == greedy(
        boxes, scores, max_overlap, max_contained
    )


def test_chain_of_overlaps_keeps_every_second_box() -> None:
    boxes = np.array([[x, 0, x + 10, 10] for x in range(0, 50, 5)], np.float32)
    kept = suppress(boxes, np.linspace(1, 0.1, 10, dtype=np.float32), 0.3)
    assert kept.tolist() == [0, 2, 4, 6, 8]


def test_box_inside_another_goes_by_containment_only() -> None:
    boxes = np.array([[0, 0, 100, 100], [40, 40, 60, 60]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    assert suppress(boxes, scores, 0.4).tolist() == [0, 1]
    assert suppress(boxes, scores, 0.4, 0.6).tolist() == [0]
