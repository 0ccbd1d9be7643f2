"""Queue listening: fetching, renewing, retrying and poisoning, as the storage extension does it.

Difference on purpose: messages are leased for 60 s and renewed at half of it while a function runs, where the
extension takes 10 minutes; messages of a host that was killed come back within a minute.
"""

import asyncio
import base64
import binascii
import json
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.functions import meta
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from devhost.config import QueueOptions
from devhost.errors import HostError
from devhost.storage import push_message

log = logging.getLogger("devhost.queue")

LEASE_S = 60
MIN_POLL_S = 0.1
BACKOFF = 1.5
MAX_FETCH = 32  # Get Messages returns no more
Handle = Callable[["Delivery"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One received message: its decoded body and what the broker says of it."""

    body: bytes
    id: str
    dequeue_count: int
    pop_receipt: str
    inserted: datetime | None = None
    expires: datetime | None = None
    next_visible: datetime | None = None

    def metadata(self) -> dict[str, meta.Datum]:
        """Trigger metadata the SDK's queue converter reads."""
        moments = {
            "InsertionTime": self.inserted,
            "ExpirationTime": self.expires,
            "NextVisibleTime": self.next_visible,
        }
        data = {
            "Id": meta.Datum(self.id, "string"),
            "DequeueCount": meta.Datum(str(self.dequeue_count), "json"),
            "PopReceipt": meta.Datum(self.pop_receipt, "string"),
            "QueueTrigger": meta.Datum(self.body.decode("utf-8", "replace"), "string"),
        }
        for name, moment in moments.items():
            if moment is not None:
                data[name] = meta.Datum(moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00"), "string")
        return data

    def binding_data(self) -> dict[str, Any]:
        """Names other bindings' expressions may use: the message's JSON fields and its metadata."""
        text = self.body.decode("utf-8", "replace")
        data: dict[str, Any] = {"QueueTrigger": text, "queueTrigger": text, "Id": self.id}
        data["DequeueCount"] = self.dequeue_count
        try:
            fields = json.loads(text)
        except ValueError:
            fields = None
        return {**data, **fields} if isinstance(fields, dict) else data


class QueuePump:
    """Takes messages from one queue and gives them to ``handle``; an exception there is a failed attempt.

    Args:
        queue: listened to; it need not exist yet.
        poison: where a message goes after ``options.max_dequeue_count`` failed attempts.
        handle: the work.
        options: batch, retry and poll settings.
        lease_s: how long a message stays hidden without renewal.
        max_parallel: most messages handled at once; default is what batch and threshold allow.
    """

    def __init__(
        self,
        queue: QueueClient,
        poison: QueueClient,
        handle: Handle,
        options: QueueOptions,
        *,
        lease_s: int = LEASE_S,
        max_parallel: int = 0,
    ) -> None:
        self._lease_s = lease_s
        self._queue, self._poison, self._handle, self._options = queue, poison, handle, options
        self._capacity = max_parallel or options.batch_size + options.new_batch_threshold
        self._refill_below = min(options.new_batch_threshold, self._capacity - 1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._wait_s = MIN_POLL_S

    def nudge(self) -> None:
        """Poll now: something was just enqueued."""
        self._wait_s = MIN_POLL_S
        self._wake.set()

    async def run(self) -> None:
        """Listen until cancelled."""
        unreachable = False
        while True:
            try:
                received = await self._fetch()
                if unreachable:
                    log.info("Queue '%s' is reachable again", self._queue.queue_name)
                unreachable = False
            except ResourceNotFoundError:
                received = 0
            except AzureError as error:
                if not unreachable:
                    log.warning("Queue '%s' cannot be read: %s", self._queue.queue_name, _first_line(error))
                unreachable, received = True, 0
            if received:
                self._wait_s = MIN_POLL_S
                await self._room()
            else:
                await self._pause()

    async def drain(self, timeout_s: float) -> None:
        """Give messages being handled ``timeout_s`` to end; others come back after their lease."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pause(self) -> None:
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), self._wait_s * random.uniform(0.8, 1.0))
        except TimeoutError:
            self._wait_s = min(self._wait_s * BACKOFF, self._options.max_polling_s)

    async def _room(self) -> None:
        while len(self._tasks) > self._refill_below:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def _fetch(self) -> int:
        count = min(self._options.batch_size, MAX_FETCH, self._capacity - len(self._tasks))
        received = 0
        pages = self._queue.receive_messages(
            messages_per_page=count, max_messages=count, visibility_timeout=self._lease_s
        ).by_page()
        async for page in pages:
            async for message in page:
                received += 1
                task = asyncio.create_task(self._process(message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            break
        return received

    async def _process(self, message: QueueMessage) -> None:
        try:
            await self._attempt(message)
        except AzureError as error:
            log.warning("Queue '%s': message %s: %s", self._queue.queue_name, message.id, _first_line(error))

    async def _attempt(self, message: QueueMessage) -> None:
        count = message.dequeue_count or 0
        try:
            body = self._decode(message.content)
        except ValueError:
            log.error("Queue '%s': message %s is not base64; moved to '%s'",
                      self._queue.queue_name, message.id, self._poison.queue_name)  # fmt: skip
            await self._give_up(message, message.pop_receipt or "")
            return
        if count > self._options.max_dequeue_count:
            await self._give_up(message, message.pop_receipt or "")
            return
        delivery = Delivery(
            body, message.id, count, message.pop_receipt or "",
            message.inserted_on, message.expires_on, message.next_visible_on,
        )  # fmt: skip
        async with _Lease(self._queue, message, self._lease_s) as lease:
            failed = await self._fails(delivery)
        if not failed:
            await self._queue.delete_message(message.id, lease.receipt)
        elif count >= self._options.max_dequeue_count:
            log.error("Queue '%s': message %s failed %d times; moved to '%s'",
                      self._queue.queue_name, message.id, count, self._poison.queue_name)  # fmt: skip
            await self._give_up(message, lease.receipt)
        else:
            delay = round(self._options.retry_delay_s)
            await self._queue.update_message(message.id, lease.receipt, visibility_timeout=delay)

    async def _fails(self, delivery: Delivery) -> bool:
        """Whether the handler failed; what it raised is only logged."""
        try:
            await self._handle(delivery)
        except HostError as error:
            log.debug("Queue '%s': attempt %d failed: %s", self._queue.queue_name, delivery.dequeue_count, error)
            return True
        except Exception:
            # A converter or a malformed notice: to the queue that is a failed attempt like any other.
            log.exception("Queue '%s': message %s cannot be handled", self._queue.queue_name, delivery.id)
            return True
        return False

    def _decode(self, content: Any) -> bytes:
        text = str(content)
        if not self._options.base64:
            return text.encode()
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise ValueError(str(error)) from error

    async def _give_up(self, message: QueueMessage, receipt: str) -> None:
        await push_message(self._poison, str(message.content), encode=False)
        await self._queue.delete_message(message.id, receipt)


class _Lease:
    """Keeps one message invisible while the ``async with`` lasts; ``receipt`` is the valid one afterwards."""

    def __init__(self, queue: QueueClient, message: QueueMessage, lease_s: int) -> None:
        self._queue, self._id, self._lease_s = queue, message.id, lease_s
        self.receipt = message.pop_receipt or ""
        self._renewal: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        if self._renewal is None:
            return
        if error is not None:
            self._renewal.cancel()  # the attempt was abandoned: nobody needs the receipt
        # The broker may have answered with a new receipt already; deleting with the old one would be refused.
        await asyncio.gather(self._renewal, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 2)
            self._renewal = asyncio.create_task(self._renew())
            await asyncio.shield(self._renewal)  # cancelling the wait must not cancel a request on its way

    async def _renew(self) -> None:
        try:
            renewed = await self._queue.update_message(self._id, self.receipt, visibility_timeout=self._lease_s)
        except AzureError as error:
            log.warning("Queue '%s': message %s was not renewed: %s",
                        self._queue.queue_name, self._id, _first_line(error))  # fmt: skip
        else:
            self.receipt = renewed.pop_receipt or self.receipt


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
