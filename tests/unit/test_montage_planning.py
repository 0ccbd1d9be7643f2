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

STYLE = MontageStyle()
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


def appearance(name, start_ms, end_ms, *, video_id="v-1", shot=0, excitement=0.5, peak_ms=None, **more):
    stamps = tuple(range(start_ms, end_ms + 1, 200))
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
        boxes=tuple((0, 0, 100, 100) for _ in stamps),
        excitement=excitement,
        excitement_curve=curve,
        quality=more.pop("quality", 0.5),
        face_height_px=more.pop("face_height_px", 120.0),
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
        [appearance("a1", 5_000, 9_000, shot=1)], [video(shots=((0, 5_000), (5_000, 9_000), (9_000, 20_000)))]
    )
    assert ranges(made) == [(5_000 + STYLE.shot_margin_ms, 9_000 - STYLE.shot_margin_ms)]


def test_appearances_of_one_shot_a_moment_apart_are_one_clip():
    made = plan([appearance("a1", 1_000, 2_600), appearance("a2", 3_200, 5_000)])
    assert ranges(made) == [(1_000, 5_000)]


def test_what_lies_between_two_far_appearances_of_one_shot_is_not_shown():
    made = plan([appearance("a1", 1_000, 3_000), appearance("a2", 8_000, 10_000)])
    assert ranges(made) == [(1_000, 3_000), (8_000, 10_000)]


def test_a_short_appearance_is_widened_inside_its_shot():
    shots = ((0, 10_000), (10_000, 11_500), (11_500, 30_000))
    assert ranges(plan([appearance("a1", 10_400, 11_200, shot=1)], [video(shots=shots)])) == [(10_200, 11_400)]


def test_an_appearance_too_short_to_show_gives_no_montage():
    shots = ((0, 10_000), (10_000, 10_500), (10_500, 30_000))
    assert plan_or_none([appearance("a1", 10_000, 10_400, shot=1)], [video(shots=shots)]) is None


def test_a_short_piece_is_used_only_for_want_of_better():
    shots = ((0, 10_000), (10_000, 10_800), (10_800, 40_000))
    short, long = (
        appearance("a1", 10_100, 10_700, shot=1, excitement=1.0),
        appearance("a2", 11_000, 39_000, shot=2),
    )
    assert ranges(plan([short], [video(shots=shots)])) == [(10_060, 10_740)]
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
    """Shots tiling up to three videos, appearances scattered over them, most of them matches."""
    videos, seen, matches = [], [], []
    for number in range(draw(st.integers(1, 3))):
        lengths = draw(st.lists(st.integers(100, 30_000), min_size=1, max_size=8))
        borders = [sum(lengths[:index]) for index in range(len(lengths) + 1)]
        videos.append(video(f"v-{number}", shots=tuple(pairwise(borders))))
        for index in range(draw(st.integers(0, 8))):
            shot = draw(st.integers(0, len(lengths) - 1))
            start = draw(st.integers(borders[shot], borders[shot + 1] - 1))
            end = draw(st.integers(start, borders[shot + 1]))
            one = appearance(
                f"v-{number}-a{index}",
                start,
                end,
                video_id=f"v-{number}",
                # Some shots are unknown: then the appearance's own span is all there is.
                shot=draw(st.sampled_from([shot, shot, shot, -1])),
                excitement=draw(st.floats(0, 1)),
                peak_ms=draw(st.integers(start, end)),
            )
            seen.append(one)
            matches.append(match(one, decision=draw(st.sampled_from(["match", "match", "review"]))))
    return videos, seen, matches


@settings(max_examples=150, deadline=None)
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
        own = [one for one in seen if one.id in matched and one.video_id == clip.video_id]
        spans = sorted((one.start_ms - STYLE.reach_ms, one.end_ms + STYLE.reach_ms) for one in own)
        assert covered(clip.start_ms, clip.end_ms, spans), "shows a stretch in which the fan was not seen"
    for one, following in pairwise(result.clips):
        assert one.video_id != following.video_id or one.end_ms <= following.start_ms


def covered(start, end, spans):
    for low, high in spans:
        if low <= start:
            start = max(start, high)
    return start >= end


@settings(max_examples=50, deadline=None)
@given(material())
def test_moments_of_one_video_never_share_a_picture_when_shots_are_known(made):
    videos, seen, matches = made
    known = {one.id: one for one in seen if one.shot_index >= 0}
    moments = find_moments("fan", "e", matches, known, {one.video_id: one for one in videos}, STYLE)
    for one, following in pairwise(moments):
        assert one.video_id != following.video_id or one.to_ms <= following.from_ms
