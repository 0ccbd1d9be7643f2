"""Where a video's bytes come from: a file, or ranges of a blob that is never downloaded whole."""

import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar, cast

import structlog
from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobClient
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from fanreel.errors import FanreelError, InputRejected, TransientFault

log = structlog.get_logger()

BLOCK_BYTES = 256 * 1024
"""Unit of caching: about a quarter of a second of a 8 Mbit/s broadcast, so a seek wastes little."""
READ_AHEAD_BLOCKS = 16
"""Most blocks one request asks for (4 MiB): beyond that a request's latency no longer matters."""
CACHE_BLOCKS = 64
"""Blocks kept (16 MiB): several read-aheads, so audio and video that lie apart do not evict each other."""

FINGERPRINT_WHOLE_BYTES = 4 * 1024 * 1024
FINGERPRINT_CHUNKS = 16
FINGERPRINT_CHUNK_BYTES = 64 * 1024

READ_ATTEMPTS = 3
"""Tries of one range read, on top of the SDK's own per request: it does not repeat a body lost half-way."""

Fetch = Callable[[int, int], bytes]
T = TypeVar("T")


class MediaSource(Protocol):
    """Something that can be opened as a fresh, seekable binary file any number of times."""

    @property
    def name(self) -> str:
        """A name for messages; never a signed URL."""
        ...

    def open(self) -> BinaryIO:
        """Return a new file positioned at 0; the caller closes it."""
        ...


