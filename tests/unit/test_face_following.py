"""Tracks, quality, templates, excitement and people: the domain's rules about faces over time."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fanreel.contracts import TrackResult
from fanreel.domain.excitement import (
    USUAL_LEVEL,
    baseline,
    face_excitement,
    face_level,
    smooth,
    with_crowd,
)
from fanreel.domain.people import cluster_people, union_of_spans
from fanreel.domain.quality import QUALITY_FLOOR, ChipMeasures, face_quality, measure_chips, yaw_asymmetry
from fanreel.domain.templates import BEST_FACES, best_faces, choose_faces, pool_template
from fanreel.domain.tracks import Tracker, associate
from gpu_workers.pipeline.sampling import Sampler

pytestmark = pytest.mark.unit

FRONTAL = np.array([[[30, 40], [70, 40], [50, 62], [35, 82], [65, 82]]], np.float32)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


# --- tracks -----------------------------------------------------------------------------------------------


def test_two_faces_side_by_side_keep_their_own_tracks_while_both_move() -> None:
    tracker, owners = Tracker(), []
    for sample in range(5):
        shift = 30.0 * sample
        found = boxes((100 + shift, 0, 200 + shift, 100), (210 + shift, 0, 310 + shift, 100))
        owners.append([t.track_id for t in tracker.step(sample, 200 * sample, found, np.ones(2, np.float32))[0]])
    assert owners == [[0, 1]] * 5


def test_a_face_that_jumped_by_half_its_size_is_followed_and_a_far_one_is_not() -> None:
    known = boxes((0, 0, 100, 100))
    assert associate(known, boxes((60, 20, 160, 120))).tolist() == [0]
    assert associate(known, boxes((300, 0, 400, 100))).tolist() == [-1]


def test_a_close_up_does_not_continue_a_small_face_at_the_same_place() -> None:
    assert associate(boxes((40, 40, 60, 60)), boxes((0, 0, 100, 100))).tolist() == [-1]


def test_a_track_survives_two_missed_samples_and_ends_at_the_third() -> None:
    face, one = boxes((0, 0, 50, 50)), np.ones(1, np.float32)
    for missed, same in ((2, True), (3, False)):
        tracker = Tracker()
        first = tracker.step(0, 0, face, one)[0][0]
        for sample in range(1, missed + 1):
            tracker.step(sample, 200 * sample, boxes(), np.zeros(0, np.float32))
        again = tracker.step(missed + 1, 200 * (missed + 1), face, one)[0][0]
        assert (again is first) is same


def test_a_cut_ends_every_track() -> None:
    tracker = Tracker()
    face, one = boxes((0, 0, 50, 50)), np.ones(1, np.float32)
    first = tracker.step(0, 0, face, one)[0][0]
    assert tracker.cut() == [first]
    assert tracker.step(1, 200, face, one)[0][0] is not first


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(5, 200)), max_size=8), st.randoms()
)
def test_association_is_one_to_one_and_does_not_depend_on_order(faces: list[tuple[int, int, int]], random) -> None:
    known = boxes(*[(x, y, x + s, y + s) for x, y, s in faces])
    rows = associate(known, known + 3)
    used = rows[rows >= 0]
    assert len(set(used.tolist())) == len(used)
    if len(set(faces)) == len(faces):
        order = list(range(len(faces)))
        random.shuffle(order)
        cost = sum(float(np.abs(known[r] - known[i]).sum()) for i, r in enumerate(rows) if r >= 0)
        shuffled = associate(known[order], known + 3)
        again = sum(float(np.abs(known[order][r] - known[i]).sum()) for i, r in enumerate(shuffled) if r >= 0)
        assert cost == pytest.approx(again, abs=1e-3)


def test_a_track_ends_at_a_hole_in_time_though_no_look_missed_it() -> None:
    tracker, face = Tracker(max_gap_ms=700), boxes((100, 100, 200, 200))
    (first,), _ = tracker.step(0, 0, face, np.ones(1, np.float32))
    (second,), ended = tracker.step(1, 600, face, np.ones(1, np.float32))
    assert (second, ended) == (first, [])
    (third,), ended = tracker.step(2, 1400, face, np.ones(1, np.float32))
    assert third is not first
    assert ended == [first]


def test_five_hundred_faces_in_one_frame_are_all_followed() -> None:
    random = np.random.default_rng(2)
    corners = np.stack(np.meshgrid(np.arange(25), np.arange(20)), axis=-1).reshape(-1, 2) * 50.0
    tracker = Tracker()
    for sample in range(5):
        moved = corners + random.uniform(-8, 8, corners.shape)
        found = np.concatenate([moved, moved + 40], axis=1).astype(np.float32)
        owners, ended = tracker.step(sample, 200 * sample, found, np.ones(500, np.float32))
        assert [owner.track_id for owner in owners] == list(range(500))
        assert ended == []


@pytest.mark.parametrize("size", [0.0, 1.0])
def test_boxes_of_one_pixel_or_none_are_followed_like_others(size: float) -> None:
    spots = np.array([[10.0, 10.0], [14.0, 10.0]], np.float32)
    found = np.concatenate([spots, spots + size], axis=1).astype(np.float32)
    assert associate(found, found).tolist() == [0, 1]
    assert associate(found, found[::-1]).tolist() == [1, 0]


def test_looks_without_a_face_cost_nothing_and_end_tracks() -> None:
    tracker = Tracker()
    for sample in range(3):
        assert tracker.step(sample, 200 * sample, boxes(), np.zeros(0, np.float32)) == ([], [])
    (first,), _ = tracker.step(3, 600, boxes((0, 0, 50, 50)), np.ones(1, np.float32))
    ended = [tracker.step(n, 200 * n, boxes(), np.zeros(0, np.float32))[1] for n in range(4, 8)]
    assert ended == [[], [], [], [first]]


def test_a_box_that_is_no_number_cannot_be_handed_in() -> None:
    """What workers report are whole pixels: the contract takes nothing else."""
    column: dict[str, object] = {"trackId": 0, "ptsMs": [0], "scores": [1.0], "quality": [0.5]}
    assert TrackResult.model_validate({**column, "boxes": [[0, 0, 9, 9]]}).boxes == ((0, 0, 9, 9),)
    with pytest.raises(ValidationError):
        TrackResult.model_validate({**column, "boxes": [[0, 0, float("nan"), 9]]})


# --- sampling ---------------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=120),
    st.sampled_from([0.5, 2.0, 5.0, 12.5, 30.0]),
    st.data(),
)
def test_what_is_looked_at_does_not_depend_on_where_the_video_was_cut(gaps: list[int], fps: float, data) -> None:
    pts = np.cumsum([0, *gaps]).tolist()
    whole = Sampler(fps, from_ms=0)
    expected = {p for p in pts if whole.wants(p)}
    border = data.draw(st.integers(1, max(pts)))
    overlap_end = border + 1000
    first, second = Sampler(fps, from_ms=0), Sampler(fps, from_ms=border)
    seen = {p for p in pts if p < overlap_end and first.wants(p)}
    beyond = {p for p in pts if p >= border and second.wants(p)}
    if any(border <= p < overlap_end for p in pts):
        assert seen | beyond == expected
    assert beyond <= expected


def test_twenty_five_frames_a_second_give_every_fifth() -> None:
    sampler = Sampler(5.0, from_ms=0)
    assert [p for p in range(0, 1000, 40) if sampler.wants(p)] == [0, 200, 400, 600, 800]


# --- quality ----------------------------------------------------------------------------------------------


def quality(
    height: float = 120, sharp: float = 40, luma: float = 120, score: float = 0.95, points=FRONTAL
) -> float:
    chips = ChipMeasures(np.array([sharp], np.float32), np.array([luma], np.float32))
    return float(face_quality(np.array([height], np.float32), points, np.array([score], np.float32), chips)[0])


def test_a_large_sharp_frontal_face_is_perfect_and_each_fault_costs() -> None:
    profile = FRONTAL.copy()
    profile[0, 2, 0] = 72
    assert quality() == pytest.approx(1.0)
    for worse in (
        quality(height=25),
        quality(sharp=2.0),
        quality(luma=20),
        quality(score=0.5),
        quality(points=profile),
    ):
        assert worse < 0.8
    assert quality(height=18) < QUALITY_FLOOR
    assert quality(sharp=1.4) < QUALITY_FLOOR
    assert quality(points=profile) > QUALITY_FLOOR


@given(st.floats(10, 300), st.floats(1, 200), st.floats(0, 255), st.floats(0, 1))
def test_quality_lies_between_zero_and_one(height: float, sharp: float, luma: float, score: float) -> None:
    assert 0.0 <= quality(height, sharp, luma, score) <= 1.0


def test_yaw_is_even_for_left_and_right_and_blind_to_roll() -> None:
    turned = FRONTAL.copy()
    turned[0, 2, 0] += 12
    mirrored = FRONTAL.copy()
    mirrored[0, 2, 0] -= 12
    angle = np.radians(30)
    spin = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    assert yaw_asymmetry(FRONTAL)[0] == pytest.approx(0, abs=1e-6)
    assert yaw_asymmetry(turned)[0] == pytest.approx(yaw_asymmetry(mirrored)[0])
    assert yaw_asymmetry(turned @ spin.T)[0] == pytest.approx(yaw_asymmetry(turned)[0], abs=1e-5)


def test_motion_blur_costs_sharpness_though_one_direction_stays_crisp() -> None:
    random = np.random.default_rng(3)
    sharp = random.integers(0, 255, (150, 150, 1)).repeat(3, axis=2).astype(np.uint8)
    moved = np.stack([np.roll(sharp, shift, axis=1) for shift in range(9)]).mean(axis=0).astype(np.uint8)
    measures = measure_chips(np.stack([sharp, moved]))
    assert measures.sharpness[1] < 0.05 * measures.sharpness[0]


# --- templates --------------------------------------------------------------------------------------------


def test_one_stranger_among_five_faces_is_left_out_of_the_template() -> None:
    random = np.random.default_rng(1)
    own, stranger = unit(random.normal(size=64)), unit(random.normal(size=64))
    faces = unit(np.stack([own + random.normal(size=64) * 0.03 for _ in range(4)] + [stranger])).astype(np.float32)
    pooled = pool_template(faces, np.ones(5, np.float32))
    assert pooled.kept.tolist() == [True] * 4 + [False]
    assert float(np.linalg.norm(pooled.template - own)) < 0.2


def test_better_faces_weigh_more() -> None:
    faces = np.eye(2, dtype=np.float32)
    template = pool_template(faces, np.array([0.9, 0.1], np.float32)).template
    assert template[0] > 5 * template[1]
    assert np.linalg.norm(template) == pytest.approx(1.0)


def test_nothing_cannot_be_pooled() -> None:
    with pytest.raises(ValueError, match="no face"):
        pool_template(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


FACES = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 1000)), unique_by=lambda f: f[0], max_size=40)


@given(FACES, st.integers(0, 20_000))
def test_choosing_from_what_parts_chose_equals_choosing_from_the_whole(
    faces: list[tuple[int, int]], border: int
) -> None:
    faces = sorted(faces)
    pts, value = np.array([200 * f[0] for f in faces], np.int64), np.array([f[1] / 1000 for f in faces])

    def chosen(rows: np.ndarray) -> np.ndarray:
        return rows[choose_faces(pts[rows], value[rows])]

    rows = np.arange(len(faces))
    parts = np.concatenate([chosen(rows[pts < border]), chosen(rows[pts >= border])])
    assert chosen(parts).tolist() == chosen(rows).tolist()
    streamed = np.zeros(0, np.intp)
    for row in rows:
        streamed = chosen(np.append(streamed, row))
    assert streamed.tolist() == chosen(rows).tolist()
    assert set(best_faces(pts, value).tolist()) <= set(chosen(rows).tolist())


@given(FACES)
def test_every_second_with_a_face_has_an_embedded_one(faces: list[tuple[int, int]]) -> None:
    faces = sorted(faces)
    pts, value = np.array([200 * f[0] for f in faces], np.int64), np.array([f[1] / 1000 for f in faces])
    rows = choose_faces(pts, value)
    assert {p // 1000 for p in pts[rows].tolist()} == {p // 1000 for p in pts.tolist()}
    assert {0, len(pts) - 1} & set(range(len(pts))) <= set(rows.tolist()), (
        "the first and the last one are embedded"
    )
    assert len(rows) <= BEST_FACES + len({p // 1000 for p in pts.tolist()}) + 2


def test_the_best_faces_are_spread_over_time() -> None:
    pts = np.arange(0, 4000, 200)
    value = np.where(pts < 600, 0.99, 0.5)
    assert len({p // 400 for p in pts[best_faces(pts, value, limit=5)].tolist()}) == 5


# --- excitement -------------------------------------------------------------------------------------------


def test_a_cheer_rises_above_a_persons_own_baseline() -> None:
    pts = np.arange(0, 8000, 200)
    cheering = (pts >= 4000) & (pts < 5600)
    levels = smooth(pts, face_level(np.where(cheering, 0.8, 0.1), np.where(cheering, 0.7, 0.0), cheering * 0.6))
    curve = face_excitement(levels, baseline(levels))
    assert curve[cheering].max() > 0.8
    assert curve[:15].max() < 0.15


def test_a_face_that_always_grins_is_less_excited_than_the_same_grin_by_somebody_calm() -> None:
    grin = np.full(40, 0.4)
    calm_then_grin = np.concatenate([np.zeros(36), np.full(4, 0.4)])
    assert (
        face_excitement(grin, baseline(grin)).max()
        < face_excitement(calm_then_grin, baseline(calm_then_grin)).max()
    )


def test_without_samples_the_usual_level_is_the_baseline() -> None:
    assert baseline(np.zeros(0)) == USUAL_LEVEL


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_the_crowd_never_lowers_a_face_and_never_passes_one(pairs: list[tuple[float, float]]) -> None:
    face, crowd = np.array(pairs).T
    raised = with_crowd(face, crowd)
    assert (raised >= face - 1e-12).all()
    assert (raised <= 1.0).all()


# --- people -----------------------------------------------------------------------------------------------


def people_vectors(seed: int, per_person: int, noise: float) -> tuple[np.ndarray, list[int]]:
    random = np.random.default_rng(seed)
    centres = unit(random.normal(size=(3, 256)))
    rows = [c + noise * unit(random.normal(size=256)) for c in centres for _ in range(per_person)]
    return unit(np.array(rows)).astype(np.float32), [p for p in range(3) for _ in range(per_person)]


def test_appearances_of_three_people_become_three_people() -> None:
    vectors, truth = people_vectors(5, per_person=4, noise=0.25)
    spans = [(1000 * i, 1000 * i + 900) for i in range(len(vectors))]
    assert cluster_people(vectors, np.ones(len(vectors)), spans).tolist() == truth


def test_two_faces_of_one_frame_are_two_people_however_alike() -> None:
    vectors = np.repeat(unit(np.ones((1, 8))), 2, axis=0).astype(np.float32)
    assert len(set(cluster_people(vectors, np.ones(2), [(0, 1000), (999, 1500)]).tolist())) == 2
    assert len(set(cluster_people(vectors, np.ones(2), [(0, 1000), (1000, 1500)]).tolist())) == 1


def test_an_in_between_face_does_not_chain_two_people_together() -> None:
    angles = np.radians([0.0, 28.0, 56.0])  # distances .484, .484, .939
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    labels = cluster_people(vectors, np.ones(3), [(0, 1), (1, 2), (2, 3)]).tolist()
    assert labels[0] != labels[2]


def test_varied_faces_behind_two_templates_count_against_joining_them() -> None:
    angles = np.radians([0.0, 33.0])  # .568 apart
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert len(set(cluster_people(vectors, np.ones(2), [(0, 1), (1, 2)]).tolist())) == 1
    assert len(set(cluster_people(vectors, np.full(2, 0.93), [(0, 1), (1, 2)]).tolist())) == 2


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 900)), max_size=20))
def test_screen_time_is_that_of_the_union(raw: list[tuple[int, int]]) -> None:
    spans = [(start, start + length) for start, length in raw]
    merged = union_of_spans(spans)
    covered = {ms for start, end in spans for ms in range(start, end)}
    assert sum(end - start for start, end in merged) == len(covered)
    assert all(first[1] < second[0] for first, second in pairwise(merged))
