from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanreel.contracts.media import MediaInfo, Segment
from fanreel.domain.media import plan_segments
from tests.plain_media import plain_media

pytestmark = pytest.mark.unit

TARGET_MS = 45_000
OVERLAP_MS = 1_000
HOUR_MS = 3_600_000


def media(duration_ms: int, keyframes_ms: tuple[int, ...] = (), container_start_ms: int = 0) -> MediaInfo:
    return plain_media(duration_ms, keyframes_ms=keyframes_ms, container_start_ms=container_start_ms)


def plan(duration_ms: int, keyframes_ms: tuple[int, ...] = ()) -> tuple[Segment, ...]:
    return plan_segments(media(duration_ms, keyframes_ms), target_ms=TARGET_MS, overlap_ms=OVERLAP_MS)


durations = st.integers(1, 600_000) | st.integers(1, 12 * HOUR_MS)
keyframes = st.one_of(
    st.just(()),
    st.lists(st.integers(0, 600_000), max_size=30, unique=True).map(sorted).map(tuple),
    st.integers(300, 12_000).map(lambda step: tuple(range(0, 600_000, step))),
    st.integers(100_000, 400_000).map(lambda step: tuple(range(0, 12 * HOUR_MS, step))),
)


@given(durations, keyframes)
def test_core_ranges_tile_the_video_exactly(duration_ms, keyframes_ms):
    segments = plan(duration_ms, keyframes_ms)
    assert segments[0].start_ms == 0
    assert segments[-1].end_ms == duration_ms
    assert all(left.end_ms == right.start_ms for left, right in pairwise(segments))
    assert all(segment.start_ms < segment.end_ms for segment in segments)


@given(durations, keyframes)
def test_owned_ranges_tile_the_video_and_lie_inside_what_is_decoded(duration_ms, keyframes_ms):
    segments = plan(duration_ms, keyframes_ms)
    assert segments[0].owned_from_ms == 0
    assert segments[-1].owned_to_ms == duration_ms + 1
    assert all(left.owned_to_ms == right.owned_from_ms for left, right in pairwise(segments))
    for segment in segments:
        assert segment.start_ms <= segment.owned_from_ms < segment.owned_to_ms <= segment.decode_end_ms
        assert segment.decode_end_ms <= duration_ms + 1
    for segment in segments[1:]:
        assert segment.owned_from_ms - segment.start_ms >= OVERLAP_MS // 2
    for segment in segments[:-1]:
        assert segment.decode_end_ms - segment.owned_to_ms >= OVERLAP_MS // 2


@given(durations, keyframes)
def test_no_segment_is_tiny_or_huge(duration_ms, keyframes_ms):
    segments = plan(duration_ms, keyframes_ms)
    lengths = [segment.end_ms - segment.start_ms for segment in segments]
    assert max(lengths) <= TARGET_MS * 4 // 3
    if len(segments) > 1:
        assert min(lengths[:-1]) >= TARGET_MS * 2 // 3
        assert lengths[-1] >= TARGET_MS // 2
    assert [segment.index for segment in segments] == list(range(len(segments)))
    assert [segment.segment_id for segment in segments] == sorted(segment.segment_id for segment in segments)


@given(st.integers(60_001, 600_000), st.integers(300, 7_000))
def test_borders_fall_on_keyframes_where_they_are_dense(duration_ms, step_ms):
    known = tuple(range(0, duration_ms, step_ms))
    assert all(segment.start_ms in known for segment in plan(duration_ms, known))


def test_sparse_keyframes_do_not_bend_the_plan():
    assert plan(200_000, (0, 199_000)) == plan(200_000)


def test_twelve_hours_are_about_a_thousand_segments():
    segments = plan(12 * HOUR_MS, tuple(range(0, 12 * HOUR_MS, 2_000)))
    assert 900 <= len(segments) <= 1_000


@pytest.mark.parametrize("duration_ms", [0, 1, 40, 999, 60_000])
def test_a_short_video_is_one_segment(duration_ms):
    (segment,) = plan(duration_ms)
    assert (segment.start_ms, segment.owned_from_ms) == (0, 0)
    assert segment.end_ms == max(1, duration_ms)
