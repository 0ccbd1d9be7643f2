"""The colour of what is worn under a face: a small patch of the chest, without the skin in it.

Whoever stands in front covers the chest but seldom both shoulders with it, so the shoulders must have its colour.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fanreel.domain.clothing import Lab
from fanreel.domain.faces import F32, Bgr

FROM_CHIN, TO_CHIN, HALF_WIDTH = 0.55, 1.6, 0.6
"""The patch, in face heights under the chin and face widths beside the middle: below the neck and an open collar,
inside the shoulders, above the arms of most who hold something up."""
SHOULDERS_FROM, SHOULDERS_TO, SHOULDER_INNER, SHOULDER_OUTER = 0.45, 1.0, 0.55, 1.0
"""The two patches left and right above it, in the same units."""
MIN_SEEN_FACES = 0.4
"""How much of its height must be in the picture, in face heights: a collar alone is no shirt."""
PATCH_SIDE_PX = 12
"""Averaging over blocks takes noise and fine print away; 144 points are enough for shares of a tenth."""
BLOCK_PX = 4
MAX_PATTERN = 9.0
"""Mean deviation of the lightness inside those blocks: more is a pattern, of which the mean is nobody's colour."""

SAME_COLOUR = 16.0
"""CIE76 distance within which points are of one cloth: its folds in light and shade."""
WEIGHT = np.array([0.5, 1.0, 1.0], np.float32)
"""Folds and shadows change the lightness more than the hue."""
MIN_SHARE = 0.55
"""Share of the patch that one colour must fill; less is a print, a scarf, or somebody in front."""
MIN_SHOULDER_SHARE = 0.4
"""Share of each shoulder; the rest is background, hair or a strap."""
LAB_ZERO, LAB_UNIT = np.array([0, 128, 128], np.float32), np.array([100 / 255, 1, 1], np.float32)
"""How OpenCV keeps L*a*b* in bytes."""
BAR_BELOW = 1.0
"""L* of the black bars around a picture; cloth on television is never as dark."""
SKIN_LIKE = 14.0
"""Distance from the face's own colour within which points are skin: necks, arms, hands."""
HEAD_OVER_FACE = 1.5
MAX_COVERED = 0.15
"""A head is this much larger than its face's box; share of the patch that others' heads may cover."""


def clothing_colours(picture: Bgr, boxes: F32, rows: NDArray[Any]) -> tuple[Lab | None, ...]:
    """Return the colour worn under each of the faces `rows` of `boxes` (n, 4); none where it is not in view."""
    return tuple(_worn(picture, boxes, int(row)) for row in rows.tolist())


def _worn(picture: Bgr, boxes: F32, row: int) -> Lab | None:
    face_height = float(boxes[row, 3] - boxes[row, 1])
    patch = _chest(boxes[row], picture.shape[1], picture.shape[0])
    if patch[3] - patch[1] < MIN_SEEN_FACES * face_height or patch[2] - patch[0] < 2:
        return None
    if _covered(patch, np.delete(boxes, row, axis=0)) > MAX_COVERED:
        return None
    skin, points = _points(picture, _middle(boxes[row])), _points(picture, patch)
    if skin is None or points is None or _pattern(picture, patch) > MAX_PATTERN:
        return None
    main = _main_colour(points * WEIGHT, np.median(skin * WEIGHT, axis=0))
    if main is None or not _is_on_shoulders(picture, boxes[row], main):
        return None
    lightness, a, b = (main / WEIGHT).tolist()
    if lightness < BAR_BELOW:
        return None
    return round(lightness, 1), round(a, 1), round(b, 1)


def _main_colour(points: F32, skin: F32) -> F32 | None:
    """Return the median (3,) of the densest colour of points (n, 3) that is not the skin's; none if small.

    All are weighted. Skin in shade keeps its hue: the neck under a chin is darker than the face.
    """
    cloth = points[np.linalg.norm(points - skin, axis=1) > SKIN_LIKE]
    if len(cloth) < MIN_SHARE * len(points):
        return None
    squares = np.square(cloth).sum(axis=1)
    near = squares[:, None] + squares[None] - 2 * cloth @ cloth.T <= SAME_COLOUR**2
    best = near[int(near.sum(axis=1).argmax())]
    if int(best.sum()) < MIN_SHARE * len(points):
        return None
    return np.median(cloth[best], axis=0)


