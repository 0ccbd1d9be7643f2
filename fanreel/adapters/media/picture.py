"""From a coded picture to the displayed one: colour, size, sample aspect, rotation and reflection."""

import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from fanreel.domain.faces import Bgr

HD_HEIGHT = 720
"""From this coded height on, an untagged picture is taken as BT.709 and below as BT.601, as players do."""
UNSPECIFIED_COLORSPACE = 2
MAX_ASPECT = 8
"""Sample aspects beyond this (or its inverse) are a broken header, not a picture; they count as square."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """What is done to the coded picture, in this order: transpose, mirror left-right, mirror top-bottom."""

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    @property
    def rotation(self) -> int:
        """Clockwise turn in degrees, 0, 90, 180 or 270; of a reflected picture the turn before mirroring."""
        if self.transposed:
            return 270 if self.flipped else 90
        return 180 if self.flipped else 0

    def apply(self, picture: Bgr) -> Bgr:
        """Return the picture as displayed, contiguous."""
        turned = picture.transpose(1, 0, 2) if self.transposed else picture
        turned = turned[:, ::-1] if self.mirrored else turned
        turned = turned[::-1] if self.flipped else turned
        return np.ascontiguousarray(turned)


UPRIGHT = Orientation()
TURNS = (
    UPRIGHT,
    Orientation(transposed=True, mirrored=True),
    Orientation(mirrored=True, flipped=True),
    Orientation(transposed=True, flipped=True),
)
"""By quarter turns clockwise."""


def orientation_of(frame: VideoFrame) -> Orientation:
    """Read a frame's display matrix (ISO 14496-12 §8.5.3: x' = a·x + c·y, y' = b·x + d·y)."""
    matrix = _matrix(frame)
    if matrix is None:
        return TURNS[round(-frame.rotation / 90) % 4]
    a, b, c, d = matrix
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(transposed=False, mirrored=a < 0, flipped=d < 0)
    return Orientation(transposed=True, mirrored=c < 0, flipped=b < 0)


def _matrix(frame: VideoFrame) -> tuple[int, int, int, int] | None:
    try:
        data = cast(Mapping[Type, Any], frame.side_data).get(Type.DISPLAYMATRIX)
    except ValueError:  # side data of a kind PyAV has no name for
        return None
    if data is None:
        return None
    a, b, _, c, d = struct.unpack_from("<5i", bytes(data))
    return a, b, c, d


def square_aspect(aspect: Fraction | None) -> Fraction:
    """Return a usable sample aspect ratio; 1 when unknown or absurd."""
    if not aspect or not Fraction(1, MAX_ASPECT) <= aspect <= MAX_ASPECT:
        return Fraction(1)
    return aspect


class Converter:
    """Turns the frames of one stream into displayed BGR pictures; scaling contexts are kept between frames.

    With `size` (width, height) every picture gets it, as ffmpeg's filters do when a stream changes its picture
    size on the way: boxes of all frames are in one measure. Safe to use from several threads, one conversion at
    a time.
    """

    def __init__(self, aspect: Fraction, size: tuple[int, int] | None = None) -> None:
        self._aspect = aspect
        self._size = size
        self._orientation = UPRIGHT
        self._rotation: int | None = None
        self._full = VideoReformatter()
        self._small = VideoReformatter()
        self._lock = threading.Lock()

    def displayed_size(self, frame: VideoFrame) -> tuple[int, int]:
        """Return (width, height) of the displayed picture."""
        if self._size is not None:
            return self._size
        width, height = max(1, round(frame.width * self._aspect)), frame.height
        return (height, width) if self._oriented(frame).transposed else (width, height)

    def full(self, frame: VideoFrame) -> Bgr:
        """Return the displayed picture."""
        width, height = self.displayed_size(frame)
        return self._convert(self._full, frame, width, height)

    def small(self, frame: VideoFrame, width: int) -> Bgr:
        """Return the displayed picture at most `width` wide, scaled in one step from the coded one."""
        full_width, full_height = self.displayed_size(frame)
        width = min(width, full_width)
        height = max(1, round(full_height * width / full_width))
        return self._convert(self._small, frame, width, height)

    def _oriented(self, frame: VideoFrame) -> Orientation:
        if frame.rotation != self._rotation:
            self._orientation, self._rotation = orientation_of(frame), frame.rotation
        return self._orientation

    def _convert(self, reformatter: VideoReformatter, frame: VideoFrame, width: int, height: int) -> Bgr:
        orientation = self._oriented(frame)
        if orientation.transposed:
            width, height = height, width
        untagged_hd = frame.colorspace == UNSPECIFIED_COLORSPACE and frame.height >= HD_HEIGHT
        shrinks = width * 2 <= frame.width
        with self._lock:
            picture = reformatter.reformat(
                frame,
                width=width,
                height=height,
                format="bgr24",
                src_colorspace=Colorspace.ITU709 if untagged_hd else None,
                interpolation=Interpolation.AREA if shrinks else Interpolation.BILINEAR,
                threads=1,
            )
        pixels: Bgr = picture.to_ndarray()  # pyright: ignore[reportAssignmentType]
        return pixels if orientation == UPRIGHT else orientation.apply(pixels)
