"""Blob storage: raw artefacts, sources of video and links to download.

Built from a connection string (local emulator) or the managed identity (Azure); everything behind the
same interface. Retries of single calls are the SDK's own policy, set below.
"""

import mimetypes
import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TypeVar
from urllib.parse import quote

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import (
    BlobClient,
    BlobLeaseClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContentSettings,
    ExponentialRetry,
    UserDelegationKey,
    generate_blob_sas,
)

from fanreel.adapters.identity import azure_credential
from fanreel.adapters.media.source import BlobSource, MediaSource
from fanreel.contracts import Wire
from fanreel.errors import ContractBroken, InputRejected, TransientFault
from fanreel.settings import Settings

_W = TypeVar("_W", bound=Wire)

# Clocks of two machines differ: a link is valid from a little earlier.
_CLOCK_SKEW = timedelta(minutes=5)
# A user-delegation key lives up to 7 days; a short one limits what a leaked link could be made into.
_DELEGATION_KEY_LIFE = timedelta(hours=2)
# The longest a blob lease may be; how long others wait when its holder has died.
_LOCK_SECONDS = 60
_LOCK_WAIT_SECONDS = 300.0


def storage_retry() -> ExponentialRetry:
    """Return the retry policy of single storage calls: 4 tries more, about 1, 3, 5, 9 s apart."""
    return ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=4, random_jitter_range=1)


