"""Wherever a video is cut into segments, the same tracks, templates and people come out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanreel.domain.merging import MergedVideo, merge_segments

from .crowded_scene import Scene, Walker, whole_plan, worked_on

pytestmark = pytest.mark.unit


@st.composite
def walkers(draw: st.DrawFn, index: int, duration_ms: int) -> Walker:
    start = draw(st.integers(0, duration_ms - 1_000))
    return Walker(
        who=index + 1,
        start_ms=start,
        end_ms=draw(st.integers(start + 400, duration_ms)),
        x=draw(st.integers(0, 500)),
        # No two boxes are ever the very same: a detector suppresses one of them.
        y=100 + 7 * index + draw(st.sampled_from([0, 60])),
        speed=draw(st.integers(-150, 150)),
        side=draw(st.sampled_from([60, 80, 100])),
        blinks=draw(st.sampled_from([0.0, 0.2, 0.5])),
        poor=draw(st.sampled_from([0.0, 0.3, 0.9])),
    )


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Up to eight people who cross one another, come and go; borders and cuts lie anywhere."""
    duration = draw(st.integers(6_000, 20_000))
    people = tuple(draw(walkers(index, duration)) for index in range(draw(st.integers(1, 8))))
    frames = st.integers(1, duration // 40 - 1).map(lambda n: n * 40)
    return Scene(duration, people, tuple(draw(st.lists(frames, unique=True, max_size=4).map(sorted))))


@st.composite
def borders(draw: st.DrawFn, duration_ms: int) -> list[int]:
    """One to five, at least an overlap apart: no worker sees what its neighbour's neighbour owns."""
    found = [0]
    for _ in range(draw(st.integers(1, 5))):
        if found[-1] + 2_000 < duration_ms:
            found.append(draw(st.integers(found[-1] + 1_000, duration_ms - 1_000)))
    return found[1:]


def merged(scene: Scene, borders_ms: list[int], *, sees_cuts: bool = True) -> MergedVideo:
    plan = whole_plan(scene, borders_ms)
    results = [worked_on(scene, segment, sees_cuts=sees_cuts) for segment in plan.segments]
    return merge_segments(plan, results, [], event_id="e")


@settings(max_examples=50, deadline=None)
@given(st.data(), st.booleans())
def test_tracks_templates_and_people_do_not_depend_on_where_a_video_is_cut(
    data: st.DataObject, sees_cuts: bool
) -> None:
    scene = data.draw(scenes())
    parts = merged(scene, data.draw(borders(scene.duration_ms)), sees_cuts=sees_cuts)
    whole = merged(scene, [])
    assert [(a.pts_ms, a.boxes) for a in parts.appearances] == [(a.pts_ms, a.boxes) for a in whole.appearances]
    assert parts.appearances == whole.appearances
    assert (parts.people, parts.shots, parts.excitement) == (whole.people, whole.shots, whole.excitement)
