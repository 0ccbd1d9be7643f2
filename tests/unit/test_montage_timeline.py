"""Plans on their frame grid: nothing is lost or shown twice, whatever the rate, the cards and the slow motion."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanreel.contracts import MontageClip, MontagePlan
from fanreel.domain.montage import place_clips
from fanreel.domain.montage.timeline import STANDARD_RATES
from fanreel.errors import ContractBroken
from tests.unit.montage_material import bare_plan as plan

pytestmark = pytest.mark.unit

RATES = st.sampled_from(STANDARD_RATES)


def clip(start_ms: int, end_ms: int, slow: tuple[int, int, int] | None = None) -> MontageClip:
    more = dict(zip(("slow_from_ms", "slow_to_ms", "slow_factor"), slow, strict=True)) if slow else {}
    return MontageClip(
        video_id="v", start_ms=start_ms, end_ms=end_ms, score=1, reason="", appearance_id="a", **more
    )


@st.composite
def clips(draw) -> MontageClip:
    start_ms = draw(st.integers(0, 7_200_000))
    length_ms = draw(st.integers(1_200, 9_000))
    if not draw(st.booleans()):
        return clip(start_ms, start_ms + length_ms)
    slow_from = draw(st.integers(0, length_ms - 200))
    slow_to = draw(st.integers(slow_from + 100, length_ms))
    slow = (start_ms + slow_from, start_ms + slow_to, draw(st.integers(1, 5)))
    return clip(start_ms, start_ms + length_ms, slow)


@st.composite
def plans(draw) -> MontagePlan:
    return plan(
        *draw(st.lists(clips(), min_size=1, max_size=8)),
        crossfade_ms=draw(st.integers(0, 400)),
        title=draw(st.sampled_from(["", "Home 2:1 Away"])),
        intro_ms=draw(st.integers(0, 3_000)),
        end_text=draw(st.sampled_from(["", "Thank you"])),
        outro_ms=draw(st.one_of(st.just(0), st.integers(1_000, 3_000))),
    )


@given(plans(), RATES)
def test_the_film_is_as_long_as_its_parts_and_never_off_by_more_than_a_rounding(plan_, rate):
    timeline = place_clips(plan_, rate)
    intro_ms = plan_.render.intro_ms if plan_.render.title else 0
    outro_ms = plan_.render.outro_ms if plan_.render.end_text else 0
    joints = len(plan_.clips) - 1 + (outro_ms > 0)
    wanted_ms = intro_ms + sum(c.played_ms for c in plan_.clips) + outro_ms - joints * plan_.crossfade_ms
    wanted_ms -= min(intro_ms, plan_.crossfade_ms)
    assert abs(timeline.ms(timeline.frames) - wanted_ms) <= 2_000 / rate
    assert (timeline.intro_frames == 0) == (round(intro_ms * rate / 1000) == 0)
    assert (timeline.outro_frames == 0) == (outro_ms == 0)


@given(plans(), RATES)
def test_pieces_tile_their_clip_and_its_source(plan_, rate):
    for placed in place_clips(plan_, rate).clips:
        at, source = placed.start_frame, placed.source_frame
        for piece in placed.pieces:
            assert (piece.start_frame, piece.source_frame) == (at, source)
            assert piece.frames > 0
            at, source = piece.end_frame, source + piece.source_frames
        assert at == placed.end_frame
        assert source == placed.source_frame + placed.source_frames
        assert len({piece.factor for piece in placed.pieces if piece.factor > 1}) <= 1


@given(plans(), RATES)
def test_no_clip_reaches_a_whole_frame_beyond_its_end(plan_, rate):
    for placed in place_clips(plan_, rate).clips:
        last_shown = placed.source_frame + placed.source_frames - 1
        assert last_shown * 1000 / rate < placed.clip.end_ms + 1_000 / rate
        assert placed.source_frame == round(placed.clip.start_ms * rate / 1000)


@given(plans(), RATES)
def test_what_is_slow_lies_where_it_was_planned(plan_, rate):
    """Within two frames and one per repetition: that is what whole frames allow."""
    for placed in place_clips(plan_, rate).clips:
        for piece in placed.pieces:
            if piece.factor > 1:
                limit = 3 + placed.clip.slow_factor
                assert abs(piece.source_frame - placed.clip.slow_from_ms * rate / 1000) <= limit
                until = piece.source_frame + piece.source_frames
                assert abs(until - placed.clip.slow_to_ms * rate / 1000) <= limit


@given(plans(), RATES, st.data())
def test_film_and_source_times_are_each_others_inverse(plan_, rate, data):
    timeline = place_clips(plan_, rate)
    placed = data.draw(st.sampled_from(timeline.clips))
    frame = data.draw(st.integers(placed.start_frame, placed.end_frame - 1))
    shown_ms = timeline.source_ms(placed, frame)
    back = timeline.film_frame(placed, -(-shown_ms.numerator // shown_ms.denominator))
    assert placed.start_frame <= back < placed.end_frame
    assert abs(timeline.source_ms(placed, back) - shown_ms) <= 1_000 / rate


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(1_200, 9_000)), min_size=1, max_size=8), RATES)
def test_without_cards_and_slow_motion_every_border_is_rounded_once(spans, rate):
    timeline = place_clips(plan(*(clip(start, start + length) for start, length in spans)), rate)
    at_ms = 0
    for (start_ms, length_ms), placed in zip(spans, timeline.clips, strict=True):
        at_ms = max(0, at_ms - 200)
        borders = round(at_ms * rate / 1000), round((at_ms + length_ms) * rate / 1000)
        assert (placed.start_frame, placed.end_frame) == borders
        assert placed.source_frame == round(start_ms * rate / 1000)
        assert [piece.factor for piece in placed.pieces] == [1]
        at_ms += length_ms
    assert timeline.frames == round(at_ms * rate / 1000)


def test_slow_motion_cards_and_crossfades_by_hand():
    slow = clip(1_000, 3_000, (2_000, 2_400, 2))
    shown = plan(slow, clip(5_000, 7_000), title="T", intro_ms=2_000, end_text="E", outro_ms=1_000)
    timeline = place_clips(shown, Fraction(25))
    first, second = timeline.clips
    assert (timeline.intro_frames, first.start_frame, first.fade_frames) == (50, 45, 5)
    assert [(p.source_frame, p.start_frame, p.frames, p.factor) for p in first.pieces] == [
        (25, 45, 25, 1),
        (50, 70, 20, 2),
        (60, 90, 15, 1),
    ]
    assert (first.end_frame, second.start_frame, second.end_frame) == (105, 100, 150)
    assert (timeline.outro_frames, timeline.outro_fade_frames, timeline.frames) == (25, 5, 170)
    assert timeline.film_frame(first, 2_000) == 70
    assert timeline.source_ms(first, 73) == 2_040


@pytest.mark.parametrize("slow", [(900, 1_500, 2), (1_500, 3_100, 2), (1_500, 1_500, 2), (1_500, 2_000, 0)])
def test_slow_motion_outside_its_clip_breaks_the_contract(slow):
    with pytest.raises(ContractBroken, match="montage_plan"):
        place_clips(plan(clip(1_000, 3_000, slow)), Fraction(25))


def test_cards_and_clips_shorter_than_their_crossfades_break_the_contract():
    with pytest.raises(ContractBroken, match="montage_plan"):
        place_clips(plan(clip(0, 2_000), end_text="E", outro_ms=100), Fraction(25))
    with pytest.raises(ContractBroken, match="montage_plan"):
        place_clips(plan(clip(0, 2_000), clip(3_000, 3_350), clip(5_000, 7_000)), Fraction(25))
    with pytest.raises(ContractBroken, match="montage_plan"):
        place_clips(plan(), Fraction(25))
