"""Chips show the pixels they should, at the place they should."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanreel.domain.faces import Faces
from fanreel.inference.chips import ALIGNED_TEMPLATE, aligning_matrices
from fanreel.inference.images import chip, shrink_to, similarity_matrices, square_boxes, square_matrices
from fanreel.inference.landmarks import five_of, mouth_opening, padded_squares

pytestmark = pytest.mark.unit


@given(
    st.floats(-180, 180),
    st.floats(0.05, 20),
    st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000)),
)
def test_similarity_undoes_any_turn_scale_and_shift(
    angle: float, scale: float, shift: tuple[float, float]
) -> None:
    turn = np.radians(angle)
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = (ALIGNED_TEMPLATE @ rotation.T + np.array(shift))[None].astype(np.float32)
    matrix = similarity_matrices(points, ALIGNED_TEMPLATE)[0]
    back = points[0].astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(back, ALIGNED_TEMPLATE, atol=0.01 / scale + 1e-6)


def test_similarity_never_mirrors() -> None:
    mirrored = ALIGNED_TEMPLATE.copy()
    mirrored[:, 0] = 150 - mirrored[:, 0]
    matrix = similarity_matrices(mirrored[None].astype(np.float32), ALIGNED_TEMPLATE)[0]
    assert np.linalg.det(matrix[:, :2]) > 0


def test_coinciding_points_are_aligned_by_their_box() -> None:
    box = np.array([[10, 20, 50, 70]], np.float32)
    faces = Faces(box, np.ones(1, np.float32), np.full((1, 5, 2), 30, np.float32))
    expected = square_matrices(square_boxes(box, 1.4), 150)
    np.testing.assert_allclose(aligning_matrices(faces), expected)


def test_chip_of_a_square_at_its_own_size_is_the_pixels_themselves() -> None:
    frame = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    matrix = square_matrices(np.array([[20.0, 10.0, 84.0, 74.0]]), 64)[0]
    np.testing.assert_array_equal(chip(frame, matrix, 64), frame[10:74, 20:84])


def test_chip_is_black_outside_the_frame() -> None:
    frame = np.full((50, 50, 3), 200, np.uint8)
    matrix = square_matrices(np.array([[-50.0, -50.0, 50.0, 50.0]]), 100)[0]
    cut = chip(frame, matrix, 100)
    assert not cut[:49, :].any()
    assert not cut[:, :49].any()
    assert np.all(cut[51:, 51:] == 200)


def test_shrinking_averages_instead_of_skipping() -> None:
    """A fine chequerboard becomes grey; point sampling would keep black and white (or one of them)."""
    y, x = np.indices((800, 800))
    frame = np.repeat((((x + y) % 2) * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    for side in (400, 300, 150, 100):
        cut = chip(frame, square_matrices(np.array([[0.0, 0.0, 800.0, 800.0]]), side)[0], side)
        inner = cut[5:-5, 5:-5].astype(int)
        assert abs(inner.mean() - 127.5) < 3
        if side <= 300:
            assert inner.std() < 20


def test_shrunk_chip_stays_in_place() -> None:
    """A dot's centre of mass lands where the matrix says, at every scale."""
    for side in (64, 200, 400):
        frame = np.zeros((1000, 1000, 3), np.uint8)
        frame[300:340, 600:640] = 255
        cut = chip(frame, square_matrices(np.array([[100.0, 0.0, 1000.0, 900.0]]), side)[0], side)
        y, x = np.indices((side, side))
        weight = cut[..., 0].astype(float)
        centre = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum() + 0.5
        np.testing.assert_allclose(centre, np.array([620 - 100, 320]) * side / 900, atol=0.15)


def test_padded_square_shows_the_box_only_and_in_rgb() -> None:
    frame = np.zeros((200, 200, 3), np.uint8)
    frame[:] = (10, 20, 30)
    square = padded_squares(frame, np.array([[50, 50, 100, 150]], np.float32))[0]
    assert not square[:, :25].any()
    assert not square[:, -25:].any()
    np.testing.assert_array_equal(square[56, 56], [30, 20, 10])


def test_frame_is_shrunk_never_enlarged() -> None:
    frame = np.zeros((1080, 1920, 3), np.uint8)
    small, scale = shrink_to(frame, 1280)
    assert small.shape == (720, 1280, 3)
    assert scale == pytest.approx(2 / 3)
    same, one = shrink_to(frame, 4096)
    assert same is frame
    assert one == 1


def test_mouth_opening_grows_with_the_gap() -> None:
    points = np.zeros((2, 68, 2), np.float32)
    points[:, 64, 0] = 0.4
    points[1, 65:68, 1] = 0.2
    np.testing.assert_allclose(mouth_opening(points), [0, 0.5], atol=1e-6)


def test_five_points_are_eye_centres_nose_and_mouth_corners() -> None:
    points = np.zeros((1, 68, 2), np.float32)
    points[0, :, 0] = np.arange(68)
    np.testing.assert_allclose(five_of(points)[0, :, 0], [38.5, 44.5, 30, 48, 54])


def test_chip_handles_a_frame_that_opencv_cannot_shrink_further() -> None:
    frame = np.asarray(cv2.cvtColor(np.full((1, 3000), 77, np.uint8), cv2.COLOR_GRAY2BGR), np.uint8)
    cut = chip(frame, square_matrices(np.array([[0.0, -1500.0, 3000.0, 1500.0]]), 112)[0], 112)
    assert cut.shape == (112, 112, 3)
