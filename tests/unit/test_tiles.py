"""Tiles about boxes: everything is covered, and with few."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanreel.domain.faces import F32
from fanreel.inference.tiles import LEAST_MARGIN_PX, STEP_PX, cover, everywhere

pytestmark = pytest.mark.unit

SIDE = 256


@st.composite
def pictures(draw: st.DrawFn) -> tuple[F32, int, int]:
    width, height = draw(st.integers(1, 2000)), draw(st.integers(1, 1200))
    boxes = draw(
        st.lists(
            st.tuples(
                st.floats(-50, width + 20), st.floats(-50, height + 20), st.floats(1, 160), st.floats(1, 160)
            ),
            max_size=40,
        )
    )
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    return corners, width, height


@given(pictures())
def test_every_box_is_covered_as_far_as_it_lies_in_the_picture(drawn: tuple[F32, int, int]) -> None:
    boxes, width, height = drawn
    tiles = cover(boxes, width, height, SIDE, 1000)
    assert tiles is not None
    inside = np.clip(boxes, 0, [width, height, width, height])
    held = (inside[:, None, :2] >= tiles[None, :, :2]) & (inside[:, None, 2:] <= tiles[None, :, 2:])
    assert np.all(np.any(np.all(held, axis=2), axis=1))


@given(pictures())
def test_tiles_lie_in_the_picture_on_the_grid_and_are_no_more_than_boxes(drawn: tuple[F32, int, int]) -> None:
    boxes, width, height = drawn
    tiles = cover(boxes, width, height, SIDE, 1000)
    assert tiles is not None
    assert len(tiles) <= len(boxes)
    assert np.all(tiles[:, :2] >= 0)
    assert np.all(tiles[:, :2] % STEP_PX == 0)
    assert np.all(tiles[:, 2:] <= [width, height])
    assert np.all(tiles[:, 2:] - tiles[:, :2] <= SIDE)


@given(pictures(), st.randoms())
def test_tiles_do_not_depend_on_the_order_of_boxes(drawn: tuple[F32, int, int], random) -> None:
    boxes, width, height = drawn
    order = list(range(len(boxes)))
    random.shuffle(order)
    first, second = cover(boxes, width, height, SIDE, 1000), cover(boxes[order], width, height, SIDE, 1000)
    assert first is not None
    assert second is not None
    if len(np.unique(boxes[:, 1])) == len(boxes):
        assert len(first) == len(second)


def test_neighbours_share_a_tile_and_far_ones_do_not() -> None:
    near = np.array([[300, 300, 330, 340], [380, 320, 410, 360]], np.float32)
    far = np.array([[300, 300, 330, 340], [900, 320, 930, 360]], np.float32)
    for boxes, wanted in ((near, 1), (far, 2)):
        tiles = cover(boxes, 1280, 720, SIDE, 9)
        assert tiles is not None
        assert len(tiles) == wanted


def test_what_takes_too_many_tiles_is_not_tiled() -> None:
    row = np.arange(5, dtype=np.float32)[:, None] * 240
    boxes = np.concatenate([row, row * 0 + 300, row + 30, row * 0 + 340], axis=1)
    assert cover(boxes, 1280, 720, SIDE, 2) is None
    assert cover(boxes, 1280, 720, SIDE, 5) is not None


def test_a_face_at_a_tile_keeps_its_surroundings() -> None:
    box = np.array([[640, 352, 670, 392]], np.float32)
    tiles = cover(box, 1280, 720, SIDE, 9)
    assert tiles is not None
    assert np.all(box[0, :2] - tiles[0, :2] >= LEAST_MARGIN_PX)
    assert np.all(tiles[0, 2:] - box[0, 2:] >= LEAST_MARGIN_PX)


@given(st.integers(1, 4000), st.integers(1, 2500))
def test_tiles_everywhere_leave_nothing_out_and_overlap(width: int, height: int) -> None:
    tiles = everywhere(width, height, SIDE, 64)
    for axis, length in ((0, width), (1, height)):
        spans = np.unique(tiles[:, [axis, axis + 2]], axis=0)
        assert spans[0, 0] == 0
        assert spans[-1, 1] == length
        assert np.all(spans[:-1, 1] - spans[1:, 0] >= 64)
