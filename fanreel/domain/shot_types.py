"""The editorial size of a shot: how close it is to the people in it, and how many they are.

Sizes follow the usual scale of film grammar (Bordwell and Thompson, "Film Art", ch. 5; Mascelli, "The Five C's of
Cinematography"), which names them by how much of a body fits into the picture. A face box, brow to chin, is about
an eighth of a standing person's height after drawing canons (7½ heads, the box a little less than a head), so the
height of the picture in faces says how much of a body it can hold.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ShotType = Literal["none", "wide", "medium_wide", "medium", "close_up", "extreme_close_up", "two_shot", "group"]

EXTREME_CLOSE_UP_SHARE = 0.6
"""Face height over picture height from which the picture cuts off chin or brow: less than 1.7 faces fit."""
CLOSE_UP_SHARE = 0.28
"""Head and shoulders: the picture holds up to 3.5 faces."""
MEDIUM_SHARE = 0.14
"""Waist up: about 4 heads of body and some air, up to 7 faces."""
MEDIUM_WIDE_SHARE = 0.08
"""Knees up to the whole body: up to 12 faces. Smaller is wide: people in their surroundings."""

NEAR_EQUAL = 0.5
"""Faces at least half as high as the largest stand in its row: they are its partners, not its background."""
GROUP_FROM = 3
MIN_SEEN_SHARE = 0.25
"""Faces in fewer looks than this are passers-by: the shot's size is not judged by them."""


def shot_type(heights: Sequence[NDArray[np.floating]]) -> ShotType:
    """Return the editorial type of a shot; `heights` are the face heights of each look, as shares of the picture.

    The largest face of a look gives its size, the median over the looks with a face the shot's. Two or three and
    more faces of one row, medium or nearer (but no extreme close-up), are a `two_shot` or a `group`.
    """
    seen = [look for look in heights if len(look)]
    if not seen or len(seen) < MIN_SEEN_SHARE * len(heights):
        return "none"
    size = _size(float(np.median([look.max() for look in seen])))
    together = float(np.median([np.count_nonzero(look >= NEAR_EQUAL * look.max()) for look in seen]))
    if size in ("medium_wide", "medium", "close_up") and together >= 2:
        return "group" if together >= GROUP_FROM else "two_shot"
    return size


def _size(share: float) -> ShotType:
    if share >= EXTREME_CLOSE_UP_SHARE:
        return "extreme_close_up"
    if share >= CLOSE_UP_SHARE:
        return "close_up"
    if share >= MEDIUM_SHARE:
        return "medium"
    return "medium_wide" if share >= MEDIUM_WIDE_SHARE else "wide"
