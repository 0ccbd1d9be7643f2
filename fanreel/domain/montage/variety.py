"""How much a moment repeats what is in the montage already."""

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.boxes import iou

from .moments import Moment
from .style import MontageStyle

TYPE_SHARE, PLACE_SHARE, TIME_SHARE = 0.4, 0.3, 0.3
"""What makes two moments alike: the same editorial size; the face in the same place at the same size, as one
camera that nobody moved shows it; the same scene. Three repetitions that an eye notices, the first one most."""


def similarity(one: Moment, other: Moment, style: MontageStyle) -> float:
    """Return how alike two moments look, 0..1; nothing of it is about who else is in the picture."""
    alike = TYPE_SHARE if one.shot_type == other.shot_type != "none" else 0.0
    if one.video_id != other.video_id:
        return alike
    gap_ms = max(one.from_ms - other.to_ms, other.from_ms - one.to_ms, 0)
    place = float(iou(_place(one), _place(other)))
    return alike + PLACE_SHARE * place + TIME_SHARE * max(0.0, 1 - gap_ms / style.near_ms)


def _place(moment: Moment) -> NDArray[np.int64]:
    """Return where the face is when the moment is best."""
    best = min(moment.sightings, key=lambda point: (abs(point.pts_ms - moment.peak_ms), point.pts_ms))
    return np.array(best.box)
