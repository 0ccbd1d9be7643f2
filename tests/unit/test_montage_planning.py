"""What a montage may show, how long it gets, and that the same material always gives the same plan."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanreel.contracts import (
    AppearanceDocument,
    Decision,
    Evidence,
    FaceRef,
    MatchDocument,
    ModelContract,
    MontagePlan,
    Shot,
    VideoDocument,
)
from fanreel.domain.montage import MontageStyle, Poster, choose_poster, find_moments, plan_montage
from fanreel.errors import ContractBroken

pytestmark = pytest.mark.unit

STYLE = MontageStyle(half_look_ms=0)
"""Clips are exactly as long as what was looked at, so that the expected times can be read off."""
CONTRACT = ModelContract(model_id="net", sha256="0" * 64, preprocessing="1")
EVIDENCE = Evidence(
    distance=0.4,
    threshold=0.5,
    review_threshold=0.6,
    threshold_reason="test",
    runner_up_fan_id=None,
    runner_up_margin=None,
    supporting_faces=5,
)


def video(video_id="v-1", *, shots=((0, 100_000),), name=None):
    return VideoDocument(
        id=video_id,
        video_id=video_id,
        event_id="e",
        name=name or f"{video_id}.mp4",
        blob_name=f"e/{video_id}.mp4",
        blob_etag="1",
        instance_id="i",
        status="matching",
        duration_ms=shots[-1][1] if shots else 0,
        shots=tuple(Shot(start_ms=start, end_ms=end) for start, end in shots),
    )


PLACE = (0, 0, 100, 100)
BESIDE = (150, 0, 250, 100)
LOOK_MS = 200


def appearance(name, start_ms, end_ms, *, video_id="v-1", shot=0, excitement=0.5, peak_ms=None, **more):
    """Seen every `LOOK_MS` from start_ms on, in one place; `unseen` are looks at which the tracker lost them."""
    unseen = more.pop("unseen", ())
    stamps = tuple(pts for pts in range(start_ms, end_ms + 1, LOOK_MS) if pts not in unseen)
    box = more.pop("box", PLACE)
    peak = peak_ms if peak_ms is not None else (start_ms + end_ms) // 2
    curve = tuple(excitement * max(0.0, 1 - abs(pts - peak) / 10_000) for pts in stamps)
    return AppearanceDocument(
        id=name,
        video_id=video_id,
        event_id="e",
        start_ms=start_ms,
        end_ms=end_ms,
        shot_index=shot,
        pts_ms=stamps,
        boxes=tuple(box for _ in stamps),
        excitement=excitement,
        excitement_curve=curve,
        quality=more.pop("quality", 0.5),
        face_height_px=more.pop("face_height_px", 120.0),
        model_contract=CONTRACT,
        **more,
    )


def match(of, *, fan="fan", decision: Decision = "match", probability=0.95):
    return MatchDocument(
        id=f"{of.id}-{fan}-{decision}",
        fan_id=fan,
        video_id=of.video_id,
        event_id="e",
        appearance_id=of.id,
        start_ms=of.start_ms,
        end_ms=of.end_ms,
        probability=probability,
        decision=decision,
        evidence=EVIDENCE,
        model_contract=CONTRACT,
    )


def plan(appearances, videos=None, **more) -> MontagePlan:
    made = plan_or_none(appearances, videos, **more)
    assert made is not None
    return made


def plan_or_none(appearances, videos=None, *, matches=None, style=STYLE):
    videos = videos or [video()]
    return plan_montage(
        "fan",
        "e",
        [match(one) for one in appearances] if matches is None else matches,
        {one.id: one for one in appearances},
        {one.video_id: one for one in videos},
        style,
    )


def ranges(made: MontagePlan):
    return [(clip.start_ms, clip.end_ms) for clip in made.clips]


def test_nobody_gets_nothing():
    assert plan_or_none([]) is None


def test_a_review_never_enters_a_montage():
    sure, unsure = appearance("a1", 1_000, 4_000), appearance("a2", 10_000, 14_000)
    made = plan([sure, unsure], matches=[match(sure), match(unsure, decision="review")])
    assert ranges(made) == [(1_000, 4_000)]
    assert plan_or_none([unsure], matches=[match(unsure, decision="review")]) is None


def test_another_fans_match_never_enters_a_montage():
    mine, theirs = appearance("a1", 1_000, 4_000), appearance("a2", 10_000, 14_000)
    assert ranges(plan([mine, theirs], matches=[match(mine), match(theirs, fan="other")])) == [(1_000, 4_000)]


def test_a_clip_keeps_clear_of_the_shots_borders():
    made = plan(
        [appearance("a1", 5_000, 8_850, shot=1)], [video(shots=((0, 5_000), (5_000, 8_850), (8_850, 20_000)))]
    )
    assert ranges(made) == [(5_000 + STYLE.shot_margin_ms, 8_850 - STYLE.shot_margin_ms)]


def test_no_clip_reaches_into_a_dissolve_or_a_fade():
    dissolved = Shot(start_ms=5_000, end_ms=11_000, clear_from_ms=5_400, clear_to_ms=10_200)
    held = video().model_copy(update={"shots": (Shot(start_ms=0, end_ms=5_000), dissolved)})
    made = plan([appearance("a1", 5_000, 11_000, shot=1)], [held])
    (start_ms, end_ms) = ranges(made)[0]
    assert start_ms >= 5_400
    assert end_ms <= 10_200
    assert len(ranges(made)) == 1


def test_of_equal_moments_the_one_in_a_shot_of_people_comes_first():
    shots = [
        Shot(start_ms=start, end_ms=start + 20_000, fan_probability=likely)
        for start, likely in ((0, 0.05), (20_000, 0.95), (40_000, None))
    ]
    seen = [appearance(f"a{n}", 20_000 * n + 5_000, 20_000 * n + 9_000, shot=n) for n in range(3)]
    of_video = video().model_copy(update={"shots": tuple(shots)})
    moments = find_moments(
        "fan", "e", [match(each) for each in seen], {each.id: each for each in seen}, {"v-1": of_video}, STYLE
    )
    play, people, unjudged = (moment.score for moment in moments)
    assert play < people <= unjudged
    assert play >= (1 - STYLE.no_fans_penalty) * unjudged - 1e-3


def test_appearances_of_one_shot_a_moment_apart_are_one_clip():
    made = plan([appearance("a1", 1_000, 2_600), appearance("a2", 3_200, 5_000)])
    assert ranges(made) == [(1_000, 5_000)]


def test_what_lies_between_two_far_appearances_of_one_shot_is_not_shown():
    made = plan([appearance("a1", 1_000, 3_000), appearance("a2", 8_000, 10_000)])
    assert ranges(made) == [(1_000, 3_000), (8_000, 10_000)]


def known_by_sight(name, start_ms, end_ms, **more):
    """As a merge writes it: [start_ms, end_ms), where end_ms is the next look after the last sighting."""
    one = appearance(name, start_ms, end_ms - LOOK_MS, **more)
    return one.model_copy(update={"end_ms": end_ms})


def test_a_stranger_between_two_appearances_is_not_shown():
    before, after = known_by_sight("a1", 1_000, 4_000), known_by_sight("a3", 4_400, 9_000)
    stranger = known_by_sight("a2", 4_000, 4_400)
    seen = [before, stranger, after]
    assert ranges(plan(seen, matches=[match(before), match(after)])) == [(1_000, 3_800), (4_400, 8_800)]


def test_a_stranger_passing_inside_one_appearance_is_not_shown():
    fan = appearance("a1", 1_000, 6_000, unseen=(3_000, 3_200))
    stranger = appearance("a2", 3_000, 3_200)
    assert ranges(plan([fan, stranger], matches=[match(fan)])) == [(1_000, 2_800), (3_400, 6_000)]
    assert ranges(plan([fan])) == [(1_000, 6_000)]


def test_somebody_beside_the_fan_takes_nothing_away():
    before, after = appearance("a1", 1_000, 3_800), appearance("a3", 4_200, 9_000)
    neighbour = appearance("a2", 0, 10_000, box=BESIDE)
    seen = [before, neighbour, after]
    assert ranges(plan(seen, matches=[match(before), match(after)])) == [(1_000, 9_000)]


def test_a_clip_begins_and_ends_with_sightings_of_the_fan_whoever_else_is_there():
    fan = known_by_sight("a1", 5_000, 6_600)
    assert ranges(plan([fan])) == [(5_000, 6_400)]
    for box in (PLACE, BESIDE, (0, 0, 300, 300)):
        before, after = known_by_sight("a0", 1_000, 5_000, box=box), known_by_sight("a2", 6_600, 9_000, box=box)
        assert ranges(plan([before, fan, after], matches=[match(fan)])) == [(5_000, 6_400)]


def test_a_sighting_stands_for_half_a_look_on_either_side_and_keeps_clear_of_cuts():
    usual = MontageStyle()
    fan = known_by_sight("a1", 5_000, 6_600)
    assert ranges(plan([fan], style=usual)) == [(4_900, 6_500)]
    shots = ((0, 5_000), (5_000, 6_500), (6_500, 30_000))
    cut = fan.model_copy(update={"shot_index": 1})
    assert ranges(plan([cut], [video(shots=shots)], style=usual)) == [(5_060, 6_440)]


def test_what_the_same_box_shows_after_the_last_recognised_face_is_not_shown():
    """A merge keeps it as somebody unknown: the face is turned, or it is somebody else by now."""
    fan, unknown = known_by_sight("a1", 5_000, 7_000), known_by_sight("a2", 7_000, 9_000, box=(4, 0, 104, 100))
    assert ranges(plan([fan, unknown], matches=[match(fan)])) == [(5_000, 6_800)]


def test_a_single_look_is_no_clip():
    once = appearance("a1", 5_000, 5_000).model_copy(update={"end_ms": 6_000})  # one look a second
    assert plan_or_none([once]) is None


def test_a_track_lost_for_longer_is_two_moments():
    fan = appearance("a1", 1_000, 8_000, unseen=range(3_000, 4_200))
    assert ranges(plan([fan])) == [(1_000, 2_800), (4_200, 8_000)]


def test_a_hole_longer_than_a_track_survives_is_not_bridged():
    assert len(plan([appearance("a1", 1_000, 3_000), appearance("a2", 3_600, 6_000)]).clips) == 1
    assert len(plan([appearance("a1", 1_000, 3_000), appearance("a2", 3_800, 6_000)]).clips) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"start_ms": 900},
        {"end_ms": 4_200},
        {"video_id": "v-2"},
        {"model_contract": ModelContract(model_id="net", sha256="1" * 64, preprocessing="1")},
    ],
)
def test_a_match_made_before_the_video_was_merged_anew_counts_for_nobody(changed):
    now = appearance("v-1-a00007", 1_000, 4_000)
    old = match(now).model_copy(update=changed)
    assert plan_or_none([now], [video(), video("v-2")], matches=[old]) is None
    assert plan_or_none([now], matches=[match(now)]) is not None


def test_a_short_appearance_is_not_widened_into_what_nobody_recognised():
    shots = ((0, 10_000), (10_000, 14_500), (14_500, 30_000))
    assert ranges(plan([appearance("a1", 11_400, 12_200, shot=1)], [video(shots=shots)])) == [(11_400, 12_200)]


def test_an_appearance_too_short_to_show_gives_no_montage():
    shots = ((0, 10_000), (10_000, 10_500), (10_500, 30_000))
    assert plan_or_none([appearance("a1", 10_000, 10_400, shot=1)], [video(shots=shots)]) is None


def test_a_short_piece_is_used_only_for_want_of_better():
    shots = ((0, 10_000), (10_000, 10_800), (10_800, 40_000))
    short, long = (
        appearance("a1", 10_100, 10_700, shot=1, excitement=1.0),
        appearance("a2", 11_000, 39_000, shot=2),
    )
    assert ranges(plan([short], [video(shots=shots)])) == [(10_100, 10_700)]
    assert plan([short, long], [video(shots=shots)]).clips[0].appearance_id == "a2"


def test_a_long_appearance_is_trimmed_around_its_peak_when_there_is_more():
    shots = tuple((start, start + 20_000) for start in range(0, 100_000, 20_000))
    several = [
        appearance(f"a{index}", start + 1_000, start + 19_000, shot=index, peak_ms=start + 12_000)
        for index, (start, _) in enumerate(shots)
    ]
    made = plan(several, [video(shots=shots)])
    assert len(made.clips) == 5
    assert all(clip.end_ms - clip.start_ms == STYLE.full_clip_ms for clip in made.clips)
    assert all(clip.start_ms < 20_000 * index + 12_000 < clip.end_ms for index, clip in enumerate(made.clips))


def test_one_long_appearance_fills_the_aimed_length():
    assert plan([appearance("a1", 1_000, 90_000)]).duration_ms == STYLE.min_ms


def test_dull_moments_are_left_out_once_it_is_long_enough():
    shots = tuple((start, start + 8_000) for start in range(0, 80_000, 8_000))
    lively = [appearance(f"a{i}", i * 8_000 + 500, i * 8_000 + 7_000, shot=i, excitement=0.9) for i in range(4)]
    dull = [
        appearance(
            f"b{i}", i * 8_000 + 500, i * 8_000 + 7_000, shot=i, excitement=0.0, quality=0.1, face_height_px=30
        )
        for i in range(4, 10)
    ]
    assert {clip.appearance_id for clip in plan([*lively, *dull], [video(shots=shots)]).clips} == {
        one.id for one in lively
    }


def test_clips_of_several_videos_come_in_the_order_of_their_names():
    videos = [video("v-9", name="1-first-half.mp4"), video("v-1", name="2-second-half.mp4")]
    seen = [appearance("a1", 1_000, 4_000, video_id="v-1"), appearance("a2", 50_000, 54_000, video_id="v-9")]
    assert [clip.video_id for clip in plan(seen, videos).clips] == ["v-9", "v-1"]


def test_the_same_clips_in_another_size_are_another_montage():
    seen = [appearance("a1", 1_000, 4_000)]
    small = plan(seen, style=MontageStyle.sized(360, min_ms=15_000, max_ms=45_000))
    assert (small.width, small.height) == (640, 360)
    assert small.montage_id != plan(seen).montage_id


def test_contradicting_numbers_are_refused():
    with pytest.raises(ContractBroken, match="montage_style"):
        MontageStyle(min_ms=50_000, max_ms=10_000)
    with pytest.raises(ContractBroken, match="montage_style"):
        replace(STYLE, crossfade_ms=STYLE.short_clip_ms)


def test_poster_is_the_best_face_that_no_crossfade_covers():
    good = appearance("a1", 1_000, 4_000, best_face=FaceRef(pts_ms=2_400, box=(0, 0, 9, 9), quality=0.7))
    faded = appearance("a2", 10_000, 14_000, best_face=FaceRef(pts_ms=10_050, box=(0, 0, 9, 9), quality=0.9))
    known = {"a1": good, "a2": faded}
    made = plan([good, faded])
    assert choose_poster(made, known) == Poster(0, 2_400)
    assert choose_poster(made).clip_index in (0, 1)


# --- invariants ------------------------------------------------------------------------------------------


@st.composite
def material(draw):
    """Shots tiling up to three videos; appearances on looks 200 ms apart, some with holes, side by side or in one
    another's place; about half of them matches of the fan, the others strangers or `review`."""
    videos, seen, matches = [], [], []
    for number in range(draw(st.integers(1, 3))):
        lengths = draw(st.lists(st.integers(100, 30_000), min_size=1, max_size=8))
        borders = [sum(lengths[:index]) for index in range(len(lengths) + 1)]
        videos.append(video(f"v-{number}", shots=tuple(pairwise(borders))))
        for index in range(draw(st.integers(0, 8))):
            shot = draw(st.integers(0, len(lengths) - 1))
            first, last = -(-borders[shot] // LOOK_MS), (borders[shot + 1] - 1) // LOOK_MS
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
                box=draw(st.sampled_from([PLACE, PLACE, BESIDE])),
                unseen={look * LOOK_MS for look in draw(st.sets(st.integers(start + 1, start + 30), max_size=9))},
            )
            one = one.model_copy(update={"end_ms": min(one.pts_ms[-1] + LOOK_MS, borders[shot + 1])})
            seen.append(one)
            decision = draw(st.sampled_from(["match", "match", "review", None]))
            if decision:
                matches.append(match(one, decision=decision))
    return videos, seen, matches


