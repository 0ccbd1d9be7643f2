"""Highlights: ranked clips of a whole match that never overlap, lie at shots' borders and say why."""

import tracemalloc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fanreel.contracts import CrowdSound, Shot, ShotMeasure
from fanreel.domain.highlights import Match, MatchFlow, find_highlights
from fanreel.domain.highlights.choosing import LEAST_ACTION, MOST_CLIPS
from fanreel.domain.highlights.parts import WEIGHTS, joined, signals
from fanreel.domain.highlights.spans import LONGEST_MS, SHORTEST_MS, best_span, stretches
from fanreel.domain.highlights.unusual import unusual_from, unusual_seconds
from fanreel.domain.replays import Replay

pytestmark = pytest.mark.unit


def shots_between(
    edges_ms: list[int], *, kinds: dict[int, str] | None = None, dissolve_ms: int = 0
) -> tuple[Shot, ...]:
    return tuple(
        Shot(
            start_ms=a,
            end_ms=b,
            kind=(kinds or {}).get(index, "play"),
            fan_probability=0.9 if (kinds or {}).get(index) in ("people", "crowd") else 0.05,
            clear_from_ms=min(b, a + dissolve_ms),
            clear_to_ms=max(min(b, a + dissolve_ms), b - dissolve_ms),
        )
        for index, (a, b) in enumerate(pairwise(edges_ms))
    )


def sound_of(rise_db: NDArray[np.floating]) -> CrowdSound:
    """What is known of the sound where nobody listened to what it is."""
    return CrowdSound(
        above_usual_lu=tuple(rise_db.tolist()), crowd=tuple(np.clip(rise_db / 9, 0, 1).round(3).tolist())
    )


def quiet_match(seconds: int = 600, *, seed: int = 1, shot_s: int = 20) -> Match:
    """Play from far away, as broadcasts have most of the time: a murmur, a shot every twenty seconds."""
    rng = np.random.default_rng(seed)
    times = np.arange(0, seconds * 1000, 200, dtype=np.int64)
    flow = 0.05 + 0.01 * rng.random((2, len(times)))
    edges = [*range(0, seconds * 1000, shot_s * 1000), seconds * 1000]
    return Match(
        duration_ms=seconds * 1000,
        shots=shots_between(edges),
        flow=MatchFlow(times, flow[0], flow[1] / 5),
        faces=(0.0,) * seconds,
        sound=sound_of(rng.normal(0, 0.3, seconds)),
    )


def with_roar(match: Match, at_s: int, *, for_s: int = 6, db: float = 12.0) -> Match:
    rise = np.array(match.sound.above_usual_lu)
    rise[at_s : at_s + for_s] = db
    return replace(match, sound=sound_of(rise))


@st.composite
def matches(draw: st.DrawFn) -> Match:
    """Anything that can come of an analysis, however odd."""
    seconds = draw(st.integers(1, 400))
    duration_ms = seconds * 1000 - draw(st.integers(0, 999))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    cuts = sorted({0, duration_ms, *rng.integers(1, max(2, duration_ms), draw(st.integers(0, 60))).tolist()})
    kinds = {k: str(rng.choice(["play", "people", "crowd", "graphic", "unknown"])) for k in range(len(cuts))}
    shots = shots_between(cuts, kinds=kinds, dissolve_ms=draw(st.sampled_from([0, 120, 700])))
    kept = tuple(shot for shot in shots if draw(st.integers(0, 9)) or len(shots) == 1)  # the others are gaps
    replays = tuple(
        Replay(index, 0, kept[0].start_ms, kept[0].end_ms, 2.0, 3.0, 20.0)
        for index in range(1, len(kept))
        if rng.random() < 0.1
    )
    times = np.arange(0, duration_ms, draw(st.sampled_from([200, 500, 3000])), dtype=np.int64)
    spread = draw(st.sampled_from([0.0, 0.1, 5.0]))
    level = tuple(rng.random(seconds).tolist())
    heard = CrowdSound(above_usual_lu=level, cheer=level, applause=level, crowd=level)
    sounds = [CrowdSound(), sound_of(np.zeros(seconds)), sound_of(rng.normal(0, 5, seconds)), heard]
    return Match(
        duration_ms=duration_ms,
        shots=kept,
        replays=replays,
        flow=MatchFlow(times, spread * rng.random(len(times)), spread * rng.random(len(times)) / 3),
        faces=draw(st.sampled_from([(), tuple(rng.random(seconds).tolist()), (0.0,) * seconds])),
        sound=draw(st.sampled_from(sounds)),
    )


