"""Posters on which the fan stands before the brand's colours, where a profile asks for them."""

from collections.abc import Collection
from pathlib import Path
from threading import Lock

import numpy as np
import structlog

from fanreel.adapters.media.cutout import poster_of
from fanreel.adapters.media.render_picture import film_formats
from fanreel.adapters.media.render_preview import PosterPicture
from fanreel.contracts import MediaInfo, MontageClip, MontagePlan
from fanreel.domain.boxes import iou
from fanreel.domain.faces import F32, Bgr
from fanreel.domain.matching import MatchPolicy
from fanreel.domain.montage import Poster
from fanreel.domain.montage.sightings import probabilities
from fanreel.errors import ModelFault
from fanreel.inference.segmentation import Box, PersonMasks
from fanreel.settings import Settings

from .montage_plans import Material

log = structlog.get_logger()

_lock = Lock()
_loaded: dict[Path, PersonMasks | None] = {}

MOST_AT_EDGE = 0.15
"""Part of the picture's upper or side edge that they may fill: an elbow, not a head or half a neighbour."""
LEAST_FACE = 0.6
"""Part of the face's box that a cut must keep: a face fills about .8 of its box."""
NEAR_MS = 400
"""Faces seen so near to the poster's picture, two looks at 5 fps, are taken to be where they were."""
SAME_FACE_IOU = MatchPolicy().same_place_iou


def poster_picture(
    settings: Settings, plan: MontagePlan, poster: Poster, material: Material, media: MediaInfo
) -> PosterPicture | None:
    """Return what makes the poster's picture; None where the frame itself is wanted or nobody can be cut out.

    `media` is the video of the poster's clip. A network that fails, or finds nobody, leaves the frame as it is.
    So does a first film that is upright: it shows a crop that moves, and already shows the fan large.
    """
    clip = plan.clips[poster.clip_index]
    face = _face(clip, poster.pts_ms)
    if plan.render.poster != "cutout" or film_formats(plan)[0].is_upright or face is None:
        return None
    masks = _masks(settings)
    if masks is None:
        return None
    own = probabilities(plan.fan_id, plan.event_id, material.matches, material.appearances)
    others = _others(clip, poster.pts_ms, face, material, own)
    style = plan.render

    def made(frame: Bgr) -> Bgr:
        size = (frame.shape[1], frame.shape[0])
        try:
            alpha = masks.person(frame, _in_film(face, media, size), [_in_film(b, media, size) for b in others])
        except ModelFault as fault:
            log.warning("poster.not_cut_out", reason=fault.code)
            return frame
        if not _holds(alpha, _in_film(face, media, size)) or _is_cut_off(alpha, media, size):
            return frame
        cut = poster_of(frame, alpha, size, style.brand_colour, style.accent_colour)
        return frame if cut is None else cut

    return made


def _masks(settings: Settings) -> PersonMasks | None:
    """Load once per process; activities run in a thread pool, so only one of them does."""
    key = settings.model_dir
    with _lock:
        if key not in _loaded:
            try:
                _loaded[key] = PersonMasks.load(settings)
            except ModelFault as fault:
                log.warning("poster.no_network", reason=fault.code, remedy="fanreel models build extra")
                _loaded[key] = None
        return _loaded[key]


def _holds(alpha: F32, face: Box) -> bool:
    """Tell whether a cut kept the face it was made for: one that lost it is no portrait."""
    x0, y0, x1, y1 = (max(0, value) for value in face)
    part = alpha[y0:y1, x0:x1]
    return part.size > 0 and float(part.mean()) >= LEAST_FACE


def _is_cut_off(alpha: F32, media: MediaInfo, size: tuple[int, int]) -> bool:
    """Tell whether the picture's own edge cuts into them: which before another ground would be a straight line."""
    x0, y0, x1, y1 = _in_film((0, 0, media.width, media.height), media, size)
    picture = alpha[y0:y1, x0:x1]
    edges = (picture[0], picture[:, 0], picture[:, -1])
    return any(float((edge > 0.5).mean()) > MOST_AT_EDGE for edge in edges)


def _face(clip: MontageClip, pts_ms: int) -> Box | None:
    near = [(abs(point.pts_ms - pts_ms), point.box) for point in clip.focus]
    away_ms, box = min(near, default=(NEAR_MS + 1, None))
    return box if away_ms <= NEAR_MS else None


def _others(clip: MontageClip, pts_ms: int, face: Box, material: Material, own: Collection[str]) -> list[Box]:
    """Return everybody else's faces at that moment: they are never part of the fan.

    `own` are the appearances that are the fan; whoever is seen in the face's very place is the fan, tracked twice.
    """
    found: list[Box] = []
    for one in material.appearances.values():
        if one.video_id != clip.video_id or one.id == clip.appearance_id or one.id in own:
            continue
        near = [(abs(at - pts_ms), box) for at, box in zip(one.pts_ms, one.boxes, strict=len(one.boxes) > 0)]
        away_ms, box = min(near, default=(NEAR_MS + 1, face))
        if away_ms <= NEAR_MS and float(iou(np.array(box), np.array(face))) <= SAME_FACE_IOU:
            found.append(box)
    return found


def _in_film(box: Box, media: MediaInfo, size: tuple[int, int]) -> Box:
    """Return where a place of the displayed source lies in the film, in whose middle it is fitted."""
    scale = min(size[0] / media.width, size[1] / media.height)
    left, top = (size[0] - media.width * scale) / 2, (size[1] - media.height * scale) / 2
    x0, y0, x1, y1 = box
    return round(x0 * scale + left), round(y0 * scale + top), round(x1 * scale + left), round(y1 * scale + top)