class BlobStore:
    """The app's blob containers. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._is_local = settings.storage_connection is not None
        self._service = _service(settings)
        self._delegation: tuple[UserDelegationKey, datetime] | None = None
        self._delegation_lock = Lock()

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def ensure(self) -> None:
        """Create the containers on the local emulator; in Azure they come with the infrastructure."""
        if not self._is_local:
            return
        settings = self._settings
        for container in (
            settings.container_videos,
            settings.container_selfies,
            settings.container_results,
            settings.container_montages,
        ):
            try:
                self._service.create_container(container)
            except ResourceExistsError:
                continue

    def client(self, container: str, blob: str) -> BlobClient:
        """Return the SDK's client of one blob."""
        return self._service.get_blob_client(container, blob)

    def put_json(self, container: str, blob: str, message: Wire, *, overwrite: bool = False) -> bool:
        """Write a message; without `overwrite` only when there is no such blob yet (If-None-Match: *).

        Returns False when the blob was there and has been left alone.
        """
        data = message.model_dump_json(by_alias=True).encode()
        try:
            self.client(container, blob).upload_blob(
                data, overwrite=overwrite, content_settings=ContentSettings(content_type="application/json")
            )
        except ResourceExistsError:
            return False
        return True

    def get_json(self, container: str, blob: str, kind: type[_W]) -> _W | None:
        """Read a message; None when there is no such blob. Raises ContractBroken when it is not a `kind`."""
        try:
            data = self.client(container, blob).download_blob().readall()
        except ResourceNotFoundError:
            return None
        try:
            return kind.from_wire(data)
        except ValueError as broken:
            raise ContractBroken(
                "blob_contract", f"{container}/{blob} is not a {kind.__name__}: {broken}"
            ) from broken

    def require_json(self, container: str, blob: str, kind: type[_W]) -> _W:
        """Read a message that must be there. Raises ContractBroken when it is not."""
        found = self.get_json(container, blob, kind)
        if found is None:
            raise ContractBroken("blob_missing", f"{container}/{blob} should be there and is not.", blob=blob)
        return found

    def put_marker(self, container: str, blob: str) -> None:
        """Write (or touch) an empty blob."""
        self.client(container, blob).upload_blob(b"", overwrite=True)

    def age_seconds(self, container: str, blob: str) -> float | None:
        """Return how long ago a blob was last written, seconds; None when there is none."""
        try:
            properties = self.client(container, blob).get_blob_properties()
        except ResourceNotFoundError:
            return None
        return max(0.0, (datetime.now(UTC) - properties.last_modified).total_seconds())

    @contextmanager
    def exclusive(
        self, container: str, blob: str, *, wait_seconds: float = _LOCK_WAIT_SECONDS
    ) -> Generator[Callable[[], None]]:
        """Hold a blob's lease, so that only one of all processes is inside; the blob is created when absent.

        Yields a check to call right before and after what must not overlap: it holds on for another minute, or
        raises TransientFault `lock_lost`. Raises TransientFault `lock_busy` when others hold it for too long.
        """
        lease = _acquired(self.client(container, blob), wait_seconds)

        def hold() -> None:
            try:
                lease.renew()
            except (ResourceExistsError, ResourceNotFoundError, ResourceModifiedError) as lost:
                raise TransientFault("lock_lost", "This took too long and somebody else began.") from lost

        try:
            yield hold
        finally:
            with suppress(AzureError):  # it runs out by itself
                lease.release()

    def read_bytes(self, container: str, blob: str, *, limit_bytes: int, etag: str) -> bytes:
        """Read one version of a small blob whole.

        Raises InputRejected `blob_missing`, `blob_changed` (another version is there now) or `file_too_large`.
        """
        client = self.client(container, blob)
        try:
            properties = client.get_blob_properties()
            if properties.etag.strip('"') != etag.strip('"'):
                raise InputRejected("blob_changed", "The file was overwritten by another one.", blob=blob)
            if properties.size > limit_bytes:
                raise InputRejected(
                    "file_too_large", f"The file is larger than {limit_bytes // 1_000_000} MB.", blob=blob
                )
            if properties.size == 0:
                return b""  # a range read of an empty blob is an error
            return client.download_blob(
                etag=properties.etag, match_condition=MatchConditions.IfNotModified
            ).readall()
        except ResourceNotFoundError as gone:
            raise InputRejected("blob_missing", "The uploaded file is no longer there.", blob=blob) from gone
        except ResourceModifiedError as changed:
            raise InputRejected("blob_changed", "The file was overwritten by another one.", blob=blob) from changed

    def etag(self, container: str, blob: str) -> str | None:
        """Return a blob's current etag without quotes; None when there is no such blob."""
        try:
            return self.client(container, blob).get_blob_properties().etag.strip('"')
        except ResourceNotFoundError:
            return None

    def exists(self, container: str, blob: str) -> bool:
        """Say whether the blob is there."""
        return self.client(container, blob).exists()

    def list_names(self, container: str, prefix: str) -> Iterator[str]:
        """Yield the names of all blobs that start with `prefix`, in order."""
        try:
            yield from self._service.get_container_client(container).list_blob_names(name_starts_with=prefix)
        except ResourceNotFoundError:
            return

    def upload_file(
        self, container: str, blob: str, path: Path, *, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Upload a file, replacing what was there; metadata travels percent-encoded, for headers are ASCII."""
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        with path.open("rb") as data:
            self.client(container, blob).upload_blob(
                data,
                overwrite=True,
                content_settings=ContentSettings(content_type=kind),
                metadata={key: quote(value, safe=" ") for key, value in (metadata or {}).items()},
            )

    def delete(self, container: str, blob: str) -> None:
        """Delete a blob; nothing happens when there is none."""
        try:
            self.client(container, blob).delete_blob(delete_snapshots="include")
        except ResourceNotFoundError:
            return

    def delete_prefix(self, container: str, prefix: str) -> int:
        """Delete every blob whose name starts with `prefix`; returns how many there were."""
        names = list(self.list_names(container, prefix))
        for name in names:
            self.delete(container, name)
        return len(names)

    def source(self, container: str, blob: str, etag: str | None = None) -> MediaSource:
        """Return a blob as something the media code opens and seeks in, pinned to one version by its etag."""
        return BlobSource(self.client(container, blob), etag)

    def download_url(
        self, container: str, blob: str, *, minutes: int | None = None, filename: str | None = None
    ) -> str:
        """Return a link that reads this one blob for `minutes` (default: `download_minutes`).

        Locally signed with the emulator's key, in Azure with a user-delegation key of the managed identity.
        """
        client = self.client(container, blob)
        now = datetime.now(UTC)
        life = timedelta(minutes=minutes or self._settings.download_minutes)
        disposition = f'attachment; filename="{filename}"' if filename else None
        key = None if self._is_local else self._delegation_key(now, life)
        token = generate_blob_sas(
            account_name=str(client.account_name),
            container_name=container,
            blob_name=blob,
            account_key=_account_key(self._service) if self._is_local else None,
            user_delegation_key=key,
            permission=BlobSasPermissions(read=True),
            start=now - _CLOCK_SKEW,
            expiry=now + life,
            protocol=None if self._is_local else "https",
            content_disposition=disposition,
        )
        return f"{client.url}?{token}"

    def _delegation_key(self, now: datetime, life: timedelta) -> UserDelegationKey:
        with self._delegation_lock:
            if self._delegation is None or self._delegation[1] < now + life:
                expiry = now + max(_DELEGATION_KEY_LIFE, life)
                key = self._service.get_user_delegation_key(now - _CLOCK_SKEW, expiry)
                self._delegation = (key, expiry)
            return self._delegation[0]


def _service(settings: Settings) -> BlobServiceClient:
    if settings.storage_connection is not None:
        return BlobServiceClient.from_connection_string(
            settings.storage_connection.get_secret_value(), retry_policy=storage_retry()
        )
    if settings.storage_account is None:
        raise ContractBroken(
            "settings_storage", "Set AzureWebJobsStorage (local) or AzureWebJobsStorage__accountName (Azure)."
        )
    return BlobServiceClient(
        f"https://{settings.storage_account}.blob.core.windows.net",
        credential=azure_credential(settings),
        retry_policy=storage_retry(),
    )


def _acquired(client: BlobClient, wait_seconds: float) -> BlobLeaseClient:
    give_up_at = time.monotonic() + wait_seconds
    while True:
        try:
            return client.acquire_lease(_LOCK_SECONDS)
        except ResourceNotFoundError:
            with suppress(ResourceExistsError, ResourceModifiedError):  # somebody else was faster
                client.upload_blob(b"", overwrite=False)
        except HttpResponseError as busy:
            if getattr(busy, "error_code", None) != "LeaseAlreadyPresent":
                raise
            if time.monotonic() > give_up_at:
                raise TransientFault("lock_busy", "Others hold this for too long; try again later.") from busy
            # At random, so that nobody who waits is always the last to ask.
            time.sleep(random.uniform(0.1, 0.5))


def _account_key(service: BlobServiceClient) -> str:
    return str(service.credential.account_key)
