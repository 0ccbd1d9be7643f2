"""A match's highlights for editors and for machines: edit lists, ranked tables, chapters.

Edits are in the order of play, every highlight one cut of the broadcast, with its rank and reasons; tables are
in the order of rank.
"""

import csv
import io
import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal

from fanreel.contracts import Highlight

from .captions import clock
from .edit import Source, Stretch, edl_text, otio_json

HighlightFormat = Literal["edl", "otio", "vtt", "json", "csv"]
HIGHLIGHT_FORMATS: tuple[HighlightFormat, ...] = ("edl", "otio", "vtt", "json", "csv")
_COLUMNS = ("rank", "startMs", "endMs", "peakMs", "start", "end", "score", "unusual", "reasons", "parts")


def highlights_text(
    kind: HighlightFormat,
    highlights: Sequence[Highlight],
    video_id: str,
    source: Source,
    rate: Fraction,
    *,
    drop_frame: bool | None = None,
) -> str:
    """Return highlights as one file. `rate` counts the frames of the edit, times are those of the broadcast."""
    match kind:
        case "json":
            return highlights_json(highlights, video_id, source)
        case "csv":
            return highlights_csv(highlights)
        case "vtt":
            return highlights_chapters(highlights)
        case "otio":
            return otio_json(_stretches(highlights, video_id, rate), rate, _title(source), {video_id: source})
        case "edl":
            stretches = _stretches(highlights, video_id, rate)
            return edl_text(stretches, rate, _title(source), {video_id: source}, drop_frame=drop_frame)


def highlights_json(highlights: Sequence[Highlight], video_id: str, source: Source) -> str:
    """Return the ranked highlights as JSON."""
    told: dict[str, Any] = {
        "videoId": video_id,
        "name": source.name,
        "durationMs": source.length_ms,
        "highlights": [one.to_wire() for one in _by_rank(highlights)],
    }
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def highlights_csv(highlights: Sequence[Highlight]) -> str:
    """Return one row per highlight, best first; reasons and parts are joined by semicolons."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for one in _by_rank(highlights):
        rows.writerow(
            (
                one.rank,
                one.start_ms,
                one.end_ms,
                one.peak_ms,
                clock(one.start_ms),
                clock(one.end_ms),
                f"{one.score:.3f}",
                "yes" if one.unusual else "no",
                "; ".join(one.reasons),
                "; ".join(f"{part} {value:.2f}" for part, value in sorted(one.parts.items())),
            )
        )
    return out.getvalue()


def highlights_chapters(highlights: Sequence[Highlight]) -> str:
    """Return WebVTT chapters over the broadcast; one ends at the latest where the next begins."""
    played = _by_time(highlights)
    starts = [one.start_ms for one in played[1:]]
    blocks = ["WEBVTT\n"]
    for number, one in enumerate(played, 1):
        end_ms = min([one.end_ms, *starts[number - 1 : number]])
        if end_ms > one.start_ms:
            text = _says(one).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            blocks.append(f"highlight-{one.rank}\n{clock(one.start_ms)} --> {clock(end_ms)}\n{text}\n")
    return "\n".join(blocks)


def _stretches(highlights: Sequence[Highlight], video_id: str, rate: Fraction) -> list[Stretch]:
    stretches: list[Stretch] = []
    for one in _by_time(highlights):
        start, end = round(one.start_ms * rate / 1000), round(one.end_ms * rate / 1000)
        unusual = " UNUSUAL" if one.unusual else ""
        stretches.append(
            Stretch(
                frames=max(1, end - start),
                video_id=video_id,
                source_frame=start,
                title=_says(one),
                marked_frame=round(one.peak_ms * rate / 1000),
                comments=(
                    f"COMMENT: RANK {one.rank} SCORE {one.score:.3f}{unusual}",
                    *(f"COMMENT: {reason}" for reason in one.reasons),
                ),
                facts=one.to_wire(),
            )
        )
    return stretches


def _says(one: Highlight) -> str:
    reasons = "; ".join(" ".join(reason.split()) for reason in one.reasons)
    return f"{one.rank}. {reasons}" if reasons else f"Highlight {one.rank}"


def _title(source: Source) -> str:
    return f"Highlights of {source.name}"


def _by_rank(highlights: Sequence[Highlight]) -> list[Highlight]:
    return sorted(highlights, key=lambda one: one.rank)


def _by_time(highlights: Sequence[Highlight]) -> list[Highlight]:
    return sorted(highlights, key=lambda one: (one.start_ms, one.end_ms, one.rank))
