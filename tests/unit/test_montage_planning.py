"""Which moments are in, how much of each, and in which order."""

from dataclasses import replace

import pytest

from fanreel.contracts import FaceRef
from fanreel.domain.montage import MontageStyle, Poster, choose_poster
from fanreel.errors import ContractBroken

from .montage_material import STYLE, appearance, plan, plan_or_none, ranges, video

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
