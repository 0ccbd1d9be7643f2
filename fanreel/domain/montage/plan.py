"""Which moments make the montage: the best ones that fit, in the order they happened."""

from collections.abc import Iterable, Mapping, Sequence

from fanreel.contracts import AppearanceDocument, MatchDocument, MontageClip, MontagePlan, VideoDocument
from fanreel.domain import naming

from .moments import Moment, find_moments
from .style import MontageStyle


def plan_montage(
    fan_id: str,
    event_id: str,
    matches: Sequence[MatchDocument],
    appearances: Mapping[str, AppearanceDocument],
    videos: Mapping[str, VideoDocument],
    style: MontageStyle,
) -> MontagePlan | None:
    """Return the fan's montage of an event, or None when there is nothing to show.

    `appearances` are all of the shots of the matched ones, strangers' too. Every clip lies in one shot, clear of
    its borders, between two sightings of the fan and never where somebody took their place; clips never overlap;
    the total never exceeds `max_ms`. The same material gives the same plan and the same `montage_id`, in whatever
    order it comes.
    """
    moments = find_moments(fan_id, event_id, matches, appearances, videos, style)
    chosen = _choose(moments, style)
    if not chosen:
        return None
    clips = tuple(_clip(moment, *chosen[moment]) for moment in sorted(chosen, key=lambda moment: moment.order))
    return MontagePlan(
        montage_id=naming.montage_id(fan_id, event_id, _canonical(clips, style)),
        fan_id=fan_id,
        event_id=event_id,
        clips=clips,
        duration_ms=_total_ms(chosen.values(), style),
        crossfade_ms=style.crossfade_ms,
        width=style.width,
        height=style.height,
    )


_Ranges = dict[Moment, tuple[int, int]]


def _choose(moments: Sequence[Moment], style: MontageStyle) -> _Ranges:
    """Greedy by score within the budget; then, if the montage is short, more of what there is.

    First the best moment of each shot at up to `full_clip_ms`. While the total is under `min_ms`: longer
    cuts of those already in, then further moments of the same shots, then moments too short for
    `min_clip_ms`. Weak ones are left out once `min_ms` is reached.
    """
    ranked = sorted(moments, key=lambda moment: (-moment.score, moment.order))
    chosen: _Ranges = {}
    first = [m for m in ranked if m.rank_in_shot == 0 and m.length_ms >= style.min_clip_ms]
    floor = first[0].score * style.weak_score_ratio if first else 0.0
    for moment in first:
        if moment.score >= floor or _total_ms(chosen.values(), style) < style.min_ms:
            _add(chosen, moment, style, shortest_ms=style.min_clip_ms)
    _lengthen(chosen, style)
    more = [m for m in ranked if m.rank_in_shot > 0 and m.length_ms >= style.min_clip_ms]
    short = [m for m in ranked if style.short_clip_ms <= m.length_ms < style.min_clip_ms]
    for moment in more + short:
        if _total_ms(chosen.values(), style) < style.min_ms:
            _add(chosen, moment, style, shortest_ms=style.short_clip_ms)
    return chosen


def _add(chosen: _Ranges, moment: Moment, style: MontageStyle, *, shortest_ms: int) -> None:
    if any(_touch(moment, other) for other in chosen):
        return
    room_ms = style.max_ms - _total_ms(chosen.values(), style) + (style.crossfade_ms if chosen else 0)
    length_ms = min(style.full_clip_ms, moment.length_ms, room_ms)
    if length_ms >= shortest_ms:
        chosen[moment] = _cut(moment, length_ms, style)


def _touch(one: Moment, other: Moment) -> bool:
    """Tell whether two moments could show the same pictures (shots unknown or themselves overlapping)."""
    return one.video_id == other.video_id and one.from_ms < other.to_ms and other.from_ms < one.to_ms


def _lengthen(chosen: _Ranges, style: MontageStyle) -> None:
    """Give trimmed clips back what was trimmed, best first, as far as the aimed length needs it."""
    for moment in sorted(chosen, key=lambda moment: (-moment.score, moment.order)):
        missing_ms = style.min_ms - _total_ms(chosen.values(), style)
        start_ms, end_ms = chosen[moment]
        spare_ms = moment.length_ms - (end_ms - start_ms)
        if missing_ms > 0 and spare_ms > 0:
            chosen[moment] = _cut(moment, end_ms - start_ms + min(missing_ms, spare_ms), style)


def _cut(moment: Moment, length_ms: int, style: MontageStyle) -> tuple[int, int]:
    """Return `length_ms` of a moment, around its peak where it is longer than that."""
    start_ms = moment.peak_ms - round(length_ms * style.lead_share)
    start_ms = min(max(start_ms, moment.from_ms), moment.to_ms - length_ms)
    return start_ms, start_ms + length_ms


def _total_ms(ranges: Iterable[tuple[int, int]], style: MontageStyle) -> int:
    lengths = [end_ms - start_ms for start_ms, end_ms in ranges]
    return sum(lengths) - style.crossfade_ms * max(0, len(lengths) - 1)


def _clip(moment: Moment, start_ms: int, end_ms: int) -> MontageClip:
    reason = f"excitement {moment.excitement:.2f}, face {moment.face_height_px:.0f} px"
    if moment.rank_in_shot or end_ms - start_ms < moment.length_ms:
        reason += ", part of a longer moment"
    return MontageClip(
        video_id=moment.video_id,
        start_ms=start_ms,
        end_ms=end_ms,
        score=moment.score,
        reason=reason,
        appearance_id=moment.appearance_id,
    )


def _canonical(clips: Sequence[MontageClip], style: MontageStyle) -> str:
    """Return what decides the rendered file, as text: two plans that look the same have one id."""
    lines = [f"{style.width}x{style.height} crossfade {style.crossfade_ms}"]
    lines += [f"{clip.video_id} {clip.start_ms} {clip.end_ms}" for clip in clips]
    return "\n".join(lines)
