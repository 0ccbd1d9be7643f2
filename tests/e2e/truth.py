"""Comparing a report with what a person saw: who is on screen when (`media/broadcast/truth.json`)."""

from collections.abc import Iterator
from typing import Any

Span = tuple[float, float]
Json = dict[str, Any]


def spans_of(truth: Json, fan_id: str, tolerance_s: float = 0.5) -> list[Span]:
    """Return when the fan is on screen, seconds, widened by the tolerance and joined where they then meet."""
    present = sorted(
        (scene["startSeconds"] - tolerance_s, scene["endSeconds"] + tolerance_s)
        for scene in truth["people"]
        if fan_id in scene.get("present", ())
    )
    joined: list[Span] = []
    for start, end in present:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def is_inside(item: Json, spans: list[Span]) -> bool:
    """Whether the item's startMs…endMs lies wholly in one span."""
    start, end = item["startMs"] / 1000, item["endMs"] / 1000
    return any(low <= start and end <= high for low, high in spans)


def check_clips_inside_truth(report: Json, truth: Json, tolerance_s: float = 0.5) -> list[str]:
    """Return one line per montage clip that shows a time at which its fan is not on screen; none is right."""
    return list(_violations(report, truth, tolerance_s, kind="clip"))


def check_matches_inside_truth(report: Json, truth: Json, tolerance_s: float = 0.5) -> list[str]:
    """Return one line per appearance decided `match` at a time at which that fan is not on screen."""
    return list(_violations(report, truth, tolerance_s, kind="match"))


def _violations(report: Json, truth: Json, tolerance_s: float, *, kind: str) -> Iterator[str]:
    for fan in report["fans"]:
        spans = spans_of(truth, fan["fanId"], tolerance_s)
        if kind == "clip":
            # An opener shows the match: its rules are tested where openers are found.
            clips = (fan.get("montage") or {}).get("clips", [])
            items = [clip for clip in clips if clip["kind"] == "moment"]
        else:
            items = [one for one in fan.get("appearances", []) if one["decision"] == "match"]
        for item in items:
            if not is_inside(item, spans):
                yield f"{fan['fanId']}: {kind} {item['startMs']}–{item['endMs']} ms is outside {spans}"
