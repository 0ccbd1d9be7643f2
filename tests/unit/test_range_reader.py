import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanreel.adapters.media.source import FileSource, RangeReader, fingerprint
from fanreel.errors import InputRejected, TransientFault

pytestmark = pytest.mark.unit

DATA = bytes((index * 7 + index // 251) % 256 for index in range(10_000))


class Store:
    def __init__(self, data: bytes = DATA) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []
        self.failing = 0

    def fetch(self, offset: int, length: int) -> bytes:
        self.asked.append((offset, length))
        if self.failing:
            self.failing -= 1
            raise TransientFault("blob_unavailable", "down")
        return self.data[offset : offset + length]


def reader(store: Store, **options: int) -> RangeReader:
    settings = {"block_bytes": 100, "read_ahead_blocks": 8, "cache_blocks": 16} | options
    return RangeReader(len(store.data), store.fetch, **settings)


moves = st.lists(st.tuples(st.integers(0, len(DATA) + 50), st.integers(0, 700)), max_size=30)


@given(moves, st.integers(1, 400), st.integers(1, 10), st.integers(1, 20))
def test_reads_as_a_file_does(steps, block_bytes, read_ahead_blocks, cache_blocks):
    plain = io.BytesIO(DATA)
    ranged = reader(
        Store(), block_bytes=block_bytes, read_ahead_blocks=read_ahead_blocks, cache_blocks=cache_blocks
    )
    for offset, length in steps:
        assert ranged.seek(offset) == plain.seek(offset)
        assert ranged.read(length) == plain.read(length)
        assert ranged.tell() == plain.tell()


@given(moves, st.integers(1, 20))
def test_memory_stays_bounded(steps, cache_blocks):
    ranged = reader(Store(), cache_blocks=cache_blocks)
    for offset, length in steps:
        ranged.seek(offset)
        ranged.read(length)
        assert len(ranged._blocks) <= cache_blocks


def test_reading_through_asks_for_every_byte_once_and_for_more_and_more_at_a_time():
    store = Store()
    ranged = reader(store)
    while ranged.read(37):
        pass
    assert ranged.bytes_fetched == len(DATA)
    assert [length for _, length in store.asked[:5]] == [100, 200, 400, 800, 800]
    assert ranged.requests == len(store.asked) < 20


def test_a_jump_costs_one_block():
    store = Store()
    ranged = reader(store)
    ranged.read(1000)
    ranged.seek(-10, io.SEEK_END)
    before = ranged.bytes_fetched
    assert ranged.read() == DATA[-10:]
    assert ranged.bytes_fetched - before == 100


def test_going_back_a_little_costs_nothing():
    ranged = reader(Store())
    ranged.read(500)
    before = ranged.requests
    ranged.seek(-300, io.SEEK_CUR)
    assert ranged.read(300) == DATA[200:500]
    assert ranged.requests == before


def test_a_fault_reaches_the_reader_and_the_next_try_continues():
    store = Store()
    ranged = reader(store)
    ranged.read(100)
    store.failing = 1
    with pytest.raises(TransientFault):
        ranged.read(50)
    assert ranged.tell() == 100
    assert ranged.read(50) == DATA[100:150]


def test_an_answer_that_is_too_short_is_a_fault_and_not_the_end_of_the_file():
    with pytest.raises(TransientFault) as caught:
        RangeReader(200, lambda offset, length: b"x", 100).read(10)
    assert caught.value.code == "short_read"


def test_readinto_and_the_edges():
    ranged = reader(Store())
    buffer = bytearray(64)
    assert ranged.readinto(buffer) == 64
    assert bytes(buffer) == DATA[:64]
    ranged.seek(0, io.SEEK_END)
    assert ranged.read(10) == b""
    assert ranged.readable()
    assert ranged.seekable()
    with pytest.raises(ValueError, match="before the start"):
        ranged.seek(-1)


def big(tmp_path, name: str, data: bytes) -> FileSource:
    path = tmp_path / name
    path.write_bytes(data)
    return FileSource(path)


@pytest.mark.parametrize("size", [0, 1, 4 * 1024 * 1024, 4 * 1024 * 1024 + 1, 9_000_000])
def test_fingerprint_tells_contents_apart_and_not_names(tmp_path, size):
    data = bytes(size)
    same = fingerprint(big(tmp_path, "a", data))
    assert fingerprint(big(tmp_path, "b", data)) == same
    assert fingerprint(big(tmp_path, "c", data + b"x")) != same
    if size:
        assert fingerprint(big(tmp_path, "d", b"x" + data[1:])) != same
        assert fingerprint(big(tmp_path, "e", data[:-1] + b"x")) != same


def test_a_missing_file_is_rejected(tmp_path):
    with pytest.raises(InputRejected) as caught:
        FileSource(tmp_path / "nothing.mp4").open()
    assert caught.value.code == "file_missing"
