"""However boxes pass from one person to another, nobody is claimed to be seen where a stranger is."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanreel.contracts import AppearanceDocument
from fanreel.domain.merging import MergedVideo, merge_segments

from .crowded_scene import LOOK_MS, Scene, Walker, whole_plan, worked_on

pytestmark = pytest.mark.unit


def standing(who: int, start_ms: int, end_ms: int, *, x: int = 100, speed: int = 0, poor: float = 0.0) -> Walker:
    return Walker(who, start_ms, end_ms, x, 100 + who, speed, side=100, blinks=0.0, poor=poor)


def merged(scene: Scene) -> MergedVideo:
    plan = whole_plan(scene)
    return merge_segments(plan, [worked_on(scene, segment) for segment in plan.segments], [], event_id="e")


def owners(scene: Scene, one: AppearanceDocument) -> list[int]:
    """Return who truly is in the box at each sighting."""
    seen = zip(one.pts_ms, one.boxes, strict=True)
    return [next(w.who for w in scene.found(pts) if w.box(pts) == box) for pts, box in seen]


def recognised(scene: Scene) -> list[tuple[AppearanceDocument, list[int]]]:
    return [(one, owners(scene, one)) for one in merged(scene).appearances if one.template is not None]


def test_a_box_that_passes_to_somebody_with_a_good_face_is_split() -> None:
    scene = Scene(6_000, (standing(1, 0, 3_100), standing(2, 3_100, 6_000)))
    assert [set(who) for _, who in recognised(scene)] == [{1}, {2}]


def test_a_box_that_passes_to_somebody_whose_face_is_too_poor_is_given_to_nobody() -> None:
    """No network can tell that it is somebody else: all that is known is that no face vouches for it."""
    scene = Scene(6_000, (standing(1, 0, 3_100), standing(2, 3_100, 6_000, poor=1.0)))
    ((known, who),) = recognised(scene)
    assert set(who) == {1}
    assert known.pts_ms[-1] == 3_000
    (rest,) = [one for one in merged(scene).appearances if one.template is None]
    assert (rest.pts_ms[0], set(owners(scene, rest))) == (3_200, {2})


def test_a_dissolve_between_two_close_ups_at_one_place_is_nobodys() -> None:
    blend = standing(3, 3_000, 3_600, poor=1.0)
    scene = Scene(6_600, (standing(1, 0, 3_000), blend, standing(2, 3_600, 6_600)))
    assert [set(who) for _, who in recognised(scene)] == [{1}, {2}]


@pytest.mark.parametrize("cut_ms", [3_001, 3_040, 3_160, 3_200])
def test_a_cut_between_two_looks_separates_two_close_ups_at_one_place(cut_ms: int) -> None:
    scene = Scene(6_000, (standing(1, 0, cut_ms), standing(2, cut_ms, 6_000)), cuts_ms=(cut_ms,))
    (first, one), (second, two) = recognised(scene)
    assert (set(one), set(two)) == ({1}, {2})
    assert first.end_ms <= cut_ms <= second.start_ms


def test_a_cut_right_after_a_look_and_another_before_the_next_one_leave_nothing_of_the_shot_between() -> None:
    people = (standing(1, 0, 3_040), standing(2, 3_040, 3_160), standing(3, 3_160, 6_000))
    scene = Scene(6_000, people, cuts_ms=(3_040, 3_160))
    assert [set(who) for _, who in recognised(scene)] == [{1}, {3}]
    assert [(a.start_ms, a.end_ms) for a, _ in recognised(scene)] == [(0, 3_040), (3_200, 6_000)]


def test_two_people_who_cross_keep_their_own_moments() -> None:
    left, right = standing(1, 0, 6_000, x=0, speed=120), standing(2, 0, 6_000, x=720, speed=-120)
    scene = Scene(6_000, (left, right))
    assert {frozenset(who) for _, who in recognised(scene)} == {frozenset({1}), frozenset({2})}


@st.composite
def crossings(draw: st.DrawFn) -> Scene:
    """Up to six people in one another's way, some with poor faces, who come, go and are missed by the detector."""
    people = [
        Walker(
            who=index + 1,
            start_ms=draw(st.integers(0, 4_000)),
            end_ms=draw(st.integers(4_400, 8_000)),
            x=draw(st.integers(0, 300)),
            y=100 + 7 * index,
            speed=draw(st.integers(-200, 200)),
            side=draw(st.sampled_from([80, 100])),
            blinks=draw(st.sampled_from([0.0, 0.3])),
            poor=draw(st.sampled_from([0.0, 0.4, 0.9])),
        )
        for index in range(draw(st.integers(2, 6)))
    ]
    return Scene(8_000, tuple(people))


@settings(max_examples=40, deadline=None)
@given(crossings())
def test_whoever_crosses_whom_an_appearance_begins_and_ends_with_one_person_and_never_leaves_them_for_long(
    scene: Scene,
) -> None:
    for one, who in recognised(scene):
        assert who[0] == who[-1]
        own = [pts for pts, owner in zip(one.pts_ms, who, strict=True) if owner == who[0]]
        for pts, owner in zip(one.pts_ms, who, strict=True):
            if owner != who[0]:  # a stranger's poor face between two good ones of the person, a second at most
                assert min(abs(pts - at) for at in own) <= 1_000
        assert all(b - a <= 2_000 + LOOK_MS for a, b in pairwise(own))
