"""Storage queues with leases: send, lease, renew, delete, hand back, poison.

Messages are base64 text, which is what the Functions queue trigger reads and writes by default.
"""

import base64
import json
from dataclasses import dataclass
from threading import Lock
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.queue import (
    QueueClient,
    QueueMessage,
    TextBase64EncodePolicy,
)

from fanreel.adapters.blobs import storage_retry
from fanreel.adapters.identity import azure_credential
from fanreel.contracts import Wire
from fanreel.errors import ContractBroken
from fanreel.settings import Settings

# 64 KiB is the service's limit for the encoded text; base64 makes 4 bytes of 3.
MESSAGE_LIMIT_BYTES = 48 * 1024


@dataclass(slots=True)
class Lease:
    """A leased message: invisible to others until `hand_back`, `delete` or the lease runs out."""

    message_id: str
    pop_receipt: str
    dequeue_count: int
    content: str


class JobQueue:
    """One queue. Thread-safe: a lease may be renewed in one thread and deleted in another."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.name = name
        self._settings = settings
        self._is_local = settings.storage_connection is not None
        self._client = _client(settings, name)
        self._poison: QueueClient | None = None
        self._lock = Lock()

    @property
    def poison_name(self) -> str:
        """The name of this queue's poison queue, as the Functions host names it."""
        return f"{self.name}-poison"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        if self._poison is not None:
            self._poison.close()

    def ensure(self) -> None:
        """Create the queue and its poison queue on the local emulator; in Azure the infrastructure does."""
        if self._is_local:
            _create(self._client)
            _create(self._poison_client())

    def send(self, message: Wire) -> None:
        """Put a message, never expiring. Raises ContractBroken `message_too_large` above 48 KiB."""
        text = json.dumps(message.to_wire(), separators=(",", ":"))
        if len(text.encode()) > MESSAGE_LIMIT_BYTES:
            raise ContractBroken(
                "message_too_large", "A queue message carries ids and blob names only, at most 48 KiB."
            )
        self._client.send_message(text, time_to_live=-1)

    def lease(self, seconds: int) -> Lease | None:
        """Take one message for `seconds`; None when the queue is empty.

        A message that is not base64 text is moved to the poison queue at once, as the Functions host does.
        """
        found: QueueMessage | None = self._client.receive_message(visibility_timeout=seconds)
        if found is None:
            return None
        raw = str(found.content)
        lease = Lease(str(found.id), str(found.pop_receipt), int(found.dequeue_count or 1), raw)
        try:
            lease.content = base64.b64decode(raw, validate=True).decode()
        except ValueError:
            self.move_to_poison(lease)
            return None
        return lease

    def renew(self, lease: Lease, seconds: int) -> bool:
        """Keep the message for another `seconds` from now; False when the lease is already lost."""
        return self._update(lease, seconds)

    def hand_back(self, lease: Lease, delay_seconds: int = 0) -> bool:
        """Let others take the message (after `delay_seconds`); False when the lease is already lost."""
        return self._update(lease, delay_seconds)

    def delete(self, lease: Lease) -> bool:
        """Delete the message: the job is done; False when the lease is already lost."""
        with self._lock:
            try:
                self._client.delete_message(lease.message_id, lease.pop_receipt)
            except HttpResponseError as fault:
                if _is_lost(fault):
                    return False
                raise
        return True

    def move_to_poison(self, lease: Lease) -> None:
        """Move the message to the poison queue, where a person looks at it."""
        self._poison_client().send_message(lease.content, time_to_live=-1)
        self.delete(lease)

    def depth(self) -> int:
        """Return about how many messages wait or are leased."""
        return int(self._client.get_queue_properties().approximate_message_count or 0)

    def _update(self, lease: Lease, visibility_seconds: int) -> bool:
        with self._lock:
            try:
                updated = self._client.update_message(
                    lease.message_id,
                    pop_receipt=lease.pop_receipt,
                    content=lease.content,
                    visibility_timeout=visibility_seconds,
                )
            except HttpResponseError as fault:
                if _is_lost(fault):
                    return False
                raise
            lease.pop_receipt = str(updated.pop_receipt)
        return True

    def _poison_client(self) -> QueueClient:
        if self._poison is None:
            self._poison = _client(self._settings, self.poison_name)
        return self._poison


def _client(settings: Settings, name: str) -> QueueClient:
    options: dict[str, Any] = {
        "message_encode_policy": TextBase64EncodePolicy(),
        "retry_policy": storage_retry(),
    }
    if settings.storage_connection is not None:
        return QueueClient.from_connection_string(settings.storage_connection.get_secret_value(), name, **options)
    if settings.storage_account is None:
        raise ContractBroken(
            "settings_storage", "Set AzureWebJobsStorage (local) or AzureWebJobsStorage__accountName (Azure)."
        )
    return QueueClient(
        f"https://{settings.storage_account}.queue.core.windows.net",
        name,
        credential=azure_credential(settings),
        **options,
    )


def _create(client: QueueClient) -> None:
    try:
        client.create_queue()
    except ResourceExistsError:
        return


def _is_lost(fault: HttpResponseError) -> bool:
    """Say whether the message is gone or leased by somebody else (another pop receipt)."""
    return fault.status_code == 404 or getattr(fault, "error_code", None) == "PopReceiptMismatch"
