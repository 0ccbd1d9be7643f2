"""Gradual changes of picture: dissolves, and fades through a blank picture, as spans of time.

Both are found on a coarse picture of every frame (some hundred tiles of luma), after decoding: what is asked of a
frame depends only on frames at most `MAX_HALF_MS` away, so that segments with an overlap of a second agree about
every transition that fits into it; of a longer one each reports what it sees, and `join_transitions` adds it up.

Numbers were chosen on the shared clips of sports and people and on mixes made of them
(`python -m benchmarks.transitions`); PySceneDetect's own clips were kept to judge by.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import Transition
from fanreel.domain.faces import F32

BLANK_SPREAD = 6.0
"""A picture whose tiles spread less than this (standard deviation of luma, 0..255) shows nothing: a third of the
least of any live picture seen, a dark hall (17), and room for a faint mark in a corner."""
BLANK_DARK, BLANK_BRIGHT = 24.0, 235.0
"""…and it is black or white: its mean luma lies outside these."""

RAMP_LIKENESS = 0.97
"""On the way to a blank picture a frame is its neighbour, paler: the cosine of what differs from blank."""
RAMP_MIN_STEP = 0.01
"""…and it differs from blank by at least this share more than its neighbour; less is no ramp any more."""
RAMP_PATIENCE = 2
"""Frames in a row that may stand still in a ramp: coders repeat frames."""
HARD_STEP = 0.7
"""A ramp that does this much of its way in one frame is a cut to or from blank, not a fade."""

HALF_LENGTHS_MS = (120, 160, 200, 240, 320, 400, 480, 600, 760, 960, 1200)
"""Half lengths of dissolves looked for."""
MAX_HALF_MS = HALF_LENGTHS_MS[-1]
MIN_HALF_FRAMES = 3
MIN_FRAME_MS = 1.0
"""Frames are taken to be at least this far apart: of a broken clock several frames may share a millisecond."""

MIX_RESIDUAL = 0.06
"""Inside a dissolve, this share of the change at most is not a mix of the pictures at its ends (what moves)."""
MIX_PACE = 0.12
"""…and the share of the second picture differs from the linear course by at most this."""
MIN_CHANGE = 0.5
"""The pictures at the ends of a dissolve are different: 1 − their correlation. A pan or a zoom, seen coarsely, is
a linear mix too, but between pictures that are alike."""
MAX_MIDDLE_TEXTURE = 0.85
"""In the middle of a dissolve fine detail is fainter: two pictures at half strength have half of the energy of
their gradients, and mixes of the shared clips up to 0.82. A slow pan of sky and stands keeps its detail."""
MIN_CHANGE_RMS = 10.0
"""…by at least this, root mean square of luma: a night sky's noise is no change."""
LIVE_SPREAD = 2.0
"""Tiles that move less than this over the whole piece (bars, frames around the picture) are left out…"""
MIN_LIVE_SHARE = 0.1
"""…unless that leaves less than this share of the picture."""


def find_transitions(
    pts_ms: Sequence[int], tiles: NDArray[np.uint8], texture: Sequence[float]
) -> tuple[Transition, ...]:
    """Return the dissolves and fades among frames at `pts_ms`, in order.

    `tiles` (n, t) are coarse luma pictures, `texture` (n,) the energy of each frame's fine detail.

    A fade's blank part may touch the piece's ends; it goes on in the neighbouring segment then. A dissolve is
    found by the mix test: x(t) = A + α(t)·(B − A), α linear (after the production model of Hampapur, Jain and
    Weymouth, "Digital video segmentation", 1994).
    """
    times = np.asarray(pts_ms, np.int64)
    if len(times) < 2 * MIN_HALF_FRAMES + 1:
        return ()
    pictures = _live(np.asarray(tiles, np.float32))
    frame_ms = max(MIN_FRAME_MS, float(np.median(np.diff(times))))
    fades = _fades(times, pictures, frame_ms)
    detail = np.asarray(texture, np.float32)
    mixes = [
        one
        for one in _dissolves(times, pictures, detail, frame_ms)
        if not any(_touch(one, fade) for fade in fades)
    ]
    return tuple(sorted([*fades, *mixes], key=lambda one: (one.start_ms, one.end_ms)))


