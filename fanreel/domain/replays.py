"""Replays: shots that show the pictures of an earlier shot again, perhaps slower, smaller, under other graphics.

Every look has a perceptual hash. A replay is a shot whose hashes can be laid along those of an earlier shot, in
the same order of time, so that each is near its partner and far from the earlier shot's other looks: two views
from one camera position look alike at any time and are no evidence, however near their hashes. A replay from
another camera shows other pictures and cannot be found this way; nor can one of a picture that stands still.

Numbers were chosen on some clips and are judged on others (`python -m benchmarks.replays`). The work is bounded:
one look in five of each shot is compared with every earlier look (of three hours 10,800 × 54,000 / 2, one machine
word each), and only the `CANDIDATES` best shots are aligned, no more than `LONGEST_MS` of each.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import Shot, ShotMeasure

U64 = NDArray[np.uint64]
Bits = NDArray[np.uint8]

LEAST_LOOKS = 6
"""A shot of fewer looks (1.2 s at five a second) tells too little."""
LONGEST_MS = 30_000
"""A longer shot is no replay, and of a longer original no more is aligned."""

KEY_BITS = 18
KEY_SHARE = 0.6
"""An earlier shot is a candidate when this share of the keys is within so many bits of one of its looks."""
CANDIDATES = 6
KEYS_AT_LEAST = 4

NEAR_BITS = 20
"""Partners this far apart neither speak for nor against an alignment; two pictures at random differ in 32."""
MEAN_BITS = 17.0
"""The partners of a replay differ by at most this many bits on average …"""
CONTRAST_BITS = 10.0
"""… and by at least so many less than looks that are no partners, a third of the span or more apart in time."""
LEAST_SHARE = 0.6
"""At least this share of the replay has partners."""
LEAST_SPAN_MS = 600
"""They are of at least this long a part of the original: one picture, however long it is shown, is no action."""
MOST_SLOWER, LEAST_SLOWER = 8.0, 0.5


@dataclass(frozen=True, slots=True)
class Looks:
    """Times (n,) ascending, int64, and 64-bit perceptual hashes (n,) of looks."""

    times_ms: NDArray[np.int64]
    hashes: U64

    @classmethod
    def of(cls, measures: Iterable[ShotMeasure]) -> Self:
        """Return all looks that have a hash, once each, in order of time."""
        known = {
            pts: int(digits, 16)
            for measure in measures
            if len(measure.picture_hash) == len(measure.pts_ms)
            for pts, digits in zip(measure.pts_ms, measure.picture_hash, strict=True)
        }
        times = sorted(known)
        return cls(np.array(times, np.int64), np.array([known[pts] for pts in times], np.uint64))


@dataclass(frozen=True, slots=True)
class Replay:
    """Shot `shot` shows [from_ms, to_ms) of the video again, which is in shot `of`."""

    shot: int
    of: int
    from_ms: int
    to_ms: int
    slower: float
    """How many times as long as the original it takes."""
    mean_bits: float
    contrast_bits: float


@dataclass(frozen=True, slots=True)
class _Part:
    """The looks of one shot: rows [low, high)."""

    shot: int
    low: int
    high: int


def find_replays(shots: Sequence[Shot], looks: Looks) -> tuple[Replay, ...]:
    """Return the replays among the shots (in order of time), each of the earlier shot it repeats best.

    Only looks clear of dissolves and fades count.
    """
    parts = [part for index, shot in enumerate(shots) if (part := _part(index, shot, looks)) is not None]
    starts = np.array([part.low for part in parts], np.int64)
    found: list[Replay] = []
    for at, part in enumerate(parts):
        if at == 0 or looks.times_ms[part.high - 1] - looks.times_ms[part.low] > LONGEST_MS:
            continue
        keys = _keys(part)
        nearest = _nearest(looks.hashes, keys, starts[:at], parts[at - 1].high)
        choices = [
            replay
            for row in _candidates(nearest)
            if (replay := _compare(looks, parts[row], part, keys)) is not None
        ]
        if choices:
            found.append(min(choices, key=lambda replay: (replay.mean_bits - replay.contrast_bits, replay.of)))
    return tuple(found)


def mark_replays(shots: Sequence[Shot], replays: Sequence[Replay]) -> tuple[Shot, ...]:
    """Return the shots with `replay_of` set; of a replay's replay it is the original."""
    origin: dict[int, int] = {}
    for replay in sorted(replays, key=lambda each: each.shot):
        origin[replay.shot] = origin.get(replay.of, replay.of)
    return tuple(
        shot.model_copy(update={"replay_of": origin[index]}) if index in origin else shot
        for index, shot in enumerate(shots)
    )


def hamming(one: U64, other: U64) -> Bits:
    """Return in how many of 64 bits each pair differs, (…) broadcast."""
    return np.bitwise_count(one ^ other)


def _part(index: int, shot: Shot, looks: Looks) -> _Part | None:
    clear_from = shot.start_ms if shot.clear_from_ms is None else shot.clear_from_ms
    clear_to = shot.end_ms if shot.clear_to_ms is None else shot.clear_to_ms
    low, high = (int(row) for row in np.searchsorted(looks.times_ms, [clear_from, clear_to]))
    return _Part(index, low, high) if high - low >= LEAST_LOOKS else None


