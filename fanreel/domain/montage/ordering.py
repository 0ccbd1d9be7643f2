"""In which order clips are shown, and what of the best one is slow."""

from collections.abc import Sequence

from .choosing import Pick
from .style import MontageStyle

Range = tuple[int, int]


def best_of(picks: Sequence[Pick]) -> Pick:
    """Return the best clip; the earlier one of equals."""
    return min(picks, key=lambda pick: (-pick.score, pick.moment.order))


def ordered(picks: Sequence[Pick], style: MontageStyle) -> list[Pick]:
    """Return the clips as they happened, or rising to the best one."""
    chronological = sorted(picks, key=lambda pick: pick.moment.order)
    if style.order == "chronological":
        return chronological
    best = best_of(picks)
    return sorted(chronological, key=lambda pick: (pick is best, pick.score))


def slow_part(pick: Pick, style: MontageStyle, *, most_ms: int) -> Range | None:
    """Return the part of a clip around its peak that is played slowly, at most `most_ms` of it.

    None where there is too little between the crossfades at its ends.
    """
    clear_ms = style.crossfade_ms + style.shot_margin_ms
    low, high = pick.start_ms + clear_ms, pick.end_ms - clear_ms
    length_ms = min(style.slow_ms, most_ms, high - low)
    if length_ms < style.slow_least_ms:
        return None
    return around_peak(pick, length_ms, low, high)


def around_peak(pick: Pick, length_ms: int, low: int, high: int) -> Range:
    """Return `length_ms` of [low, high), around the peak as far as it goes."""
    start_ms = min(max(pick.moment.peak_ms - length_ms // 2, low), high - length_ms)
    return start_ms, start_ms + length_ms