def join_transitions(transitions: Iterable[Transition]) -> tuple[Transition, ...]:
    """Join what neighbouring segments saw of the same transitions: spans of one kind that touch are one."""
    joined: list[Transition] = []
    for one in sorted(transitions, key=lambda t: (t.start_ms, t.end_ms, t.kind)):
        last = next((t for t in reversed(joined) if t.kind == one.kind), None)
        if last is not None and _same(last, one):
            joined[joined.index(last)] = _union(last, one)
        else:
            joined.append(one)
    return tuple(joined)


def boundary_ms(transition: Transition) -> int:
    """Return the moment that parts the shots: the middle of the blank part, or of the dissolve."""
    if transition.blank_from_ms is not None and transition.blank_to_ms is not None:
        return (transition.blank_from_ms + transition.blank_to_ms) // 2
    return (transition.start_ms + transition.end_ms) // 2


def shot_boundaries(cuts_ms: Iterable[int], transitions: Sequence[Transition]) -> list[int]:
    """Return where shots begin: hard cuts outside transitions, and one moment in each transition; ascending.

    A blank picture that nothing fades into or out of (a video that ends in black, or is all black) parts nothing.
    """
    parting = [t for t in transitions if (t.start_ms, t.end_ms) != (t.blank_from_ms, t.blank_to_ms)]
    hard = {cut for cut in cuts_ms if not any(t.start_ms <= cut <= t.end_ms for t in parting)}
    return sorted(hard | {boundary_ms(t) for t in parting})


def clear_span(start_ms: int, end_ms: int, transitions: Sequence[Transition]) -> tuple[int, int]:
    """Return the part of a shot that no transition at its ends covers; empty (start = end) when none is left."""
    clear_from = max([start_ms, *(t.end_ms for t in transitions if t.start_ms <= start_ms < t.end_ms)])
    clear_to = min([end_ms, *(t.start_ms for t in transitions if t.start_ms < end_ms <= t.end_ms)])
    clear_from = min(clear_from, end_ms)
    return clear_from, max(clear_from, clear_to)


def _same(one: Transition, other: Transition) -> bool:
    if one.kind != "fade":
        return _touch(one, other)
    # Two fades may share a ramp's end; they are one only when they go through the same blank picture.
    assert one.blank_to_ms is not None
    assert other.blank_from_ms is not None
    return other.blank_from_ms <= one.blank_to_ms


def _touch(one: Transition, other: Transition) -> bool:
    return one.start_ms <= other.end_ms and other.start_ms <= one.end_ms


def _union(one: Transition, other: Transition) -> Transition:
    blank_from, blank_to = one.blank_from_ms, one.blank_to_ms
    if blank_from is not None and other.blank_from_ms is not None:
        blank_from = min(blank_from, other.blank_from_ms)
    if blank_to is not None and other.blank_to_ms is not None:
        blank_to = max(blank_to, other.blank_to_ms)
    return Transition(
        start_ms=min(one.start_ms, other.start_ms),
        end_ms=max(one.end_ms, other.end_ms),
        kind=one.kind,
        blank_from_ms=blank_from,
        blank_to_ms=blank_to,
    )


def _live(pictures: F32) -> F32:
    live = pictures.std(axis=0) > LIVE_SPREAD
    return pictures[:, live] if live.mean() >= MIN_LIVE_SHARE else pictures


