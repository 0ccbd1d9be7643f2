"""A whole video's sound: loudness against what is usual, how much the crowd is up, and when what is heard."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanreel.contracts import CrowdSound, SoundResult
from fanreel.domain.crowd_sound import describe_sound, short_term_lufs, sound_events
from fanreel.domain.sound_kinds import KINDS
from fanreel.domain.timeline import join_loudness

pytestmark = pytest.mark.unit


def sound(first: int, levels: list[float], **kinds: list[float]) -> SoundResult:
    """Seconds from `first` on; with any kind given the others are 0, with none the worker did not listen."""
    columns = {kind: tuple(kinds.get(kind, [0.0] * len(levels))) for kind in KINDS} if kinds else {}
    return SoundResult(
        video_id="v",
        segment_id=f"{first:05d}",
        second_ms=tuple(1000 * (first + row) for row in range(len(levels))),
        loudness_db=tuple(levels),
    ).model_copy(update=columns)


def described(*sounds: SoundResult, seconds: int, channels: int = 1) -> CrowdSound:
    return describe_sound(1000 * seconds, sounds, join_loudness(1000 * seconds, sounds), channels)


def spans(document: CrowdSound, kind: str) -> list[tuple[int, int]]:
    return [(s.start_ms, s.end_ms) for e in sound_events(document) if e.kind == kind for s in e.instances]


def test_a_steady_level_is_its_own_loudness_and_never_above_the_usual() -> None:
    assert described(sound(0, [-23.0] * 30), seconds=30).short_term_lufs == (-23.0,) * 30
    stereo = described(sound(0, [-23.0] * 30), seconds=30, channels=2)
    assert stereo.short_term_lufs == pytest.approx([-19.99] * 30, abs=0.01)
    assert set(stereo.above_usual_lu) == {0.0}


def test_only_a_rise_counts_where_nobody_listened() -> None:
    roar = described(sound(0, [-40.0] * 60 + [-28.0] * 5 + [-40.0] * 60), seconds=125)
    assert min(roar.crowd[61:64]) == 1.0
    assert max(roar.crowd[:55]) == 0.0
    assert roar.cheer == ()
    assert max(described(sound(0, [-10.0] * 100), seconds=100).crowd) == 0.0
    assert max(described(sound(0, [-120.0] * 100), seconds=100).crowd) == 0.0


def test_a_loud_commentator_is_no_crowd_and_an_equally_loud_roar_is() -> None:
    levels = [-30.0] * 60 + [-20.0] * 6 + [-30.0] * 60
    voice = [0.05] * 60 + [0.95] * 6 + [0.05] * 60
    shouted = described(sound(0, levels, speech=voice, cheer=[0.05] * 126), seconds=126)
    roared = described(sound(0, levels, cheer=voice), seconds=126)
    assert max(shouted.crowd) < 0.1
    assert max(roared.crowd) > 0.8
    assert spans(shouted, "loud") == spans(roared, "loud") != []


def test_a_crowd_as_loud_as_ever_counts_little() -> None:
    steady = described(sound(0, [-25.0] * 60, cheer=[1.0] * 60), seconds=60)
    assert 0.0 < max(steady.crowd) <= 0.3


def test_a_video_without_sound_has_empty_columns() -> None:
    assert described(seconds=10) == CrowdSound()
    assert sound_events(CrowdSound()) == ()


def test_an_event_lasts_until_it_is_clearly_over_and_says_its_best() -> None:
    curve = CrowdSound(whistle=(0.1, 0.5, 0.7, 0.5, 0.9, 0.3, 0.5, 0.0, 0.65))
    (event,) = sound_events(curve)
    assert [(s.start_ms, s.end_ms, s.confidence) for s in event.instances] == [
        (2000, 5000, 0.9),
        (8000, 9000, 0.65),
    ]


LEVELS = st.floats(-120, 0).map(lambda value: round(value, 2))


@st.composite
def programmes(draw: st.DrawFn) -> list[SoundResult]:
    """One to five segments in a row, of workers that listened and of older ones that did not."""
    parts: list[SoundResult] = []
    first = 0
    for _ in range(draw(st.integers(1, 5))):
        levels = draw(st.lists(LEVELS, min_size=1, max_size=30))
        shares = st.lists(st.floats(0, 1), min_size=len(levels), max_size=len(levels))
        kinds = {kind: draw(shares) for kind in KINDS} if draw(st.booleans()) else {}
        parts.append(sound(first, levels, **kinds))
        first += len(levels)
    return parts


@settings(max_examples=60, deadline=None)
@given(programmes(), st.randoms(), st.integers(0, 3))
def test_columns_are_whole_in_bounds_and_in_any_order_the_same(parts, random, missing: int) -> None:
    seconds = sum(len(part.second_ms) for part in parts) + missing
    document = described(*parts, seconds=seconds)
    columns = [getattr(document, name) for name in CrowdSound.model_fields]
    assert {len(column) for column in columns} <= {0, seconds}
    assert all(0 <= value <= 1 for name in (*KINDS, "crowd") for value in getattr(document, name))
    assert all(np.isfinite(column).all() for column in columns)
    shuffled = [*parts]
    random.shuffle(shuffled)
    assert described(*shuffled, *parts, seconds=seconds) == document


@settings(max_examples=60, deadline=None)
@given(programmes())
def test_events_are_apart_in_order_and_inside_the_video(parts) -> None:
    seconds = sum(len(part.second_ms) for part in parts)
    for event in sound_events(described(*parts, seconds=seconds)):
        edges = [edge for span in event.instances for edge in (span.start_ms, span.end_ms)]
        assert edges == sorted(edges)
        assert 0 <= edges[0] < edges[-1] <= 1000 * seconds
        assert all(span.start_ms < span.end_ms and 0.6 <= span.confidence <= 1 for span in event.instances)


@settings(max_examples=60, deadline=None)
@given(st.lists(LEVELS, min_size=1, max_size=40), st.integers(1, 40))
def test_where_segments_are_cut_changes_nothing(levels: list[float], cut: int) -> None:
    shares = [abs(level) / 120 for level in levels]
    whole = described(sound(0, levels, cheer=shares, whistle=shares), seconds=len(levels))
    cut = min(cut, len(levels))
    parts = [sound(0, levels[:cut], cheer=shares[:cut], whistle=shares[:cut])]
    if cut < len(levels):
        parts.append(sound(cut, levels[cut:], cheer=shares[cut:], whistle=shares[cut:]))
    assert described(*parts, seconds=len(levels)) == whole


@given(st.lists(LEVELS, min_size=1, max_size=40))
def test_short_term_loudness_lies_between_its_neighbours(levels: list[float]) -> None:
    loudness = short_term_lufs(np.array(levels))
    for row, value in enumerate(loudness):
        around = levels[max(0, row - 1) : row + 2]
        assert min(around) - 1e-6 <= value <= max(around) + 1e-6
