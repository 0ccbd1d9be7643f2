"""Why something is a highlight, in plain words and measured numbers."""

from collections.abc import Sequence

import numpy as np

from fanreel.domain.excitement import F64
from fanreel.domain.replays import Replay

from .parts import CUT_WINDOW_S, WEIGHTS, Match, Signals

SAID_FROM = 0.25
"""A part is named from this height on; the strongest always is."""
AROUND_S = 5
"""What was measured within so many seconds of the peak is told."""
HEARD_FROM = 0.6
"""Cheers and applause are named from this likelihood on."""


def tell(
    match: Match, told: Signals, start_ms: int, end_ms: int, peak_s: int, *, unusual: bool
) -> tuple[str, ...]:
    """Return the reasons for [start_ms, end_ms) around the peak, strongest first; at least one."""
    shares = {name: WEIGHTS[name] * float(values[peak_s]) for name, values in told.parts.items()}
    order = sorted(shares, key=lambda name: (-shares[name], name))
    around = slice(max(0, peak_s - AROUND_S), peak_s + AROUND_S + 1)
    reasons = [
        _of_part(name, match, told, around, (start_ms, end_ms))
        for row, name in enumerate(order)
        if row == 0 or float(told.parts[name][peak_s]) >= SAID_FROM
    ]
    if unusual:
        reasons.append("unlike the rest of the match")
    return tuple(dict.fromkeys(reasons))


def clock(ms: int) -> str:
    """Return a time as hh:mm:ss."""
    seconds = ms // 1000
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _of_part(name: str, match: Match, told: Signals, around: slice, span: tuple[int, int]) -> str:
    if name == "crowd":
        return _crowd(match, float(told.rise_db[around].max()), around)
    if name == "replay":
        return _replay(match.replays, match, span)
    if name == "cuts":
        return f"{int(told.cuts[around].max())} cuts in {CUT_WINDOW_S} seconds"
    return {
        "excitement": "excited faces",
        "fans": "the picture cuts to people right after play",
        "motion": f"fast movement ({_times_usual(told.own_flow, around)})",
        "pace": f"the camera moves fast ({_times_usual(told.flow, around)})",
    }[name]


def _crowd(match: Match, rise_db: float, around: slice) -> str:
    if not match.sound.cheer:  # nobody listened: it may be anything that is loud
        return f"sound up {rise_db:.0f} dB above usual" if rise_db >= 1 else "sound a little above usual"
    heard = [
        word
        for word, column in (("cheering", match.sound.cheer), ("applause", match.sound.applause))
        if max(column[around], default=0.0) >= HEARD_FROM
    ]
    loud = f"crowd up {rise_db:.0f} dB above usual" if rise_db >= 1 else "crowd up"
    return ", ".join([loud, *heard])


def _replay(replays: Sequence[Replay], match: Match, span: tuple[int, int]) -> str:
    """Name when what is in the span, or the nearest to it, was shown again."""
    middle = sum(span) / 2
    nearest = min(
        replays,
        key=lambda each: (
            not (each.from_ms < span[1] and span[0] < each.to_ms),
            abs((each.from_ms + each.to_ms) / 2 - middle),
            each.shot,
        ),
    )
    return f"shown again at {clock(match.shots[nearest.shot].start_ms)}"


def _times_usual(flow: F64, around: slice) -> str:
    usual, highest = float(np.median(flow)), float(flow[around].max())
    return f"{highest / usual:.1f} times the usual" if usual > 1e-3 else "the rest hardly moves"