class FileSource:
    """A local file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name

    def open(self) -> BinaryIO:
        """Open the file; InputRejected `file_missing` when it is not there or not readable."""
        try:
            return self.path.open("rb")
        except OSError as error:
            raise InputRejected("file_missing", f"{self.name} cannot be opened: {error.strerror}.") from error


class RangeReader(io.RawIOBase):
    """A seekable read-only file over range reads, with a bounded block cache and growing read-ahead.

    A read that continues where the last fetch ended doubles the next request up to `read_ahead_blocks`; a
    jump starts again at one block. At most `cache_blocks` blocks are held. What `fetch` raises goes to the reader.
    `bytes_fetched` and `requests` count what was asked of the network.
    """

    def __init__(
        self,
        size: int,
        fetch: Fetch,
        block_bytes: int = BLOCK_BYTES,
        read_ahead_blocks: int = READ_AHEAD_BLOCKS,
        cache_blocks: int = CACHE_BLOCKS,
    ) -> None:
        super().__init__()
        self._size = size
        self._fetch = fetch
        self._block_bytes = block_bytes
        self._read_ahead = max(1, min(read_ahead_blocks, cache_blocks))
        self._capacity = max(1, cache_blocks)
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._position = 0
        self._next_block = -1
        self._run = 1
        self.bytes_fetched = 0
        self.requests = 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; nothing is fetched. Returns the new position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("seek before the start")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes (all that is left when negative); short only at the end of the file."""
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        parts: list[bytes] = []
        while wanted > 0:
            index, offset = divmod(self._position, self._block_bytes)
            part = self._block(index)[offset : offset + wanted]
            parts.append(part)
            self._position += len(part)
            wanted -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Fill the buffer; returns how many bytes were read."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _block(self, index: int) -> bytes:
        block = self._blocks.get(index)
        if block is None:
            self._fill(index)
            return self._blocks[index]
        self._blocks.move_to_end(index)
        return block

    def _fill(self, index: int) -> None:
        self._run = min(self._run * 2, self._read_ahead) if index == self._next_block else 1
        count = 1
        while count < self._run and index + count not in self._blocks:
            count += 1
        start = index * self._block_bytes
        length = min(count * self._block_bytes, self._size - start)
        data = self._fetch(start, length)
        if len(data) != length:
            raise TransientFault("short_read", "Storage answered with fewer bytes than asked for.", offset=start)
        self.requests += 1
        self.bytes_fetched += length
        blocks = range(index, index + -(-length // self._block_bytes))
        for at, number in enumerate(blocks):
            self._blocks[number] = data[at * self._block_bytes : (at + 1) * self._block_bytes]
        self._blocks.move_to_end(index)
        self._next_block = blocks.stop
        while len(self._blocks) > self._capacity:
            self._blocks.popitem(last=False)


class BlobSource:
    """A blob, read by ranges, pinned to one etag.

    With `etag` None the etag found on first use is pinned. InputRejected `blob_changed` when the blob was
    overwritten meanwhile, `blob_missing` when it is gone; TransientFault `blob_unavailable` when storage does
    not answer after several tries.
    """

    def __init__(
        self,
        client: BlobClient,
        etag: str | None = None,
        *,
        block_bytes: int = BLOCK_BYTES,
        read_ahead_blocks: int = READ_AHEAD_BLOCKS,
        first_wait_seconds: float = 0.5,
    ) -> None:
        self._client = client
        self._etag = f'"{etag.strip(chr(34))}"' if etag else None
        self._size: int | None = None
        self._block_bytes = block_bytes
        self._read_ahead_blocks = read_ahead_blocks
        self._first_wait = first_wait_seconds
        self.name: str = client.blob_name

    def open(self) -> BinaryIO:
        """Return a new range reader; asks for the blob's size once."""
        if self._size is None:
            self._size = self._retrying(self._look)
        reader = RangeReader(self._size, self._fetch, self._block_bytes, self._read_ahead_blocks)
        return cast(BinaryIO, reader)

    def _look(self) -> int:
        found = self._client.get_blob_properties()
        etag = str(found.etag)
        if self._etag is not None and etag != self._etag:
            raise _changed(self.name)
        self._etag = etag
        return int(found.size)

    def _fetch(self, offset: int, length: int) -> bytes:
        def download() -> bytes:
            stream = self._client.download_blob(
                offset=offset, length=length, etag=self._etag, match_condition=MatchConditions.IfNotModified
            )
            return stream.readall()

        return self._retrying(download)

    def _retrying(self, call: Callable[[], T]) -> T:
        retrying = Retrying(
            stop=stop_after_attempt(READ_ATTEMPTS),
            wait=wait_exponential_jitter(multiplier=self._first_wait, max=4.0, jitter=self._first_wait),
            retry=retry_if_exception_type(TransientFault),
            before_sleep=lambda state: log.warning(
                "blob.read_again", blob=self.name, attempt=state.attempt_number
            ),
            reraise=True,
        )
        return retrying(lambda: self._translated(call))

    def _translated(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except AzureError as error:
            raise blob_fault(error, self.name) from error
        except OSError as error:  # a connection lost in the middle of a body
            raise TransientFault("blob_unavailable", "Storage hung up while reading.", blob=self.name) from error


def blob_fault(error: AzureError, blob_name: str) -> FanreelError:
    """Translate what the storage SDK raises while reading one blob into our tree."""
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if isinstance(error, ResourceModifiedError) or status == 412:
        return _changed(blob_name)
    if isinstance(error, ResourceNotFoundError) or status == 404:
        return InputRejected("blob_missing", "The file is no longer in storage; upload it again.", blob=blob_name)
    return TransientFault("blob_unavailable", "Storage did not answer the read.", blob=blob_name, status=status)


def _changed(blob_name: str) -> InputRejected:
    return InputRejected(
        "blob_changed",
        "The file was overwritten while it was being read; the new one has its own job.",
        blob=blob_name,
    )


def fingerprint(source: MediaSource) -> str:
    """Return a hex sha256 of size and content: whole up to 4 MiB, else 16 evenly spread chunks of 64 KiB.

    First and last chunk are always included, so a replaced index or a cut end changes it.
    """
    with source.open() as file:
        size = file.seek(0, io.SEEK_END)
        digest = hashlib.sha256(size.to_bytes(8, "little"))
        if size <= FINGERPRINT_WHOLE_BYTES:
            offsets, length = [0], size
        else:
            span = size - FINGERPRINT_CHUNK_BYTES
            offsets = [span * index // (FINGERPRINT_CHUNKS - 1) for index in range(FINGERPRINT_CHUNKS)]
            length = FINGERPRINT_CHUNK_BYTES
        for offset in offsets:
            file.seek(offset)
            digest.update(file.read(length))
    return digest.hexdigest()