def _is_on_shoulders(picture: Bgr, box: F32, main: F32) -> bool:
    """Tell whether both shoulders are in the picture and have the colour."""
    for left, right in ((-SHOULDER_OUTER, -SHOULDER_INNER), (SHOULDER_INNER, SHOULDER_OUTER)):
        corners = _under(box, (left, SHOULDERS_FROM, right, SHOULDERS_TO), picture.shape[1], picture.shape[0])
        points = _points(picture, corners)
        if points is None:
            return False
        if float(np.mean(np.linalg.norm(points * WEIGHT - main, axis=1) <= SAME_COLOUR)) < MIN_SHOULDER_SHARE:
            return False
    return True


def _pattern(picture: Bgr, box: NDArray[np.int64]) -> float:
    """Return the mean deviation of the lightness (L*, about) inside the blocks that the patch is averaged over."""
    x0, y0, x1, y1 = box.tolist()
    side = PATCH_SIDE_PX * BLOCK_PX
    fine = cv2.resize(picture[y0:y1, x0:x1], (side, side), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(np.asarray(fine, np.uint8), cv2.COLOR_BGR2GRAY).astype(np.float32) / 2.55
    blocks = grey.reshape(PATCH_SIDE_PX, BLOCK_PX, PATCH_SIDE_PX, BLOCK_PX)
    return float(np.abs(blocks - blocks.mean(axis=(1, 3), keepdims=True)).mean())


def _chest(box: F32, width: int, height: int) -> NDArray[np.int64]:
    return _under(box, (-HALF_WIDTH, FROM_CHIN, HALF_WIDTH, TO_CHIN), width, height)


def _under(box: F32, patch: tuple[float, float, float, float], width: int, height: int) -> NDArray[np.int64]:
    """Return a patch in whole pixels, cut at the picture's edges (it may then be empty).

    `patch` is x0, y0, x1, y1: face widths from the middle, face heights from the chin.
    """
    unit = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    origin = np.array([(box[0] + box[2]) / 2, box[3]] * 2)
    corners = origin + np.array(patch) * unit
    return np.clip(np.rint(corners), 0, [width, height, width, height]).astype(np.int64)


def _middle(box: F32) -> NDArray[np.int64]:
    """Return the middle of a face: cheeks and nose, no hair and no background."""
    inset = (box[2:] - box[:2]) * 0.25
    return np.rint([*(box[:2] + inset), *(box[2:] - inset)]).astype(np.int64)


def _points(picture: Bgr, box: NDArray[np.int64]) -> F32 | None:
    """Return Lab colours (k, 3) of the box, averaged over blocks; none when it is not in the picture."""
    x0, y0, x1, y1 = np.maximum(box, 0).tolist()
    cut = picture[y0:y1, x0:x1]
    if not cut.size:
        return None
    small = cv2.resize(cut, (PATCH_SIDE_PX, PATCH_SIDE_PX), interpolation=cv2.INTER_AREA)
    # In whole bytes, half a unit coarse: by tables, where the exact conversion takes roots.
    lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2LAB), np.float32).reshape(-1, 3)
    return (lab - LAB_ZERO) * LAB_UNIT


def _covered(patch: NDArray[np.int64], others: F32) -> float:
    """Return the largest share of the patch that the head of one of the others covers."""
    if not len(others):
        return 0.0
    middle, half = (others[:, :2] + others[:, 2:]) / 2, (others[:, 2:] - others[:, :2]) / 2 * HEAD_OVER_FACE
    low, high = np.maximum(middle - half, patch[:2]), np.minimum(middle + half, patch[2:])
    overlap = np.prod(np.maximum(high - low, 0), axis=1)
    return float(overlap.max() / max(1, int(np.prod(patch[2:] - patch[:2]))))
