"""Keeps the C heap from growing while pictures of many threads come and go (glibc; elsewhere nothing is done).

glibc raises its own threshold to the largest block that was freed, so after the first picture all of them (3 MB at
720p) are carved out of heaps, one per thread, and what lies between them keeps those heaps from shrinking: over
half an hour of video a process grew by 800 MiB. With a fixed threshold every picture is a mapping of its own,
given back the moment it is let go (mallopt(3), M_MMAP_THRESHOLD).
"""

import ctypes
import sys
from functools import cache

MMAP_THRESHOLD_BYTES = 256 * 1024
"""Pictures and the networks' planes are larger, lists and vectors smaller."""
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD, _M_ARENA_MAX = -3, -1, -8
MOST_ARENAS = 2
"""Heaps that threads share: a look's few small blocks are not worth one for every thread."""


@cache
def keep_heap_small() -> bool:
    """Set the allocator's limits, once per process; says whether there was such an allocator."""
    library = _glibc()
    if library is None:
        return False
    settings = (
        (_M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES),
        (_M_TRIM_THRESHOLD, MMAP_THRESHOLD_BYTES),
        (_M_ARENA_MAX, MOST_ARENAS),
    )
    return all(library.mallopt(name, value) == 1 for name, value in settings)


def give_back_free_memory() -> None:
    """Return free pages of the heaps to the system; after a segment, a few milliseconds."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
