"""Why one moment is chosen before another, and that the plan says so."""

from dataclasses import replace

import pytest

from fanreel.contracts import Shot
from fanreel.domain.montage import MontageStyle, find_moments

from .montage_material import BESIDE, PLACE, STYLE, appearance, match, plan, ranges, video

pytestmark = pytest.mark.unit

SHOTS = tuple(Shot(start_ms=at, end_ms=at + 10_000) for at in range(0, 100_000, 10_000))


def seen(index, **more):
    """The fan for eight seconds of the index-th shot."""
    return appearance(f"a{index}", index * 10_000 + 1_000, index * 10_000 + 9_000, shot=index, **more)


def scored(one, **of_video):
    """The score of a moment, and its parts."""
    held = video(shots=of_video.pop("shots", SHOTS), **of_video)
    (moment,) = find_moments("fan", "e", [match(one)], {one.id: one}, {"v-1": held}, STYLE)
    return moment.score, moment.parts


@pytest.mark.parametrize(
    ("part", "better", "worse"),
    [
        ("excitement", {"excitement": 0.9}, {"excitement": 0.1}),
        ("face", {"quality": 0.9}, {"quality": 0.1}),
        ("size", {"face_height_px": 200.0}, {"face_height_px": 40.0}),
        ("sharpness", {"sharpness": 0.9}, {"sharpness": 0.1}),
    ],
)
def test_more_of_a_part_scores_more_and_is_told(part, better, worse):
    (high, high_parts), (low, low_parts) = scored(seen(0, **better)), scored(seen(0, **worse))
    assert high > low
    assert high_parts[part] > low_parts[part]


def test_a_face_that_fills_more_of_the_picture_scores_more():
    near, far = scored(seen(0), frame_height=400), scored(seen(0), frame_height=2_000)
    assert near[0] > far[0]
    assert near[1]["share"] == pytest.approx(100 / 400 / STYLE.full_face_share, abs=1e-3)


def test_a_better_picture_and_a_louder_crowd_score_more():
    good, poor = (tuple(one.model_copy(update={"quality": q}) for one in SHOTS) for q in (0.9, 0.1))
    assert scored(seen(0), shots=good)[0] > scored(seen(0), shots=poor)[0]
    assert scored(seen(0), crowd=(0.9,) * 100)[0] > scored(seen(0), crowd=(0.1,) * 100)[0]


def test_the_crowd_counts_over_the_seconds_around_the_peak_only():
    curve = (0.0,) * 2 + (1.0,) * 6 + (0.0,) * 92
    assert scored(seen(0, peak_ms=5_000), crowd=curve)[1]["crowd"] == 1.0
    assert scored(seen(5, peak_ms=55_000), crowd=curve)[1]["crowd"] == 0.0


def test_what_was_not_measured_neither_counts_nor_is_told():
    score, parts = scored(appearance("a", 1_000, 9_000, shot=-1, quality=0.5, face_height_px=120.0))
    assert {"crowd", "share", "shot", "sharpness", "fans"}.isdisjoint(parts)
    average = appearance("a", 1_000, 9_000, shot=-1, quality=0.5, face_height_px=120.0, sharpness=score)
    assert scored(average)[0] == pytest.approx(score, abs=2e-4)


def test_the_score_of_a_clip_follows_from_the_parts_it_shows():
    held = video(shots=SHOTS, frame_height=720, crowd=(0.7,) * 100)
    made = plan([seen(0, sharpness=0.8), seen(3, excitement=0.9), seen(7, quality=0.9)], [held])
    for clip in made.clips:
        known = {name: weight for name, weight in STYLE.weights.items() if name in clip.scores}
        total = sum(weight * clip.scores[name] for name, weight in known.items() if name != "variety")
        merit = total / sum(weight for name, weight in known.items() if name != "variety")
        mixed = (1 - STYLE.variety_weight) * merit + STYLE.variety_weight * clip.scores["variety"]
        assert clip.score == pytest.approx(mixed, abs=5e-4)


# --- variety ---------------------------------------------------------------------------------------------


def test_of_equal_moments_the_one_unlike_those_in_is_taken_first():
    """Room for two of three: the best, and then rather another sort of shot much later than the same one again."""
    close = [one.model_copy(update={"shot_type": "close_up"}) for one in SHOTS]
    shots = [*close[:8], SHOTS[8].model_copy(update={"shot_type": "medium"}), *close[9:]]
    best, again, other = seen(0, excitement=0.6), seen(1), seen(8, box=BESIDE)
    style = replace(STYLE, min_ms=10_000, max_ms=12_000, opener=False)
    made = plan([best, again, other], [video(shots=shots)], style=style)
    assert [clip.appearance_id for clip in made.clips] == ["a0", "a8"]
    assert made.clips[0].scores["variety"] == 1.0
    unmoved = replace(style, variety_weight=0.0, excitement_weight=style.excitement_weight + style.variety_weight)
    made = plan([best, again, other], [video(shots=shots)], style=unmoved)
    assert [clip.appearance_id for clip in made.clips] == ["a0", "a1"]


# --- replays ---------------------------------------------------------------------------------------------


