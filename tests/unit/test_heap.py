"""What pictures took is given back to the system, whatever small things lie between them."""

import subprocess
import sys

import pytest

from gpu_workers.pipeline.heap import keep_heap_small

pytestmark = pytest.mark.unit

COME_AND_GO = """
import sys
import numpy as np
from gpu_workers.pipeline.heap import keep_heap_small

def resident_mib():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096 / 2**20

if sys.argv[1] == "kept small":
    assert keep_heap_small()
first = np.ones(3_000_000, np.uint8)
del first  # from here on, glibc alone would carve such blocks out of the heap
before, kept = resident_mib(), []
for _ in range(40):
    pictures = [np.ones(3_000_000, np.uint8) for _ in range(4)]
    kept.append(np.ones(30_000, np.uint8))  # something small stays behind every few pictures
    del pictures
print(resident_mib() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the allocator's limits are glibc's")
def test_pictures_leave_nothing_behind_but_what_is_kept() -> None:
    if not keep_heap_small():
        pytest.skip("this C library has no mallopt")
    done = subprocess.run(
        [sys.executable, "-c", COME_AND_GO, "kept small"], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 4, "1.2 MB are kept"
