"""What speaks for action in each second of a match, each 0..1, against the match's own usual.

The cues and their joining over time follow Hanjalic, "Adaptive extraction of highlights from a sport video
based on excitement modeling" (2005): motion, density of cuts and sound energy, smoothed; and, for cheers as the
most reliable of them, Xiong, Radhakrishnan and Divakaran, "Generation of sports highlights using motion
activity in combination with a common audio feature extraction framework" (2003). Nothing is fitted: weights are
reasons in numbers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import CrowdSound, Shot, ShotMeasure
from fanreel.domain.excitement import F64
from fanreel.domain.replays import Replay
from fanreel.domain.shot_kinds import FAN_KINDS

WEIGHTS: dict[str, float] = {
    "crowd": 0.6,
    "replay": 0.6,
    "excitement": 0.45,
    "cuts": 0.3,
    "fans": 0.25,
    "motion": 0.25,
    "pace": 0.15,
}
"""How likely a part alone, at its full height, makes a second worth showing; they count as independent of one
another. Who was there decides (the crowd roars, the director shows it again), then what the editor does about it;
what moves in the picture says least: a throw-in moves too."""

SMOOTHING_S = 3
"""Half width of the triangle over which each part is averaged: the roar follows the shot at goal by a second or
two, and the cut to the stands the roar."""

CUT_WINDOW_S = 10
CUTS_FULL = 4.0
"""So many cuts more than usual in `CUT_WINDOW_S` count in full."""

REACTION_MS = 12_000
"""A cut to people counts as a reaction to play that ended at most this long before …"""
BEFORE_REACTION_MS = 4_000
"""… and speaks for so much of the play before it, too."""

FLOW_FROM, FLOW_FULL = 1.0, 4.0
"""Robust standard deviations above the match's usual flow from which it counts, and at which it counts in full
…"""
LEAST_SPREAD = 0.01
"""… which are at least so many picture widths per second: what flow itself is exact to."""


@dataclass(frozen=True, slots=True)
class MatchFlow:
    """Optical flow of looks, (n,), times ascending; picture widths per second, all and without the camera's."""

    times_ms: NDArray[np.int64]
    flow: F64
    own_flow: F64

    @classmethod
    def of(cls, measures: Iterable[ShotMeasure]) -> Self:
        """Return the flow of all looks, once each; of two segments' the greater: a first look has none."""
        known: dict[int, tuple[float, float]] = {}
        for each in measures:
            if len(each.flow) == len(each.own_flow) == len(each.pts_ms):
                for pts, flow in zip(each.pts_ms, zip(each.flow, each.own_flow, strict=True), strict=True):
                    known[pts] = max(known.get(pts, (0.0, 0.0)), flow)
        times = sorted(known)
        columns = np.array([known[pts] for pts in times], np.float64).reshape(-1, 2)
        return cls(np.array(times, np.int64), columns[:, 0], columns[:, 1])


def _no_flow() -> MatchFlow:
    return MatchFlow.of(())


