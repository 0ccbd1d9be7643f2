"""The boxes of a HEIF file (ISO/IEC 14496-12 §8.11, ISO/IEC 23008-12 §9.3): items, their data and properties."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"avif"})
MAX_BRAND_BYTES = 512
MAX_META_BYTES = 1_000_000
"""A telephone's picture of 48 megapixels in tiles of 512 px takes about 20 kB of these boxes."""
MAX_EXTENTS = 16
"""Pieces one item's data may lie in; encoders write one."""
MAX_ITEM_PROPERTIES = 64
"""Properties one item may have; encoders write about eight. They are looked through once for every tile."""


class HeifBroken(ValueError):
    """The file is cut off, contradicts itself, or says something this reader does not know."""


@dataclass(slots=True)
class Item:
    """A stored thing: its kind, where its data lies (start, length), and the numbers of its properties."""

    kind: bytes = b""
    extents: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    in_idat: bool = False
    properties: list[int] = field(default_factory=list[int])


@dataclass(slots=True)
class Meta:
    """What the `meta` box says. `parts`: the items a derived item is made of. `properties`: (kind, payload)."""

    primary: int = 0
    items: dict[int, Item] = field(default_factory=dict[int, Item])
    properties: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    parts: dict[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    idat: bytes = b""

    def at(self, number: int) -> Item:
        """Return the item, a new one when nothing was said of it yet."""
        return self.items.setdefault(number, Item())

    def item(self, number: int) -> Item:
        """Return the item; raises HeifBroken when there is none."""
        if number not in self.items:
            raise HeifBroken("an item is missing")
        return self.items[number]

    def of(self, number: int) -> list[tuple[bytes, bytes]]:
        """Return the item's properties, in the order in which they apply."""
        wanted = self.item(number).properties
        return [self.properties[index - 1] for index in wanted if 0 < index <= len(self.properties)]

    def data(self, number: int, file: bytes, most: int) -> bytes:
        """Return the item's bytes, at most `most`. Raises HeifBroken when some of them are not there."""
        item = self.item(number)
        source = self.idat if item.in_idat else file
        if not item.extents or sum(length for _, length in item.extents) > most:
            raise HeifBroken("an item has no data, or more than the file")
        if any(start + length > len(source) for start, length in item.extents):
            raise HeifBroken("the file is cut off")
        return b"".join(source[start : start + length] for start, length in item.extents)


class Reader:
    """Reads big-endian numbers off a payload; running out of bytes raises HeifBroken."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        if self._at + count > len(self._data):
            raise HeifBroken("a box is shorter than it says")
        self._at += count
        return self._data[self._at - count : self._at]

    def uint(self, size: int) -> int:
        """Return the next unsigned number of `size` bytes; 0 for none."""
        return int.from_bytes(self.take(size), "big")

    def int32(self) -> int:
        """Return the next signed number of four bytes."""
        return int.from_bytes(self.take(4), "big", signed=True)

    def version_flags(self) -> tuple[int, int]:
        """Return the head of a full box."""
        return self.uint(1), self.uint(3)

    def rest(self) -> bytes:
        """Return what is left."""
        return self.take(len(self._data) - self._at)


def is_heif(file: bytes) -> bool:
    """Say whether the file begins like a HEIC or AVIF still picture."""
    if len(file) < 16 or file[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(file[:4], "big"), MAX_BRAND_BYTES, len(file))
    return not BRANDS.isdisjoint([file[8:12], *(file[at : at + 4] for at in range(16, end, 4))])


def read_meta(file: bytes) -> Meta:
    """Return what the file's `meta` box says. Raises HeifBroken."""
    payload = next((payload for kind, payload in _boxes(file) if kind == b"meta"), b"")
    if not 4 < len(payload) <= MAX_META_BYTES:
        raise HeifBroken("there is no description of the picture, or a far too long one")
    meta = Meta()
    for kind, text in _boxes(payload[4:]):
        _read(kind, text, meta)
    return meta


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, payload); raises HeifBroken where a box is cut off."""
    at = 0
    while at + 8 <= len(data):
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = len(data) if size == 0 else at + size
        if not at + head <= end <= len(data):
            raise HeifBroken("a box is cut off")
        yield kind, data[at + head : end]
        at = end


def _read(kind: bytes, payload: bytes, meta: Meta) -> None:
    read = _READERS.get(kind)
    if read is not None:
        read(Reader(payload), meta)


def _read_pitm(reader: Reader, meta: Meta) -> None:
    version, _ = reader.version_flags()
    meta.primary = reader.uint(4 if version else 2)


def _read_iinf(reader: Reader, meta: Meta) -> None:
    version, _ = reader.version_flags()
    reader.uint(4 if version else 2)
    for kind, payload in _boxes(reader.rest()):
        if kind == b"infe":
            entry = Reader(payload)
            version, _ = entry.version_flags()
            number = entry.uint(4 if version >= 3 else 2)
            entry.uint(2)  # protection
            meta.at(number).kind = entry.take(4)


def _read_iloc(reader: Reader, meta: Meta) -> None:
    version, _ = reader.version_flags()
    sizes = reader.uint(2)
    offset_bytes, length_bytes, base_bytes = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_bytes = sizes & 15 if version else 0
    for _ in range(reader.uint(4 if version == 2 else 2)):
        item = meta.at(reader.uint(4 if version == 2 else 2))
        method = reader.uint(2) & 15 if version else 0
        if method > 1 or reader.uint(2) != 0:
            raise HeifBroken("an item's data lies elsewhere")
        item.in_idat = method == 1
        base, count = reader.uint(base_bytes), reader.uint(2)
        if len(item.extents) + count > MAX_EXTENTS:
            raise HeifBroken("an item lies in too many pieces")
        for _ in range(count):
            reader.uint(index_bytes)
            item.extents.append((base + reader.uint(offset_bytes), reader.uint(length_bytes)))


def _read_iref(reader: Reader, meta: Meta) -> None:
    version, _ = reader.version_flags()
    wide = 4 if version else 2
    for kind, payload in _boxes(reader.rest()):
        if kind == b"dimg":
            entry = Reader(payload)
            number = entry.uint(wide)
            meta.parts[number] = tuple(entry.uint(wide) for _ in range(entry.uint(2)))


def _read_iprp(reader: Reader, meta: Meta) -> None:
    for kind, payload in _boxes(reader.rest()):
        if kind == b"ipco":
            meta.properties = list(_boxes(payload))
        elif kind == b"ipma":
            _read_ipma(Reader(payload), meta)


def _read_ipma(reader: Reader, meta: Meta) -> None:
    version, flags = reader.version_flags()
    wide, mask = (2, 0x7FFF) if flags & 1 else (1, 0x7F)
    for _ in range(reader.uint(4)):
        item = meta.at(reader.uint(4 if version else 2))
        count = reader.uint(1)
        if len(item.properties) + count > MAX_ITEM_PROPERTIES:
            raise HeifBroken("an item has too many properties")
        item.properties += [reader.uint(wide) & mask for _ in range(count)]


def _read_idat(reader: Reader, meta: Meta) -> None:
    meta.idat = reader.rest()


_READERS: Mapping[bytes, Callable[[Reader, Meta], None]] = MappingProxyType(
    {
        b"pitm": _read_pitm,
        b"iinf": _read_iinf,
        b"iloc": _read_iloc,
        b"iref": _read_iref,
        b"iprp": _read_iprp,
        b"idat": _read_idat,
    }
)
