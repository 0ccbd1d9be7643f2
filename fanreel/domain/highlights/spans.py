"""Where a clip around a moment may begin and end: at shots' borders, clear of dissolves, no stray pictures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import Shot

I64 = NDArray[np.int64]

SHORTEST_MS, LONGEST_MS = 4_000, 20_000
STRAY_MS = 800
"""A clip neither begins so shortly before a cut nor ends so shortly after one: that would flash a stray
picture."""
GRID_MS = 500
"""Inside shots a clip may begin and end at multiples of this."""
OFF_BORDER_MS = 2_500
"""A clip rather begins or ends this much too early or late than in the middle of a shot."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Shots in a row, [start_ms, end_ms) clear of dissolves; where inside it others begin and end."""

    start_ms: int
    end_ms: int
    starts_ms: tuple[int, ...]
    """First clear moment of each shot."""
    ends_ms: tuple[int, ...]
    """Last clear moment of each shot."""


def stretches(shots: Sequence[Shot], replays: Iterable[int]) -> list[Stretch]:
    """Return the longest runs of shots without a gap between them and without a replay in them."""
    left_out = set(replays)
    runs: list[list[Shot]] = []
    before: Shot | None = None
    for index, shot in enumerate(shots):
        if index in left_out:
            before = None
            continue
        if before is not None and before.end_ms == shot.start_ms:
            runs[-1].append(shot)
        else:
            runs.append([shot])
        before = shot
    return [stretch for run in runs if (stretch := _stretch(run)) is not None]


def best_span(
    stretch: Stretch, room: tuple[int, int], peak_ms: int, wanted: tuple[int, int]
) -> tuple[int, int] | None:
    """Return the span inside `room` that holds the peak and is nearest to the wanted one; None when none fits.

    At shots' borders rather than elsewhere; from `SHORTEST_MS` (or all of a shorter room) to `LONGEST_MS`.
    """
    start, end = max(room[0], stretch.start_ms), min(room[1], stretch.end_ms)
    if not start <= peak_ms < end:
        return None
    # Nothing farther from the peak can begin or end a clip that holds it; all pairs of what is left are compared.
    start, end = max(start, peak_ms - LONGEST_MS), min(end, peak_ms + LONGEST_MS)
    shortest = min(SHORTEST_MS, stretch.end_ms - stretch.start_ms)
    grid = np.arange(start // GRID_MS * GRID_MS + GRID_MS, end, GRID_MS, dtype=np.int64)
    starts, off_starts = _options(start, peak_ms, stretch.starts_ms, grid[_clean_start(grid, stretch)])
    ends, off_ends = _options(peak_ms + 1, end, stretch.ends_ms, grid[_clean_end(grid, stretch)])
    length = ends[None, :] - starts[:, None]
    cost = (np.abs(starts - wanted[0]) + off_starts)[:, None] + (np.abs(ends - wanted[1]) + off_ends)[None, :]
    cost[(length < shortest) | (length > LONGEST_MS)] = np.iinfo(np.int64).max
    if cost.size == 0 or cost.min() == np.iinfo(np.int64).max:
        return None
    row, column = np.unravel_index(int(cost.argmin()), cost.shape)
    return int(starts[row]), int(ends[column])


def _stretch(run: Sequence[Shot]) -> Stretch | None:
    clear = [(_first_clear(shot), _last_clear(shot)) for shot in run]
    clear = [(first, last) for first, last in clear if first < last]
    if not clear:
        return None
    # A dissolve between the run and what is left out before or after it belongs to neither.
    starts, ends = zip(*clear, strict=True)
    return Stretch(starts[0], ends[-1], starts, ends)


def _first_clear(shot: Shot) -> int:
    return shot.start_ms if shot.clear_from_ms is None else shot.clear_from_ms


def _last_clear(shot: Shot) -> int:
    return shot.end_ms if shot.clear_to_ms is None else shot.clear_to_ms


def _options(low: int, high: int, borders: Iterable[int], elsewhere: I64) -> tuple[I64, I64]:
    """Return the moments from low to high to choose from, and what each costs for where it lies."""
    at_borders = np.array(sorted({border for border in borders if low <= border <= high}), np.int64)
    inside = elsewhere[(elsewhere >= low) & (elsewhere <= high)]
    cost = np.concatenate([np.zeros(len(at_borders), np.int64), np.full(len(inside), OFF_BORDER_MS, np.int64)])
    return np.concatenate([at_borders, inside]), cost


def _clean_start(moments: I64, stretch: Stretch) -> NDArray[np.bool_]:
    """Tell which moments are clear, with at least `STRAY_MS` of their shot still to come."""
    shot = np.searchsorted(np.array(stretch.starts_ms), moments, side="right") - 1
    return (shot >= 0) & (moments + STRAY_MS <= np.array(stretch.ends_ms)[shot])


def _clean_end(moments: I64, stretch: Stretch) -> NDArray[np.bool_]:
    """Tell which moments are clear, with at least `STRAY_MS` of their shot already shown."""
    shot = np.searchsorted(np.array(stretch.starts_ms), moments, side="right") - 1
    inside = (shot >= 0) & (moments <= np.array(stretch.ends_ms)[shot])
    return inside & (moments - STRAY_MS >= np.array(stretch.starts_ms)[shot])


def free_room(
    stretch: Stretch, taken: Sequence[tuple[int, int]], peak_ms: int, apart_ms: int
) -> tuple[int, int] | None:
    """Return what is free of the stretch around a moment; None when a clip lies nearer to it than `apart_ms`."""
    if any(start - apart_ms < peak_ms < end + apart_ms for start, end in taken):
        return None
    edges = sorted([(stretch.start_ms, stretch.start_ms), *taken, (stretch.end_ms, stretch.end_ms)])
    for (_, before), (after, _) in pairwise(edges):
        if before <= peak_ms < after:
            return before, after
    return None
