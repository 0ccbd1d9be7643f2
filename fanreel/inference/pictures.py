"""Reading an uploaded picture: what it is and how large, before anything is decoded, then its pixels."""

import struct
from dataclasses import dataclass

import cv2
import numpy as np

from fanreel.domain.faces import Bgr
from fanreel.errors import InputRejected

from .heif import HeifBroken, decode_heif, is_heif, read_heif, read_size

MAX_BYTES = 30_000_000
"""A 50-megapixel telephone photograph takes about 15 MB."""
MAX_PIXELS = 120_000_000
"""The largest telephone cameras in full resolution; more is a decompression bomb or a mistake."""
REDUCE_FROM_PX = 4_096
"""Pictures with a longer side are decoded at a half, a quarter or an eighth: faces need no more."""

_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_REDUCED = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
_SMALLEST = cv2.IMREAD_REDUCED_COLOR_8


@dataclass(frozen=True, slots=True)
class PictureSize:
    """Kind (`jpeg`, `png`, `webp`, `heif` for HEIC and AVIF) and stored size in pixels, before any turn."""

    kind: str
    width: int
    height: int


def picture_size(data: bytes) -> PictureSize | None:
    """Read kind and size from the header; none when it is no kind we know or the header is damaged."""
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg_size(data)
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack_from(">II", data, 16)
            return PictureSize("png", width, height)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp_size(data)
        if is_heif(data):
            return PictureSize("heif", *read_size(data))
    except (struct.error, IndexError, HeifBroken):
        return None
    return None


def decode_picture(data: bytes) -> Bgr:
    """Return the displayed pixels, turned as EXIF or the container says, transparency dropped.

    Raises:
        InputRejected: `picture_unreadable`; `picture_too_large` (bytes or pixels).
    """
    if len(data) > MAX_BYTES:
        raise InputRejected("picture_too_large", "the file is too large", bytes=len(data))
    size = picture_size(data)
    if size is None or min(size.width, size.height) < 1:
        raise InputRejected(
            "picture_unreadable", "the file is no JPEG, PNG, WebP or HEIC picture", bytes=len(data)
        )
    if size.width * size.height > MAX_PIXELS:
        raise InputRejected("picture_too_large", "too many pixels", width=size.width, height=size.height)
    try:
        if size.kind == "heif":
            heif = read_heif(data, MAX_PIXELS)
            return decode_heif(heif, _reduction(heif.longest_side_px))
        reduction = _reduction(max(size.width, size.height))
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED.get(reduction, _SMALLEST))
    except (cv2.error, HeifBroken) as error:
        raise InputRejected("picture_unreadable", "the picture is damaged", kind=size.kind) from error
    if picture is None or not picture.size:
        raise InputRejected("picture_unreadable", "the picture is damaged", kind=size.kind)
    return np.asarray(picture, np.uint8)


def _reduction(longest_side_px: int) -> int:
    reduction = 1
    while longest_side_px // reduction > REDUCE_FROM_PX and reduction < 8:
        reduction *= 2
    return reduction


def _jpeg_size(data: bytes) -> PictureSize | None:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return PictureSize("jpeg", width, height)
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None


def _webp_size(data: bytes) -> PictureSize | None:
    chunk = data[12:16]
    if chunk == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return PictureSize("webp", width, height)
    if chunk == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return PictureSize("webp", (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1)
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return PictureSize("webp", width & 0x3FFF, height & 0x3FFF)
    return None
