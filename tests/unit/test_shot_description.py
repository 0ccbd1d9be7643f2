import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fanreel.contracts import ModelContract, SegmentResult, Shot, ShotMeasure, TrackResult
from fanreel.domain.shot_description import describe_shots, looks_and_faces
from fanreel.domain.shot_kinds import (
    FEATURES,
    KINDS,
    NO_FANS_FROM,
    PICTURE_COLUMNS,
    RECOGNISABLE_SHARE,
    UNKNOWN,
    LookFaces,
    fan_probability,
    kind_model,
    kind_of,
    read_model,
    shot_features,
    worth_searching,
)
from fanreel.domain.shot_quality import NEUTRAL, FacePlace, face_score, picture_quality, shot_quality
from fanreel.domain.shot_types import shot_type

pytestmark = pytest.mark.unit

F32 = NDArray[np.float32]
unit = st.floats(0, 1, width=32)


def faces(*heights: float, x: float = 0.5, y: float = 0.4) -> LookFaces:
    rows = np.array(heights, np.float32)
    return LookFaces(rows, rows * rows * 0.4, np.full_like(rows, x), np.full_like(rows, y))


def column(*values: float) -> F32:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([[0.7], [0.8]], "extreme_close_up"),
        ([[0.4], [0.35]], "close_up"),
        ([[0.2], [0.15]], "medium"),
        ([[0.1], [0.1]], "medium_wide"),
        ([[0.03], [0.05, 0.04, 0.05]], "wide"),
        ([[0.3, 0.28], [0.3, 0.25]], "two_shot"),
        ([[0.2, 0.18, 0.15], [0.2, 0.2, 0.2, 0.2]], "group"),
        ([[0.3, 0.05, 0.04]], "close_up"),
        ([[], []], "none"),
        ([], "none"),
        ([[0.3], [], [], [], [], []], "none"),
    ],
)
def test_the_type_of_a_shot_follows_the_faces_in_it(looks: list[list[float]], expected: str) -> None:
    assert shot_type([column(*look) for look in looks]) == expected


SIZES = ["wide", "medium_wide", "medium", "close_up", "extreme_close_up"]


@given(unit, unit)
def test_a_larger_face_is_never_a_wider_shot(one: float, other: float) -> None:
    small, large = sorted([max(one, 0.001), max(other, 0.001)])
    assert SIZES.index(shot_type([column(small)])) <= SIZES.index(shot_type([column(large)]))


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 255), st.floats(0, 255)), max_size=6), unit, unit, unit)
def test_quality_is_between_nothing_and_one(looks, height: float, x: float, y: float) -> None:
    sharpness, luma, motion = np.array(looks, np.float32).reshape(-1, 3).T
    place = FacePlace(column(height), column(x), column(y))
    quality = shot_quality(sharpness, luma, motion, place)
    assert 0 <= quality <= picture_quality(sharpness, luma, motion) + 1e-3 <= 1 + 2e-3


@given(st.floats(1, 1e4), st.floats(1, 1e4), st.floats(16, 240), st.floats(0, 60))
def test_sharper_is_better_and_wilder_is_worse(one: float, other: float, luma: float, motion: float) -> None:
    soft, sharp = sorted([one, other])
    assert picture_quality(column(soft), column(luma), column(0)) <= picture_quality(
        column(sharp), column(luma), column(0)
    )
    calm = picture_quality(column(sharp, sharp), column(luma, luma), column(0, motion))
    wild = picture_quality(column(sharp, sharp), column(luma, luma), column(0, motion + 10))
    assert wild <= calm


def test_a_large_face_in_the_middle_is_best_and_no_face_is_no_fault() -> None:
    def at(height: float, x: float, y: float) -> float:
        return face_score(FacePlace(column(height), column(x), column(y)))

    none = FacePlace(column(), column(), column())
    assert face_score(none) == 1 == at(0.3, 0.5, 0.4)
    assert at(0.3, 0.5, 0.4) > at(0.3, 0.9, 0.4) > at(0.3, 1.0, 1.0)
    assert at(0.3, 0.5, 0.4) > at(0.03, 0.5, 0.4)
    assert shot_quality(column(), column(), column(), none) == NEUTRAL


def looks(**changes: float) -> dict[str, F32]:
    usual = dict.fromkeys(PICTURE_COLUMNS, 0.1) | {"sharpness": 300.0, "motion": 5.0, "flat": 0.4}
    return {name: column(value, value, value) for name, value in (usual | changes).items()}


def kind(measured: dict[str, F32], *seen: LookFaces) -> str:
    features = shot_features(measured, seen)
    assert features is not None
    return kind_of(kind_model().probabilities(features))


