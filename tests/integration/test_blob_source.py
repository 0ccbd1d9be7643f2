from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from azure.storage.blob import BlobClient, BlobServiceClient

from fanreel.adapters.media.frames import iter_frames
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import BlobSource, FileSource, blob_fault, fingerprint
from fanreel.errors import FanreelError, InputRejected, TransientFault

from .made_media import make

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def container(azurite) -> Iterator[BlobServiceClient]:
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        service.create_container("blob-source")
        yield service


def upload(service: BlobServiceClient, name: str, data: bytes) -> tuple[BlobClient, str]:
    client = service.get_blob_client("blob-source", name)
    return client, str(client.upload_blob(data, overwrite=True)["etag"])


def test_a_video_reads_from_storage_as_from_disk(container, tmp_path):
    path = make("b_frames.mp4", tmp_path)
    client, etag = upload(container, "event/b_frames.mp4", path.read_bytes())
    blob, file = BlobSource(client, etag, block_bytes=16 * 1024), FileSource(path)
    assert blob.name == "event/b_frames.mp4"
    assert fingerprint(blob) == fingerprint(file)
    media = probe(blob)
    assert media == probe(file)
    frames = [(frame.pts_ms, frame.small(32).tobytes()) for frame in iter_frames(blob, media, 2000, 4000)]
    assert frames == [(f.pts_ms, f.small(32).tobytes()) for f in iter_frames(file, media, 2000, 4000)]
    assert len(frames) == 50


@pytest.mark.parametrize("quoted", [True, False])
def test_an_overwritten_blob_is_rejected_not_mixed(container, tmp_path, quoted):
    data = make("b_frames.mp4", tmp_path).read_bytes()
    client, etag = upload(container, "event/changing.mp4", data)
    source = BlobSource(client, etag if quoted else etag.strip('"'), block_bytes=1024)
    with source.open() as file:
        assert file.read(100) == data[:100]
        upload(container, "event/changing.mp4", data[::-1])
        file.seek(5000)
        with pytest.raises(InputRejected) as caught:
            file.read(100)
    assert caught.value.code == "blob_changed"
    with pytest.raises(InputRejected) as again:
        probe(BlobSource(client, etag))
    assert again.value.code == "blob_changed"


def test_the_etag_found_first_is_kept(container, tmp_path):
    client, _ = upload(container, "event/pinned.mp4", b"first" * 1000)
    source = BlobSource(client)
    with source.open() as file:
        file.read(1)
    upload(container, "event/pinned.mp4", b"later" * 1000)
    with source.open() as file, pytest.raises(InputRejected):
        file.read(1)


def test_missing_and_empty_blobs_are_rejected(container):
    with pytest.raises(InputRejected) as missing:
        probe(BlobSource(container.get_blob_client("blob-source", "event/nothing.mp4"), '"0x1"'))
    assert missing.value.code == "blob_missing"
    client, etag = upload(container, "event/empty.mp4", b"")
    with pytest.raises(InputRejected) as empty:
        probe(BlobSource(client, etag))
    assert empty.value.code == "empty_file"


class FailingClient:
    """A blob whose reads fail a number of times: the faults Azurite cannot be asked for."""

    blob_name = "event/failing.mp4"

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    def download_blob(self, **options: object) -> "FailingClient":
        self.calls += 1
        if self.failures:
            self.failures -= 1
            raise ServiceRequestError("connection refused")
        return self

    def readall(self) -> bytes:
        return b"x" * 10

    def get_blob_properties(self, **options: object) -> "FailingClient":
        return self

    etag = '"0x1"'
    size = 10


def test_a_passing_fault_is_tried_again():
    client = FailingClient(failures=2)
    with BlobSource(client, first_wait_seconds=0.001).open() as file:  # pyright: ignore[reportArgumentType]
        assert file.read() == b"x" * 10
    assert client.calls == 3


def test_a_lasting_fault_is_transient_for_the_caller():
    client = FailingClient(failures=99)
    with BlobSource(client, first_wait_seconds=0.001).open() as file, pytest.raises(TransientFault) as caught:  # pyright: ignore[reportArgumentType]
        file.read()
    assert caught.value.code == "blob_unavailable"
    assert client.calls == 3


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (412, InputRejected, "blob_changed"),
        (404, InputRejected, "blob_missing"),
        (503, TransientFault, "blob_unavailable"),
        (403, TransientFault, "blob_unavailable"),
    ],
)
def test_storage_errors_are_told_apart(status: int, kind: type[FanreelError], code: str):
    error = HttpResponseError("no")
    error.status_code = status
    fault = blob_fault(error, "event/name.mp4")
    assert isinstance(fault, kind)
    assert fault.code == code
