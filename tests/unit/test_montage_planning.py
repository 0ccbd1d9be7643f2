"""Which moments are in, how much of each, and in which order."""

from dataclasses import replace
from fractions import Fraction

import pytest

from fanreel.contracts import FaceRef, RenderStyle, Shot
from fanreel.domain.montage import MontageStyle, Poster, choose_poster, place_clips, plan_montage
from fanreel.errors import ContractBroken

from .montage_material import STYLE, appearance, match, plan, plan_or_none, ranges, video

pytestmark = pytest.mark.unit


def test_nobody_gets_nothing():
    assert plan_or_none([]) is None


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


# --- glimpses, order, slow motion ------------------------------------------------------------------------


def several(count=4, **more):
    """The fan in every second shot of ten seconds, ever more excited, but for the last."""
    shots = tuple(Shot(start_ms=at, end_ms=at + 10_000) for at in range(0, 20_000 * count, 10_000))
    excited = [0.2 + 0.2 * index for index in range(count - 1)] + [0.3]
    seen = [
        appearance(f"a{i}", 20_000 * i + 1_000, 20_000 * i + 9_000, shot=2 * i, excitement=e, **more)
        for i, e in enumerate(excited)
    ]
    return seen, [video(shots=shots)]


def test_a_glimpse_is_slowed_until_it_can_be_seen():
    for length_ms in (600, 800, 1_000):
        made = plan(
            [appearance("a1", 1_000, 1_000 + length_ms)], render=RenderStyle(title="Final", intro_ms=2_000)
        )
        (clip,) = made.clips
        assert ranges(made) == [(1_000, 1_000 + length_ms)]
        assert made.duration_ms == clip.played_ms >= STYLE.min_clip_ms
        assert (made.render.intro_ms, made.render.title) == (0, "Final")
    assert plan_or_none([appearance("a1", 1_000, 1_400)]) is None


def test_what_even_slow_motion_makes_too_short_is_no_montage():
    assert plan_or_none([appearance("a1", 1_000, 1_600)], style=replace(STYLE, min_clip_ms=1_300)) is None


def test_build_up_rises_to_the_best_clip():
    seen, videos = several()
    usual = plan(seen, videos)
    rising = plan(seen, videos, style=replace(STYLE, order="build_up"))
    assert [clip.appearance_id for clip in usual.clips] == ["a0", "a1", "a2", "a3"]
    assert [clip.appearance_id for clip in rising.clips] == ["a0", "a3", "a1", "a2"]
    assert rising.order == "build_up"
    assert rising.montage_id != usual.montage_id


def test_slow_motion_holds_the_peak_of_the_best_clip():
    seen, videos = several(peak_ms=None)
    made = plan(seen, videos, style=replace(STYLE, slow_motion=True))
    (slow,) = [clip for clip in made.clips if clip.slow_from_ms is not None]
    assert slow.appearance_id == "a2"
    assert (slow.slow_from_ms, slow.slow_to_ms, slow.slow_factor) == (44_400, 45_600, 2)
    usual = plan(seen, videos)
    assert made.duration_ms == usual.duration_ms + 1_200
    assert made.montage_id != usual.montage_id


def test_nobody_who_calmly_looks_on_is_slowed():
    style = replace(STYLE, slow_motion=True)
    calm, excited = (plan([appearance("a1", 1_000, 6_000, excitement=e)], style=style) for e in (0.49, 0.5))
    assert calm.clips[0].slow_from_ms is None
    assert excited.clips[0].slow_from_ms is not None


def test_slow_motion_gives_way_to_crossfades_and_the_longest_length():
    shots = ((0, 10_000), (10_000, 20_000))
    seen = [appearance("a1", 1_000, 2_400), appearance("a2", 11_000, 17_000, shot=1, excitement=0.1)]
    style = replace(STYLE, slow_motion=True)
    (slow, _) = plan(seen, [video(shots=shots)], style=style).clips
    margin_ms = style.crossfade_ms + style.shot_margin_ms
    assert (slow.slow_from_ms, slow.slow_to_ms) == (1_000 + margin_ms, 2_400 - margin_ms)
    long = plan([appearance("a1", 1_000, 90_000)], style=replace(style, min_ms=45_000))
    assert long.duration_ms == 45_000
    assert long.clips[0].slow_from_ms is not None


# --- cards and identity ----------------------------------------------------------------------------------

CARDS = RenderStyle(title="Final", subtitle="Second half", intro_ms=2_000, end_text="Bye", outro_ms=1_500)


