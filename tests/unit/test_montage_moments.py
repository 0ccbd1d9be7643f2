"""What may be shown as the fan: windows that begin and end with them and hold nobody in their place."""

import pytest

from fanreel.contracts import ModelContract, Shot
from fanreel.domain.montage import MontageStyle, find_moments

from .montage_material import (
    BESIDE,
    PLACE,
    STYLE,
    appearance,
    known_by_sight,
    match,
    plan,
    plan_or_none,
    ranges,
    video,
)

pytestmark = pytest.mark.unit


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
