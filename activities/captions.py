"""Captions of the captioning network, where one is wanted and installed (`fanreel.inference.captioner`)."""

from pathlib import Path
from threading import Lock

import structlog

from fanreel.adapters.media.thumbnail import frame_jpeg
from fanreel.adapters.services import Services
from fanreel.contracts import MontageClip, MontagePlan, VideoDocument
from fanreel.domain.captions import clip_facts, network_caption
from fanreel.errors import InputRejected, ModelFault
from fanreel.inference.captioner import Captioner, load_captioner
from fanreel.inference.pictures import decode_picture

from .montage_plans import Material
from .videos import load_plan

log = structlog.get_logger()

_lock = Lock()
_loaded: dict[tuple[Path, bool], Captioner | None] = {}

BODY_FROM_FACES, BODY_TO_FACES = 0.7, 3.7
"""From where to where under the brow the network looks, in face heights. `frame_jpeg` adds half of that on every
side: the person down to the hips, what they hold, and little of who is beside them."""


def network_captions(services: Services, plan: MontagePlan, material: Material) -> MontagePlan:
    """Return the plan with what the network says of its clips, as far as it may be shown; else unchanged.

    The words are no part of what makes the plan's id. A network or a picture that fails costs the words only.
    """
    captioner = _captioner(services)
    if captioner is None:
        return plan
    clips = tuple(_described(services, captioner, clip, material) for clip in plan.clips)
    return plan.model_copy(update={"clips": clips})


def _captioner(services: Services) -> Captioner | None:
    """Load once per process; activities run in a thread pool, so only one of them does."""
    key = (services.settings.model_dir, services.settings.caption_network)
    with _lock:
        if key not in _loaded:
            try:
                _loaded[key] = load_captioner(services.settings)
            except ModelFault as fault:
                log.warning("captions.no_network", reason=fault.code)
                _loaded[key] = None
        return _loaded[key]


def _described(services: Services, captioner: Captioner, clip: MontageClip, material: Material) -> MontageClip:
    video, appearance = material.videos.get(clip.video_id), material.appearances.get(clip.appearance_id)
    if video is None or appearance is None or not clip.focus:
        return clip
    others = list(material.appearances.values())
    facts = clip_facts(video, appearance, others, clip.start_ms, clip.end_ms)
    try:
        said = captioner.describe(decode_picture(_person_jpeg(services, video, clip)))
    except (InputRejected, ModelFault) as failed:
        log.warning("captions.not_described", video_id=clip.video_id, start_ms=clip.start_ms, reason=failed.code)
        return clip
    return clip.model_copy(update={"caption": network_caption(said, facts)})


def _person_jpeg(services: Services, video: VideoDocument, clip: MontageClip) -> bytes:
    """Return the fan at the sighting nearest to the clip's middle."""
    middle = (clip.start_ms + clip.end_ms) // 2
    seen = min(clip.focus, key=lambda point: (abs(point.pts_ms - middle), point.pts_ms))
    x0, y0, x1, y1 = seen.box
    low, high = (y0 + round((y1 - y0) * faces) for faces in (BODY_FROM_FACES, BODY_TO_FACES))
    source = services.blobs.source(services.settings.container_videos, video.blob_name, video.blob_etag)
    media = load_plan(services, video.video_id).media
    return frame_jpeg(source, media, seen.pts_ms, box=(x0, low, x1, high))