def with_replays(**replays):
    shots = list(SHOTS)
    for name, of in replays.items():
        index = int(name.removeprefix("s"))
        shots[index] = shots[index].model_copy(update={"replay_of": of})
    return [video(shots=shots)]


def test_a_moment_and_its_replays_are_shown_once_and_the_best_of_them():
    live, replay, again, other = (seen(i, excitement=e) for i, e in ((1, 0.4), (3, 0.8), (5, 0.6), (7, 0.5)))
    made = plan([live, replay, again, other], with_replays(s3=1, s5=3))
    assert [clip.appearance_id for clip in made.clips] == ["a3", "a7"]
    assert len(plan([live, replay, again, other], with_replays()).clips) > len(made.clips)


def test_a_replay_too_short_to_show_does_not_cost_the_moment():
    live = seen(1)
    replay = appearance("a3", 30_200, 30_600, shot=3, excitement=1.0)
    assert [clip.appearance_id for clip in plan([live, replay], with_replays(s3=1)).clips] == ["a1"]


# --- somebody else's picture -----------------------------------------------------------------------------


LARGER = (300, 0, 300 + 140, 140)


def neighbour(index, box=LARGER, **more):
    return appearance(f"n{index}", index * 10_000 + 1_000, index * 10_000 + 9_000, shot=index, box=box, **more)


def test_a_moment_in_which_somebody_else_has_the_picture_is_avoided_where_there_is_another():
    mine = [seen(index, excitement=0.9 if index == 2 else 0.4) for index in range(5)]
    made = plan([*mine, neighbour(2)], [video(shots=SHOTS)], matches=[match(one) for one in mine])
    assert made.duration_ms >= STYLE.min_ms
    assert "a2" not in {clip.appearance_id for clip in made.clips}
    beside = neighbour(2, box=BESIDE)  # of the same size: not their close-up
    made = plan([*mine, beside], [video(shots=SHOTS)], matches=[match(one) for one in mine])
    assert "a2" in {clip.appearance_id for clip in made.clips}


def test_it_is_shown_for_want_of_another_and_the_plan_says_so():
    mine = [seen(0), seen(2)]
    style = replace(STYLE, min_ms=20_000)
    made = plan([*mine, neighbour(2)], [video(shots=SHOTS)], matches=[match(one) for one in mine], style=style)
    clip = next(one for one in made.clips if one.appearance_id == "a2")
    assert clip.scores["foremost"] == 0.0
    assert "somebody else's face is larger" in clip.reason
    assert "in for want of more" in clip.reason


def test_the_peak_of_a_moment_is_where_the_fan_has_the_picture():
    mine = appearance("a0", 1_000, 9_000, peak_ms=8_000)
    late = appearance("n0", 6_000, 9_000, box=LARGER)
    known = {one.id: one for one in (mine, late)}
    (moment,) = find_moments("fan", "e", [match(mine)], known, {"v-1": video(shots=SHOTS)}, STYLE)
    assert moment.peak_ms < 6_000
    assert not moment.upstaged
    assert 0.6 < moment.parts["foremost"] < 0.7


# --- reasons and focus -----------------------------------------------------------------------------------


def test_reasons_say_what_counts_in_plain_words():
    held = video(shots=SHOTS, frame_height=350, crowd=(0.9,) * 100)
    (clip,) = plan([seen(0, excitement=0.9, quality=0.9)], [held]).clips
    assert clip.reason == "very excited, close to the camera, the crowd is up"
    (dull,) = plan(
        [seen(0, excitement=0.1)], [video(shots=SHOTS)], style=replace(STYLE, max_ms=5_000, min_ms=5_000)
    ).clips
    assert dull.reason == "the fan is seen, part of a longer moment"


def test_focus_is_the_larger_of_two_boxes_and_reaches_over_the_ends():
    one, other = seen(0), appearance("b0", 3_000, 5_000, box=(0, 0, 110, 110))
    style = replace(STYLE, max_ms=2_000, min_ms=2_000)
    (clip,) = plan([one, other], [video(shots=SHOTS)], style=style).clips
    inside = [point for point in clip.focus if clip.start_ms <= point.pts_ms <= clip.end_ms]
    assert len(inside) >= 10
    assert clip.focus[0].pts_ms <= clip.start_ms
    assert clip.focus[-1].pts_ms >= clip.end_ms
    assert len(clip.focus) <= len(inside) + 2
    assert {p.box for p in clip.focus if 3_000 <= p.pts_ms <= 5_000} == {(0, 0, 110, 110)}
    assert {p.box for p in clip.focus if not 3_000 <= p.pts_ms <= 5_000} <= {PLACE}


def test_captions_say_what_is_seen():
    held = video(shots=SHOTS)
    (clip,) = plan([seen(0, apparent_gender="female", age_years=30.0)], [held]).clips
    assert "woman" in clip.caption


def test_every_weight_names_a_part_and_they_sum_to_one():
    assert sum(MontageStyle().weights.values()) == pytest.approx(1)
    held = video(shots=SHOTS, frame_height=720, crowd=(0.5,) * 100)
    (clip,) = plan([seen(0, sharpness=0.5)], [held]).clips
    assert set(STYLE.weights) <= set(clip.scores)
    assert ranges(plan([seen(0)], [held])) == [(1_000, 9_000)]
