"""How excited a face is over time, 0..1, and how much more so when the crowd is up.

A single frame's expression label is noise (people agree on about 60 %, reference/anchors.md D4), so the score
looks at the course: arousal, positive valence and an open mouth, averaged over about a second, half by its own
height and half by how far it rises above what is usual for *this* person. How much the crowd is up, `crowd_sound`
says: a commentator who shouts excites nobody.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

AROUSAL_WEIGHT, VALENCE_WEIGHT, MOUTH_WEIGHT = 0.45, 0.20, 0.35
"""Arousal leads; an open mouth is the plainest sign of a cheer and independent of the expression network;
valence weighs least, because the baseline network over-calls "happy" (reference/models.md: 46 of 70)."""

MOUTH_WIDE = 0.6
"""Gap over width of the inner lips of a mouth wide open in a cheer; speech stays below about half of it."""

MOTION_SHARE = 0.15
MOTION_FULL = 0.12
"""How much a jerking head adds to what the face shows, and the jerk in face sizes that counts in full: in nine of
ten looks a woman who sits and talks stays below a third of it, celebrating players jerk by .2 to .4.
Both were set after seeing the acted and the celebrations clip of `fanreel eval expression`, which therefore do not
judge them."""
MOTION_SIGHTINGS = 3

SMOOTHING_MS = 600
"""Half width of the triangular window, three samples at 5 fps: longer than a blink, shorter than a cheer."""

USUAL_LEVEL = 0.20
USUAL_LEVEL_WORTH = 10
"""A person's baseline is the median of their samples, shrunk towards the usual level as if that were ten samples
(two seconds): one excited second alone cannot make itself its own baseline."""

FULL_RISE = 0.35
"""Rise above the baseline that counts as full excitement."""

CROWD_SHARE = 0.4
"""How much a roar adds to a face: to be seen while the stadium roars is a moment, but the face decides."""


def head_motion(pts_ms: NDArray[Any], boxes: NDArray[Any]) -> F64:
    """Return how far the head jerked at each sighting, (n,), in face sizes.

    That is its distance from where it would have been, had it moved evenly from the sighting before to the one
    after: even movement is the camera's (a pan, a zoom that follows) or a walk, and counts nothing. pts_ms (n,)
    ascending, boxes (n, 4); 0 at the ends, and where fewer than three sightings are.
    """
    pts, box = np.asarray(pts_ms, np.float64), np.asarray(boxes, np.float64)
    motion = np.zeros(len(pts))
    if len(pts) < MOTION_SIGHTINGS:
        return motion
    centre = (box[:, :2] + box[:, 2:]) / 2
    size = np.sqrt(np.prod(np.maximum(box[:, 2:] - box[:, :2], 1.0), axis=1))
    share = ((pts[1:-1] - pts[:-2]) / np.maximum(pts[2:] - pts[:-2], 1.0))[:, None]
    expected = centre[:-2] * (1 - share) + centre[2:] * share
    motion[1:-1] = np.linalg.norm(centre[1:-1] - expected, axis=1) / size[1:-1]
    return motion


def face_level(
    valence: NDArray[Any], arousal: NDArray[Any], mouth_open: NDArray[Any], motion: NDArray[Any] | float = 0.0
) -> F64:
    """Return the momentary level 0..1, (n,), from valence, arousal, mouth_open and `head_motion`.

    valence and arousal −1..1, mouth_open the lip gap over mouth width 0..~1.

    Displeasure and calm count as 0, not less: a fan in tears at the final whistle is no less of a moment.
    """
    level = (
        AROUSAL_WEIGHT * np.clip(np.asarray(arousal, np.float64), 0, 1)
        + VALENCE_WEIGHT * np.clip(np.asarray(valence, np.float64), 0, 1)
        + MOUTH_WEIGHT * np.clip(np.asarray(mouth_open, np.float64) / MOUTH_WIDE, 0, 1)
    )
    jerk = np.clip(np.asarray(motion, np.float64) / MOTION_FULL, 0, 1)
    return 1.0 - (1.0 - np.clip(level, 0, 1)) * (1.0 - MOTION_SHARE * jerk)


def smooth(pts_ms: NDArray[Any], values: NDArray[Any], half_width_ms: int = SMOOTHING_MS) -> F64:
    """Return the local average over time, (n,): two box averages in a row, so the weight falls off linearly."""
    pts = np.asarray(pts_ms, np.int64)
    result = np.asarray(values, np.float64)
    low = np.searchsorted(pts, pts - half_width_ms // 2, side="left")
    high = np.searchsorted(pts, pts + half_width_ms // 2, side="right")
    for _ in range(2):
        total = np.concatenate(([0.0], np.cumsum(result)))
        result = (total[high] - total[low]) / np.maximum(high - low, 1)
    return result


def baseline(levels: NDArray[Any]) -> float:
    """Return what is usual for a person from all their smoothed levels; `USUAL_LEVEL` when there is none."""
    count = len(levels)
    if count == 0:
        return USUAL_LEVEL
    own = float(np.median(np.asarray(levels, np.float64)))
    return (count * own + USUAL_LEVEL_WORTH * USUAL_LEVEL) / (count + USUAL_LEVEL_WORTH)


def face_excitement(levels: NDArray[Any], usual: float) -> F64:
    """Return the excitement 0..1 of smoothed levels against the person's baseline."""
    height = np.clip(np.asarray(levels, np.float64), 0, 1)
    return 0.5 * height + 0.5 * np.clip((height - usual) / FULL_RISE, 0, 1)


def with_crowd(face: NDArray[Any], crowd: NDArray[Any]) -> F64:
    """Return face excitement raised by the crowd at the same moments, 0..1."""
    return 1.0 - (1.0 - np.asarray(face, np.float64)) * (1.0 - CROWD_SHARE * np.asarray(crowd, np.float64))


def at_seconds(pts_ms: NDArray[Any], per_second: NDArray[Any]) -> F64:
    """Return the per-second values at the given times; 0 beyond their end."""
    if len(per_second) == 0:
        return np.zeros(len(pts_ms))
    second = np.asarray(pts_ms, np.int64) // 1000
    inside = second < len(per_second)
    return np.where(inside, np.asarray(per_second, np.float64)[np.minimum(second, len(per_second) - 1)], 0.0)
