"""Small multiples of a fitted tail against the measured one, as an SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

COLUMNS, WIDTH, HEIGHT, MARGIN = 3, 300, 210, 34
LOWEST_RATE = 1e-6


@dataclass(frozen=True, slots=True)
class FitPanel:
    """One panel: at distances (n,), ascending, the measured and the fitted share of strangers nearer."""

    title: str
    distance: NDArray[np.float64]
    measured: NDArray[np.float64]
    fitted: NDArray[np.float64]


def fit_svg(panels: Sequence[FitPanel], title: str) -> str:
    """Draw every panel: measured as dots, fitted as a line; the rate is logarithmic. Returns the SVG's text."""
    rows = -(-len(panels) // COLUMNS)
    width, height = COLUMNS * WIDTH, rows * HEIGHT + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="11" role="img" aria-label="{escape(title)}">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{width / 2}" y="20" text-anchor="middle" font-size="14">{escape(title)}</text>',
    ]
    low = min(float(panel.distance.min()) for panel in panels)
    high = max(float(panel.distance.max()) for panel in panels)
    for number, panel in enumerate(panels):
        left, top = number % COLUMNS * WIDTH, 30 + number // COLUMNS * HEIGHT
        parts.append(f'<g transform="translate({left},{top})">{_panel(panel, low, high)}</g>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: FitPanel, low: float, high: float) -> str:
    def x(distance: float) -> float:
        return MARGIN + (distance - low) / max(high - low, 1e-9) * (WIDTH - 1.5 * MARGIN)

    def y(rate: float) -> float:
        share = np.log10(max(rate, LOWEST_RATE)) / np.log10(LOWEST_RATE)
        return 18 + float(share) * (HEIGHT - 18 - MARGIN)

    parts = [f'<text x="{WIDTH / 2}" y="12" text-anchor="middle">{escape(panel.title)}</text>']
    for power in range(int(np.log10(LOWEST_RATE)), 1, 2):
        at = y(10.0**power)
        parts.append(f'<line x1="{MARGIN}" y1="{at:.1f}" x2="{WIDTH - MARGIN / 2}" y2="{at:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{MARGIN - 4}" y="{at + 4:.1f}" text-anchor="end">1e{power}</text>')
    for distance in np.arange(np.ceil(low * 10) / 10, high, 0.1):
        at = x(float(distance))
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - MARGIN / 2}" text-anchor="middle">{distance:.1f}</text>')
    line = " ".join(f"{x(d):.1f},{y(r):.1f}" for d, r in zip(panel.distance, panel.fitted, strict=True))
    parts.append(f'<polyline points="{line}" fill="none" stroke="#1f6feb" stroke-width="1.5"/>')
    for distance, rate in zip(panel.distance, panel.measured, strict=True):
        parts.append(f'<circle cx="{x(float(distance)):.1f}" cy="{y(float(rate)):.1f}" r="1.6" fill="#d1242f"/>')
    return "".join(parts)