def _fades(times: NDArray[np.int64], pictures: F32, frame_ms: float) -> list[Transition]:
    level = pictures.mean(axis=1)
    blank = (pictures.std(axis=1) < BLANK_SPREAD) & ((level < BLANK_DARK) | (level > BLANK_BRIGHT))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], blank, [False]]).astype(np.int8)))
    reach = max(MIN_HALF_FRAMES, round(2 * MAX_HALF_MS / frame_ms))
    found: list[Transition] = []
    for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        before = _ramp(pictures[max(0, first - reach) : first + 1][::-1])
        behind = _ramp(pictures[after - 1 : after + reach])
        found.append(
            Transition(
                start_ms=int(times[first - before]),
                end_ms=int(times[min(after - 1 + max(behind, 1), len(times) - 1)]),
                kind="fade",
                blank_from_ms=int(times[first]),
                blank_to_ms=int(times[after - 1]),
            )
        )
    return found


def _ramp(pictures: F32) -> int:
    """Return how many frames a ramp away from the blank picture `pictures[0]` lasts; 0 when there is none."""
    away = pictures - pictures[0]
    distance = np.linalg.norm(away, axis=1)
    last, still = 0, 0
    for at, (nearer, farther) in enumerate(pairwise(range(len(away))), start=1):
        likeness = float(away[nearer] @ away[farther]) / max(float(distance[nearer] * distance[farther]), 1e-6)
        faint = distance[nearer] < BLANK_SPREAD * np.sqrt(away.shape[1])
        if distance[farther] < distance[last] * (1 + RAMP_MIN_STEP):
            still += 1
        elif faint or likeness >= RAMP_LIKENESS:
            last, still = at, 0
        else:
            break
        if still > RAMP_PATIENCE:
            break
    steps = np.diff(distance[: last + 1])
    return last if last > 1 and steps.max() < HARD_STEP * distance[last] else 0


def _dissolves(times: NDArray[np.int64], pictures: F32, detail: F32, frame_ms: float) -> list[Transition]:
    centred = pictures - pictures.mean(axis=1, keepdims=True)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True) + 1.0
    found: list[tuple[float, int, int]] = []
    for half in sorted({max(MIN_HALF_FRAMES, round(ms / frame_ms)) for ms in HALF_LENGTHS_MS}):
        ends = np.maximum((detail[: -2 * half] + detail[2 * half :]) / 2, 1e-6)
        faint = detail[half:-half] < MAX_MIDDLE_TEXTURE * ends
        found += [mix for mix in _mixes(pictures, centred, half) if faint[mix[1] - half]]
    kept: list[tuple[int, int]] = []
    for _, middle, half in sorted(found, reverse=True):
        if all(abs(middle - other) > half + other_half for other, other_half in kept):
            kept.append((middle, half))
    return [
        Transition(start_ms=int(times[middle - half]), end_ms=int(times[middle + half]), kind="dissolve")
        for middle, half in sorted(kept)
    ]


def _mixes(pictures: F32, centred: F32, half: int) -> list[tuple[float, int, int]]:
    """Return (change, middle, half) of every stretch of 2 · half frames that is a linear mix of its ends."""
    count = len(pictures) - 2 * half
    if count <= 0:
        return []
    first, second = pictures[:count], pictures[2 * half :]
    unlike = 1 - np.einsum("nt,nt->n", centred[:count], centred[2 * half :])
    step = second - first
    change = np.einsum("nt,nt->n", step, step)
    rows = np.flatnonzero((unlike > MIN_CHANGE) & (change > MIN_CHANGE_RMS**2 * pictures.shape[1]))
    step, change = step[rows], change[rows]
    for offset in sorted({half // 2, half, 2 * half - half // 2}):
        if not len(rows):
            return []
        since = pictures[rows + offset] - pictures[rows]
        share = np.einsum("nt,nt->n", since, step) / change
        rest = since - share[:, None] * step
        residual = np.einsum("nt,nt->n", rest, rest) / change
        fits = (residual < MIX_RESIDUAL) & (np.abs(share - offset / (2 * half)) < MIX_PACE)
        rows, step, change = rows[fits], step[fits], change[fits]
    return [(float(c), int(row) + half, half) for c, row in zip(change, rows, strict=True)]