@dataclass(frozen=True, slots=True)
class Match:
    """What is known of a whole video. Columns are per second from 0, as long as the video or empty.

    `shots` in order of time; `faces` is the excitement of faces alone, 0..1.
    """

    duration_ms: int
    shots: tuple[Shot, ...]
    replays: tuple[Replay, ...] = ()
    flow: MatchFlow = field(default_factory=_no_flow)
    faces: tuple[float, ...] = ()
    sound: CrowdSound = field(default_factory=CrowdSound)

    @property
    def seconds(self) -> int:
        """Return how many seconds have begun."""
        return -(-self.duration_ms // 1000)


@dataclass(frozen=True, slots=True)
class Signals:
    """Per second (n,): the parts 0..1, and the measures behind them that reasons are told from."""

    parts: dict[str, F64]
    action: F64
    rise_db: F64
    cuts: F64
    flow: F64
    own_flow: F64


def signals(match: Match) -> Signals:
    """Return everything that is told of single seconds."""
    cuts = _cuts_around(match)
    flow, own_flow = (_flow_by_second(match, column) for column in (match.flow.flow, match.flow.own_flow))
    raw = {
        "crowd": _column(match.sound.crowd, match.seconds),
        "replay": _replayed(match),
        "excitement": _column(match.faces, match.seconds),
        "cuts": np.clip((cuts - (np.median(cuts) if len(cuts) else 0)) / CUTS_FULL, 0, 1),
        "fans": _reactions(match),
        "motion": _above_usual(own_flow),
        "pace": _above_usual(flow),
    }
    parts = {name: smoothed(np.clip(values, 0, 1)) for name, values in raw.items()}
    return Signals(parts, joined(parts), _column(match.sound.above_usual_lu, match.seconds), cuts, flow, own_flow)


def joined(parts: dict[str, F64]) -> F64:
    """Return how interesting each second is, 0..1: that at least one of the independent parts is right."""
    nothing = np.ones(len(next(iter(parts.values()))))
    for name, values in parts.items():
        nothing = nothing * (1 - WEIGHTS[name] * values)
    return 1 - nothing


def smoothed(values: F64) -> F64:
    """Return the average of each second's surroundings, weighted by a triangle; ends count what is there."""
    triangle = np.concatenate([np.arange(1, SMOOTHING_S + 2), np.arange(SMOOTHING_S, 0, -1)]).astype(np.float64)
    if len(values) == 0:
        return values
    middle = slice(SMOOTHING_S, SMOOTHING_S + len(values))
    weight = np.convolve(np.ones(len(values)), triangle)[middle]
    return np.convolve(values, triangle)[middle] / weight


def robust_scale(values: NDArray[Any]) -> float:
    """Return the normal-consistent median absolute deviation, or the mean one where more than half are the same.

    0 only for constant values. Iglewicz and Hoaglin, "How to detect and handle outliers" (1993).
    """
    apart = np.abs(np.asarray(values, np.float64) - np.median(values))
    median = 1.4826 * float(np.median(apart))
    return median if median > 1e-9 else 1.2533 * float(apart.mean())


def _column(values: Sequence[float] | F64, seconds: int) -> F64:
    """Return the values cut or filled with 0 to the video's length."""
    column = np.zeros(seconds)
    known = np.asarray(values, np.float64)[:seconds]
    column[: len(known)] = known
    return column


def _cuts_around(match: Match) -> F64:
    """Return how many cuts lie within `CUT_WINDOW_S` around each second's middle."""
    cuts = np.array([b.start_ms for a, b in pairwise(match.shots) if a.end_ms == b.start_ms], np.int64)
    middle, half = np.arange(match.seconds) * 1000 + 500, CUT_WINDOW_S * 500
    return (np.searchsorted(cuts, middle + half) - np.searchsorted(cuts, middle - half)).astype(np.float64)


def _replayed(match: Match) -> F64:
    """Return 1 where an action is that was shown again later; titles that come again are no action."""
    shown = np.zeros(match.seconds)
    for replay in match.replays:
        if "graphic" not in (match.shots[replay.of].kind, match.shots[replay.shot].kind):
            shown[_seconds(replay.from_ms, replay.to_ms)] = 1.0
    return shown


def _reactions(match: Match) -> F64:
    """Return how surely people are shown right after play; at the end of that play, too."""
    shown = np.zeros(match.seconds)
    play_end_ms: int | None = None
    for before, shot in pairwise(match.shots):
        if before.kind == "play":
            play_end_ms = before.end_ms
        if shot.kind not in FAN_KINDS or play_end_ms is None or shot.start_ms - play_end_ms >= REACTION_MS:
            continue
        span = _seconds(max(0, play_end_ms - BEFORE_REACTION_MS), min(shot.end_ms, play_end_ms + REACTION_MS))
        shown[span] = np.maximum(shown[span], shot.fan_probability or 0.0)
    return shown


def _flow_by_second(match: Match, values: F64) -> F64:
    """Return the median flow of each second's looks, without shots' first ones and graphics."""
    times = match.flow.times_ms
    if len(times) == 0:
        return np.zeros(match.seconds)
    starts = np.array([shot.start_ms for shot in match.shots], np.int64)
    first = np.searchsorted(times, starts)
    within = np.ones(len(times), np.bool_)
    within[first[first < len(times)]] = False
    within[0] = False
    for shot in match.shots:
        if shot.kind == "graphic":
            within[slice(*np.searchsorted(times, [shot.start_ms, shot.end_ms]))] = False
    second, value = times[within] // 1000, values[within]
    edges = np.searchsorted(second, np.arange(match.seconds + 1))
    usual = float(np.median(value)) if len(value) else 0.0
    return np.array([float(np.median(value[a:b])) if b > a else usual for a, b in pairwise(edges.tolist())])


def _above_usual(flow: F64) -> F64:
    if len(flow) == 0:
        return flow
    height = (flow - np.median(flow)) / max(robust_scale(flow), LEAST_SPREAD)
    return np.clip((height - FLOW_FROM) / (FLOW_FULL - FLOW_FROM), 0, 1)


def _seconds(start_ms: int, end_ms: int) -> slice:
    return slice(start_ms // 1000, -(-end_ms // 1000))
