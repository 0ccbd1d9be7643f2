"""What an upright (9:16) picture shows of a wide one: a crop that keeps the fan's face inside, led like a camera.

The crop is as tall as the picture. Its path is the optimal camera path of Grundmann, Kwatra, Essa, "Auto-directed
video stabilization with robust L1 optimal camera paths" (CVPR 2011): a linear programme that minimises the L1
norms of speed, acceleration and jerk. So the path is made of stills, even pans and soft passages between them, and
does not answer to the jitter of face boxes at all. That the face lies inside is a constraint, not a wish.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import diags_array, eye_array, hstack, vstack

from .timeline import PlacedClip, Timeline

UPRIGHT = Fraction(9, 16)
MARGIN = 0.35
"""Kept free beside the face, as part of its width, where there is room: hair, ears, and what the box is off by."""
LEAST_MARGIN = 0.1
"""The same where there is hardly any: below it the crop grows wider than upright."""
SPEED_WEIGHT, ACCELERATION_WEIGHT, JERK_WEIGHT = 10.0, 1.0, 100.0
"""Grundmann et al., section 4: still before steady, steady before soft."""
CENTRE_WEIGHT = 0.05
"""Small: the face is put in the middle by choosing where to stand; moving there pays only after some seconds."""
MAX_SPEED = 0.5
"""Crop widths a second; a quicker pan of an upright picture cannot be watched. Only a face that would be cut off
makes it faster."""
MAX_ACCELERATION = 1.5
"""Crop widths a second, per second."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class UprightCrop:
    """A crop of full height: `width` and, per output frame of the clip, where it begins (pixels as displayed).

    It is 9:16 unless the picture is narrower or the face wider; then it has to be fitted, with borders. `faces`
    frames have a face, and `faces_inside` of them show all of it (its box; half a pixel may be rounded away).
    """

    width: float
    lefts: Floats
    faces: int = 0
    faces_inside: int = 0


def upright_crop(timeline: Timeline, placed: PlacedClip, width: int, height: int) -> UprightCrop:
    """Return what an upright film shows of a clip whose source is width × height as displayed.

    Between two points of the clip's focus the face moves evenly; before the first and after the last it stands.
    A clip without focus shows the middle.
    """
    narrow = min(float(height * UPRIGHT), float(width))
    if not placed.clip.focus:
        return UprightCrop(narrow, np.full(placed.frames, (width - narrow) / 2))
    face_left, face_right = _faces(timeline, placed, width)
    widest = float((face_right - face_left).max())
    crop_width = min(max(narrow, widest * (1 + 2 * LEAST_MARGIN)), float(width))
    lowest, highest = allowed_lefts(face_left, face_right, crop_width, width)
    centred = np.clip((face_left + face_right - crop_width) / 2, lowest, highest)
    rate = float(timeline.rate)
    scaled = smooth_path(lowest / crop_width, highest / crop_width, centred / crop_width, rate)
    lefts = np.clip(scaled * crop_width, lowest, highest)
    inside = (lefts <= face_left + 0.5) & (lefts + crop_width >= face_right - 0.5)
    return UprightCrop(crop_width, lefts, len(lefts), int(inside.sum()))


def allowed_lefts(
    face_left: Floats, face_right: Floats, crop_width: float, picture_width: float
) -> tuple[Floats, Floats]:
    """Return where a crop may begin, per frame: it inside the picture, the face and its margin inside it.

    The margin gives way where the crop is too narrow for it; the face itself must fit.
    """
    face_width = face_right - face_left
    margin = np.clip((crop_width - face_width) / 2, 0, MARGIN * face_width)
    last = picture_width - crop_width
    lowest = np.clip(face_right + margin - crop_width, 0, last)
    highest = np.clip(face_left - margin, 0, last)
    return lowest, np.maximum(lowest, highest)


def smooth_path(lowest: Floats, highest: Floats, wanted: Floats, rate: float) -> Floats:
    """Return the camera path within [lowest, highest] that moves least, per frame, in units of the crop's width.

    Speed and acceleration stay below their limits, unless no path within the bounds does.
    """
    if len(wanted) < 4:
        return np.full(len(wanted), np.median(wanted)).clip(lowest, highest)
    limited = _solve(lowest, highest, wanted, (MAX_SPEED / rate, MAX_ACCELERATION / rate**2))
    path = limited if limited is not None else _solve(lowest, highest, wanted, (np.inf, np.inf))
    return (path if path is not None else wanted).clip(lowest, highest)


def _solve(lowest: Floats, highest: Floats, wanted: Floats, limits: tuple[float, float]) -> Floats | None:
    """Solve the linear programme: minimise Σ weight · |D x − target|; each |·| has a variable for its bound."""
    count = len(wanted)
    operators = [_difference(count, order) for order in range(4)]
    weights = (CENTRE_WEIGHT, SPEED_WEIGHT, ACCELERATION_WEIGHT, JERK_WEIGHT)
    sizes = [count - order for order in range(4)]
    stacked: Any = vstack(operators)
    slack: Any = eye_array(sum(sizes))
    target = np.concatenate([wanted, np.zeros(sum(sizes) - count)])
    cost = np.concatenate([np.zeros(count), np.repeat(weights, sizes)])
    most = np.repeat([np.inf, *limits, np.inf], sizes)
    result = linprog(
        cost,
        A_ub=vstack([hstack([stacked, -slack]), hstack([-stacked, -slack])]).tocsr(),
        b_ub=np.concatenate([target, -target]),
        bounds=np.column_stack([np.concatenate([lowest, np.zeros(sum(sizes))]), np.concatenate([highest, most])]),
        method="highs",
    )
    return np.asarray(result.x[:count]) if result.status == 0 else None


def _difference(count: int, order: int) -> Any:
    """Return the sparse matrix of the order-th forward difference of `count` values."""
    operator: Any = eye_array(count, format="csr")
    for size in range(count, count - order, -1):
        ends = [-np.ones(size - 1), np.ones(size - 1)]
        step: Any = diags_array(ends, offsets=(0, 1), shape=(size - 1, size))  # pyright: ignore[reportArgumentType]
        operator = (step @ operator).tocsr()
    return operator


def _faces(timeline: Timeline, placed: PlacedClip, width: int) -> tuple[Floats, Floats]:
    """Return the left and right edge of the face, inside the picture, for every output frame of the clip."""
    shown = np.concatenate(
        [piece.source_frame + np.arange(piece.frames) / piece.factor for piece in placed.pieces]
    )
    at_ms = shown * float(1000 / timeline.rate)
    known_ms = [point.pts_ms for point in placed.clip.focus]
    left = np.interp(at_ms, known_ms, [point.box[0] for point in placed.clip.focus]).clip(0, width)
    right = np.interp(at_ms, known_ms, [point.box[2] for point in placed.clip.focus]).clip(0, width)
    return left, np.maximum(left, right)
