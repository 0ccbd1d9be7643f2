"""What is wrong with a face, by code: nothing of a clear one, everything of a covered, dark or turned one."""

import numpy as np
import pytest

from fanreel.domain.selfie_checks import (
    ADVISED_EYES,
    ADVISED_LUMA,
    ADVISED_MOUTH,
    ADVISED_YAW,
    FACE_CODES,
    MAX_LUMA,
    MAX_YAW,
    MIN_EYES,
    MIN_LUMA,
    MIN_MOUTH,
    FaceState,
    advice_codes,
    face_state,
    reject_reason,
)
from fanreel.inference.chips import ALIGNED_SIDE_PX, ALIGNED_TEMPLATE
from fanreel.inference.selfies import HINTS

pytestmark = pytest.mark.unit

CLEAR = {"yaw": 0.2, "luma": 120.0, "eyes": 1.4, "mouth": 1.2}
BEYOND = {
    "selfie_too_dark": ("luma", MIN_LUMA, ADVISED_LUMA[0], -1),
    "selfie_too_bright": ("luma", MAX_LUMA, ADVISED_LUMA[1], 1),
    "selfie_face_turned": ("yaw", MAX_YAW, ADVISED_YAW, 1),
    "selfie_eyes_covered": ("eyes", MIN_EYES, ADVISED_EYES, -1),
    "selfie_mouth_covered": ("mouth", MIN_MOUTH, ADVISED_MOUTH, -1),
}


def state(**changes: float) -> FaceState:
    return FaceState(**{**CLEAR, **changes})


def test_nothing_is_wrong_with_a_clear_face() -> None:
    assert reject_reason(state()) is None
    assert advice_codes(state()) == ()


@pytest.mark.parametrize("code", FACE_CODES)
def test_each_limit_refuses_and_the_one_before_it_advises(code: str) -> None:
    name, limit, advised, away = BEYOND[code]
    assert reject_reason(state(**{name: limit + 0.01 * away})) == code
    between = state(**{name: (limit + advised) / 2})
    assert reject_reason(between) is None
    assert advice_codes(between) == (code,)
    assert advice_codes(state(**{name: advised - 0.01 * away})) == ()


def test_every_code_has_a_hint() -> None:
    assert set(BEYOND) == set(FACE_CODES) <= set(HINTS)


def test_the_gravest_reason_is_told() -> None:
    assert reject_reason(state(luma=5, eyes=0, mouth=0, yaw=2)) == "selfie_too_dark"


def textured() -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(60, 180, (ALIGNED_SIDE_PX, ALIGNED_SIDE_PX, 3)).astype(np.uint8)


def measured(picture: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]) -> FaceState:
    return face_state(picture, ALIGNED_TEMPLATE, 0.0)


def test_a_flat_patch_is_found_where_it_lies() -> None:
    eye, mouth = textured(), textured()
    x, y = ALIGNED_TEMPLATE[0].astype(int)
    eye[y - 15 : y + 15, x - 15 : x + 15] = 120
    x, y = ALIGNED_TEMPLATE[3:].mean(axis=0).astype(int)
    mouth[y - 20 : y + 20, x - 35 : x + 35] = 120
    assert reject_reason(measured(eye)) == "selfie_eyes_covered"
    assert reject_reason(measured(mouth)) == "selfie_mouth_covered"
    assert reject_reason(measured(textured())) is None


@pytest.mark.parametrize(("value", "code"), [(0, "selfie_too_dark"), (255, "selfie_too_bright")])
def test_pictures_of_one_value_are_refused_and_divide_by_nothing(value: int, code: str) -> None:
    flat = np.full((ALIGNED_SIDE_PX, ALIGNED_SIDE_PX, 3), value, np.uint8)
    assert reject_reason(measured(flat)) == code
    assert measured(flat).eyes == 0