def test_the_model_that_ships_tells_the_plainest_cases_apart() -> None:
    nobody = faces()
    assert kind(looks(skin=0.2), *[faces(0.35)] * 3) == "people"
    assert kind(looks(grass=0.8, detail=0.3, flat=0.1), nobody, nobody, nobody) == "play"
    assert kind(looks(still=0.95, flat=0.9, motion=0.5, detail=0.03), nobody, nobody, nobody) == "graphic"


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=len(FEATURES), max_size=len(FEATURES)))
def test_probabilities_sum_to_one_and_the_kind_is_one_of_them_or_unknown(values: list[float]) -> None:
    probabilities = kind_model().probabilities(np.array(values, np.float32))
    assert set(probabilities) == set(KINDS)
    assert sum(probabilities.values()) == pytest.approx(1)
    assert 0 <= fan_probability(probabilities) <= 1 + 1e-6
    assert kind_of(probabilities) in {*KINDS, UNKNOWN}


def test_no_kind_is_said_when_none_is_likely() -> None:
    assert kind_of({"people": 0.4, "crowd": 0.3, "play": 0.3, "graphic": 0.0}) == UNKNOWN


def test_a_model_of_other_features_is_refused() -> None:
    document = {"features": [*FEATURES[1:], "colour"], "kinds": list(KINDS)}
    with pytest.raises(ValueError, match="other features"):
        read_model(json.loads(json.dumps(document)))


def test_the_motion_across_the_cut_says_nothing_about_the_shot() -> None:
    measured = looks()
    jumped = {**measured, "motion": column(90, 5, 5), "still": column(0.0, 0.1, 0.1)}
    one, other = (shot_features(each, [faces(0.3)] * 3) for each in (measured, jumped))
    assert one is not None
    assert other is not None
    assert one.tolist() == other.tolist()


def result(
    start_ms: int, pts_ms: tuple[int, ...], track: TrackResult | None, columns: bool = True
) -> SegmentResult:
    row = (0.2,) * len(pts_ms)
    extra = {name: row for name in PICTURE_COLUMNS if name != "motion"} if columns else {}
    flat = {"sharpness": (200.0,) * len(pts_ms), "luma": (120.0,) * len(pts_ms), "motion": row}
    return SegmentResult(
        video_id="v-1",
        segment_id=str(start_ms),
        attempt=1,
        start_ms=start_ms,
        end_ms=start_ms + 1000,
        model_contract=ModelContract(model_id="none", sha256="0" * 64, preprocessing="1"),
        detector="drawn",
        frame_width=1280,
        frame_height=720,
        frames_decoded=len(pts_ms),
        frames_sampled=len(pts_ms),
        frames_corrupt=0,
        last_pts_ms=pts_ms[-1],
        cuts_ms=(),
        tracks=(track,) if track else (),
        picture=ShotMeasure.model_validate({"pts_ms": pts_ms, **flat, **extra}),
        seconds={},
    )


def followed(pts_ms: tuple[int, ...]) -> TrackResult:
    box = (500, 200, 700, 500)
    ones = (1.0,) * len(pts_ms)
    return TrackResult(track_id=0, pts_ms=pts_ms, boxes=(box,) * len(pts_ms), scores=ones, quality=ones)


def test_shots_are_described_by_the_looks_and_faces_inside_them() -> None:
    first = result(0, (0, 200, 400, 600), followed((0, 200, 400)))
    shots = [Shot(start_ms=0, end_ms=500), Shot(start_ms=500, end_ms=1000), Shot(start_ms=1000, end_ms=1500)]
    close, empty, unseen = describe_shots(shots, [first], first.tracks)
    assert (close.shot_type, close.kind) == ("close_up", "people")
    assert close.fan_probability is not None
    assert close.fan_probability > 0.8
    assert (empty.shot_type, unseen.shot_type) == ("none", "none")
    assert (unseen.kind, unseen.fan_probability, unseen.quality) == (UNKNOWN, None, NEUTRAL)


def test_a_profiles_own_model_names_what_is_shown() -> None:
    first = result(0, (0, 200, 400), followed((0, 200, 400)))
    own = replace(kind_model(), kinds=("bench", "crowd", "play", "graphic"))
    (close,) = describe_shots([Shot(start_ms=0, end_ms=500)], [first], first.tracks, own)
    assert close.kind == "bench"


def test_a_look_that_two_segments_took_counts_once() -> None:
    one, two = result(0, (0, 200, 400), None), result(400, (400, 600), None)
    times, columns, seen = looks_and_faces([two, one], [])
    assert times.tolist() == [0, 200, 400, 600]
    assert {len(values) for values in columns.values()} == {4}
    assert len(seen) == 4


def test_results_of_a_worker_without_the_newer_columns_give_no_kind_but_quality() -> None:
    old = result(0, (0, 200), None, columns=False)
    (shot,) = describe_shots([Shot(start_ms=0, end_ms=400)], [old], [])
    assert (shot.kind, shot.fan_probability) == (UNKNOWN, None)
    assert shot.quality != NEUTRAL


@given(unit, unit)
def test_only_a_small_face_in_a_shot_that_surely_shows_no_fans_is_passed_over(fans: float, share: float) -> None:
    assert worth_searching(None, share)
    passed_over = fans <= 1 - NO_FANS_FROM and share < RECOGNISABLE_SHARE
    assert worth_searching(fans, share) == (not passed_over)
