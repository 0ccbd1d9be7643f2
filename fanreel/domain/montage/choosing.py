"""Which moments are in, and how much of each.

Each further clip is the one that adds most: a weighted mean of how good a moment is and of how unlike those
already in. That is maximal marginal relevance (Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking
for Reordering Documents and Producing Summaries", SIGIR 1998), with the weight of variety for their 1 − λ; it
differs from their λ·sim₁ − (1 − λ)·max sim₂ by a constant, which keeps it in 0..1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .moments import Moment
from .style import MontageStyle
from .variety import similarity


@dataclass(frozen=True, slots=True, eq=False)
class Pick:
    """A moment that is in: [start_ms, end_ms) of it; its score and how new it was, 0..1, when it was chosen.

    The first one is as new as can be, which says nothing about it.
    """

    moment: Moment
    start_ms: int
    end_ms: int
    score: float
    variety: float
    is_first: bool
    note: str = ""

    @property
    def length_ms(self) -> int:
        """Length in the source."""
        return self.end_ms - self.start_ms


def choose(moments: Sequence[Moment], style: MontageStyle, *, max_ms: int) -> list[Pick]:
    """Return the moments that make a montage of at most `max_ms`, in the order they were chosen.

    First the best moment of each shot, at up to `full_clip_ms`; weak ones are left out once `min_ms` is reached.
    While the total is under `min_ms`: longer cuts of those already in, then further moments of the same shots,
    then what somebody else's face has the picture of, then what is too short for `min_clip_ms`.
    """
    usable = once_each(moments, style)
    leading = _leading(usable, style)
    first = [moment for moment in leading if _is_full(moment, style)]
    choice = _Choice(style, max_ms)
    choice.add_best(first, least_ms=style.min_clip_ms, strong=True)
    choice.lengthen()
    rest = [moment for moment in usable if moment not in first]
    long = [moment for moment in rest if moment.length_ms >= style.min_clip_ms]
    short = [moment for moment in rest if style.short_clip_ms <= moment.length_ms < style.min_clip_ms]
    for tier in (
        [moment for moment in long if not moment.upstaged],
        [moment for moment in long if moment.upstaged],
        [moment for moment in short if not moment.upstaged],
        [moment for moment in short if moment.upstaged],
    ):
        choice.add_best(tier, least_ms=style.short_clip_ms, note="in for want of more")
    choice.lengthen()
    return choice.picks


def once_each(moments: Sequence[Moment], style: MontageStyle) -> list[Moment]:
    """Leave out every showing but the best of what is shown several times (a shot and its replays)."""
    chosen: dict[tuple[str, int, int], Moment] = {}
    for moment in sorted(moments, key=lambda moment: _preference(moment, style)):
        chosen.setdefault(moment.origin, moment)
    return [moment for moment in moments if moment.shot == chosen[moment.origin].shot]


def total_ms(picks: Iterable[Pick], style: MontageStyle) -> int:
    """Return how long clips play one after the other, crossfades overlapping."""
    lengths = [pick.length_ms for pick in picks]
    return sum(lengths) - style.crossfade_ms * max(0, len(lengths) - 1)


class _Choice:
    """What has been chosen so far, within a budget."""

    def __init__(self, style: MontageStyle, max_ms: int) -> None:
        self.picks: list[Pick] = []
        self._style = style
        self._max_ms = max_ms

    def add_best(self, tier: Sequence[Moment], *, least_ms: int, strong: bool = False, note: str = "") -> None:
        """Add what adds most, again and again, until it is long enough; what is `strong`, beyond that."""
        waiting = {
            moment: max((similarity(moment, pick.moment, self._style) for pick in self.picks), default=0.0)
            for moment in tier
        }
        while waiting and self._room_ms >= least_ms:
            score, moment = min(
                ((self._score(one, alike), one) for one, alike in waiting.items()),
                key=lambda scored: (-scored[0], scored[1].order),
            )
            if self._is_long_enough and not (strong and score >= self._floor):
                return
            variety = 1 - waiting.pop(moment)
            if not self._add(moment, score, variety, least_ms=least_ms, note=note):
                continue
            for other, alike in waiting.items():
                waiting[other] = max(alike, similarity(other, moment, self._style))

    def lengthen(self) -> None:
        """Give trimmed clips back what was trimmed, best first, as far as the aimed length needs it."""
        for index, pick in sorted(enumerate(self.picks), key=lambda one: (-one[1].score, one[1].moment.order)):
            missing_ms = min(self._style.min_ms, self._max_ms) - self._total_ms
            spare_ms = pick.moment.length_ms - pick.length_ms
            if missing_ms > 0 and spare_ms > 0:
                length_ms = pick.length_ms + min(missing_ms, spare_ms)
                start_ms, end_ms = pick.moment.cut(length_ms, self._style.lead_share)
                self.picks[index] = replace(pick, start_ms=start_ms, end_ms=end_ms)

    @property
    def _total_ms(self) -> int:
        return total_ms(self.picks, self._style)

    @property
    def _room_ms(self) -> int:
        """Length of the longest clip that still fits."""
        return self._max_ms - self._total_ms + (self._style.crossfade_ms if self.picks else 0)

    @property
    def _is_long_enough(self) -> bool:
        return self._total_ms >= min(self._style.min_ms, self._max_ms)

    @property
    def _floor(self) -> float:
        """What scores less than this would only dilute the best."""
        return self._style.weak_score_ratio * max((pick.score for pick in self.picks), default=0.0)

    def _score(self, moment: Moment, alike: float) -> float:
        weight = self._style.variety_weight
        return round((1 - weight) * moment.score + weight * (1 - alike), 4)

    def _add(self, moment: Moment, score: float, variety: float, *, least_ms: int, note: str) -> bool:
        """Add as much of a moment as there is room for; tell whether that was enough to show."""
        if any(_touch(moment, pick.moment) for pick in self.picks):
            return False
        length_ms = min(self._style.full_clip_ms, moment.length_ms, self._room_ms)
        if length_ms < least_ms:
            return False
        start_ms, end_ms = moment.cut(length_ms, self._style.lead_share)
        self.picks.append(
            Pick(moment, start_ms, end_ms, score, round(variety, 4), is_first=not self.picks, note=note)
        )
        return True


def _touch(one: Moment, other: Moment) -> bool:
    """Tell whether two moments could show the same pictures (shots unknown or themselves overlapping)."""
    return one.video_id == other.video_id and one.from_ms < other.to_ms and other.from_ms < one.to_ms


def _leading(moments: Sequence[Moment], style: MontageStyle) -> list[Moment]:
    """Return the best moment of each shot."""
    best: dict[tuple[str, int, int], Moment] = {}
    for moment in sorted(moments, key=lambda moment: _preference(moment, style)):
        best.setdefault((moment.video_id, *moment.shot), moment)
    return [moment for moment in moments if best[(moment.video_id, *moment.shot)] is moment]


def _is_full(moment: Moment, style: MontageStyle) -> bool:
    """Tell whether a moment needs no excuse to be in."""
    return moment.length_ms >= style.min_clip_ms and not moment.upstaged


def _preference(moment: Moment, style: MontageStyle) -> tuple[bool, bool, float, tuple[str, str, int, int, str]]:
    return (moment.length_ms < style.min_clip_ms, moment.upstaged, -moment.score, moment.order)
