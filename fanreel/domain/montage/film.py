"""The clips put together: how much of the fan, what of it is slow, and what of the match comes first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fanreel.contracts import AppearanceDocument, VideoDocument

from .choosing import Pick, choose, total_ms
from .moments import Moment
from .opener import find_opener
from .ordering import around_peak, best_of, ordered, slow_part
from .style import MontageStyle

MOST_EXTRAS = 0.25
"""Of the longest montage, how much may be kept free for an opener or for slow motion: the rest is the fan's."""


@dataclass(frozen=True, slots=True)
class Opener:
    """[start_ms, end_ms) of one shot of a video, in which nobody is what the picture is of."""

    video_id: str
    shot_index: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Slowed:
    """Which clip is played slowly in [from_ms, to_ms) of its source."""

    pick: Pick
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Film:
    """The fan's clips in the order shown, after the opener. A glimpse is a clip too short to see at speed."""

    picks: tuple[Pick, ...]
    opener: Opener | None = None
    slowed: Slowed | None = None
    is_glimpse: bool = False


def compose(
    moments: Sequence[Moment],
    appearances: Mapping[str, AppearanceDocument],
    videos: Mapping[str, VideoDocument],
    style: MontageStyle,
    *,
    max_ms: int,
) -> Film | None:
    """Return the film of at most `max_ms`; None where there is nothing, or too little to be seen.

    Room for slow motion and an opener is kept free while moments are chosen; where no opener will do, the fan has
    its room as well.
    """
    slow_room = (style.slow_factor - 1) * style.slow_ms if style.slow_motion else 0
    slow_room = slow_room if slow_room <= MOST_EXTRAS * max_ms else 0
    opener_room = style.opener_ms - style.crossfade_ms if style.opener else 0
    opener_room = opener_room if opener_room <= MOST_EXTRAS * max_ms else 0
    picks = choose(moments, style, max_ms=max_ms - slow_room - opener_room)
    opener = _opener(picks, appearances, videos, style) if opener_room else None
    if opener is None and opener_room:
        picks = choose(moments, style, max_ms=max_ms - slow_room)
    if total_ms(picks, style) < style.min_clip_ms:
        return _glimpse(picks, style)
    free_ms = max_ms - total_ms(picks, style)
    if opener is not None:
        free_ms -= opener.end_ms - opener.start_ms - style.crossfade_ms
    return Film(tuple(ordered(picks, style)), opener, _slowed(picks, style, free_ms))


def _glimpse(picks: Sequence[Pick], style: MontageStyle) -> Film | None:
    """Return the best clip alone, slowed so that it can be seen; None where even all of it slow is too short."""
    if not picks:
        return None
    best, extra = best_of(picks), style.slow_factor - 1
    least_ms = -(-(style.min_clip_ms - best.length_ms) // extra)
    if least_ms > best.length_ms:
        return None
    usual_ms = min(style.slow_least_ms, best.length_ms, (style.max_ms - best.length_ms) // extra)
    part = around_peak(best, max(least_ms, usual_ms), best.start_ms, best.end_ms)
    return Film((best,), slowed=Slowed(best, *part), is_glimpse=True)


def _slowed(picks: Sequence[Pick], style: MontageStyle, free_ms: int) -> Slowed | None:
    if not style.slow_motion:
        return None
    best = best_of(picks)
    if best.moment.parts["excitement"] < style.slow_from_excitement:
        return None
    part = slow_part(best, style, most_ms=free_ms // (style.slow_factor - 1))
    return None if part is None else Slowed(best, *part)


def _opener(
    picks: Sequence[Pick],
    appearances: Mapping[str, AppearanceDocument],
    videos: Mapping[str, VideoDocument],
    style: MontageStyle,
) -> Opener | None:
    """Return what leads to the first clip, or where the order is not that of time, else to the best one."""
    if total_ms(picks, style) < style.opener_from_ms:
        return None
    leads = [ordered(picks, style)[0]]
    if style.order == "build_up":
        leads.append(best_of(picks))
    for pick in leads:
        found = find_opener(picks, pick, videos[pick.moment.video_id], appearances.values(), style)
        if found is not None:
            return Opener(pick.moment.video_id, *found)
    return None
