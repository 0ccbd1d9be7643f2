from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from fanreel.domain.faces import Bgr
from fanreel.domain.shots import Cut, score_cuts, separation, strongest_cuts
from gpu_workers.pipeline.shots import ShotStage

pytestmark = pytest.mark.unit

times = st.lists(st.integers(0, 20_000), max_size=40)
cut_lists = st.lists(st.builds(Cut, st.integers(0, 5_000), st.floats(0, 255)), max_size=25)


@given(times)
def test_the_truth_scores_one_against_itself(cuts):
    assert score_cuts(cuts, cuts, 0) == (1.0, 1.0, 1.0)


@given(times, times, st.integers(0, 500))
def test_precision_is_recall_seen_from_the_other_side(found, truth, tolerance_ms):
    precision, recall, f1 = score_cuts(found, truth, tolerance_ms)
    assert (recall, precision, f1) == score_cuts(truth, found, tolerance_ms)
    assert 0 <= f1 <= 1


def test_one_true_cut_is_not_found_twice():
    assert score_cuts([1000, 1010], [1005], 20) == (0.5, 1.0, pytest.approx(2 / 3))


def test_a_cut_outside_the_tolerance_is_wrong():
    assert score_cuts([1081], [1000], 80) == (0.0, 0.0, 0.0)
    assert score_cuts([1080], [1000], 80) == (1.0, 1.0, 1.0)


def test_finding_nothing_costs_recall_only():
    assert score_cuts([], [1000], 80) == (1.0, 0.0, 0.0)


@given(cut_lists, st.integers(1, 500))
def test_strong_cuts_survive_and_weak_neighbours_do_not(cuts, gap_ms):
    kept = strongest_cuts(cuts, gap_ms)
    if cuts:
        assert max(cut.strength for cut in cuts) in {cut.strength for cut in kept}
    assert [cut.pts_ms for cut in kept] == sorted(cut.pts_ms for cut in kept)
    places = sorted({cut.pts_ms for cut in kept})
    assert all(right - left >= gap_ms for left, right in pairwise(places))


@given(cut_lists, st.integers(1, 200), st.integers(0, 5_000))
def test_which_cuts_stay_does_not_depend_on_where_the_video_is_divided(cuts, gap_ms, border_ms):
    whole = strongest_cuts(cuts, gap_ms)
    left = strongest_cuts([cut for cut in cuts if cut.pts_ms < border_ms + gap_ms], gap_ms)
    right = strongest_cuts([cut for cut in cuts if cut.pts_ms > border_ms - gap_ms], gap_ms)
    assert whole == [c for c in left if c.pts_ms < border_ms] + [c for c in right if c.pts_ms >= border_ms]


class DrawnFrame:
    def __init__(self, pts_ms: int, picture: Bgr) -> None:
        self.pts_ms = pts_ms
        self._picture = picture

    @property
    def coded_size(self) -> tuple[int, int]:
        return self._picture.shape[1], self._picture.shape[0]

    def bgr(self) -> Bgr:
        return self._picture

    def small(self, width: int) -> Bgr:
        return self._picture


def cuts_of(pictures: list[Bgr]) -> tuple[int, ...]:
    stage = ShotStage()
    for index, picture in enumerate(pictures):
        stage.process_frame(DrawnFrame(index * 40, picture))
    return stage.cuts_ms(0, len(pictures) * 40)


def scene(seed: int, frames: int) -> list[Bgr]:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 255, (9, 16, 3)).repeat(16, axis=0).repeat(16, axis=1)
    return [
        np.clip(np.roll(picture, step, axis=1) + rng.integers(-6, 6, picture.shape), 0, 255).astype(np.uint8)
        for step in range(frames)
    ]


def test_two_scenes_have_one_cut_at_the_first_frame_of_the_second():
    assert cuts_of(scene(1, 20) + scene(2, 20)) == (800,)


def test_a_small_window_in_a_still_frame_is_judged_by_itself():
    pictures: list[Bgr] = []
    for inner in scene(1, 20) + scene(2, 20):
        still = np.full((144, 256, 3), 30, np.uint8)
        still[40:88, 80:166] = inner[40:88, 80:166]
        pictures.append(still)
    assert cuts_of(pictures) == (800,)


def test_one_long_moving_scene_has_no_cut():
    assert cuts_of(scene(3, 60)) == ()


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("strength", [60, 140, 255])
def test_a_camera_flash_is_no_cut(frames: int, strength: int):
    pictures = scene(1, 40)
    for at in range(20, 20 + frames):
        pictures[at] = np.clip(pictures[at].astype(np.int16) + strength, 0, 255).astype(np.uint8)
    assert cuts_of(pictures) == ()


def test_a_cut_right_after_a_flash_is_found():
    pictures = scene(1, 40) + scene(2, 20)
    pictures[30] = np.full_like(pictures[30], 250)
    assert cuts_of(pictures) == (1600,)


def test_somebody_passing_close_to_the_camera_is_no_cut():
    pictures = scene(1, 40)
    for step, at in enumerate(range(18, 21)):
        pictures[at] = pictures[at].copy()
        pictures[at][:, 60 * step : 60 * step + 150] = 15
    assert cuts_of(pictures) == ()


def test_a_whip_pan_is_no_cut():
    wide = gaussian_filter(np.random.default_rng(5).uniform(-1, 1, (144, 900, 3)), (12, 12, 0))
    wide = 128 + 120 * wide / np.abs(wide).max()
    speeds = [0] * 20 + [6, 14, 26] + [40] * 10 + [26, 14, 6] + [0] * 20
    left = np.cumsum(speeds).tolist()
    pictures: list[Bgr] = []
    for before, at in zip([0, *left], left, strict=False):
        # A shutter open for the whole frame smears the picture along its way.
        ways = range(before, at + 1, 4) if at > before else [at]
        pictures.append(np.mean([wide[:, x : x + 256] for x in ways], axis=0).astype(np.uint8))
    assert cuts_of(pictures) == ()


@given(st.integers(1, 5), st.integers(1, 5), st.floats(0.3, 2.0), st.floats(-30, 30))
def test_brightness_and_contrast_make_no_new_picture(before: int, after: int, gain: float, glow: float):
    picture = np.random.default_rng(before).uniform(40, 100, (50, 3)).astype(np.float32)
    left, right = np.repeat(picture[None], before, 0), np.repeat(picture[None] * gain + glow, after, 0)
    assert separation(left, right) == pytest.approx(0, abs=0.05)
    other = np.random.default_rng(99).uniform(40, 100, (1, 50, 3)).astype(np.float32)
    assert separation(left, other) > 0.3
    assert 0 <= separation(np.concatenate([left, other]), right) <= 2


def test_cuts_outside_the_owned_range_belong_to_another_segment():
    stage = ShotStage()
    for index, picture in enumerate(scene(1, 20) + scene(2, 20)):
        stage.process_frame(DrawnFrame(index * 40, picture))
    assert stage.cuts_ms(0, 800) == ()
    assert stage.cuts_ms(800, 801) == (800,)
