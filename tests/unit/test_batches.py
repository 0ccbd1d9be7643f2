"""How many rows go through which batch sizes."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanreel.inference.runtime import BATCH_BUCKETS, Array, batches, run_in_batches

pytestmark = pytest.mark.unit

SIZES = st.sampled_from(list(BATCH_BUCKETS.values()))


class Adding:
    """A network that adds one, notes its batches and accepts no other sizes."""

    def __init__(self, sizes: tuple[int, ...], fills: bool) -> None:
        self.batch_sizes = sizes
        self.fills_batches = fills
        self.calls_at_once = 2
        self.seen = list[int]()

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        (rows,) = feeds.values()
        assert len(rows) in self.batch_sizes
        self.seen.append(len(rows))
        return {"sum": rows + 1}


@given(st.integers(1, 200), SIZES, st.booleans())
def test_every_row_is_run_once_in_a_size_that_is_allowed(count: int, sizes: tuple[int, ...], filled: bool) -> None:
    calls = batches(count, sizes, filled=filled)
    assert sum(rows for rows, _ in calls) == count
    assert all(0 < rows <= size and size in sizes for rows, size in calls)
    assert filled or all(rows == size for rows, size in calls)


@given(st.integers(1, 200), SIZES)
def test_filling_up_takes_the_fewest_calls_and_idles_less_than_half(count: int, sizes: tuple[int, ...]) -> None:
    calls = batches(count, sizes, filled=True)
    assert len(calls) == -(-count // sizes[0])
    assert all(2 * rows > size for rows, size in calls)


@given(st.integers(1, 80), SIZES, st.booleans())
def test_rows_come_back_in_order_without_what_filled_up(count: int, sizes: tuple[int, ...], fills: bool) -> None:
    session = Adding(sizes, fills)
    rows = np.arange(count * 3, dtype=np.float32).reshape(count, 3)
    np.testing.assert_array_equal(run_in_batches(session, rows)["sum"], rows + 1)
    assert sorted(session.seen, reverse=True) == [size for _, size in batches(count, sizes, filled=fills)]
