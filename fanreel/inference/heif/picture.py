"""Which coded pieces make the primary picture and how it is turned, known before a pixel is decoded.

A telephone stores a photograph as a grid of square tiles, each coded like one key frame of a video, and the way to
its displayed form as properties of the whole (ISO/IEC 23008-12 §6.5–6.6). The orientation in the file's EXIF
repeats what these properties say and is ignored, as the standard asks: turned twice, a picture lies on its side.
"""

from dataclasses import dataclass

from .boxes import HeifBroken, Meta, Reader, read_meta

MAX_TILES = 2_048
"""120 megapixels in tiles of 256 px."""
MAX_SIDE_PX = 32_768
"""Of a picture or a tile. The decoder is held to the claimed sides and the padding of a block; for a claim of
millions by one that padding alone would be a bomb."""
MAX_CONFIGURATION_BYTES = 8_192
"""Every tile's decoder reads it anew; encoders write about a hundred bytes."""
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

    @property
    def longest_side_px(self) -> int:
        """The longest side of what is decoded: a tile may be larger than what is shown of it."""
        return max(self.width, self.height, self.tile_width, self.tile_height)


def read_size(file: bytes) -> tuple[int, int]:
    """Return the primary picture's stored width and height. Raises HeifBroken."""
    meta = read_meta(file)
    return _size(meta.of(meta.primary))


def read_heif(file: bytes, max_pixels: int) -> HeifPicture:
    """Return the primary picture; its tiles hold at most `max_pixels` in all. Raises HeifBroken."""
    meta = read_meta(file)
    properties = meta.of(meta.primary)
    width, height = _size(properties)
    rows, columns, numbers = 1, 1, (meta.primary,)
    if meta.item(meta.primary).kind == b"grid":
        rows, columns, grid_width, grid_height = _grid(meta.data(meta.primary, file, len(file)))
        if (grid_width, grid_height) != (width, height):
            raise HeifBroken("the grid has another size than the picture")
        numbers = meta.parts.get(meta.primary, ())
        if rows * columns != len(numbers) or len(numbers) > MAX_TILES:
            raise HeifBroken("the grid does not name its tiles")
    first = meta.of(numbers[0])
    tile_width, tile_height = _size(first)
    if max(width, height, tile_width, tile_height) > MAX_SIDE_PX:
        raise HeifBroken("a side is longer than any camera takes")
    if tile_width * tile_height * len(numbers) > max_pixels:
        raise HeifBroken("the tiles hold more pixels than are allowed")
    if not (_fits(width, tile_width, columns) and _fits(height, tile_height, rows)):
        raise HeifBroken("the tiles do not cover the picture, or one shows nothing of it")
    matrix, full_range = _colour([*properties, *first])
    return HeifPicture(
        width=width,
        height=height,
        columns=columns,
        tiles=_tiles(meta, numbers, file),
        tile_width=tile_width,
        tile_height=tile_height,
        steps=_steps(properties),
        matrix=matrix,
        full_range=full_range,
    )


def _fits(side: int, tile_side: int, tiles: int) -> bool:
    """Say whether so many tiles in a row cover a side of the picture, none of them for nothing."""
    return tile_side * (tiles - 1) < side <= tile_side * tiles


def _tiles(meta: Meta, numbers: tuple[int, ...], file: bytes) -> tuple[Tile, ...]:
    if len(set(numbers)) != len(numbers):
        raise HeifBroken("a tile is named twice")
    size, budget = _size(meta.of(numbers[0])), len(file)
    tiles: list[Tile] = []
    for number in numbers:
        kind, properties = meta.item(number).kind, meta.of(number)
        if kind not in CODECS or _size(properties) != size:
            raise HeifBroken("a tile differs in size, or is coded in a way that is not known")
        configuration = next((payload for name, payload in properties if name in _CONFIGURATIONS), None)
        if configuration is None or len(configuration) > MAX_CONFIGURATION_BYTES:
            raise HeifBroken("a tile has no decoder configuration, or a far too long one")
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


def _size(properties: list[tuple[bytes, bytes]]) -> tuple[int, int]:
    for kind, payload in properties:
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
