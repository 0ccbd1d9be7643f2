"""The detection error trade-off (Martin et al. 1997) as an SVG: false-match against false-non-match rate."""

from collections.abc import Mapping
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, MARGIN = 640, 480, 56
LOWEST_FMR, LOWEST_FNMR = 1e-6, 1e-3
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df")


def det_svg(curves: Mapping[str, NDArray[np.float64]], title: str) -> str:
    """Draw curves (m, 2) of (FMR, FNMR), both axes logarithmic, with a legend; returns the SVG's text."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12" role="img" aria-label="{escape(title)}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{WIDTH / 2}" y="24" text-anchor="middle" font-size="14">{escape(title)}</text>',
        *_grid(),
    ]
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(f"{_x(fmr):.1f},{_y(fnmr):.1f}" for fmr, fnmr in curve if fmr >= LOWEST_FMR)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        y = MARGIN + 14 + 18 * number
        parts.append(
            f'<text x="{WIDTH - MARGIN - 8}" y="{y}" text-anchor="end" fill="{colour}">{escape(name)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _grid() -> list[str]:
    parts: list[str] = []
    for power in range(int(np.log10(LOWEST_FMR)), 1):
        x = _x(10.0**power)
        parts.append(f'<line x1="{x:.1f}" y1="{MARGIN}" x2="{x:.1f}" y2="{HEIGHT - MARGIN}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle">1e{power}</text>')
    for power in range(int(np.log10(LOWEST_FNMR)), 1):
        y = _y(10.0**power)
        parts.append(f'<line x1="{MARGIN}" y1="{y:.1f}" x2="{WIDTH - MARGIN}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">false-match rate</text>')
    parts.append(
        f'<text x="16" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 16 {HEIGHT / 2})">'
        "false-non-match rate</text>"
    )
    return parts


def _x(fmr: float) -> float:
    share = 1 - np.log10(max(fmr, LOWEST_FMR)) / np.log10(LOWEST_FMR)
    return MARGIN + float(share) * (WIDTH - 2 * MARGIN)


def _y(fnmr: float) -> float:
    share = np.log10(max(fnmr, LOWEST_FNMR)) / np.log10(LOWEST_FNMR)
    return MARGIN + float(share) * (HEIGHT - 2 * MARGIN)
