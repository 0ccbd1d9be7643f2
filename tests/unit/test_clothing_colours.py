import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanreel.domain.clothing import colour_word
from fanreel.domain.faces import Bgr
from gpu_workers.pipeline.clothing import clothing_colours

pytestmark = pytest.mark.unit

SKIN, WALL = (150, 170, 224), (120, 110, 60)
"""Blue-green-red."""
BOX = (140, 40, 180, 90)
ONE = np.array([BOX], np.float32)
SHIRTS = {
    "red": (40, 30, 200),
    "dark blue": (90, 30, 20),
    "green": (60, 140, 30),
    "yellow": (30, 215, 245),
    "white": (235, 238, 236),
    "black": (14, 14, 14),
    "pink": (190, 120, 240),
    "orange": (20, 130, 245),
    "purple": (140, 30, 130),
}


def person(shirt: tuple[int, int, int], *, noise: float = 6.0) -> Bgr:
    """A face with a neck over a shirt in front of a wall, with noise and folds as a camera would have them."""
    picture = np.full((240, 320, 3), WALL, np.uint8)
    cv2.rectangle(picture, (90, 105), (230, 239), shirt, -1)
    cv2.rectangle(picture, (148, 85), (172, 112), SKIN, -1)
    cv2.ellipse(picture, (160, 65), (20, 27), 0, 0, 360, SKIN, -1)
    folds = 1 + 0.15 * np.sin(np.arange(320) / 9)[None, :, None]
    grain = np.random.default_rng(0).normal(0, noise, picture.shape)
    return np.clip(picture * folds + grain, 0, 255).astype(np.uint8)


def word(picture: Bgr, boxes: np.ndarray = ONE) -> str | None:
    (lab,) = clothing_colours(picture, boxes.astype(np.float32), np.array([0]))
    return colour_word(lab) if lab is not None else None


@pytest.mark.parametrize("name", SHIRTS)
def test_a_shirt_has_the_word_of_its_colour(name: str):
    assert word(person(SHIRTS[name])) == name


@pytest.mark.parametrize("name", SHIRTS)
def test_size_and_noise_of_the_picture_do_not_matter(name: str):
    large = cv2.resize(person(SHIRTS[name], noise=12), None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    assert word(np.asarray(large, np.uint8), ONE * 3) == name


def test_bare_skin_is_no_cloth():
    assert word(person(SKIN)) is None


@pytest.mark.parametrize("shade", [0.6, 0.8])
def test_skin_in_the_shade_of_the_chin_is_no_cloth_either(shade: float):
    blue, green, red = (int(shade * value) for value in SKIN)
    assert word(person((blue, green, red))) is None


def test_an_arm_over_the_shirt_does_not_change_its_word():
    picture = person(SHIRTS["red"])
    cv2.rectangle(picture, (90, 150), (230, 165), SKIN, -1)
    assert word(picture) == "red"


def test_a_pattern_has_no_word():
    picture = person(SHIRTS["white"])
    for y in range(105, 240, 12):
        cv2.rectangle(picture, (90, y), (230, y + 5), (10, 10, 10), -1)
    picture[105:, 90:230:24] = 200
    stripes = np.zeros((135, 140, 3), np.uint8)
    stripes[:, :] = [SHIRTS["red"] if x // 35 % 2 else SHIRTS["yellow"] for x in range(140)]
    picture[105:, 90:230] = stripes
    assert word(picture) is None


def test_what_the_picture_does_not_show_is_not_told():
    picture = person(SHIRTS["red"])
    assert word(picture[:130]) is None
    assert word(picture[:150]) == "red"
    assert word(np.pad(picture[:120], ((0, 120), (0, 0), (0, 0)))) is None, "a black bar is no shirt"


def test_the_head_of_somebody_in_front_is_no_shirt():
    picture = person(SHIRTS["red"])
    in_front = np.array([BOX, (145, 120, 175, 160)])
    assert word(picture, in_front) is None
    assert word(picture, np.array([BOX, (20, 120, 50, 160)])) == "red"


@given(st.integers(-200, 400), st.integers(-200, 400), st.integers(0, 300), st.integers(0, 300))
@settings(max_examples=40, deadline=None)
def test_any_box_has_an_answer(x: int, y: int, width: int, height: int):
    boxes = np.array([(x, y, x + width, y + height)], np.float32)
    assert len(clothing_colours(person(SHIRTS["red"]), boxes, np.array([0]))) == 1


def test_nobody_has_no_clothes():
    none = np.zeros((0, 4), np.float32)
    assert clothing_colours(person(SHIRTS["red"]), none, np.zeros(0, np.intp)) == ()
