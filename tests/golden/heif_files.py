"""Writes HEIC files as telephones do: a grid of HEVC tiles, a turn as a property, EXIF that repeats it.

Tiles are coded by PyAV's libx265; the boxes are written here, by the standard and not by our reader, and the tests
hold a second reader (libheif) against both.
"""

import struct
from fractions import Fraction

import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from fanreel.domain.faces import Bgr

TILE_PX = 256


def box(kind: bytes, *payload: bytes) -> bytes:
    data = b"".join(payload)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def full_box(kind: bytes, version: int, flags: int, *payload: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *payload)


def code_tile(pixels: Bgr) -> tuple[bytes, bytes]:
    """Return (hvcC payload, length-prefixed key frame)."""
    encoder = CodecContext.create("libx265", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = pixels.shape[1], pixels.shape[0], "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"x265-params": "keyint=1:crf=10:log-level=none:pools=1:frame-threads=1"}
    packets = [*encoder.encode(VideoFrame.from_ndarray(pixels, "bgr24")), *encoder.encode(None)]
    units = annex_b(b"".join(bytes(packet) for packet in packets))
    parameters = [unit for unit in units if unit[0] >> 1 in (32, 33, 34)]
    coded = [unit for unit in units if unit[0] >> 1 < 32]
    return configuration(parameters), b"".join(struct.pack(">I", len(unit)) + unit for unit in coded)


def annex_b(stream: bytes) -> list[bytes]:
    parts = stream.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [part for part in parts if part]


def configuration(parameters: list[bytes]) -> bytes:
    """ISO/IEC 14496-15 §8.3.3: main profile, 4:2:0, 8 bits, four-byte lengths, one array per parameter set."""
    head = struct.pack(">BBIHIBHBBBBHB", 1, 1, 0x60000000, 0x9000, 0, 60, 0xF000, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0x0F)
    arrays = [bytes([0x80 | unit[0] >> 1]) + struct.pack(">HH", 1, len(unit)) + unit for unit in parameters]
    return head + bytes([len(arrays)]) + b"".join(arrays)


def exif(orientation: int) -> bytes:
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)
    return struct.pack(">I", 6) + b"Exif\0\0" + tiff


def tiled_heic(picture: Bgr, *, quarters: int = 0, orientation: int = 1) -> bytes:
    """A grid HEIC that shows `picture` turned by `quarters` quarter turns anticlockwise."""
    height, width = picture.shape[:2]
    rows, columns = -(-height // TILE_PX), -(-width // TILE_PX)
    padded = np.pad(picture, ((0, rows * TILE_PX - height), (0, columns * TILE_PX - width), (0, 0)), "edge")
    coded = [
        code_tile(np.ascontiguousarray(padded[y : y + TILE_PX, x : x + TILE_PX]))
        for y in range(0, rows * TILE_PX, TILE_PX)
        for x in range(0, columns * TILE_PX, TILE_PX)
    ]
    return grid_heic(coded, (rows, columns), (width, height), quarters=quarters, orientation=orientation)


def grid_heic(
    coded: list[tuple[bytes, bytes]],
    shape: tuple[int, int],
    size: tuple[int, int],
    *,
    tile_px: int = TILE_PX,
    quarters: int = 0,
    orientation: int = 1,
    parts: tuple[int, ...] = (),
    said_again: int = 0,
) -> bytes:
    """A grid HEIC of coded tiles (see `code_tile`), row by row.

    shape       rows and columns                size   width and height of the whole
    parts       items the grid names; the tiles 1, 2, … by default
    said_again  how often more the first tile is said to have its size
    """
    (rows, columns), (width, height) = shape, size
    tiles, count = [data for _, data in coded], len(coded)
    grid, text = count + 1, count + 2
    payload = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    kinds = [(number + 1, b"hvc1") for number in range(count)] + [(grid, b"grid"), (text, b"Exif")]
    items = [
        full_box(b"infe", 2, number < grid, struct.pack(">HH4s", number, 0, kind), b"\0") for number, kind in kinds
    ]
    properties = [
        box(b"hvcC", coded[0][0]),
        full_box(b"ispe", 0, 0, struct.pack(">II", tile_px, tile_px)),
        full_box(b"ispe", 0, 0, struct.pack(">II", width, height)),
        box(b"colr", b"nclx", struct.pack(">HHHB", 1, 13, 6, 0)),
        box(b"irot", bytes([quarters])),
    ]
    uses = [(number + 1, (0x81, 2)) for number in range(count)] + [(grid, (3, 4, 0x85))]
    uses += [(1, (2,) * min(255, said_again - at)) for at in range(0, said_again, 255)]
    named = parts or tuple(range(1, count + 1))
    associations = [struct.pack(">HB", number, len(used)) + bytes(used) for number, used in uses]
    stored = [*tiles, exif(orientation)]
    head = box(b"ftyp", b"heic", bytes(4), b"mif1heic")

    def meta(start: int) -> bytes:
        places, at = [], start
        for number, data in zip([*range(1, count + 1), text], stored, strict=True):
            places.append(struct.pack(">HHHHII", number, 0, 0, 1, at, len(data)))
            at += len(data)
        places.append(struct.pack(">HHHHII", grid, 1, 0, 1, 0, len(payload)))
        return full_box(
            b"meta",
            0,
            0,
            full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"pict"), b"\0"),
            full_box(b"pitm", 0, 0, struct.pack(">H", grid)),
            full_box(b"iinf", 0, 0, struct.pack(">H", len(items)), *items),
            full_box(
                b"iref",
                0,
                0,
                box(b"dimg", struct.pack(f">HH{len(named)}H", grid, len(named), *named)),
                box(b"cdsc", struct.pack(">HHH", text, 1, grid)),
            ),
            box(
                b"iprp",
                box(b"ipco", *properties),
                full_box(b"ipma", 0, 0, struct.pack(">I", len(associations)), *associations),
            ),
            box(b"idat", payload),
            full_box(b"iloc", 1, 0, struct.pack(">HH", 0x4400, len(places)), *places),
        )

    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", *stored)
