"""Replays: the same pictures in the same order of time, and nothing that only looks alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fanreel.contracts import Shot, ShotMeasure
from fanreel.domain import replays
from fanreel.domain.replays import Looks, align, find_replays, hamming, mark_replays

pytestmark = pytest.mark.unit

U64 = NDArray[np.uint64]
LOOK_MS = 200


def action(seed: int, looks: int, *, steps: int = 3) -> U64:
    """What a moving picture looks like: from one look to the next a few of its 64 bits change."""
    rng = np.random.default_rng(seed)
    row = rng.integers(0, 2, 64).astype(np.uint8)
    rows = [row]
    for _ in range(looks - 1):
        row = row.copy()
        row[rng.integers(0, 64, steps)] ^= 1
        rows.append(row)
    return packed(np.array(rows))


def packed(rows: NDArray[np.uint8]) -> U64:
    return np.packbits(rows, axis=1).view(">u8").astype(np.uint64).ravel()


def worn(hashes: U64, seed: int, flips: int) -> U64:
    """The same pictures coded anew, with something drawn over them."""
    rng = np.random.default_rng(seed)
    logo = packed((np.arange(64) < 2)[None].astype(np.uint8))[0]
    noise = np.zeros((len(hashes), 64), np.uint8)
    for row in noise:
        row[rng.integers(0, 64, flips)] = 1
    return hashes ^ packed(noise) ^ logo


def programme(*parts: U64) -> tuple[list[Shot], Looks]:
    """One shot after the other, five looks a second."""
    ends = np.cumsum([len(part) for part in parts]) * LOOK_MS
    starts = [0, *ends[:-1].tolist()]
    shots = [Shot(start_ms=a, end_ms=b) for a, b in zip(starts, ends.tolist(), strict=True)]
    hashes = np.concatenate(parts)
    return shots, Looks(np.arange(len(hashes), dtype=np.int64) * LOOK_MS, hashes)


def found(*parts: U64) -> dict[int, int]:
    shots, looks = programme(*parts)
    return {replay.shot: replay.of for replay in find_replays(shots, looks)}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(15, 35), st.integers(1, 4), st.integers(0, 3))
def test_the_same_pictures_again_are_a_replay_however_slow(seed: int, looks: int, slower: int, flips: int) -> None:
    original = action(seed, looks)
    again = worn(np.repeat(original, slower), seed + 1, flips)
    others = [action(seed + 10 + k, 20) for k in range(3)]
    shots, video = programme(others[0], original, others[1], again, others[2])
    (replay,) = find_replays(shots, video)
    assert (replay.shot, replay.of) == (3, 1)
    assert replay.slower == pytest.approx(slower, rel=0.3)
    assert shots[1].start_ms <= replay.from_ms < replay.to_ms < shots[1].end_ms


def test_a_part_of_the_action_is_enough_and_is_what_is_named() -> None:
    original = action(1, 60)
    shots, video = programme(original, action(2, 30), np.repeat(original[20:40], 2))
    (replay,) = find_replays(shots, video)
    assert replay.of == 0
    assert replay.from_ms == pytest.approx(20 * LOOK_MS, abs=2 * LOOK_MS)
    assert replay.to_ms == pytest.approx(40 * LOOK_MS, abs=3 * LOOK_MS)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(10, 60), st.integers(10, 60), st.integers(0, 4))
def test_a_picture_that_stands_still_is_never_a_replay(seed: int, first: int, second: int, flips: int) -> None:
    picture = action(seed, 1)
    assert not found(
        worn(np.repeat(picture, first), seed, flips), worn(np.repeat(picture, second), seed + 1, flips)
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_another_action_from_the_same_camera_is_no_replay(seed: int) -> None:
    """Both wander around the same view: alike at any time, in step at none."""
    rng = np.random.default_rng(seed)
    view = rng.integers(0, 2, 64).astype(np.uint8)
    wander = [(view[None] ^ (rng.random((30, 64)) < 0.12)).astype(np.uint8) for _ in range(2)]
    assert not found(packed(wander[0]), packed(wander[1]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(8, 40), st.integers(8, 40))
def test_other_pictures_are_no_replay(seed: int, first: int, second: int) -> None:
    assert not found(action(seed, first), action(seed + 1, second))


def test_shown_backwards_is_no_replay() -> None:
    original = action(5, 40, steps=5)
    assert not found(original, original[::-1])


def test_a_replay_of_a_replay_is_marked_with_the_original() -> None:
    original = action(7, 25)
    shots, looks = programme(original, action(8, 25), worn(original, 1, 1), worn(worn(original, 1, 1), 2, 3))
    marked = mark_replays(shots, find_replays(shots, looks))
    assert [shot.replay_of for shot in marked] == [None, None, 0, 0]


def test_looks_inside_dissolves_do_not_count() -> None:
    original = action(9, 30)
    shots, looks = programme(original, original)
    assert find_replays(shots, looks)
    hidden = [shots[0], shots[1].model_copy(update={"clear_from_ms": shots[1].end_ms - 600})]
    assert not find_replays(hidden, looks)


def test_without_hashes_nothing_is_marked() -> None:
    old = ShotMeasure(pts_ms=(0, 200), sharpness=(1.0, 1.0), luma=(1.0, 1.0), motion=(0.0, 0.0))
    looks = Looks.of([old])
    assert len(looks.times_ms) == 0
    assert find_replays([Shot(start_ms=0, end_ms=400)] * 2, looks) == ()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 30))
def test_an_alignment_goes_on_row_by_row_and_never_back(seed: int, rows: int, columns: int) -> None:
    bits = np.random.default_rng(seed).integers(0, 64, (rows, columns)).astype(np.uint8)
    own, theirs = align(bits)
    assert np.diff(own).tolist() == [1] * (len(own) - 1)
    assert set(np.diff(theirs).tolist()) <= {0, 1, 2}
    assert 0 <= theirs.min() <= theirs.max() < columns


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_hashes_differ_by_their_bits(one: int, other: int) -> None:
    assert int(hamming(np.uint64(one), np.uint64(other))) == (one ^ other).bit_count()  # type: ignore[arg-type]


def test_however_alike_shots_are_only_a_handful_of_each_is_aligned(monkeypatch: pytest.MonkeyPatch) -> None:
    aligned: list[tuple[int, ...]] = []

    def counted(bits: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        aligned.append(bits.shape)
        return align(bits)

    monkeypatch.setattr(replays, "align", counted)
    view, long = action(3, 18), np.repeat(action(3, 1), 2_000)
    shots, looks = programme(long, *(worn(view, seed, 6) for seed in range(60)), long)
    find_replays(shots, looks)
    assert 0 < len(aligned) <= 60 * replays.CANDIDATES
    assert max(columns for _, columns in aligned) <= replays.LONGEST_MS / LOOK_MS + 1
