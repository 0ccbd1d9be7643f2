"""From raw measures of segments to the programme's time line: what is missing, the shots, the loudness."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fanreel.contracts import Gap, Segment, SegmentPlanDocument, SegmentResult, Shot, SoundResult, Transition
from fanreel.domain.tracks import longest_gap_ms
from fanreel.domain.transitions import clear_span, join_transitions, shot_boundaries

ENDS_EARLY_MS = 1_000
"""Data that ends this much before its segment does is a gap; less is the last frame's own length, or rounding."""

HOLE_MS = 1_000
"""Looks farther apart than this, though the video has frames and the setting looks for them more often, are a hole
in the data. A shorter one is a stutter: tracks end there, and nobody misses the rest."""

MISSING_SHARE = 0.5
"""A hole counts when at least this share of the frames it should hold is missing by count. Where frames lie
unevenly by nature (a recorded screen that stands still) the average rate already says that there are fewer."""

SILENCE_DB = -120.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """Shots and gaps in order of time, which together tile the video, and the gradual changes between shots."""

    shots: tuple[Shot, ...]
    gaps: tuple[Gap, ...]
    transitions: tuple[Transition, ...] = ()


def build_timeline(plan: SegmentPlanDocument, results: Sequence[SegmentResult]) -> Timeline:
    """Return the shots of everything analysed, not described yet, and the gaps with their reasons.

    Reasons: `segment_failed` (no result), `truncated` (the data ends before the video does), `undecodable`
    (nothing could be decoded, though something later could).
    """
    by_id = {result.segment_id: result for result in results}
    media = plan.media
    # What the file declares but does not hold belongs to no segment: nobody could have looked at it.
    tail = Gap(start_ms=media.duration_ms, end_ms=media.duration_ms + media.missing_ms, reason="truncated")
    gaps = _join_gaps([*_outer_gaps(plan, by_id), *_holes(plan, by_id), tail])
    transitions = join_transitions(each for result in results for each in result.transitions)
    cuts = shot_boundaries((cut for result in results for cut in result.cuts_ms), transitions)
    shots = tuple(_shot(*span, transitions) for span in _shot_spans(plan, cuts, gaps))
    return Timeline(shots, tuple(gaps), transitions)


def sample_times(results: Sequence[SegmentResult]) -> list[int]:
    """Return every moment at which the picture was looked at, ascending."""
    return sorted({pts for result in results for pts in result.picture.pts_ms})


def join_loudness(duration_ms: int, sounds: Sequence[SoundResult]) -> tuple[float, ...]:
    """Return dBFS per second from 0; −120 where nothing was measured; empty when there is no sound at all."""
    known: dict[int, float] = {}
    for sound in sorted(sounds, key=lambda s: s.segment_id):
        for second_ms, level in zip(sound.second_ms, sound.loudness_db, strict=True):
            known.setdefault(second_ms // 1000, level)
    if not known:
        return ()
    return tuple(known.get(second, SILENCE_DB) for second in range(-(-duration_ms // 1000)))


def _outer_gaps(plan: SegmentPlanDocument, by_id: dict[str, SegmentResult]) -> list[Gap]:
    """Return the gaps that reach to a segment's end."""
    return [gap for segment in plan.segments if (gap := _gap(plan, segment, by_id))]


def _holes(plan: SegmentPlanDocument, by_id: dict[str, SegmentResult]) -> list[Gap]:
    """Return the stretches inside segments without a frame, between the looks on either side."""
    frame_ms = _frame_ms(plan)
    holes: list[Gap] = []
    for segment in plan.segments:
        result = by_id.get(segment.segment_id)
        if result is None or len(result.picture.pts_ms) < 2:
            continue
        interval_ms = round(float(np.median(np.diff(result.picture.pts_ms))))
        longest_ms = max(HOLE_MS, longest_gap_ms(max(interval_ms, frame_ms)))
        found = [
            Gap(start_ms=before + interval_ms, end_ms=after, reason="undecodable")
            for before, after in pairwise((segment.start_ms - interval_ms, *result.picture.pts_ms))
            if after - before > longest_ms
        ]
        expected = (result.last_pts_ms - segment.start_ms) / frame_ms + 1
        held = sum(gap.end_ms - gap.start_ms for gap in found) / frame_ms
        if result.frames_corrupt > 0 or expected - result.frames_decoded >= MISSING_SHARE * held:
            holes += [_within(gap, segment.end_ms) for gap in found if gap.start_ms < segment.end_ms]
    return holes


def _within(gap: Gap, end_ms: int) -> Gap:
    return gap.model_copy(update={"end_ms": min(gap.end_ms, end_ms)})


def _gap(plan: SegmentPlanDocument, segment: Segment, by_id: dict[str, SegmentResult]) -> Gap | None:
    result = by_id.get(segment.segment_id)
    if result is None:
        return Gap(start_ms=segment.start_ms, end_ms=segment.end_ms, reason="segment_failed")
    empty = result.frames_decoded == 0 or result.last_pts_ms < segment.start_ms
    reached = segment.start_ms if empty else result.last_pts_ms
    if not empty and reached >= segment.end_ms - ENDS_EARLY_MS:
        return None
    later = any(
        other.frames_decoded > 0 and other.last_pts_ms > segment.end_ms
        for other in by_id.values()
        if other.start_ms >= segment.end_ms
    )
    start = reached if empty else min(reached + _frame_ms(plan), segment.end_ms)
    return Gap(start_ms=start, end_ms=segment.end_ms, reason="undecodable" if later else "truncated")


def _frame_ms(plan: SegmentPlanDocument) -> int:
    rate = plan.media.frame_rate
    return max(1, round(1000 * rate.den / rate.num)) if rate.num > 0 else 40


def _join_gaps(gaps: Sequence[Gap]) -> list[Gap]:
    joined: list[Gap] = []
    for gap in sorted(gaps, key=lambda g: g.start_ms):
        if gap.start_ms >= gap.end_ms:
            continue
        last = joined[-1] if joined else None
        if last is not None and last.end_ms == gap.start_ms and last.reason == gap.reason:
            joined[-1] = Gap(start_ms=last.start_ms, end_ms=gap.end_ms, reason=gap.reason)
        else:
            joined.append(gap)
    return joined


def _shot_spans(plan: SegmentPlanDocument, cuts: Sequence[int], gaps: Sequence[Gap]) -> list[tuple[int, int]]:
    """Cut the video at cuts and at the edges of gaps, and leave the gaps out."""
    end = max((segment.end_ms for segment in plan.segments), default=plan.media.duration_ms)
    edges = sorted({0, end, *cuts, *(g.start_ms for g in gaps), *(g.end_ms for g in gaps)})
    edges = [edge for edge in edges if 0 <= edge <= end]
    return [(a, b) for a, b in pairwise(edges) if not any(g.start_ms <= a and b <= g.end_ms for g in gaps)]


def _shot(start_ms: int, end_ms: int, transitions: Sequence[Transition]) -> Shot:
    clear_from_ms, clear_to_ms = clear_span(start_ms, end_ms, transitions)
    return Shot(start_ms=start_ms, end_ms=end_ms, clear_from_ms=clear_from_ms, clear_to_ms=clear_to_ms)
