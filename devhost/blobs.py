"""Blob triggers: container scanning with receipts, Event Grid notifications, one internal queue for both.

Polling path (WebJobs SDK BlobTriggerExecutor, BlobReceiptManager): match the pattern, take the ETag, look for the
receipt blob ``azure-webjobs-hosts/blobreceipts/{host}/{function}/{etag}/{container}/{blob}``, enqueue a notice on
``azure-webjobs-blobtrigger-{host}``, complete the receipt. The consumer drops a notice whose blob is gone or has
another ETag by now. Five failed attempts put the notice on ``webjobs-blobtrigger-poison``.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.functions import meta
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import BlobClient

from devhost.bindings import converter, deferred_blob
from devhost.config import HOST_STORAGE
from devhost.loader import LoadedFunction, sdk_type
from devhost.patterns import BlobPattern, parse_pattern
from devhost.queues import Delivery
from devhost.storage import StorageAccounts, push_message

log = logging.getLogger("devhost.blob")

HOSTS_CONTAINER = "azure-webjobs-hosts"
POISON_QUEUE = "webjobs-blobtrigger-poison"
RECEIPT_LEASE_S = 30
_INCOMPLETE = "Incomplete"
RunFunction = Callable[[LoadedFunction, Any, dict[str, Any], str], Awaitable[Any]]


class Notified(Enum):
    """How :meth:`BlobNotices.send_once` ended."""

    NOW = auto()  # the notice was written by this call
    BEFORE = auto()  # the receipt says it was written earlier
    PENDING = auto()  # someone holds the receipt: a living host, or one that was killed; ask again


@dataclass(frozen=True, slots=True)
class BlobWatch:
    """One blob-triggered function and the blobs it wants."""

    function: LoadedFunction
    pattern: BlobPattern
    connection: str
    polled: bool


def watch_of(function: LoadedFunction, path: str, *, poll_event_grid: bool) -> BlobWatch:
    """What ``function`` watches; ``path`` is its trigger path with settings substituted."""
    event_grid = function.trigger.text("source") == "EventGrid"
    connection = function.trigger.text("connection")
    return BlobWatch(function, parse_pattern(path), connection, poll_event_grid or not event_grid)


class BlobNotices:
    """Writes notices to the internal queue and receipts to the host's container."""

    def __init__(self, accounts: StorageAccounts, host_id: str) -> None:
        self._accounts, self._host_id = accounts, host_id
        self.queue = accounts.queues(HOST_STORAGE).get_queue_client(f"azure-webjobs-blobtrigger-{host_id}")

    async def send(self, function: LoadedFunction, container: str, blob: str, etag: str) -> None:
        """Enqueue a notice that ``function`` must see this version of the blob."""
        notice = {
            "Type": "BlobTrigger", "FunctionId": function.function_id, "BlobType": "BlockBlob",
            "ContainerName": container, "BlobName": blob, "ETag": etag,
        }  # fmt: skip
        await push_message(self.queue, json.dumps(notice), encode=True)

    async def send_once(self, function: LoadedFunction, container: str, blob: str, etag: str) -> Notified:
        """Enqueue unless a completed receipt says it was done.

        ``PENDING`` leaves it open whether the notice will come: a host killed before it enqueued keeps its lease
        for up to ``RECEIPT_LEASE_S``, and only the receipt tells that apart from a host at work.
        """
        receipt = self._receipt(function, container, blob, etag)
        if await self._is_complete(receipt):
            return Notified.BEFORE
        try:
            lease = await receipt.acquire_lease(RECEIPT_LEASE_S)
        except HttpResponseError:
            return Notified.PENDING
        try:
            metadata = (await receipt.get_blob_properties(lease=lease)).metadata or {}
            if _INCOMPLETE not in metadata:
                return Notified.BEFORE
            await self.send(function, container, blob, etag)
            await receipt.set_blob_metadata({}, lease=lease)
        finally:
            await lease.release()
        return Notified.NOW

    def _receipt(self, function: LoadedFunction, container: str, blob: str, etag: str) -> BlobClient:
        name = f"blobreceipts/{self._host_id}/{function.function_id}/{etag}/{container}/{blob}"
        return self._accounts.blobs(HOST_STORAGE).get_blob_client(HOSTS_CONTAINER, name)

    async def _is_complete(self, receipt: BlobClient) -> bool:
        """Whether the receipt is there and complete; makes an incomplete one when there is none."""
        try:
            properties = await receipt.get_blob_properties()
            return _INCOMPLETE not in (properties.metadata or {})
        except ResourceNotFoundError:
            pass
        try:
            await receipt.upload_blob(b"", metadata={_INCOMPLETE: "true"}, overwrite=False)
        except ResourceExistsError:
            pass
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):
                await self._accounts.blobs(HOST_STORAGE).create_container(HOSTS_CONTAINER)
            await receipt.upload_blob(b"", metadata={_INCOMPLETE: "true"}, overwrite=True)
        return False


