"""Time ranges: how a video is cut into segments."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from fanreel.contracts.media import MediaInfo, Segment
from fanreel.domain.naming import segment_id

SHORTEST = 2 / 3
"""Shortest segment as a share of the target (30 s of 45 s): below, the fixed cost of a job shows."""
SHORTEST_LAST = 1 / 2
"""The same for the last one, which gets what is left: without this slack no keyframe could be chosen before it."""
LONGEST = 4 / 3
"""Longest segment as a share of the target (60 s of 45 s): above, one lost job costs too much."""


def plan_segments(media: MediaInfo, *, target_ms: int, overlap_ms: int) -> tuple[Segment, ...]:
    """Cut a video into segments that tile [0, duration_ms) exactly.

    Every segment is between SHORTEST and LONGEST of the target, the last at least SHORTEST_LAST of it (a video
    up to LONGEST is one segment), and starts at a known keyframe when one lies in reach of an even split. Each
    decodes `overlap_ms` beyond its end, the last one to duration + 1. Owned ranges tile [0, duration + 1): inner
    borders lie half an overlap after the segment's end, so a cut near a border is judged once, with at least
    half an overlap on both sides.
    """
    duration = max(1, media.duration_ms)
    borders = _borders(duration, media.keyframes_ms, target_ms)
    last = len(borders) - 2
    half = overlap_ms // 2
    return tuple(
        Segment(
            segment_id=segment_id(index),
            index=index,
            start_ms=start,
            end_ms=end,
            decode_end_ms=duration + 1 if index == last else min(end + overlap_ms, duration + 1),
            owned_from_ms=0 if index == 0 else start + half,
            owned_to_ms=duration + 1 if index == last else end + half,
        )
        for index, (start, end) in enumerate(pairwise(borders))
    )


def _borders(duration: int, keyframes_ms: Sequence[int], target_ms: int) -> list[int]:
    shortest, longest = round(target_ms * SHORTEST), round(target_ms * LONGEST)
    shortest_last = round(target_ms * SHORTEST_LAST)
    borders = [0]
    while (left := duration - borders[-1]) > longest:
        start = borders[-1]
        parts = max(-(-left // longest), round(left / target_ms))
        ideal = start + left // parts
        low, high = start + shortest, min(start + longest, duration - shortest_last)
        borders.append(_nearest(keyframes_ms, min(max(ideal, low), high), low, high))
    return [*borders, duration]


def _nearest(keyframes_ms: Sequence[int], ideal: int, low: int, high: int) -> int:
    """Return the keyframe in [low, high] nearest to ideal, or ideal when there is none."""
    at = bisect_left(keyframes_ms, ideal)
    near = [key for key in keyframes_ms[max(0, at - 1) : at + 1] if low <= key <= high]
    return min(near, key=lambda key: abs(key - ideal)) if near else ideal
