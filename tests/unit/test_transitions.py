from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from fanreel.contracts import Transition
from fanreel.domain.transitions import (
    boundary_ms,
    clear_span,
    find_transitions,
    join_transitions,
    shot_boundaries,
)

pytestmark = pytest.mark.unit

FRAME_MS = 40
Pictures = NDArray[np.float64]


def scene(seed: int, frames: int) -> Pictures:
    """Pictures of 18 × 32 tiles, blobs as large as heads, that pan by a tile every six frames."""
    wide = gaussian_filter(np.random.default_rng(seed).uniform(-1, 1, (18, 32 + frames // 6 + 1)), 2.0)
    wide = 120 + 90 * wide / np.abs(wide).max()
    return np.array([wide[:, step // 6 : step // 6 + 32] for step in range(frames)])


def mixed(first: Pictures, second: Pictures) -> Pictures:
    share = ((np.arange(len(first)) + 1) / (len(first) + 1))[:, None, None]
    return first * (1 - share) + second * share


def energy(pictures: Pictures) -> list[float]:
    return [float((np.diff(picture, axis=1) ** 2).mean()) for picture in pictures]


def found_in(pictures: Pictures, first_frame: int = 0) -> tuple[Transition, ...]:
    times = [(first_frame + index) * FRAME_MS for index in range(len(pictures))]
    tiles = np.rint(pictures).astype(np.uint8).reshape(len(pictures), -1)
    return find_transitions(times, tiles, energy(pictures))


def dissolve(frames: int, lead: int = 40) -> Pictures:
    one, two = scene(1, lead + frames), scene(2, frames + 40)
    return np.concatenate([one[:lead], mixed(one[lead:], two[:frames]), two[frames:]])


def faded(level: float, out_frames: int, blank_frames: int, in_frames: int) -> Pictures:
    one, two = scene(1, 40 + out_frames), scene(2, in_frames + 40)
    blank = np.full((blank_frames, 18, 32), level)
    return np.concatenate(
        [
            one[:40],
            mixed(one[40:], np.full((out_frames, 18, 32), level)),
            blank,
            mixed(np.full((in_frames, 18, 32), level), two[:in_frames]),
            two[in_frames:],
        ]
    )


@pytest.mark.parametrize("frames", [8, 12, 20, 30])
def test_a_dissolve_is_found_where_it_is(frames: int) -> None:
    (found,) = found_in(dissolve(frames))
    assert found.kind == "dissolve"
    assert boundary_ms(found) == pytest.approx(
        (40 + frames / 2) * FRAME_MS, abs=2 * FRAME_MS + 0.1 * frames * FRAME_MS
    )
    assert found.end_ms - found.start_ms == pytest.approx(frames * FRAME_MS, rel=0.5)


@pytest.mark.parametrize("level", [0.0, 255.0])
@pytest.mark.parametrize(("out_frames", "in_frames"), [(12, 12), (25, 0), (0, 25)])
def test_a_fade_is_found_with_its_blank_part(level: float, out_frames: int, in_frames: int) -> None:
    (found,) = found_in(faded(level, out_frames, 10, in_frames))
    assert found.kind == "fade"
    assert found.start_ms <= (40 + 2) * FRAME_MS
    assert boundary_ms(found) == pytest.approx((40 + out_frames + 5) * FRAME_MS, abs=3 * FRAME_MS)
    last_ms = (40 + out_frames + 10 + in_frames) * FRAME_MS
    assert found.end_ms == pytest.approx(last_ms, abs=3 * FRAME_MS)


@pytest.mark.parametrize(
    "pictures",
    [scene(1, 120), np.concatenate([scene(1, 60), scene(2, 60)]), np.repeat(scene(3, 1), 90, axis=0)],
    ids=["a moving shot", "a hard cut", "a still"],
)
def test_what_is_no_transition_is_none(pictures: Pictures) -> None:
    assert found_in(pictures) == ()


def test_a_slow_pan_of_smooth_pictures_is_no_dissolve() -> None:
    # Coarse pictures of a gradient in motion are linear mixes of each other; fine detail stays as strong.
    slope = np.array([np.clip(np.linspace(-60 + 2 * t, 400 + 2 * t, 32), 0, 255) for t in range(120)])
    pictures = np.repeat(slope[:, None, :], 18, axis=1)
    tiles = np.rint(pictures).astype(np.uint8).reshape(120, -1)
    assert find_transitions([t * FRAME_MS for t in range(120)], tiles, [50.0] * 120) == ()


def test_brightening_is_no_dissolve() -> None:
    picture = scene(4, 1)[0] * 0.4
    assert found_in(np.array([picture * (1 + t / 100) for t in range(120)])) == ()


@given(st.integers(1, 9), st.integers(1, 3))
def test_any_few_frames_give_an_answer(frames: int, level: int) -> None:
    assert isinstance(found_in(np.full((frames, 18, 32), 100.0 * level - 100)), tuple)


@pytest.mark.parametrize("each_ms", [0, 0.3], ids=["one moment", "three in a millisecond"])
def test_frames_that_share_their_milliseconds_give_an_answer(each_ms: float) -> None:
    pictures = np.concatenate([faded(0.0, 12, 10, 12), dissolve(12)])
    tiles = np.rint(pictures).astype(np.uint8).reshape(len(pictures), -1)
    times = [int(index * each_ms) for index in range(len(pictures))]
    for found in find_transitions(times, tiles, energy(pictures)):
        assert times[0] <= found.start_ms <= found.end_ms <= times[-1]


@pytest.mark.parametrize("border", range(25, 75, 7))
def test_pieces_that_overlap_by_a_second_find_what_the_whole_shows(border: int) -> None:
    """Whatever a border's place, the dissolve (12 frames from 40 on) belongs to one piece, and is the same."""
    pictures = dissolve(12)
    whole = found_in(pictures)
    left = [t for t in found_in(pictures[: border + 25]) if boundary_ms(t) < (border + 12) * FRAME_MS]
    right = [t for t in found_in(pictures[border:], border) if boundary_ms(t) >= (border + 12) * FRAME_MS]
    assert join_transitions([*left, *right]) == whole


@pytest.mark.parametrize("border", range(20, 130, 9))
def test_a_fade_longer_than_the_overlap_is_put_together_again(border: int) -> None:
    pictures = faded(0.0, 15, 60, 15)
    (whole,) = found_in(pictures)
    (joined,) = join_transitions([*found_in(pictures[: border + 25]), *found_in(pictures[border:], border)])
    assert boundary_ms(joined) == boundary_ms(whole)
    assert (joined.start_ms, joined.end_ms) == (whole.start_ms, whole.end_ms)


def test_a_dissolve_longer_than_the_overlap_leaves_one_boundary_inside_it() -> None:
    pictures = dissolve(50)
    border = 65
    left = [t for t in found_in(pictures[: border + 25]) if boundary_ms(t) < (border + 12) * FRAME_MS]
    right = [t for t in found_in(pictures[border:], border) if boundary_ms(t) >= (border + 12) * FRAME_MS]
    joined = join_transitions([*left, *right])
    assert len(joined) <= 1
    assert all(40 * FRAME_MS <= boundary_ms(t) <= 90 * FRAME_MS for t in joined)


spans = st.builds(
    lambda start, length: Transition(start_ms=start, end_ms=start + length, kind="dissolve"),
    st.integers(0, 5_000),
    st.integers(0, 900),
)


@given(st.lists(spans, max_size=8), st.randoms())
def test_joining_keeps_every_moment_and_knows_no_order(transitions: list[Transition], random) -> None:
    joined = join_transitions(transitions)
    shuffled = list(transitions)
    random.shuffle(shuffled)
    assert join_transitions(shuffled) == joined == join_transitions(joined)
    assert all(a.end_ms < b.start_ms for a, b in pairwise(joined))
    assert all(any(j.start_ms <= t.start_ms and t.end_ms <= j.end_ms for j in joined) for t in transitions)


@given(st.lists(st.integers(0, 6_000), max_size=10), st.lists(spans, max_size=5))
def test_each_transition_parts_shots_once_and_cuts_outside_stay(
    cuts: list[int], transitions: list[Transition]
) -> None:
    joined = join_transitions(transitions)
    boundaries = shot_boundaries(cuts, joined)
    assert boundaries == sorted(set(boundaries))
    for one in joined:
        assert [b for b in boundaries if one.start_ms <= b <= one.end_ms] == [boundary_ms(one)]
    outside = {cut for cut in cuts if not any(t.start_ms <= cut <= t.end_ms for t in joined)}
    assert set(boundaries) == outside | {boundary_ms(one) for one in joined}


@given(st.integers(0, 3_000), st.integers(1, 3_000), st.lists(spans, max_size=4))
def test_the_clear_part_lies_in_the_shot_and_outside_transitions_at_its_ends(start, length, transitions) -> None:
    joined = join_transitions(transitions)
    clear = clear_span(start, start + length, joined)
    assert start <= clear[0] <= clear[1] <= start + length
    for one in joined:
        if one.start_ms <= start < one.end_ms < start + length:
            assert clear[0] >= one.end_ms


def test_a_video_that_is_blank_or_ends_so_has_no_boundary_in_the_blank_part() -> None:
    assert shot_boundaries([], found_in(np.zeros((60, 18, 32)))) == []
    ending = found_in(np.concatenate([scene(1, 40), np.zeros((20, 18, 32))]))
    assert shot_boundaries([40 * FRAME_MS], ending) == [40 * FRAME_MS]
