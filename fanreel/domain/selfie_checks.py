"""What is wrong with a selfie's face: pose, light and what covers it, measured on the aligned picture.

Thresholds were chosen on Labelled Faces in the Wild (3,313 faces as they are; 300 of them darkened, brightened and
covered by rectangles and drawn glasses) by what they cost recognition: the share of a person's pairs that is still
accepted at one false match in ten thousand, .84 for undisturbed faces. What is beyond the first limit is refused;
beyond the second it is told, and the picture is used.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

MAX_YAW, ADVISED_YAW = 1.2, 0.9
"""`yaw_asymmetry` from which the far eye is hidden. Up to 1.2 nothing is lost (.90 of the pairs with frontal
pictures are accepted); beyond lie profiles, of which the collection has too few to trust."""
MIN_LUMA, MAX_LUMA = 25.0, 225.0
"""Mean of the face, 0..255. Darkened to 23, .59 of the pairs are accepted, to 15, .33; burnt out to 219, .59, to
232, .40. The collection itself lies in 44–197."""
ADVISED_LUMA = (40.0, 205.0)
"""At 45, .77 of the pairs are accepted, at 194 likewise."""
MIN_EYES, MIN_MOUTH = 0.2, 0.2
"""Structure of the flatter eye, and of the mouth, against that of the whole face. Covered eyes and dark glasses
measure below .12 in nine of ten cases (.08–.35 of the pairs accepted), covered mouths below .16 in 99 of 100
(.35–.40). Of the collection three faces lie below for their eyes, two in dark glasses and one behind a ball, and
none for its mouth; the nearest is behind a sheet of paper. Beards and dark skin do not lower it."""
ADVISED_EYES, ADVISED_MOUTH = 0.45, 0.55
"""Below lie mostly dark glasses and hands, but some turned and burnt-out faces as well."""

_LUMA_RGB = np.array([0.299, 0.587, 0.114], np.float32)
_MARGIN = 0.15
_EYE_REACH = (11 / 150, 8 / 150)
_MOUTH_REACH, _MOUTH_DROP = (24 / 150, 12 / 150), 2 / 150
_FLAT = 0.5
"""Added to the face's mean slope, so that a black picture has none."""


@dataclass(frozen=True, slots=True)
class FaceState:
    """Measures of one face.

    yaw    `yaw_asymmetry`, 0 (frontal) .. 2          luma   mean of the inner face, 0..255
    eyes   structure of the flatter eye against the whole face's, about 1.4 when open to see; 0 covered
    mouth  the same of the mouth, about 1.25
    """

    yaw: float
    luma: float
    eyes: float
    mouth: float


def face_state(aligned_rgb: NDArray[np.uint8], landmarks: NDArray[Any], yaw: float) -> FaceState:
    """Measure an aligned face (side, side, 3); landmarks (5, 2): where alignment puts eyes, nose, mouth, px."""
    side = len(aligned_rgb)
    grey = aligned_rgb.astype(np.float32) @ _LUMA_RGB
    slope = np.abs(np.diff(grey, axis=1))[:-1] + np.abs(np.diff(grey, axis=0))[:, :-1]
    margin = int(side * _MARGIN)
    usual = float(slope[margin:-margin, margin:-margin].mean()) + _FLAT
    mouth = (landmarks[3] + landmarks[4]) / 2 + np.array([0, _MOUTH_DROP * side])
    return FaceState(
        yaw=yaw,
        luma=float(grey[margin:-margin, margin:-margin].mean()),
        eyes=min(_mean_around(slope, eye, _EYE_REACH) for eye in landmarks[:2]) / usual,
        mouth=_mean_around(slope, mouth, _MOUTH_REACH) / usual,
    )


FACE_CODES = (
    "selfie_too_dark",
    "selfie_too_bright",
    "selfie_face_turned",
    "selfie_eyes_covered",
    "selfie_mouth_covered",
)
"""What can be wrong with a face, the gravest first: as a reason, or, when less of it is wrong, as advice."""


def reject_reason(state: FaceState) -> str | None:
    """Return the code of what makes the face unusable, the gravest first; None when nothing does."""
    found = _found(state, (MIN_LUMA, MAX_LUMA), MAX_YAW, MIN_EYES, MIN_MOUTH)
    return found[0] if found else None


def advice_codes(state: FaceState) -> tuple[str, ...]:
    """Return the codes of what could be better on a face that is used."""
    return _found(state, ADVISED_LUMA, ADVISED_YAW, ADVISED_EYES, ADVISED_MOUTH)


def _found(state: FaceState, luma: tuple[float, float], yaw: float, eyes: float, mouth: float) -> tuple[str, ...]:
    holds = (
        state.luma < luma[0],
        state.luma > luma[1],
        state.yaw > yaw,
        state.eyes < eyes,
        state.mouth < mouth,
    )
    return tuple(code for code, is_so in zip(FACE_CODES, holds, strict=True) if is_so)


def _mean_around(values: F32, middle: NDArray[Any], reach: tuple[float, float]) -> float:
    side = len(values) + 1
    (x, y), (wide, high) = middle, (reach[0] * side, reach[1] * side)
    return float(values[int(y - high) : int(y + high), int(x - wide) : int(x + wide)].mean())
