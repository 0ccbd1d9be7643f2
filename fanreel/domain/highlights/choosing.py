"""From how interesting each second is to ranked clips."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import Highlight
from fanreel.domain.excitement import F64

from .parts import Match, Signals, signals
from .reasons import tell
from .spans import LONGEST_MS, best_span, free_room, stretches
from .unusual import unusual_from, unusual_seconds

LEAST_ACTION = 0.2
"""Below this nothing is a highlight: one weak cue."""
SECONDS_PER_CLIP, MOST_CLIPS = 30, 40
"""At most one clip for so much of the video, begun or whole, and so many of one video."""
LEAD_MS, TAIL_MS = 6_000, 4_000
"""What is shown before and after the peak, at least if it fits: how it came about is longer than its end …"""
HALF_HEIGHT = 0.5
MOST_LEAD_MS, MOST_TAIL_MS = 11_000, 9_000
"""… and more while the action stays above this share of its peak, up to the longest clip."""
APART_MS = 3_000
"""No peak nearer than this to a clip makes another one: it is the same action."""


@dataclass(frozen=True, slots=True)
class MatchHighlights:
    """Best first; `action` 0..1 and `unusual` in robust standard deviations per second from 0."""

    highlights: tuple[Highlight, ...]
    action: tuple[float, ...]
    unusual: tuple[float, ...]


def find_highlights(match: Match) -> MatchHighlights:
    """Return the match's most interesting clips, none overlapping another, and what each second is like.

    Clips lie between gaps and replays; an action shown again counts where it first was. The same match gives the
    same answer.
    """
    told = signals(match)
    measures = _measures(told)
    unusual = unusual_seconds(measures)
    return MatchHighlights(
        highlights=_clips(match, told, unusual >= unusual_from(measures.shape[1])),
        action=tuple(round(value, 3) for value in told.action.tolist()),
        unusual=tuple(round(value, 2) for value in unusual.tolist()),
    )


def _measures(told: Signals) -> NDArray[np.float64]:
    """Return what seconds are compared by, (seconds, measures)."""
    columns = (told.rise_db, told.parts["crowd"], told.parts["excitement"], told.cuts, told.flow, told.own_flow)
    return np.stack(columns, axis=1)


def _clips(match: Match, told: Signals, unusual: NDArray[np.bool_]) -> tuple[Highlight, ...]:
    free = stretches(match.shots, (replay.shot for replay in match.replays))
    most = min(MOST_CLIPS, -(-match.seconds // SECONDS_PER_CLIP))
    action = np.round(told.action, 3)
    taken: list[tuple[int, int]] = []
    chosen: list[Highlight] = []
    for second in np.lexsort((np.arange(len(action)), -action)).tolist():
        if len(chosen) == most or action[second] < LEAST_ACTION:
            break
        peak_ms = min(second * 1000 + 500, match.duration_ms - 1)
        stretch = next((each for each in free if each.start_ms <= peak_ms < each.end_ms), None)
        room = free_room(stretch, taken, peak_ms, APART_MS) if stretch else None
        span = best_span(stretch, room, peak_ms, _wanted(action, second, peak_ms)) if stretch and room else None
        if span is None:
            continue
        taken.append(span)
        chosen.append(_highlight(match, told, unusual, span, second, peak_ms, rank=len(chosen) + 1))
    return tuple(chosen)


def _wanted(action: F64, second: int, peak_ms: int) -> tuple[int, int]:
    """Return where a clip would begin and end if only the action's course decided."""
    low = action < HALF_HEIGHT * action[second]
    before, after = np.flatnonzero(low[:second]), np.flatnonzero(low[second:])
    rises_ms = (int(before[-1]) + 1) * 1000 if len(before) else 0
    falls_ms = (second + int(after[0])) * 1000 if len(after) else len(action) * 1000
    lead_ms = min(max(LEAD_MS, peak_ms - rises_ms), MOST_LEAD_MS)
    tail_ms = min(max(TAIL_MS, falls_ms - peak_ms), MOST_TAIL_MS)
    return peak_ms - lead_ms, peak_ms + min(tail_ms, LONGEST_MS - lead_ms)


def _highlight(
    match: Match,
    told: Signals,
    unusual: NDArray[np.bool_],
    span: tuple[int, int],
    second: int,
    peak_ms: int,
    *,
    rank: int,
) -> Highlight:
    outlier = bool(unusual[span[0] // 1000 : -(-span[1] // 1000)].any())
    return Highlight(
        rank=rank,
        start_ms=span[0],
        end_ms=span[1],
        peak_ms=peak_ms,
        score=round(float(told.action[second]), 3),
        reasons=tell(match, told, *span, second, unusual=outlier),
        parts={name: round(float(values[second]), 3) for name, values in told.parts.items()},
        unusual=outlier,
    )
