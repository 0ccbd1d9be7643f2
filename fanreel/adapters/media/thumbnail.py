"""Single pictures out of a video: posters and thumbnails."""

from contextlib import closing

import cv2
import numpy as np

from fanreel.contracts import MediaInfo
from fanreel.domain.faces import Bgr
from fanreel.errors import InputRejected

from .frames import iter_frames
from .source import MediaSource

JPEG_QUALITY = 88
"""Faces show no blocks at this quality; beyond it files grow faster than they look better."""
SEARCH_MS = 2_000
"""How far around the asked time a frame is sought where the video has none (variable rate, damage)."""
FACE_MARGIN = 0.5
"""Added around a face box, as part of its larger side: hair, chin and some shoulders."""


def frame_jpeg(
    source: MediaSource,
    media: MediaInfo,
    pts_ms: int,
    box: tuple[int, int, int, int] | None = None,
    width: int | None = None,
) -> bytes:
    """Return the picture at `pts_ms` as JPEG, cut to `box` (with some margin) and at most `width` wide.

    `box` is [x0, y0, x1, y1] in pixels of the displayed frame; parts outside the picture are left away.
    Pictures are never enlarged. Raises InputRejected (`no_decodable_frame`) when there is no frame near.
    """
    picture = picture_at(source, media, pts_ms)
    if box is not None:
        picture = _crop(picture, box)
    if width is not None and picture.shape[1] > width:
        height = max(1, round(picture.shape[0] * width / picture.shape[1]))
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return encode_jpeg(picture)


def encode_jpeg(picture: Bgr) -> bytes:
    """Return a picture as JPEG."""
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert done, "a non-empty picture always encodes"
    return data.tobytes()


def picture_at(source: MediaSource, media: MediaInfo, pts_ms: int) -> Bgr:
    """Return the first frame at or after the time, else the last one before it.

    Raises InputRejected (`no_decodable_frame`) when there is none near.
    """
    with closing(iter_frames(source, media, pts_ms, pts_ms + SEARCH_MS)) as frames:
        for frame in frames:
            return frame.bgr()
    last: Bgr | None = None
    with closing(iter_frames(source, media, max(0, pts_ms - SEARCH_MS), pts_ms)) as frames:
        for frame in frames:
            last = frame.bgr()
    if last is None:
        raise InputRejected("no_decodable_frame", "The video has no picture at this time.", pts_ms=pts_ms)
    return last


def _crop(picture: Bgr, box: tuple[int, int, int, int]) -> Bgr:
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = box
    margin = round(FACE_MARGIN * max(x1 - x0, y1 - y0))
    left, top = max(0, x0 - margin), max(0, y0 - margin)
    right, bottom = min(width, x1 + margin), min(height, y1 + margin)
    return picture[top:bottom, left:right] if left < right and top < bottom else picture