class ContainerScanner:
    """Scans one container for new blob versions, for every function that watches it."""

    def __init__(
        self, accounts: StorageAccounts, notices: BlobNotices, watches: Sequence[BlobWatch],
        interval_s: float, nudge: Callable[[], None],
    ) -> None:  # fmt: skip
        self._accounts, self._notices, self._watches = accounts, notices, watches
        self._interval_s, self._nudge = interval_s, nudge
        self._container = watches[0].pattern.container
        self._seen: dict[str, str] = {}

    async def run(self) -> None:
        """Scan until cancelled."""
        unreachable = False
        while True:
            try:
                await self._scan()
                unreachable = False
            except ResourceNotFoundError:
                pass  # the container is not there yet
            except AzureError as error:
                if not unreachable:
                    reason = str(error).split("\n", 1)[0]
                    log.warning("Container '%s' cannot be scanned: %s", self._container, reason)
                unreachable = True
            await asyncio.sleep(self._interval_s)

    async def _scan(self) -> None:
        client = self._accounts.blobs(self._watches[0].connection).get_container_client(self._container)
        present: dict[str, str] = {}
        async for blob in client.list_blobs():
            name, etag = str(blob.name), str(blob.etag).strip('"')
            if self._seen.get(name) == etag or await self._notify(name, etag):
                present[name] = etag
        self._seen = present  # only versions whose notices were written count as seen

    async def _notify(self, name: str, etag: str) -> bool:
        """Notify every watch of this version; ``False`` while the notice of one is pending."""
        settled = True
        for watch in self._watches:
            if watch.pattern.match(name) is None:
                continue
            outcome = await self._notices.send_once(watch.function, self._container, name, etag)
            if outcome is Notified.NOW:
                self._nudge()
            settled = settled and outcome is not Notified.PENDING
        return settled


class BlobConsumer:
    """Turns notices into function calls."""

    def __init__(self, accounts: StorageAccounts, watches: Sequence[BlobWatch], run: RunFunction) -> None:
        self._accounts, self._run = accounts, run
        self._by_id = {watch.function.function_id.lower(): watch for watch in watches}

    async def handle(self, delivery: Delivery) -> None:
        """Call the function a notice names; a stale notice ends quietly.

        Raises:
            FunctionFailedError: the function raised; the notice is tried again.
        """
        notice: dict[str, Any] = json.loads(delivery.body)
        watch = self._by_id.get(str(notice.get("FunctionId", "")).lower())
        if watch is None:
            log.warning("Notice for '%s', which is not a blob function here; dropped", notice.get("FunctionId"))
            return
        container, name = str(notice["ContainerName"]), str(notice["BlobName"])
        client = self._accounts.blobs(watch.connection).get_blob_client(container, name)
        try:
            properties = await client.get_blob_properties()
        except ResourceNotFoundError:
            log.info("Blob '%s/%s' is gone; '%s' is not called", container, name, watch.function.name)
            return
        expected = str(notice.get("ETag") or "").strip('"')
        if expected and str(properties.etag).strip('"') != expected:
            return  # overwritten meanwhile: the new version has a notice of its own
        parameters = watch.pattern.match(name) or {}
        value = await self._value(watch, client, properties, parameters)
        path = f"{container}/{name}"
        data = {**parameters, "BlobTrigger": path, "blobTrigger": path, "Uri": client.url, "uri": client.url}
        await self._run(watch.function, value, data, f"New blob detected: {path}")

    async def _value(
        self, watch: BlobWatch, client: BlobClient, properties: BlobProperties, parameters: dict[str, str]
    ) -> Any:
        annotation = sdk_type(watch.function.annotations.get(watch.function.trigger.name))
        if annotation is not None:
            setting = self._accounts.setting(watch.connection)
            # In a thread: a StorageStreamDownloader opens its download while it is made.
            return await asyncio.to_thread(
                deferred_blob, annotation, setting, client.container_name, client.blob_name
            )
        content = await (await client.download_blob()).readall()
        facts = {
            "Length": properties.size, "ContentLength": properties.size, "ETag": str(properties.etag),
            "ContentType": properties.content_settings.content_type,
            "LastModified": properties.last_modified.isoformat() if properties.last_modified else None,
        }  # fmt: skip
        metadata = {
            "BlobTrigger": meta.Datum(f"{client.container_name}/{client.blob_name}", "string"),
            "Uri": meta.Datum(client.url, "string"),
            "Properties": meta.Datum(json.dumps(facts), "json"),
            "Metadata": meta.Datum(json.dumps(dict(properties.metadata or {})), "json"),
            **{key: meta.Datum(text, "string") for key, text in parameters.items()},
        }
        return converter("blobTrigger").decode(meta.Datum(content, "bytes"), trigger_metadata=metadata)
