"""What holds for every plan, whatever the material."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from fanreel.contracts import Gap, RenderStyle, Shot
from fanreel.domain.captions import ClipFacts, is_allowed
from fanreel.domain.montage import find_moments

from .montage_material import BESIDE, LOOK_MS, PLACE, PLAIN, STYLE, appearance, match, plan_or_none, video

pytestmark = pytest.mark.unit

SMALL = (300, 0, 320, 20)
LARGE = (300, 0, 500, 200)
STYLES = (
    STYLE,
    replace(STYLE, order="build_up", slow_motion=True),
    replace(STYLE, slow_motion=True, min_ms=5_000, max_ms=12_000),
    replace(STYLE, order="build_up", opener=False, min_ms=1_500, max_ms=2_000),
)
CARDS = RenderStyle(title="Final", intro_ms=2_000, end_text="Good night", outro_ms=1_500)


@st.composite
def material(draw):
    """Shots tiling up to three videos, some of play, some repeated, some with fades; appearances on looks 200 ms
    apart, some with holes, side by side or in one another's place, small or large; about half of them matches of
    the fan, the others strangers or `review`."""
    videos, seen, matches = [], [], []
    for number in range(draw(st.integers(1, 3))):
        shots = draw(shots_of_a_video())
        videos.append(
            video(
                f"v-{number}",
                shots=shots,
                frame_width=1280,
                frame_height=draw(st.sampled_from([720, 720, 0])),
                crowd=draw(st.sampled_from([(), (0.2, 0.9, 0.5)])),
                gaps=draw(st.sampled_from([(), (), (Gap(start_ms=5_000, end_ms=6_000, reason="corrupt"),)])),
            )
        )
        for index in range(draw(st.integers(0, 8))):
            shot = draw(st.integers(0, len(shots) - 1))
            first, last = -(-shots[shot].start_ms // LOOK_MS), (shots[shot].end_ms - 1) // LOOK_MS
            if first > last:
                continue
            # Mostly at the shot's beginning, so that they meet.
            start = draw(st.integers(first, min(last, first + draw(st.sampled_from([10, 1_000])))))
            end = draw(st.integers(start, min(last, start + draw(st.sampled_from([3, 20, 1_000])))))
            one = appearance(
                f"v-{number}-a{index}",
                start * LOOK_MS,
                end * LOOK_MS,
                video_id=f"v-{number}",
                # Some shots are unknown: then the appearance's own span is all there is.
                shot=draw(st.sampled_from([shot, shot, shot, -1])),
                excitement=draw(st.floats(0, 1)),
                peak_ms=draw(st.integers(start, end)) * LOOK_MS,
                box=draw(st.sampled_from([PLACE, PLACE, BESIDE, SMALL, LARGE])),
                unseen={look * LOOK_MS for look in draw(st.sets(st.integers(start + 1, start + 30), max_size=9))},
            )
            one = one.model_copy(update={"end_ms": min(one.pts_ms[-1] + LOOK_MS, shots[shot].end_ms)})
            seen.append(one)
            decision = draw(st.sampled_from(["match", "match", "review", None]))
            if decision:
                matches.append(match(one, decision=decision))
    return videos, seen, matches


@st.composite
def shots_of_a_video(draw):
    lengths = draw(st.lists(st.integers(100, 30_000), min_size=1, max_size=8))
    borders = [sum(lengths[:index]) for index in range(len(lengths) + 1)]
    shots = []
    for index, (start_ms, end_ms) in enumerate(pairwise(borders)):
        fades = draw(st.sampled_from([0, 0, 0, 400]))
        shots.append(
            Shot(
                start_ms=start_ms,
                end_ms=end_ms,
                quality=draw(st.sampled_from([0.2, 0.9])),
                clear_from_ms=start_ms + min(fades, (end_ms - start_ms) // 2),
                clear_to_ms=end_ms - min(fades, (end_ms - start_ms) // 2),
                kind=draw(st.sampled_from(["people", "people", "play", "play", "crowd", "graphic", "unknown"])),
                fan_probability=draw(st.sampled_from([None, 0.1, 0.9])),
                shot_type=draw(st.sampled_from(["none", "wide", "close_up"])),
                replay_of=draw(st.sampled_from([None, None, None, index - 1, 0])) if index else None,
                highest_face=draw(st.sampled_from([0.0, 0.0, 0.02, 0.5, None])),
            )
        )
    return shots


def root_of(shots, index):
    while shots[index].replay_of is not None:
        index = shots[index].replay_of
    return index


def shot_at(video_document, clip):
    shots = video_document.shots
    return next(i for i, shot in enumerate(shots) if shot.start_ms <= clip.start_ms < shot.end_ms)


@settings(max_examples=150, deadline=None)
@given(material(), st.sampled_from(STYLES), st.sampled_from([PLAIN, CARDS]), st.randoms(use_true_random=False))
def test_every_plan_keeps_the_rules_whatever_the_material(made, style, render, random):
    videos, seen, matches = made
    result = plan_or_none(seen, videos, matches=matches, style=style, render=render)
    shuffled = [list(things) for things in made]
    for things in shuffled:
        random.shuffle(things)
    again = plan_or_none(shuffled[1], shuffled[0], matches=shuffled[2], style=style, render=render)
    assert again == result, "order of input changed the plan"
    if result is None:
        return
    by_id = {one.video_id: one for one in videos}
    matched = {one.appearance_id for one in matches if one.decision == "match"}
    assert_length(result, style)
    assert_order(result)
    for clip in result.clips:
        here = [one for one in seen if one.video_id == clip.video_id]
        assert is_allowed(clip.caption, ClipFacts(excited=True))
        assert clip.reason
        if clip.kind == "opener":
            event("opener")
            assert_shows_nobody(clip, result, by_id[clip.video_id], here, style)
        else:
            assert_shows_the_fan(clip, by_id[clip.video_id], here, matched, style)
            assert_shows_no_stranger_instead(clip, here, matched)
            assert all(0 <= value <= 1 for value in (clip.score, *clip.scores.values()))
    assert_nothing_twice(result, by_id)
    assert_slow_motion(result, style)


def assert_length(result, style):
    played = sum(clip.played_ms for clip in result.clips) - style.crossfade_ms * (len(result.clips) - 1)
    cards = [length for length in (result.render.intro_ms, result.render.outro_ms) if length]
    assert result.duration_ms == played + sum(cards) - style.crossfade_ms * len(cards)
    assert style.min_clip_ms <= played
    assert result.duration_ms <= style.max_ms
    assert 3 * (sum(cards) - style.crossfade_ms * len(cards)) <= played


def assert_order(result):
    own = [clip for clip in result.clips if clip.kind == "moment"]
    assert own
    assert [clip.kind for clip in result.clips[:-1]].count("opener") <= 1
    assert all(clip.kind == "moment" for clip in result.clips[1:])
    if result.order == "chronological":
        times = [(clip.video_id, clip.start_ms) for clip in result.clips]
        assert times == sorted(times)
    else:
        assert [clip.score for clip in own] == sorted(clip.score for clip in own)


def assert_shows_nobody(clip, result, of_video, here, style):
    """An opener is a wide shot before a moment, in which no face is high, and none that nobody looked for."""
    shot = of_video.shots[shot_at(of_video, clip)]
    assert (clip.appearance_id, clip.focus, clip.slow_from_ms) == ("", (), None)
    assert shot.kind in ("play", "crowd")
    assert shot.shot_type in ("none", "wide")
    assert shot.replay_of is None
    assert shot.highest_face in (0.0, 0.02)
    assert shot.clear_from_ms + style.shot_margin_ms <= clip.start_ms
    assert clip.end_ms == shot.clear_to_ms - style.shot_margin_ms
    assert style.min_clip_ms <= clip.end_ms - clip.start_ms <= style.opener_ms
    assert not any(gap.start_ms < clip.end_ms and clip.start_ms < gap.end_ms for gap in of_video.gaps)
    for one in here:
        for pts, box in zip(one.pts_ms, one.boxes, strict=True):
            if shot.start_ms <= pts < shot.end_ms:
                assert box[3] - box[1] <= style.opener_face_share * of_video.frame_height
    following = [
        other
        for other in result.clips
        if other.kind == "moment" and other.video_id == clip.video_id and clip.end_ms <= other.start_ms
    ]
    assert following


def assert_shows_the_fan(clip, of_video, here, matched, style):
    """Every moment of a clip lies between two sightings of the fan at most a second apart; focus says where."""
    assert clip.end_ms - clip.start_ms >= style.short_clip_ms
    shot = of_video.shots[shot_at(of_video, clip)]
    own = {pts for one in here if one.id in matched for pts in one.pts_ms if shot.start_ms <= pts < shot.end_ms}
    if next(one for one in here if one.id == clip.appearance_id).shot_index >= 0:
        assert shot.clear_from_ms + style.shot_margin_ms <= clip.start_ms
        assert clip.end_ms <= shot.clear_to_ms - style.shot_margin_ms
    for moment in range(clip.start_ms, clip.end_ms, 50):
        before = min((moment - pts for pts in own if pts <= moment), default=10_000)
        after = min((pts - moment for pts in own if pts > moment), default=10_000)
        assert before + after <= 1_000, f"at {moment}: last seen {before} ms before, next seen {after} ms after"
    times = [point.pts_ms for point in clip.focus]
    assert times == sorted(set(times))
    assert times[0] <= clip.start_ms
    assert clip.end_ms <= times[-1]
    assert all(later - sooner <= style.track_hole_ms for sooner, later in pairwise(times))
    places = {
        (pts, box) for one in here if one.id in matched for pts, box in zip(one.pts_ms, one.boxes, strict=True)
    }
    assert {(point.pts_ms, point.box) for point in clip.focus} <= places


def assert_shows_no_stranger_instead(clip, here, matched):
    """While the fan is not seen, nobody else is seen in the place where they were or will be."""
    own = [one for one in here if one.id in matched]
    seen_at = {pts for one in own for pts in one.pts_ms}
    places = {one.boxes[0] for one in own if any(clip.start_ms <= pts <= clip.end_ms for pts in one.pts_ms)}
    if len(places) > 1:
        return  # the fan moved; where they are while unseen is anybody's guess
    for one in here:
        if one.id in matched or one.boxes[0] not in places:
            continue
        shown = [pts for pts in one.pts_ms if clip.start_ms < pts < clip.end_ms and pts not in seen_at]
        assert not shown, f"shows {one.id} in the fan's place at {shown}"


def assert_nothing_twice(result, by_id):
    """Clips of one video lie apart, and no two are of a shot and its replay."""
    spans = sorted((clip.video_id, clip.start_ms, clip.end_ms) for clip in result.clips)
    for one, following in pairwise(spans):
        assert one[0] != following[0] or one[2] <= following[1]
    shots = {}
    for clip in result.clips:
        index = shot_at(by_id[clip.video_id], clip)
        root = root_of(by_id[clip.video_id].shots, index)
        if clip.scores.get("shot") is not None or clip.kind == "opener":  # the shot is known
            assert shots.setdefault((clip.video_id, root), index) == index


def assert_slow_motion(result, style):
    slow = [clip for clip in result.clips if clip.slow_from_ms is not None]
    assert len(slow) <= 1
    for clip in slow:
        assert clip.slow_factor == style.slow_factor
        if clip.end_ms - clip.start_ms < style.min_clip_ms and len(result.clips) == 1:
            event("glimpse")
            assert clip.start_ms <= clip.slow_from_ms < clip.slow_to_ms <= clip.end_ms
            assert (result.render.intro_ms, result.render.outro_ms) == (0, 0)
            continue
        event("slow motion")
        assert style.slow_motion
        assert clip.scores["excitement"] >= style.slow_from_excitement
        assert clip.score == max(other.score for other in result.clips)
        assert clip.start_ms + style.crossfade_ms <= clip.slow_from_ms < clip.slow_to_ms
        assert clip.slow_to_ms <= clip.end_ms - style.crossfade_ms
        assert clip.slow_to_ms - clip.slow_from_ms <= style.slow_ms


@settings(max_examples=50, deadline=None)
@given(material())
def test_moments_of_one_video_never_share_a_picture_when_shots_are_known(made):
    videos, seen, matches = made
    known = {one.id: one for one in seen if one.shot_index >= 0}
    moments = find_moments("fan", "e", matches, known, {one.video_id: one for one in videos}, STYLE)
    for one, following in pairwise(moments):
        assert one.video_id != following.video_id or one.to_ms <= following.from_ms