@settings(max_examples=60, deadline=None)
@given(matches())
def test_highlights_are_ranked_lie_inside_the_video_and_never_overlap(match: Match) -> None:
    found = find_highlights(match)
    assert len(found.action) == len(found.unusual) == match.seconds
    assert all(0 <= value <= 1 for value in found.action)
    assert [each.rank for each in found.highlights] == list(range(1, len(found.highlights) + 1))
    scores = [each.score for each in found.highlights]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) <= min(MOST_CLIPS, -(-match.seconds // 30))
    for each in found.highlights:
        assert 0 <= each.start_ms <= each.peak_ms < each.end_ms <= match.duration_ms
        assert each.end_ms - each.start_ms <= LONGEST_MS
        assert LEAST_ACTION <= each.score <= 1
        assert each.reasons
        assert all(reason.strip() for reason in each.reasons)
    in_time = sorted(found.highlights, key=lambda each: each.start_ms)
    assert all(one.end_ms <= other.start_ms for one, other in pairwise(in_time))


@settings(max_examples=40, deadline=None)
@given(matches())
def test_a_highlight_begins_and_ends_clear_of_dissolves_gaps_and_replays(match: Match) -> None:
    left_out = {replay.shot for replay in match.replays}
    for each in find_highlights(match).highlights:
        held = [
            (index, shot)
            for index, shot in enumerate(match.shots)
            if shot.start_ms < each.end_ms and each.start_ms < shot.end_ms
        ]
        assert not left_out & {index for index, _ in held}
        assert sum(min(s.end_ms, each.end_ms) - max(s.start_ms, each.start_ms) for _, s in held) == (
            each.end_ms - each.start_ms
        ), "a gap"
        first, last = held[0][1], held[-1][1]
        assert first.clear_from_ms is not None
        assert last.clear_to_ms is not None
        assert each.start_ms >= first.clear_from_ms
        assert each.end_ms <= last.clear_to_ms


@settings(max_examples=20, deadline=None)
@given(matches(), st.randoms(use_true_random=False))
def test_the_same_match_gives_the_same_highlights_whatever_the_order_of_replays(match: Match, random) -> None:
    shuffled = list(match.replays)
    random.shuffle(shuffled)
    assert find_highlights(replace(match, replays=tuple(shuffled))) == find_highlights(match)


@settings(max_examples=40, deadline=None)
@given(matches())
def test_the_score_is_made_of_the_parts_that_are_told(match: Match) -> None:
    for each in find_highlights(match).highlights:
        assert each.parts.keys() == WEIGHTS.keys()
        again = float(joined({name: np.array([value]) for name, value in each.parts.items()})[0])
        assert each.score == pytest.approx(again, abs=0.003)


@pytest.mark.parametrize("seconds", [1, 3, 10, 45])
def test_where_nothing_happens_there_is_no_highlight(seconds: int) -> None:
    still = Match(
        duration_ms=seconds * 1000,
        shots=shots_between([0, seconds * 1000]),
        faces=(0.0,) * seconds,
        sound=sound_of(np.zeros(seconds)),
    )
    found = find_highlights(still)
    assert found.highlights == ()
    assert set(found.action) == set(found.unusual) == {0.0}


def test_a_video_of_ten_seconds_can_have_one() -> None:
    short = with_roar(quiet_match(10, shot_s=5), 5, for_s=3)
    (only,) = find_highlights(short).highlights
    assert SHORTEST_MS <= only.end_ms - only.start_ms <= 10_000


def test_a_roar_in_a_quiet_match_comes_first_and_is_told_in_numbers() -> None:
    first, *_ = find_highlights(with_roar(quiet_match(), 305, db=9)).highlights
    assert first.start_ms <= 305_000 < first.end_ms
    assert first.reasons[0] == "sound up 9 dB above usual"


def test_what_the_crowd_is_heard_doing_is_told() -> None:
    match = with_roar(quiet_match(), 305, db=9)
    level = np.zeros(600)
    level[303:312] = 1.0
    values = tuple(level.tolist())
    heard = CrowdSound(above_usual_lu=tuple((9 * level).tolist()), cheer=values, applause=values, crowd=values)
    first, *_ = find_highlights(replace(match, sound=heard)).highlights
    assert first.reasons[0] == "crowd up 9 dB above usual, cheering, applause"


def test_an_action_shown_again_counts_where_it_first_was_and_the_replay_is_no_clip() -> None:
    match = quiet_match()
    again = Replay(shot=6, of=4, from_ms=84_000, to_ms=90_000, slower=2.0, mean_bits=4.0, contrast_bits=15.0)
    (only,) = find_highlights(replace(match, replays=(again,))).highlights
    assert only.start_ms <= 84_000 < only.end_ms
    assert only.reasons == ("shown again at 00:02:00",)
    loud = with_roar(replace(match, replays=(again,)), 122)  # the crowd roars at the replay, too
    assert all(
        each.end_ms <= match.shots[6].start_ms or match.shots[6].end_ms <= each.start_ms
        for each in find_highlights(loud).highlights
    )


def test_a_title_shown_again_is_no_action() -> None:
    again = Replay(shot=6, of=4, from_ms=84_000, to_ms=90_000, slower=1.0, mean_bits=1.0, contrast_bits=20.0)
    shots = tuple(
        shot.model_copy(update={"kind": "graphic"}) if index in (4, 6) else shot
        for index, shot in enumerate(quiet_match().shots)
    )
    assert find_highlights(replace(quiet_match(), shots=shots, replays=(again,))).highlights == ()


def test_cuts_to_people_right_after_play_speak_for_the_play_before() -> None:
    edges = [0, 100_000, 103_000, 106_000, 200_000]
    match = replace(quiet_match(200), shots=shots_between(edges, kinds={1: "people", 2: "crowd"}))
    reactions = signals(match).parts["fans"]
    assert reactions[98] > 0.4
    assert reactions[101] > 0.7
    assert reactions[60] == reactions[150] == 0
    other = replace(match, shots=shots_between(edges, kinds={0: "graphic", 1: "people", 2: "crowd"}))
    assert signals(other).parts["fans"].max() == 0


def test_many_cuts_are_told_by_their_number() -> None:
    edges = [*range(0, 300_001, 20_000), *range(302_000, 309_000, 2_000), *range(320_000, 600_001, 20_000)]
    first, *_ = find_highlights(replace(quiet_match(), shots=shots_between(edges))).highlights
    assert first.reasons[0] == "5 cuts in 10 seconds"
    assert first.start_ms <= 304_000 < first.end_ms


def test_what_moves_more_than_usual_is_action_however_much_that_is() -> None:
    match = quiet_match()
    own = match.flow.own_flow.copy()
    own[1500:1550] += 1.0
    (only,) = find_highlights(replace(match, flow=MatchFlow(match.flow.times_ms, match.flow.flow, own))).highlights
    assert only.start_ms <= 305_000 < only.end_ms
    assert only.reasons[0].startswith("fast movement (")
    everywhere = MatchFlow(match.flow.times_ms, match.flow.flow, match.flow.own_flow + 1.0)
    assert find_highlights(replace(match, flow=everywhere)).highlights == ()


def test_what_moves_in_a_graphic_is_no_action() -> None:
    match = quiet_match()
    wild = match.flow.flow.copy()
    wild[1500:1600] = 3.0
    flow = MatchFlow(match.flow.times_ms, wild, wild)
    assert find_highlights(replace(match, flow=flow)).highlights
    drawn = tuple(
        shot.model_copy(update={"kind": "graphic"}) if index == 15 else shot
        for index, shot in enumerate(match.shots)
    )
    assert find_highlights(replace(match, flow=flow, shots=drawn)).highlights == ()


def test_a_shots_first_look_is_measured_across_the_cut_and_does_not_count() -> None:
    match = quiet_match()
    spiked = match.flow.own_flow.copy()
    spiked[:: 20 * 5] = 9.0
    assert find_highlights(
        replace(match, flow=MatchFlow(match.flow.times_ms, match.flow.flow, spiked))
    ) == find_highlights(match)


def test_a_clip_begins_at_a_cut_that_is_near() -> None:
    edges = [0, 100_000, 297_000, 309_000, 600_000]
    first, *_ = find_highlights(
        with_roar(replace(quiet_match(), shots=shots_between(edges)), 301, for_s=4)
    ).highlights
    assert (first.start_ms, first.end_ms) == (297_000, 309_000)


def test_finding_a_clips_ends_takes_no_more_memory_in_a_longer_video() -> None:
    three_hours_ms = 3 * 3_600_000
    (stretch,) = stretches(shots_between([*range(0, three_hours_ms + 1, 6_000)]), [])
    peak_ms = three_hours_ms // 2 + 500
    tracemalloc.start()
    try:
        found = best_span(stretch, (0, three_hours_ms), peak_ms, (peak_ms - 6_500, peak_ms + 3_500))
        most_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == (peak_ms - 6_500, peak_ms + 5_500)
    assert most_bytes < 4_000_000


@pytest.mark.parametrize("lead_ms", [500, 10_500, 19_500])
def test_a_clip_of_the_longest_kind_may_have_its_peak_anywhere(lead_ms: int) -> None:
    (stretch,) = stretches(shots_between([0, 600_000]), [])
    wanted = (300_500 - lead_ms, 300_500 - lead_ms + LONGEST_MS)
    assert best_span(stretch, (0, 600_000), 300_500, wanted) == wanted


def test_flow_of_two_segments_is_joined_and_of_a_shared_look_the_measured_one_counts() -> None:
    def measure(pts_ms: tuple[int, ...], flow: tuple[float, ...]) -> ShotMeasure:
        nothing = (0.0,) * len(pts_ms)
        return ShotMeasure(
            pts_ms=pts_ms, sharpness=nothing, luma=nothing, motion=nothing, flow=flow, own_flow=flow
        )

    parts = [measure((0, 200, 400), (0.0, 0.2, 0.3)), measure((400, 600), (0.0, 0.4))]
    for order in (parts, parts[::-1]):
        joint = MatchFlow.of(order)
        assert joint.times_ms.tolist() == [0, 200, 400, 600]
        assert joint.flow.tolist() == [0.0, 0.2, 0.3, 0.4]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(61, 400), st.integers(1, 5))
def test_an_outlier_is_unusual_whatever_the_scale_of_what_is_measured(seed: int, seconds: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(seconds, width)) @ rng.normal(size=(width, width))
    mixed[seconds // 2] = 40 * mixed.std(axis=0)
    distance = unusual_seconds(mixed)
    assert distance.argmax() == seconds // 2
    assert distance[seconds // 2] > unusual_from(width)
    scaled = unusual_seconds(mixed * 10.0 ** np.arange(-2, width - 2) + 5)
    assert scaled == pytest.approx(distance, rel=1e-6)


def test_usual_seconds_are_seldom_unusual_and_unchanging_measures_say_nothing() -> None:
    rng = np.random.default_rng(5)
    usual = rng.normal(size=(5_000, 6))
    assert (unusual_seconds(usual) > unusual_from(6)).mean() < 0.001
    constant = np.concatenate([usual[:, :2], np.full((5_000, 3), 7.0)], axis=1)
    assert unusual_seconds(constant) == pytest.approx(unusual_seconds(usual[:, :2]))
    assert not unusual_seconds(np.full((200, 3), 2.0)).any()
    assert not unusual_seconds(np.zeros((0, 3))).any()


def test_a_highlight_unlike_the_rest_says_so() -> None:
    match = with_roar(quiet_match(), 305, db=25)
    first, *_ = find_highlights(match).highlights
    assert first.unusual
    assert first.reasons[-1] == "unlike the rest of the match"
