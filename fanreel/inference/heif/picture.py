"""Which coded pieces make the primary picture and how it is turned, known before a pixel is decoded.

A telephone stores a photograph as a grid of square tiles, each coded like one key frame of a video, and the way to
its displayed form as properties of the whole (ISO/IEC 23008-12 §6.5–6.6). The orientation in the file's EXIF
repeats what these properties say and is ignored, as the standard asks: turned twice, a picture lies on its side.
"""

from dataclasses import dataclass

from .boxes import HeifBroken, Meta, Reader, read_meta

MAX_TILES = 2_048
"""120 megapixels in tiles of 256 px."""
CODECS = {b"hvc1": "hevc", b"av01": "libdav1d"}
"""ffmpeg's decoder for each kind of coded item."""
_CONFIGURATIONS = (b"hvcC", b"av1C")


@dataclass(frozen=True, slots=True)
class Tile:
    """A coded picture: ffmpeg's name of its decoder, the decoder's configuration, and its data."""

    codec: str
    configuration: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Rotate:
    """Quarter turns anticlockwise."""

    quarters: int


@dataclass(frozen=True, slots=True)
class Mirror:
    """Left and right change places, or else top and bottom."""

    left_right: bool


@dataclass(frozen=True, slots=True)
class Crop:
    """Size kept, and its middle's distance from the picture's middle, in stored pixels."""

    width: float
    height: float
    offset_x: float
    offset_y: float


Step = Rotate | Mirror | Crop


@dataclass(frozen=True, slots=True)
class HeifPicture:
    """The primary picture as stored.

    width, height            pixels before `steps`
    columns, tiles           the grid, row by row; one tile for a picture in one piece
    tile_width, tile_height  pixels of every tile; those at the right and at the bottom may stick out
    steps                    what leads to the displayed picture, in this order
    matrix, full_range       H.273 matrix coefficients and sample range; none when the coded data says it
    """

    width: int
    height: int
    columns: int
    tiles: tuple[Tile, ...]
    tile_width: int
    tile_height: int
    steps: tuple[Step, ...]
    matrix: int | None = None
    full_range: bool | None = None


def read_size(file: bytes) -> tuple[int, int]:
    """Return the primary picture's stored width and height. Raises HeifBroken."""
    meta = read_meta(file)
    return _size(meta, meta.primary)


def read_heif(file: bytes, max_pixels: int) -> HeifPicture:
    """Return the primary picture; its tiles hold at most `max_pixels` in all. Raises HeifBroken."""
    meta = read_meta(file)
    width, height = _size(meta, meta.primary)
    rows, columns, numbers = 1, 1, (meta.primary,)
    if meta.item(meta.primary).kind == b"grid":
        rows, columns, width, height = _grid(meta.data(meta.primary, file, len(file)))
        numbers = meta.parts.get(meta.primary, ())
        if rows * columns != len(numbers) or len(numbers) > MAX_TILES:
            raise HeifBroken("the grid does not name its tiles")
    tile_width, tile_height = _size(meta, numbers[0])
    if tile_width * tile_height * len(numbers) > max_pixels:
        raise HeifBroken("the tiles hold more pixels than are allowed")
    if not (0 < width <= tile_width * columns and 0 < height <= tile_height * rows):
        raise HeifBroken("the tiles do not cover the picture")
    matrix, full_range = _colour([*meta.of(meta.primary), *meta.of(numbers[0])])
    return HeifPicture(
        width=width,
        height=height,
        columns=columns,
        tiles=_tiles(meta, numbers, file),
        tile_width=tile_width,
        tile_height=tile_height,
        steps=_steps(meta.of(meta.primary)),
        matrix=matrix,
        full_range=full_range,
    )


def _tiles(meta: Meta, numbers: tuple[int, ...], file: bytes) -> tuple[Tile, ...]:
    size, budget = _size(meta, numbers[0]), len(file)
    tiles: list[Tile] = []
    for number in numbers:
        kind = meta.item(number).kind
        if kind not in CODECS or _size(meta, number) != size:
            raise HeifBroken("a tile differs in size, or is coded in a way that is not known")
        configuration = next((payload for name, payload in meta.of(number) if name in _CONFIGURATIONS), None)
        if configuration is None:
            raise HeifBroken("a tile has no decoder configuration")
        data = meta.data(number, file, budget)
        budget -= len(data)  # the same bytes named by many tiles would be many times the file
        tiles.append(Tile(CODECS[kind], configuration, data))
    return tuple(tiles)


def _grid(payload: bytes) -> tuple[int, int, int, int]:
    """Return rows, columns, width and height."""
    reader = Reader(payload)
    reader.uint(1)
    wide = 4 if reader.uint(1) & 1 else 2
    return reader.uint(1) + 1, reader.uint(1) + 1, reader.uint(wide), reader.uint(wide)


def _size(meta: Meta, number: int) -> tuple[int, int]:
    for kind, payload in meta.of(number):
        if kind == b"ispe":
            reader = Reader(payload)
            reader.version_flags()
            return reader.uint(4), reader.uint(4)
    raise HeifBroken("a picture has no size")


def _steps(properties: list[tuple[bytes, bytes]]) -> tuple[Step, ...]:
    steps: list[Step] = []
    for kind, payload in properties:
        reader = Reader(payload)
        if kind == b"irot":
            steps.append(Rotate(reader.uint(1) & 3))
        elif kind == b"imir":
            steps.append(Mirror(left_right=bool(reader.uint(1) & 1)))
        elif kind == b"clap":
            steps.append(Crop(*(_fraction(reader) for _ in range(4))))
    return tuple(steps)


def _fraction(reader: Reader) -> float:
    above, below = reader.int32(), reader.int32()
    if below == 0:
        raise HeifBroken("a crop divides by zero")
    return above / below


def _colour(properties: list[tuple[bytes, bytes]]) -> tuple[int | None, bool | None]:
    for kind, payload in properties:
        if kind == b"colr" and payload[:4] == b"nclx":
            reader = Reader(payload[8:])  # after the kind, primaries and transfer
            return reader.uint(2), bool(reader.uint(1) & 0x80)
    return None, None
