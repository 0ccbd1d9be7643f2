"""Storage accounts of the app, reached through one asynchronous client per connection."""

import asyncio
import base64
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from devhost.config import connection_setting
from devhost.errors import ConfigError


class StorageAccounts:
    """Opens and shares the clients; ``connection`` is always a binding's connection name."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._environ = environ
        self._blobs: dict[str, BlobServiceClient] = {}
        self._queues: dict[str, QueueServiceClient] = {}
        self._closers: list[Callable[[], Awaitable[Any]]] = []

    def setting(self, connection: str) -> str:
        """The setting name ``connection`` resolves to."""
        return connection_setting(connection, self._environ)

    def blobs(self, connection: str) -> BlobServiceClient:
        """The blob service behind ``connection``."""
        setting = self.setting(connection)
        if setting not in self._blobs:
            text = self._environ.get(setting)
            if text:
                client = BlobServiceClient.from_connection_string(text)
            else:
                client = BlobServiceClient(self._endpoint(setting, "blob"), credential=self._identity(setting))
            self._blobs[setting] = client
            self._closers.append(client.close)
        return self._blobs[setting]

    def queues(self, connection: str) -> QueueServiceClient:
        """The queue service behind ``connection``."""
        setting = self.setting(connection)
        if setting not in self._queues:
            text = self._environ.get(setting)
            if text:
                client = QueueServiceClient.from_connection_string(text)
            else:
                client = QueueServiceClient(self._endpoint(setting, "queue"), credential=self._identity(setting))
            self._queues[setting] = client
            self._closers.append(client.close)
        return self._queues[setting]

    def _endpoint(self, setting: str, service: str) -> str:
        environ = self._environ
        uri = environ.get(f"{setting}__{service}ServiceUri") or environ.get(f"{setting}__serviceUri")
        account = environ.get(f"{setting}__accountName")
        if uri or account:
            return uri or f"https://{account}.{service}.core.windows.net"
        raise ConfigError(f"connection {setting!r} has no {service} endpoint")

    def _identity(self, setting: str) -> Any:
        try:
            from azure.identity.aio import DefaultAzureCredential
        except ImportError as error:
            raise ConfigError(f"connection {setting!r} uses an identity: install azure-identity") from error
        credential = DefaultAzureCredential(managed_identity_client_id=self._environ.get(f"{setting}__clientId"))
        self._closers.append(credential.close)
        return credential

    async def close(self) -> None:
        """Close every client."""
        await asyncio.gather(*(close() for close in self._closers), return_exceptions=True)


async def push_message(queue: QueueClient, body: str | bytes, *, encode: bool) -> None:
    """Send one message, creating the queue when it is not there yet.

    Args:
        queue: where to.
        body: the payload; bytes must be UTF-8 unless ``encode``.
        encode: base64 the payload, as the storage extension does by default.
    """
    data = body.encode() if isinstance(body, str) else body
    text = base64.b64encode(data).decode() if encode else data.decode()
    try:
        await queue.send_message(text)
    except ResourceNotFoundError:
        with contextlib.suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message(text)
