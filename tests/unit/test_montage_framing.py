"""The upright crop: the face stays inside, and the camera moves only for its sake."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanreel.contracts import FocusPoint, MontageClip, MontagePlan
from fanreel.domain.montage import place_clips
from fanreel.domain.montage.framing import MAX_ACCELERATION, MAX_SPEED, UprightCrop, upright_crop

pytestmark = pytest.mark.unit

WIDTH, HEIGHT = 1280, 720
RATE = 25
NARROW = HEIGHT * 9 / 16


def crop_of(boxes: list[tuple[int, tuple[int, int, int, int]]], length_ms: int = 3_000, **slow) -> UprightCrop:
    clip = MontageClip(
        video_id="v",
        start_ms=0,
        end_ms=length_ms,
        score=1,
        reason="",
        appearance_id="a",
        focus=tuple(FocusPoint(pts_ms=pts_ms, box=box) for pts_ms, box in boxes),
        **slow,
    )
    plan = MontagePlan(
        montage_id="m",
        fan_id="f",
        event_id="e",
        clips=(clip,),
        duration_ms=length_ms,
        crossfade_ms=0,
        width=WIDTH,
        height=HEIGHT,
    )
    timeline = place_clips(plan, Fraction(RATE))
    crop = upright_crop(timeline, timeline.clips[0], WIDTH, HEIGHT)
    assert len(crop.lefts) == timeline.frames
    return crop


def box(centre_x: float, width: float = 80) -> tuple[int, int, int, int]:
    return round(centre_x - width / 2), 200, round(centre_x + width / 2), 300


@st.composite
def walks(draw) -> list[tuple[int, tuple[int, int, int, int]]]:
    """A face every 200 ms, anywhere, jumping as it likes, of any size up to most of the picture."""
    count = draw(st.integers(1, 15))
    face_width = draw(st.integers(10, 900))
    lefts = draw(st.lists(st.integers(-60, WIDTH - 20), min_size=count, max_size=count))
    grown = draw(st.lists(st.integers(0, 60), min_size=count, max_size=count))
    return [
        (200 * index, (left, 100, left + face_width + more, 500))
        for index, (left, more) in enumerate(zip(lefts, grown, strict=True))
    ]


@given(walks())
@settings(max_examples=60, deadline=None)
def test_the_face_is_always_inside_and_the_crop_inside_the_picture(boxes):
    crop = crop_of(boxes)
    assert NARROW <= crop.width <= WIDTH
    assert (crop.lefts >= -1e-6).all()
    assert (crop.lefts + crop.width <= WIDTH + 1e-6).all()
    for pts_ms, (left, _, right, _) in boxes:
        frame = pts_ms * RATE // 1000
        assert crop.lefts[frame] <= max(left, 0) + 1e-6
        assert crop.lefts[frame] + crop.width >= min(right, WIDTH) - 1e-6


@given(st.lists(st.integers(-25, 25), min_size=16, max_size=16), st.integers(0, WIDTH))
@settings(max_examples=30, deadline=None)
def test_boxes_that_jitter_do_not_move_the_camera_at_all(jitter, centre):
    crop = crop_of([(200 * index, box(centre + by)) for index, by in enumerate(jitter)])
    assert np.ptp(crop.lefts) < 1e-6


@given(st.floats(0.05, 0.45), st.integers(250, 1_000), st.floats(20, 200))
@settings(max_examples=30, deadline=None)
def test_the_camera_is_never_quicker_than_its_limits_if_following_the_face_is_not(part, centre, reach_px):
    """A face that swings as fast as `part` of the limits allows, somewhere in the middle."""
    omega = part * min(MAX_SPEED * NARROW / reach_px, (MAX_ACCELERATION * NARROW / reach_px) ** 0.5)
    times_ms = range(0, 3_001, 40)
    crop = crop_of([(t, box(centre + reach_px * np.sin(omega * t / 1000), 100)) for t in times_ms])
    speed = np.diff(crop.lefts) * RATE / crop.width
    assert np.abs(speed).max() <= MAX_SPEED + 1e-4
    assert np.abs(np.diff(speed) * RATE).max() <= MAX_ACCELERATION + 1e-3


def test_a_walk_across_the_picture_is_one_even_pan():
    crop = crop_of([(t, box(200 + 0.16 * t)) for t in range(0, 4_801, 200)], length_ms=4_800)
    steps = np.diff(crop.lefts)
    assert (steps >= -1e-6).all(), "never back"
    assert steps.max() * RATE <= 1.1 * 160
    assert np.abs(np.diff(steps)).max() * RATE**2 <= MAX_ACCELERATION * crop.width


def test_slow_motion_slows_the_camera():
    boxes = [(t, box(200 + 0.3 * t)) for t in range(0, 3_001, 200)]
    fast = crop_of(boxes)
    slow = crop_of(boxes, slow_from_ms=0, slow_to_ms=3_000, slow_factor=2)
    assert len(slow.lefts) == 2 * len(fast.lefts)
    assert np.abs(np.diff(slow.lefts)).max() < 0.6 * np.abs(np.diff(fast.lefts)).max()


def test_a_face_in_the_middle_of_its_room_stands_in_the_middle_of_the_picture():
    crop = crop_of([(0, box(500)), (2_800, box(500))])
    assert crop.lefts + crop.width / 2 == pytest.approx(500, abs=1)


def test_an_opener_shows_the_middle():
    crop = crop_of([])
    assert crop.width == NARROW
    assert crop.lefts + crop.width / 2 == pytest.approx(WIDTH / 2)


def test_a_face_wider_than_upright_makes_the_crop_wider():
    crop = crop_of([(0, (300, 50, 900, 700))])
    assert crop.width == pytest.approx(720)
    assert crop.lefts[0] <= 300
