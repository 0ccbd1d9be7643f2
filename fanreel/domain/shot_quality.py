"""How good a shot looks, 0..1: sharp, well lit, calm, and with a face of a good size in a good place.

The picture's own quality is ∛(sharpness · exposure · stability): a geometric mean, in which one fault is not made
up for by the other two. Where faces are, it is multiplied by 1 − FACE_WEIGHT · (1 − size · place): a good picture
with a badly placed face loses some of its worth, and no face can raise a bad picture.

The curves' knots were set by eye on the shared sports clips; they order shots and are no measure of taste.
"""

from dataclasses import dataclass

import numpy as np

from fanreel.domain.faces import F32

SHARP_LOG2 = (3.0, 8.0)
"""log2 of the small grey picture's Laplacian variance, from mush to crisp."""
LUMA, LUMA_SCORE = (16.0, 60.0, 190.0, 240.0), (0.1, 1.0, 1.0, 0.3)
CALM, WILD, WILD_SCORE = 6.0, 40.0, 0.3
"""Mean grey difference between looks: up to 6 a held camera, from 40 a whip pan or a strobe."""
FACE_SHARE, FACE_SHARE_SCORE = (0.02, 0.12, 0.5, 0.9), (0.2, 1.0, 1.0, 0.6)
"""Face height over picture height: from a dot in the crowd to a face that leaves no air."""
FACE_WEIGHT = 0.4
"""How much of its quality a shot loses when its faces are as small and as far out as can be."""
NEUTRAL = 0.5
"""The quality of a shot that was never looked at."""


@dataclass(frozen=True, slots=True)
class FacePlace:
    """The largest face of each look: height as a share of the picture's, centre in 0..1 of width and height."""

    height: F32
    x: F32
    y: F32


def picture_quality(sharpness: F32, luma: F32, motion: F32) -> float:
    """Return 0..1 for the looks of a shot; NEUTRAL when it has none.

    The first look's motion is measured across the cut and says nothing about the shot.
    """
    if len(sharpness) == 0:
        return NEUTRAL
    sharp = np.interp(np.log2(max(float(np.median(sharpness)), 1.0)), SHARP_LOG2, (0.0, 1.0))
    light = np.interp(float(np.median(luma)), LUMA, LUMA_SCORE)
    moved = motion[1:]
    calm = 1.0 if len(moved) == 0 else np.interp(float(np.median(moved)), (CALM, WILD), (1.0, WILD_SCORE))
    return float(np.cbrt(sharp * light * calm))


def face_score(place: FacePlace) -> float:
    """Return 0..1: size times place, both medians over the looks; 1 without a face (nothing is badly placed).

    The best place is the upper middle (x 0.5, y 0.4: eyes on the upper third); a face at a corner scores a half.
    """
    if len(place.height) == 0:
        return 1.0
    size = np.interp(float(np.median(place.height)), FACE_SHARE, FACE_SHARE_SCORE)
    away = np.hypot((np.median(place.x) - 0.5) / 0.5, (np.median(place.y) - 0.4) / 0.6) / np.sqrt(2)
    return float(size * (1 - 0.5 * min(float(away), 1.0)))


def shot_quality(sharpness: F32, luma: F32, motion: F32, place: FacePlace) -> float:
    """Return 0..1, rounded to three places."""
    return round(picture_quality(sharpness, luma, motion) * (1 - FACE_WEIGHT * (1 - face_score(place))), 3)