def _keys(part: _Part) -> NDArray[np.int64]:
    """Return rows of looks that stand for a shot: one in five, at least `KEYS_AT_LEAST`, away from its ends."""
    count = max(KEYS_AT_LEAST, (part.high - part.low) // 5)
    return part.low + ((np.arange(count) + 0.5) * (part.high - part.low) / count).astype(np.int64)


def _nearest(hashes: U64, keys: NDArray[np.int64], starts: NDArray[np.int64], end: int) -> Bits:
    """Return how near each key comes to each earlier shot, (keys, shots) bits."""
    # Looks between two parts (short shots, dissolves) count to the part before: at worst a needless candidate.
    return np.stack([np.minimum.reduceat(hamming(hashes[:end], hashes[key]), starts) for key in keys])


def _candidates(nearest: Bits) -> list[int]:
    """Return the earlier shots worth aligning, most alike first."""
    share = (nearest <= KEY_BITS).mean(axis=0)
    rows = np.flatnonzero(share >= KEY_SHARE)
    order = np.lexsort((rows, nearest[:, rows].mean(axis=0)))
    return [int(row) for row in rows[order][:CANDIDATES]]


def _compare(looks: Looks, original: _Part, part: _Part, keys: NDArray[np.int64]) -> Replay | None:
    """Return the replay that `part` is of `original`; None when it is none."""
    low, high = _window(looks, original, keys)
    bits = hamming(looks.hashes[part.low : part.high, None], looks.hashes[None, low:high])
    rows, columns = align(bits)
    shown, again = looks.times_ms[low + columns], looks.times_ms[part.low + rows]
    span_ms, length_ms = int(shown[-1] - shown[0]), int(again[-1] - again[0])
    if len(rows) < max(LEAST_LOOKS, LEAST_SHARE * len(bits)) or span_ms < LEAST_SPAN_MS:
        return None
    slower = length_ms / span_ms
    mean_bits = float(bits[rows, columns].mean())
    contrast = _contrast(bits, looks.times_ms[low:high], rows, columns) - mean_bits
    if not LEAST_SLOWER <= slower <= MOST_SLOWER or mean_bits > MEAN_BITS or contrast < CONTRAST_BITS:
        return None
    return Replay(part.shot, original.shot, int(shown[0]), int(shown[-1]), slower, mean_bits, contrast)


def _window(looks: Looks, original: _Part, keys: NDArray[np.int64]) -> tuple[int, int]:
    """Return which looks of the original are aligned: all, or of a long one those around the keys' nearest."""
    low, high = original.low, original.high
    if looks.times_ms[high - 1] - looks.times_ms[low] <= LONGEST_MS:
        return low, high
    nearest = hamming(looks.hashes[keys, None], looks.hashes[None, low:high]).argmin(axis=1)
    middle = int(looks.times_ms[low + int(np.median(nearest))])
    around = [middle - LONGEST_MS // 2, middle + LONGEST_MS // 2]
    first, after = (int(row) for row in np.searchsorted(looks.times_ms, around))
    return max(low, first), min(high, after)


def align(bits: Bits) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the best local alignment of a distance matrix (n, m): its rows, without a gap, and their columns.

    Columns never go back, may stand (slow motion) and may skip one (faster). Local alignment after Smith and
    Waterman (1981), with the steps of dynamic time warping (Sakoe and Chiba, 1978).
    """
    gain = 1.0 - bits.astype(np.float32) / NEAR_BITS
    count, width = gain.shape
    best, came = np.zeros_like(gain), np.full(gain.shape, -1, np.int8)
    best[0] = gain[0]
    for row in range(1, count):
        before = np.full((4, width), -np.inf, np.float32)
        for step in range(3):
            before[step, step:] = best[row - 1, : width - step]
        before[3] = 0.0
        # Equal ways on: one step is preferred over standing, standing over skipping, and going on over beginning.
        order = (1, 0, 2, 3)
        chosen = before[list(order)].argmax(axis=0)
        best[row] = gain[row] + before[list(order)].max(axis=0)
        came[row] = np.array((1, 0, 2, -1), np.int8)[chosen]
    row, column = (int(each) for each in np.unravel_index(int(best.argmax()), best.shape))
    rows, columns = [row], [column]
    while came[row, column] >= 0:
        row, column = row - 1, column - int(came[row, column])
        rows.append(row)
        columns.append(column)
    return np.array(rows[::-1], np.int64), np.array(columns[::-1], np.int64)


def _contrast(
    bits: Bits, times_ms: NDArray[np.int64], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> float:
    """Return how far rows are, on average, from columns of the span that are clearly not their partners."""
    inside = slice(int(columns[0]), int(columns[-1]) + 1)
    times = times_ms[inside]
    apart = np.abs(times[None, :] - times_ms[columns][:, None]) >= (times[-1] - times[0]) / 3
    return float(bits[rows, inside][apart].mean())
