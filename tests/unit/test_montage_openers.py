"""The match before the fan: never anything in which somebody could be taken for the subject."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanreel.contracts import Gap, RenderStyle, Shot
from fanreel.domain.montage import Poster, choose_poster, shows_nobody

from .montage_material import STYLE, appearance, match, plan, plan_or_none, ranges, video

pytestmark = pytest.mark.unit

HEIGHT = 720
LIMIT = int(STYLE.opener_face_share * HEIGHT)
WIDE = Shot(start_ms=0, end_ms=8_000, kind="play", highest_face=0.0)
OWN = Shot(start_ms=8_000, end_ms=20_000, kind="people")


def face(height, *, x=300):
    return (x, 0, x + height, height)


def of(*shots, frame_width=1280, frame_height=HEIGHT, **more):
    return [video(shots=shots, frame_width=frame_width, frame_height=frame_height, **more)]


def fan(start_ms=9_000, end_ms=18_000, shot=1, name="fan-1"):
    return appearance(name, start_ms, end_ms, shot=shot)


def openers(made):
    return [(clip.start_ms, clip.end_ms) for clip in made.clips if clip.kind == "opener"]


def with_strangers(*strangers, shots=(WIDE, OWN), style=STYLE, **more):
    mine = fan()
    return plan([mine, *strangers], of(*shots, **more), matches=[match(mine)], style=style)


def test_a_wide_shot_just_before_the_fan_opens_and_ends_with_its_shot():
    made = with_strangers(appearance("far", 1_000, 7_000, box=face(LIMIT)))
    assert openers(made) == [(8_000 - STYLE.shot_margin_ms - STYLE.opener_ms, 8_000 - STYLE.shot_margin_ms)]
    assert made.clips[0].kind == "opener"
    assert made.clips[0].caption == "A wide shot of the game."
    played = sum(clip.played_ms for clip in made.clips)
    assert made.duration_ms == played - STYLE.crossfade_ms


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "people"},
        {"kind": "graphic"},
        {"kind": "unknown"},
        {"shot_type": "close_up"},
        {"shot_type": "medium"},
        {"shot_type": "group"},
        {"replay_of": 0},
        {"clear_to_ms": 1_000},
        {"start_ms": 7_000},
        {"highest_face": (LIMIT + 1) / HEIGHT},
        {"highest_face": None},  # merged before it was measured
    ],
)
def test_no_other_shot_opens(changed):
    assert openers(with_strangers(shots=(WIDE.model_copy(update=changed), OWN))) == []


def test_a_shot_with_one_face_above_the_limit_at_one_look_does_not_open():
    once = appearance("near", 400, 400, box=face(LIMIT + 1)).model_copy(update={"end_ms": 600})
    assert openers(with_strangers(once)) == []


def test_a_face_that_is_nobodys_appearance_counts_in_pixels_of_the_picture():
    small = WIDE.model_copy(update={"highest_face": LIMIT / HEIGHT})
    assert openers(with_strangers(shots=(small, OWN))) != []
    # The same share of an upright film is more than that of the picture between its bars.
    assert openers(with_strangers(shots=(small, OWN), frame_width=720, frame_height=1280)) == []


def test_bars_above_and_below_an_upright_film_do_not_make_faces_small():
    far = appearance("far", 1_000, 7_000, box=face(LIMIT))
    assert openers(with_strangers(far, frame_width=720, frame_height=1280)) == []
    farther = appearance("far", 1_000, 7_000, box=face(int(0.03 * 405)))
    assert openers(with_strangers(farther, frame_width=720, frame_height=1280)) != []


def test_somebody_whose_place_nobody_knows_is_taken_for_near():
    unknown = appearance("somewhere", 1_000, 3_000).model_copy(update={"boxes": (), "pts_ms": ()})
    assert openers(with_strangers(unknown)) == []


def test_no_opener_where_the_size_of_the_picture_is_not_known_or_nobody_looked():
    assert openers(with_strangers(frame_height=0)) == []
    assert openers(with_strangers(frame_width=0)) == []
    assert openers(with_strangers(gaps=(Gap(start_ms=1_000, end_ms=1_500, reason="corrupt"),))) == []


def test_no_opener_from_another_scene_or_without_enough_of_the_fan():
    long_ago = WIDE.model_copy(update={"end_ms": 4_000})
    between = Shot(start_ms=4_000, end_ms=4_001 + STYLE.opener_within_ms, kind="people")
    own = Shot(start_ms=between.end_ms, end_ms=40_000, kind="people")
    mine = fan(20_000, 30_000, shot=2)
    assert openers(plan([mine], of(long_ago, between, own))) == []
    near = between.model_copy(update={"end_ms": between.end_ms - 1})
    near_own = own.model_copy(update={"start_ms": near.end_ms})
    assert openers(plan([mine], of(long_ago, near, near_own))) != []
    assert openers(plan([fan(9_000, 9_000 + STYLE.opener_from_ms - 200)], of(WIDE, OWN))) == []
    assert openers(plan([fan(9_000, 9_000 + STYLE.opener_from_ms)], of(WIDE, OWN))) != []


def test_a_shot_the_fan_is_shown_in_does_not_open_as_well():
    wide = WIDE.model_copy(update={"kind": "crowd"})
    small = appearance("fan-0", 1_000, 6_000, shot=0, box=face(LIMIT), face_height_px=30)
    made = plan([small, fan()], of(wide, OWN))
    assert ranges(made)[0][0] == 1_000
    assert openers(made) == []


def test_the_style_may_do_without():
    assert openers(with_strangers(style=replace(STYLE, opener=False))) == []


def test_room_for_an_opener_is_kept_free_in_a_full_montage():
    shots = [WIDE, *(Shot(start_ms=at, end_ms=at + 10_000, kind="people") for at in range(8_000, 108_000, 10_000))]
    seen = [fan(8_400 + 10_000 * i, 17_600 + 10_000 * i, shot=i + 1, name=f"fan-{i}") for i in range(10)]
    made = plan(seen, of(*shots))
    assert openers(made) != []
    assert made.duration_ms <= STYLE.max_ms
    without = plan(seen, of(*[WIDE.model_copy(update={"kind": "people"}), *shots[1:]]))
    assert without.duration_ms > STYLE.max_ms - STYLE.min_clip_ms


def test_the_poster_is_never_a_picture_of_the_opener():
    made = with_strangers()
    assert choose_poster(made).clip_index == 1
    assert isinstance(choose_poster(made, {}), Poster)


# --- whatever the material -------------------------------------------------------------------------------


@st.composite
def broadcasts(draw):
    """Wide shots and others before one of the fan, with faces of every size around the limit."""
    lengths = draw(st.lists(st.integers(1_000, 9_000), min_size=1, max_size=5))
    borders = [sum(lengths[:index]) for index in range(len(lengths) + 1)]
    shots = [
        Shot(
            start_ms=start_ms,
            end_ms=end_ms,
            clear_from_ms=start_ms + draw(st.sampled_from([0, 0, 300])),
            clear_to_ms=end_ms - draw(st.sampled_from([0, 0, 300])),
            kind=draw(st.sampled_from(["play", "play", "crowd", "people", "graphic"])),
            shot_type=draw(st.sampled_from(["none", "wide", "wide", "close_up"])),
            replay_of=draw(st.sampled_from([None, None, None, 0])) if index else None,
            highest_face=draw(st.sampled_from([0.0, LIMIT / HEIGHT, LIMIT / HEIGHT, 0.5, None])),
        )
        for index, (start_ms, end_ms) in enumerate(pairwise(borders))
    ]
    shots.append(Shot(start_ms=borders[-1], end_ms=borders[-1] + 12_000, kind="people"))
    start_ms = -(-borders[-1] // 200) * 200
    seen = [fan(start_ms + 200, start_ms + 10_000, shot=len(lengths))]
    for index in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, borders[-1] // 200)) * 200
        height = draw(st.sampled_from([10, LIMIT, LIMIT + 1, 300]))
        shot = next((i for i, one in enumerate(shots) if one.start_ms <= at < one.end_ms), 0)
        seen.append(
            appearance(f"other-{index}", at, at + draw(st.sampled_from([0, 2_000])), shot=shot, box=face(height))
        )
    return shots, seen


@settings(max_examples=150, deadline=None)
@given(broadcasts(), st.sampled_from([RenderStyle(), RenderStyle(title="Final", intro_ms=2_000)]))
def test_no_opener_ever_shows_a_face_above_the_limit(made, render):
    shots, seen = made
    held = of(*shots)
    found = plan_or_none(seen, held, matches=[match(seen[0])], render=render)
    assert found is not None
    could = [shot for shot in shots if harmless(shot, shots[-1], seen[1:])]
    assert len(openers(found)) == bool(could)
    for start_ms, end_ms in openers(found):
        shot = max(could, key=lambda shot: shot.end_ms)
        assert shot.clear_from_ms <= start_ms < end_ms <= shot.clear_to_ms
        assert shot.highest_face is not None
        assert shot.highest_face * HEIGHT <= STYLE.opener_face_share * HEIGHT
        for one in seen[1:]:
            for pts, box in zip(one.pts_ms, one.boxes, strict=True):
                assert not (start_ms <= pts < end_ms and box[3] > LIMIT)


def harmless(shot, before, others):
    """What an opener may be, said once more in other words."""
    inside_ms = (shot.clear_to_ms or 0) - (shot.clear_from_ms or 0) - 2 * STYLE.shot_margin_ms
    near = [one for one in others if one.start_ms < shot.end_ms and shot.start_ms < one.end_ms]
    return (
        shot.kind in ("play", "crowd")
        and shot.shot_type in ("none", "wide")
        and shot.replay_of is None
        and before.start_ms - shot.end_ms <= STYLE.opener_within_ms
        and inside_ms >= STYLE.min_clip_ms
        and shot.highest_face in (0.0, LIMIT / HEIGHT)
        and all(box[3] <= LIMIT for one in near for box in one.boxes)
    )


def test_a_range_nobody_looked_at_is_never_harmless():
    held = of(WIDE, OWN)[0]
    inside = (5_000, 7_900)
    assert shows_nobody(inside, 0, held, [], STYLE)
    for shown, index in (
        ((5_000, 8_100), 0),  # over the cut
        ((7_900, 5_000), 0),
        (inside, 1),  # the shot it is said to be in is another
        (inside, 2),
        (inside, -1),
    ):
        assert not shows_nobody(shown, index, held, [], STYLE)
