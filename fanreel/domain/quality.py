"""How far a face can be trusted to say whose it is: one number 0..1 from what is cheap to measure.

The number predicts recognition, not beauty. Its two main curves are the share of true pairs still accepted
when clean faces are degraded (reference/models.md, "Degraded probe against clean gallery"): blurred and
small faces do not merely fail, they drift towards *each other*, so they must weigh little and below
`QUALITY_FLOOR` are not used at all.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import F32

QUALITY_FLOOR = 0.25
"""Below it a face is neither embedded nor read for expression: as clean as 20–25 px or a blur of σ 3 at 100 px,
where degraded strangers were accepted as one another in 2–7 % of pairs."""

_SIZE_PX = (16.0, 20.0, 30.0, 40.0, 60.0, 80.0)
_SIZE_SCORE = (0.0, 0.10, 0.60, 0.85, 0.97, 1.0)
"""Share of true pairs accepted by face height (models.md: .10 at 20 px, .67 at 30, .90 at 40, .98 at 60–80)."""

_SHARPNESS_LOG2 = (0.3, 0.6, 1.3, 2.2, 3.1, 4.0)
_SHARPNESS_SCORE = (0.0, 0.10, 0.50, 0.75, 0.95, 1.0)
"""By log2 of `ChipMeasures.sharpness`. Medians over 60 LFW faces 100 px high: 5.0 as they are, 3.1 at blur σ 1,
1.3 at σ 2, 0.5 at σ 3, 1.2 at 9 px of motion, 0.6 at 15 px; the scores are the shares of true pairs accepted there
(models.md: .95, .61, .11, .42, .03)."""

_YAW_ASYMMETRY = (0.30, 0.50, 0.70, 1.00, 1.60)
_YAW_SCORE = (1.0, 0.90, 0.65, 0.40, 0.15)
"""By `yaw_asymmetry`: 0.3 is about 15°, 0.5 about 30°, 0.8 about 40°, beyond 1 the nose stands past the far eye.
A turned face is farther from a frontal selfie, but not nearer to strangers: of 732 faces in media/broadcast the
nearest stranger of the turned ones lies at .62, of the frontal ones at .61; half the turned true pairs lie below
.64. So turning lowers the weight, and alone does not take a large, sharp face below the floor."""

_ROLL_DEG = (25.0, 45.0, 80.0)
_ROLL_SCORE = (1.0, 0.8, 0.3)
"""Alignment turns a face upright; only a strong roll costs, because detectors place points worse on it."""

_LUMA = (15.0, 45.0, 200.0, 240.0)
_LUMA_SCORE = (0.2, 1.0, 1.0, 0.2)
"""By mean luma of the chip, 0..255: crushed or burnt out skin has no texture left."""

_DETECTOR = (0.45, 0.60, 0.80)
_DETECTOR_SCORE = (0.40, 0.80, 1.0)
"""By detector confidence: weak boxes are often turned, hidden or no face."""

_LUMA_RGB = np.array([0.299, 0.587, 0.114], np.float32)
_SQRT_2 = np.float32(np.sqrt(2.0))
_CHIP_MARGIN = 0.15
"""Share of a chip on each side that is background and is left out of the measures."""


@dataclass(frozen=True, slots=True)
class ChipMeasures:
    """What the aligned pictures themselves say.

    sharpness  (n,) variance of the second derivative along the direction that has least of it, times four: for a
               plain blur the Laplacian variance; motion blur, which leaves one direction crisp, shows as well.
               Sharp 100 px faces measure about 30, a blur of σ 1 px about 8, σ 2 about 2.5, σ 3 about 1.4.
    luma       (n,) mean 0..255.
    """

    sharpness: F32
    luma: F32


def measure_chips(chips: NDArray[np.uint8]) -> ChipMeasures:
    """Measure aligned faces, uint8 (n, 150, 150, 3) RGB (`FaceChips.aligned_rgb`), on their inner part."""
    count, height, width = chips.shape[:3]
    if count == 0:
        return ChipMeasures(np.zeros(0, np.float32), np.zeros(0, np.float32))
    top, left = int(height * _CHIP_MARGIN), int(width * _CHIP_MARGIN)
    grey = chips[:, top : height - top, left : width - left].astype(np.float32) @ _LUMA_RGB
    twice = 2 * grey[:, 1:-1, 1:-1]
    curvatures = (
        grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:] - twice,
        grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] - twice,
        (grey[:, 2:, 2:] + grey[:, :-2, :-2] - twice) / _SQRT_2,
        (grey[:, 2:, :-2] + grey[:, :-2, 2:] - twice) / _SQRT_2,
    )
    sharpness = 4 * np.min([curvature.var(axis=(1, 2)) for curvature in curvatures], axis=0)
    return ChipMeasures(sharpness.astype(np.float32), grey.mean(axis=(1, 2)))


def yaw_asymmetry(points: F32) -> F32:
    """Return 0 for a face seen from the front, 1 where the nose covers the far eye, up to 2; (n,) from (n, 5, 2).

    Along the line of the eyes: where the nose tip lies between the left and the right eye and mouth corner.
    """
    eyes = points[:, 1] - points[:, 0]
    length = np.maximum(np.hypot(eyes[:, 0], eyes[:, 1]), 1e-3)
    along = eyes / length[:, None]
    left = np.einsum("nd,nd->n", points[:, 2] - (points[:, 0] + points[:, 3]) / 2, along)
    right = np.einsum("nd,nd->n", (points[:, 1] + points[:, 4]) / 2 - points[:, 2], along)
    span = np.maximum(left + right, 1e-3)
    return np.clip(np.abs(right - left) / span, 0.0, 2.0).astype(np.float32)


def roll_degrees(points: F32) -> F32:
    """Return the turn of the eye line against the horizontal, degrees −180..180, (n,)."""
    eyes = points[:, 1] - points[:, 0]
    return np.degrees(np.arctan2(eyes[:, 1], eyes[:, 0])).astype(np.float32)


def face_quality(heights_px: F32, points: F32, scores: F32, chips: ChipMeasures) -> F32:
    """Return the quality 0..1 of each face, (n,).

    Size and sharpness describe the same loss of detail (a small face enlarged to a chip is soft), so the worse of
    the two counts, not their product; pose, exposure and detector confidence are independent and multiply.
    """
    detail = np.minimum(_curve(heights_px, _SIZE_PX, _SIZE_SCORE), sharpness_score(chips))
    pose = _curve(yaw_asymmetry(points), _YAW_ASYMMETRY, _YAW_SCORE) * _curve(
        np.abs(roll_degrees(points)), _ROLL_DEG, _ROLL_SCORE
    )
    exposure = _curve(chips.luma, _LUMA, _LUMA_SCORE)
    return (detail * pose * exposure * _curve(scores, _DETECTOR, _DETECTOR_SCORE)).astype(np.float32)


def quality_bound(heights_px: F32, points: F32, scores: F32) -> F32:
    """Return the most `face_quality` can be before a chip is cut, (n,): what spares hopeless faces the work."""
    pose = _curve(yaw_asymmetry(points), _YAW_ASYMMETRY, _YAW_SCORE) * _curve(
        np.abs(roll_degrees(points)), _ROLL_DEG, _ROLL_SCORE
    )
    detector = _curve(scores, _DETECTOR, _DETECTOR_SCORE)
    return (_curve(heights_px, _SIZE_PX, _SIZE_SCORE) * pose * detector).astype(np.float32)


def sharpness_score(chips: ChipMeasures) -> F32:
    """Return 0..1, (n,): how much of a sharp 100 px face's detail is there. Part of `face_quality`."""
    return _curve(np.log2(np.maximum(chips.sharpness, 1.0)), _SHARPNESS_LOG2, _SHARPNESS_SCORE)


def _curve(values: NDArray[Any], knots: tuple[float, ...], scores: tuple[float, ...]) -> F32:
    return np.interp(values, knots, scores).astype(np.float32)