def test_cards_count_in_length_and_budget_and_lie_where_the_renderer_lays_them():
    seen, videos = several()
    bare, framed = plan(seen, videos), plan(seen, videos, render=CARDS)
    assert framed.duration_ms == bare.duration_ms + 2_000 + 1_500 - 2 * STYLE.crossfade_ms
    for made in (bare, framed, plan(seen, videos, style=replace(STYLE, slow_motion=True), render=CARDS)):
        assert abs(place_clips(made, Fraction(25)).duration_ms - made.duration_ms) <= 40
    full = plan([appearance("a1", 1_000, 90_000)], style=replace(STYLE, min_ms=45_000), render=CARDS)
    assert full.duration_ms == STYLE.max_ms


def test_cards_without_words_or_with_little_of_the_fan_are_left_out_and_the_title_stands_lower():
    seen, videos = several()
    silent = plan(seen, videos, render=CARDS.model_copy(update={"title": "", "subtitle": "", "end_text": ""}))
    assert (silent.render.intro_ms, silent.render.outro_ms) == (0, 0)
    short = plan([appearance("a1", 1_000, 10_000)], render=CARDS)
    assert (short.render.intro_ms, short.render.outro_ms, short.duration_ms) == (0, 0, 9_000)
    assert short.render.lower_third == "title"
    captioned = plan([appearance("a1", 1_000, 3_000)], render=CARDS.model_copy(update={"lower_third": "caption"}))
    assert captioned.render.lower_third == "caption"


@pytest.mark.parametrize(
    "changed",
    [
        {"formats": ("16:9", "9:16")},
        {"title": "Cup final"},
        {"intro_ms": 2_500},
        {"end_text": "Good night"},
        {"lower_third": "caption"},
        {"brand_colour": "#ffffff"},
        {"denoise": False},
        {"music_bed": "anthem.mp3"},
        {"music_sha256": "ab"},
        {"poster": "cutout"},
    ],
)
def test_whatever_changes_the_file_changes_the_id(changed):
    seen, videos = several()
    other = plan(seen, videos, render=CARDS.model_copy(update=changed))
    assert other.montage_id != plan(seen, videos, render=CARDS).montage_id


def test_a_caption_is_part_of_the_id_and_a_face_only_where_it_moves_the_picture():
    seen, videos = several()
    dressed = [one.model_copy(update={"clothing": "red", "apparent_gender": "female"}) for one in seen]
    assert plan(dressed, videos).montage_id != plan(seen, videos).montage_id
    moved = [one.model_copy(update={"boxes": tuple((1, 1, 101, 101) for _ in one.boxes)}) for one in seen]
    assert plan(moved, videos).montage_id == plan(seen, videos).montage_id
    upright = RenderStyle(formats=("16:9", "9:16"))
    assert plan(moved, videos, render=upright).montage_id != plan(seen, videos, render=upright).montage_id
    cut_out = RenderStyle(poster="cutout")
    assert plan(moved, videos, render=cut_out).montage_id != plan(seen, videos, render=cut_out).montage_id


def test_another_poster_of_the_same_clips_is_another_montage():
    seen, videos = several()

    def posed(pts_ms):
        best = FaceRef(pts_ms=pts_ms, box=(0, 0, 9, 9), quality=0.7)
        return [one.model_copy(update={"best_face": best}) if one.id == "a1" else one for one in seen]

    early, late = plan(posed(24_000), videos), plan(posed(26_000), videos)
    assert early.clips == late.clips
    assert len({early.montage_id, late.montage_id, plan(seen, videos).montage_id}) == 3
    assert plan(posed(24_000), videos).montage_id == early.montage_id


def test_a_plan_says_which_profile_it_follows():
    one = appearance("a1", 1_000, 4_000)
    made = plan_montage("fan", "e", [match(one)], {"a1": one}, {"v-1": video()}, STYLE, profile="football")
    assert made is not None
    assert (made.profile, made.order) == ("football", "chronological")


def test_the_poster_is_rather_a_picture_at_full_speed():
    seen, videos = several()
    faces = ((5_000, 0.5), (25_000, 0.5), (45_000, 0.9), (65_000, 0.6))
    known = {
        one.id: one.model_copy(update={"best_face": FaceRef(pts_ms=pts, box=(0, 0, 9, 9), quality=quality)})
        for one, (pts, quality) in zip(seen, faces, strict=True)
    }
    slow = plan(list(known.values()), videos, style=replace(STYLE, slow_motion=True))
    assert choose_poster(plan(list(known.values()), videos), known) == Poster(2, 45_000)
    assert choose_poster(slow, known) == Poster(3, 65_000)
