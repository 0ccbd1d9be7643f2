"""Holding on to a leased job: renewed at half-life in a thread, until the job is done."""

import contextlib
from collections.abc import Callable, Generator
from threading import Event, Thread

import structlog
from azure.core.exceptions import AzureError

from fanreel.adapters.queues import JobQueue, Lease

log = structlog.get_logger()


@contextlib.contextmanager
def renewed(
    queue: JobQueue,
    lease: Lease,
    seconds: int,
    *,
    every_seconds: float | None = None,
    beat: Callable[[], None] = lambda: None,
) -> Generator[None]:
    """Keep `lease` for as long as the block runs; a lost lease is logged and no longer renewed.

    It is renewed every `every_seconds` (default: its half-life), and `beat` is called each time. Losing it is
    harmless: another worker does the same job, and the result is written only once.
    """
    finished = Event()
    pause = seconds / 2 if every_seconds is None else every_seconds

    def renew() -> None:
        while not finished.wait(pause):
            try:
                if not queue.renew(lease, seconds):
                    log.warning("lease.lost", message_id=lease.message_id)
                    return
                beat()
            except AzureError as fault:  # the next round tries again; there is half a life left
                log.warning("lease.not_renewed", message_id=lease.message_id, error=type(fault).__name__)

    thread = Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()
