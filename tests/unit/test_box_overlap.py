"""Overlap of boxes, in pairs and everyone with everyone."""

import numpy as np
import pytest

from fanreel.domain.boxes import iou
from fanreel.domain.tracks import pair_cost

pytestmark = pytest.mark.unit

BOXES = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]])


def test_known_overlaps_in_pairs() -> None:
    assert iou(BOXES[[0, 0, 0]], BOXES) == pytest.approx([1.0, 50 / 150, 0.0])


def test_everyone_with_everyone_is_the_same_in_a_table() -> None:
    table = iou(BOXES[:, None], BOXES)
    assert table.shape == (3, 3)
    assert table == pytest.approx(table.T)
    assert table[0] == pytest.approx(iou(BOXES[[0, 0, 0]], BOXES))


def test_followed_faces_are_compared_everyone_with_everyone() -> None:
    known, found = BOXES[:2].astype(np.float32), BOXES.astype(np.float32)
    assert pair_cost(known, found) == pytest.approx(np.array([[0, 0.5 + 2 / 3, 1e6], [0.5 + 2 / 3, 0, 1e6]]))


def test_a_box_without_an_inside_overlaps_nothing() -> None:
    assert iou(np.array([5, 5, 5, 5]), BOXES) == pytest.approx([0.0, 0.0, 0.0])
    assert iou(np.array([9, 9, 1, 1]), BOXES) == pytest.approx([0.0, 0.0, 0.0])
