"""The queue pump against a real Azurite, with answers that come late."""

import asyncio
import uuid
from typing import Any, Protocol

import pytest
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from devhost.config import QueueOptions
from devhost.queues import Delivery, QueuePump

pytestmark = pytest.mark.integration


class StorageEmulator(Protocol):
    """What these tests need of the shared ``azurite`` fixture."""

    @property
    def connection_string(self) -> str: ...


class SlowAnswers(QueueClient):
    """A real client whose answers to renewals reach the caller half a second after the broker acted on them."""

    acted: asyncio.Event

    async def update_message(self, *args: Any, **options: Any) -> QueueMessage:
        renewed = await super().update_message(*args, **options)
        self.acted.set()
        await asyncio.sleep(0.5)
        return renewed


def test_a_message_handled_while_its_renewal_is_on_the_way_is_not_delivered_again(
    azurite: StorageEmulator,
) -> None:
    async def story() -> tuple[list[int], int | None]:
        name = f"dh{uuid.uuid4().hex[:8]}"
        connect = azurite.connection_string
        queue = SlowAnswers.from_connection_string(connect, name)
        queue.acted = asyncio.Event()
        counts: list[int] = []

        async def handle(delivery: Delivery) -> None:
            counts.append(delivery.dequeue_count)
            await queue.acted.wait()  # ends just when the broker has made the old receipt void

        options = QueueOptions(base64=False)
        async with queue, QueueClient.from_connection_string(connect, f"{name}-poison") as poison:
            await queue.create_queue()
            await queue.send_message("once")
            pumping = asyncio.create_task(QueuePump(queue, poison, handle, options, lease_s=1).run())
            await asyncio.sleep(3.0)
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)
            left = (await queue.get_queue_properties()).approximate_message_count
            await queue.delete_queue()
        return counts, left

    assert asyncio.run(story()) == ([1], 0)
