"""From a HEIF picture's tiles to the displayed pixels, with PyAV's ffmpeg."""

import numpy as np
from av.codec.context import CodecContext
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from fanreel.domain.faces import Bgr

from .boxes import HeifBroken
from .picture import Crop, HeifPicture, Mirror, Rotate, Step, Tile

_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}
"""H.273 matrix coefficients as swscale knows them; what is not listed is left to the coded data."""


def decode_heif(picture: HeifPicture, reduction: int = 1) -> Bgr:
    """Return the displayed pixels, each side divided by `reduction` (or less, where tiles cannot be divided).

    Raises HeifBroken for data that no decoder takes, and where tiles are not of the size they claim.
    """
    while len(picture.tiles) > 1 and (picture.tile_width % reduction or picture.tile_height % reduction):
        reduction //= 2
    tile_width, tile_height = -(-picture.tile_width // reduction), -(-picture.tile_height // reduction)
    rows = len(picture.tiles) // picture.columns
    canvas = np.empty((rows * tile_height, picture.columns * tile_width, 3), np.uint8)
    reformatter = VideoReformatter()
    for index, tile in enumerate(picture.tiles):
        y, x = index // picture.columns * tile_height, index % picture.columns * tile_width
        frame = _frame(tile, picture.tile_width, picture.tile_height)
        pixels = _bgr(reformatter, frame, picture, reduction)
        canvas[y : y + tile_height, x : x + tile_width] = pixels[:tile_height, :tile_width]
    shown: Bgr = canvas[: -(-picture.height // reduction), : -(-picture.width // reduction)]
    for step in picture.steps:
        shown = _applied(step, shown, reduction)
    return np.ascontiguousarray(shown)


def _frame(tile: Tile, width: int, height: int) -> VideoFrame:
    """Decode a tile; damage is an error, not a grey patch, and no larger picture than announced is allocated."""
    context = CodecContext.create(tile.codec, "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata = tile.configuration
    context.thread_count = 1
    # A coded picture is padded to whole blocks, of 64 px at most; little, because no side is beyond MAX_SIDE_PX.
    context.options = {"err_detect": "explode", "max_pixels": str((width + 64) * (height + 64))}
    try:
        frames = [*context.decode(Packet(tile.data)), *context.decode(None)]
    except (FFmpegError, ValueError) as error:
        raise HeifBroken("a tile cannot be decoded") from error
    if not frames or frames[0].width < width or frames[0].height < height:
        raise HeifBroken("a tile holds no picture of its size")
    return frames[0]


def _bgr(reformatter: VideoReformatter, frame: VideoFrame, picture: HeifPicture, reduction: int) -> Bgr:
    source_range = None
    if picture.full_range is not None:
        source_range = ColorRange.JPEG if picture.full_range else ColorRange.MPEG
    shown = reformatter.reformat(
        frame,
        width=-(-frame.width // reduction),
        height=-(-frame.height // reduction),
        format="bgr24",
        src_colorspace=_MATRICES.get(picture.matrix or 0),
        src_color_range=source_range,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.BILINEAR if reduction == 1 else Interpolation.AREA,
    )
    return np.asarray(shown.to_ndarray(), np.uint8)


def _applied(step: Step, picture: Bgr, reduction: int) -> Bgr:
    match step:
        case Rotate(quarters):
            return np.rot90(picture, quarters)
        case Mirror(left_right):
            return picture[:, ::-1] if left_right else picture[::-1]
        case Crop():
            return _cropped(step, picture, reduction)


def _cropped(crop: Crop, picture: Bgr, reduction: int) -> Bgr:
    height, width = picture.shape[:2]
    wide, high = round(crop.width / reduction), round(crop.height / reduction)
    x = round(crop.offset_x / reduction + (width - wide) / 2)
    y = round(crop.offset_y / reduction + (height - high) / 2)
    if not (0 <= x < x + wide <= width and 0 <= y < y + high <= height):
        raise HeifBroken("a crop reaches over the edge")
    return picture[y : y + high, x : x + wide]
