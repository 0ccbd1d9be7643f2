"""Small inline SVG drawings. Every text that comes from outside is escaped here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 1000
ROW = 16
GAP = 4
AXIS = 22
MAX_ROWS = 24
"""More simultaneous tracks than this are drawn into the last row: a crowd shot must not make a page of rows."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A span on a timeline, with the text shown when it is pointed at."""

    start_ms: int
    end_ms: int
    css: str
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A curve: times in ms, values 0..1."""

    times_ms: Sequence[int]
    values: Sequence[float]
    css: str


def clock(ms: int) -> str:
    """Return m:ss.d (h:mm:ss.d from an hour)."""
    tenths = round(ms / 100)
    seconds, minutes, hours = tenths / 10 % 60, tenths // 600 % 60, tenths // 36_000
    return f"{hours}:{minutes:02d}:{seconds:04.1f}" if hours else f"{minutes}:{seconds:04.1f}"


def lanes(bars: Iterable[Bar]) -> list[list[Bar]]:
    """Put overlapping bars into rows, the fewest that do; what does not fit shares the last."""
    rows: list[list[Bar]] = []
    for bar in sorted(bars, key=lambda each: (each.start_ms, each.end_ms)):
        row = next((row for row in rows if row[-1].end_ms <= bar.start_ms), None)
        if row is not None:
            row.append(bar)
        elif len(rows) < MAX_ROWS:
            rows.append([bar])
        else:
            rows[-1].append(bar)
    return rows


def timeline(duration_ms: int, shots: Sequence[Bar], tracks: Sequence[Bar]) -> str:
    """Draw shots as a strip and tracks in rows below, over a time axis."""
    rows = [list(shots), *lanes(tracks)]
    height = len(rows) * (ROW + GAP) + AXIS
    parts = [_rect(bar, duration_ms, number * (ROW + GAP), ROW) for number, row in enumerate(rows) for bar in row]
    return _svg(height, [*parts, *_axis(duration_ms, height)], "shots and tracks over time")


def curve(duration_ms: int, lines: Sequence[Line], bands: Sequence[Bar], height: int = 110) -> str:
    """Draw curves of 0..1 over coloured spans."""
    body = height - AXIS
    parts = [_rect(band, duration_ms, 0, body) for band in bands]
    parts += [_polyline(line, duration_ms, body) for line in lines if line.times_ms]
    return _svg(height, [*parts, *_axis(duration_ms, height)], "excitement over time")


def _x(ms: int, duration_ms: int) -> float:
    return round(WIDTH * ms / max(1, duration_ms), 2)


def _rect(bar: Bar, duration_ms: int, top: int, height: int) -> str:
    left, right = _x(bar.start_ms, duration_ms), _x(bar.end_ms, duration_ms)
    return (
        f'<rect class="{escape(bar.css)}" x="{left}" y="{top}" width="{max(1.5, right - left - 0.5):.2f}" '
        f'height="{height}" rx="2"><title>{escape(bar.title)}</title></rect>'
    )


def _polyline(line: Line, duration_ms: int, height: int) -> str:
    points = " ".join(
        f"{_x(ms, duration_ms)},{round((height - 3) * (1 - min(1.0, max(0.0, value))) + 1.5, 1)}"
        for ms, value in zip(line.times_ms, line.values, strict=True)
    )
    return f'<polyline class="{escape(line.css)}" points="{points}"/>'


def _axis(duration_ms: int, height: int) -> list[str]:
    nice = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
    step = 1000 * next((seconds for seconds in nice if duration_ms / 1000 / seconds <= 12), 14_400)
    marks: list[str] = []
    for ms in range(0, max(1, duration_ms), step):
        x = _x(ms, duration_ms)
        marks.append(f'<line class="tick" x1="{x}" x2="{x}" y1="0" y2="{height - AXIS + 4}"/>')
        marks.append(f'<text class="time" x="{x + 3}" y="{height - 5}">{clock(ms)[:-2]}</text>')
    return marks


def _svg(height: int, parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}" '
        f'preserveAspectRatio="none">{"".join(parts)}</svg>'
    )
