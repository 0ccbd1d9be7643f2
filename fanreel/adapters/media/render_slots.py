"""How many films are written at once in this process."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache

from fanreel.errors import InputRejected
from fanreel.inference.runtime import usable_cores

from .render_run import STOPPED, Stop

_ASK_EVERY_S = 0.5


@contextmanager
def film_slot(stop: Stop | None = None) -> Generator[None]:
    """Hold one of the process's places for writing a film, as many as it may use cores; wait for one until then.

    One ffmpeg fills the cores by itself, and holds every clip of its film in memory: more side by side finish no
    sooner. While it waits, `stop` is asked now and then; raises InputRejected (`render_stopped`) when it says so.
    """
    slots = _slots()
    while not slots.acquire(timeout=_ASK_EVERY_S):
        if stop is not None and stop():
            raise InputRejected(STOPPED, "The montage is no longer wanted as it was planned.")
    try:
        yield
    finally:
        slots.release()


@lru_cache(maxsize=1)
def _slots() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(max(1, usable_cores()))