@settings(max_examples=250, deadline=None)
@given(material(), st.randoms(use_true_random=False))
def test_every_plan_keeps_the_rules_whatever_the_material(made, random):
    videos, seen, matches = made
    result = plan_or_none(seen, videos, matches=matches)
    shuffled = [list(things) for things in made]
    for things in shuffled:
        random.shuffle(things)
    assert plan_or_none(shuffled[1], shuffled[0], matches=shuffled[2]) == result, "order of input changed the plan"
    if result is None:
        return
    matched = {one.appearance_id for one in matches if one.decision == "match"}
    total = sum(clip.end_ms - clip.start_ms for clip in result.clips)
    assert result.duration_ms == total - STYLE.crossfade_ms * (len(result.clips) - 1)
    assert result.duration_ms <= STYLE.max_ms
    assert [(c.video_id, c.start_ms) for c in result.clips] == sorted(
        (c.video_id, c.start_ms) for c in result.clips
    )
    by_id = {one.video_id: one for one in videos}
    for clip in result.clips:
        assert clip.end_ms - clip.start_ms >= STYLE.short_clip_ms
        shot = next(s for s in by_id[clip.video_id].shots if s.start_ms <= clip.start_ms < s.end_ms)
        assert shot.start_ms + STYLE.shot_margin_ms <= clip.start_ms
        assert clip.end_ms <= shot.end_ms - STYLE.shot_margin_ms
        here = [one for one in seen if one.video_id == clip.video_id]
        own = {pts for one in here if one.id in matched for pts in one.pts_ms}
        assert_shows_the_fan(clip, {pts for pts in own if shot.start_ms <= pts < shot.end_ms})
        assert_shows_no_stranger_instead(clip, here, matched)
    for one, following in pairwise(result.clips):
        assert one.video_id != following.video_id or one.end_ms <= following.start_ms


def assert_shows_the_fan(clip, sighted):
    """Every moment of a clip lies between two sightings of the fan, at most a second apart."""
    for moment in range(clip.start_ms, clip.end_ms, 10):
        before = min((moment - pts for pts in sighted if pts <= moment), default=10_000)
        after = min((pts - moment for pts in sighted if pts > moment), default=10_000)
        assert before + after <= 1_000, f"at {moment}: last seen {before} ms before, next seen {after} ms after"


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


@settings(max_examples=50, deadline=None)
@given(material())
def test_moments_of_one_video_never_share_a_picture_when_shots_are_known(made):
    videos, seen, matches = made
    known = {one.id: one for one in seen if one.shot_index >= 0}
    moments = find_moments("fan", "e", matches, known, {one.video_id: one for one in videos}, STYLE)
    for one, following in pairwise(moments):
        assert one.video_id != following.video_id or one.to_ms <= following.from_ms
