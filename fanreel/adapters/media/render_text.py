"""Draws the texts of a montage: title and end card, lower third. Pictures, so that no text is ever an expression.

The letters are those inside OpenCV (Rubik, and WenQuanYi Micro Hei where Rubik has none; both free): the same on
every machine, no system font is needed. Emoji have no outline in either and are left out.
"""

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import RenderStyle
from fanreel.errors import ContractBroken

SAFE = 0.07
"""Part of each side that stays free of text: EBU R 95 asks for 5 %, phones round their corners."""
UPRIGHT_FOOT = 0.18
"""The same below a lower third in an upright picture, where phones lay their buttons over the film."""
TITLE_SIZE, SUBTITLE_SIZE, LOWER_THIRD_SIZE = 0.1, 0.05, 0.044
"""Letter height as part of the picture's shorter side."""
LEAST_SIZE = 0.5
"""A text too long for its place is drawn down to half as large, then cut off with an ellipsis."""
TITLE_LINES, SUBTITLE_LINES, LOWER_THIRD_LINES = 4, 3, 2
MAX_LETTERS = 1_000
"""No card holds more: three lines of a subtitle at its least size take some seven hundred i's."""
LINE_HEIGHT = 1.25
BOLD, REGULAR = 700, 400
PANEL_OPACITY = 0.82

Bgra = NDArray[np.uint8]
Colour = tuple[int, int, int]
"""Blue, green, red."""

_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_UNDRAWABLE = frozenset({"So", "Sk", "Cs", "Co", "Cn", "Cc", "Cf"})
_FONT: Any = cv2.FontFace("sans")


@dataclass(frozen=True, slots=True)
class Placard:
    """A picture with transparency, and where its top left corner lies in the film's picture."""

    picture: Bgra
    left: int
    top: int


def card_background(size: tuple[int, int], style: RenderStyle) -> Bgra:
    """Return the opaque ground of a card: the brand's colour, a little darker towards the bottom."""
    width, height = size
    shade = np.linspace(1.0, 0.8, height)[:, None, None]
    ground = np.asarray(colour(style.brand_colour), np.float64) * shade
    picture = np.full((height, width, 4), 255, np.uint8)
    picture[:, :, :3] = np.rint(np.broadcast_to(ground, (height, width, 3)))
    return picture


def card_text(size: tuple[int, int], title: str, subtitle: str, style: RenderStyle) -> Placard:
    """Return a card's text in the middle of the picture, a bar in the accent colour between its two parts."""
    width, height = size
    unit, room = min(size), round(width * (1 - 2 * SAFE))
    most = height * (1 - 2 * SAFE)
    ink = _readable_on(colour(style.brand_colour))
    blocks = [
        _block(text, room, unit * part, lines, weight, ink, 0.5)
        for text, part, lines, weight in (
            (title, TITLE_SIZE, TITLE_LINES, BOLD),
            (subtitle, SUBTITLE_SIZE, SUBTITLE_LINES, REGULAR),
        )
    ]
    blocks = [block for block in blocks if _inked(block).size]
    bar = np.zeros((max(4, unit // 100), room, 4), np.uint8)
    half = unit // 10
    bar[:, room // 2 - half : room // 2 + half] = (*colour(style.accent_colour), 255)
    gap = np.zeros((unit // 25, room, 4), np.uint8)
    parts = [blocks[0], gap, bar, *(part for block in blocks[1:] for part in (gap, block))] if blocks else [bar]
    picture = np.concatenate(parts)[: int(most)]
    return Placard(picture, (width - room) // 2, (height - len(picture)) // 2)


def lower_third(size: tuple[int, int], text: str, style: RenderStyle) -> Placard | None:
    """Return a text on a panel at the lower left, inside the safe area; None where there is nothing to draw."""
    width, height = size
    unit = min(size)
    padding = unit // 40
    stripe = max(2, unit // 90)
    room = round(width * (1 - 2 * SAFE)) - stripe - 2 * padding
    brand = colour(style.brand_colour)
    letters = _block(text, room, unit * LOWER_THIRD_SIZE, LOWER_THIRD_LINES, REGULAR, _readable_on(brand), 0.0)
    inked = _inked(letters)
    if not inked.size:
        return None
    used = int(inked[-1]) + 1
    panel = np.empty((len(letters) + 2 * padding, used + stripe + 2 * padding, 4), np.uint8)
    panel[:] = (*brand, round(255 * PANEL_OPACITY))
    panel[:, :stripe] = (*colour(style.accent_colour), 255)
    inside = panel[padding:-padding, stripe + padding : stripe + padding + used]
    cover = letters[:, :used, 3:] / 255
    inside[:] = np.rint(letters[:, :used] * cover + inside * (1 - cover))
    foot = SAFE if width >= height else UPRIGHT_FOOT
    return Placard(panel, round(width * SAFE), round(height * (1 - foot)) - len(panel))


def colour(written: str) -> Colour:
    """Return a `#rrggbb` colour. Raises ContractBroken (`montage_plan`) for anything else."""
    if not _HEX.fullmatch(written):
        raise ContractBroken("montage_plan", "A colour must be written as #rrggbb.", colour=written[:32])
    red, green, blue = (int(written[at : at + 2], 16) for at in (1, 3, 5))
    return blue, green, red


def _readable_on(ground: Colour) -> Colour:
    """Return white or nearly black, whichever stands out more (BT.709 luma)."""
    blue, green, red = ground
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return (20, 20, 20) if luma > 140 else (255, 255, 255)


def _drawable(text: str) -> str:
    """Return the text on one line without what no letter shape exists for."""
    kept = (" " if character.isspace() else character for character in unicodedata.normalize("NFC", text))
    return " ".join("".join(c for c in kept if unicodedata.category(c) not in _UNDRAWABLE).split())


def _inked(block: Bgra) -> NDArray[np.intp]:
    """Return the columns with ink: some letters have none (U+3164 is a blank that counts as a letter)."""
    return np.flatnonzero(block[:, :, 3].any(axis=0))


def _block(text: str, room: int, size: float, most_lines: int, weight: int, ink: Colour, align: float) -> Bgra:
    """Return a text set in lines at most `room` wide; `align` 0 is left, 0.5 the middle."""
    text, px = _drawable(text)[:MAX_LETTERS], max(8, round(size))
    lines = _wrapped(text, room, px, weight)
    while len(lines) > most_lines and px > max(8, size * LEAST_SIZE):
        px -= max(1, px // 12)
        lines = _wrapped(text, room, px, weight)
    if len(lines) > most_lines:
        lines = [*lines[: most_lines - 1], _shortened(" ".join(lines[most_lines - 1 :]), room, px, weight)]
    step = round(px * LINE_HEIGHT)
    cover = np.zeros((step * len(lines), room, 3), np.uint8)
    for index, line in enumerate(lines):
        left = round((room - _width(line, px, weight)) * align)
        baseline = step * index + round(px * 0.95)
        cv2.putText(cover, line, (left, baseline), (255, 255, 255), _FONT, px, weight)
    block = np.empty((*cover.shape[:2], 4), np.uint8)
    block[:, :, :3] = ink
    block[:, :, 3] = cover[:, :, 0]
    return block


def _wrapped(text: str, room: int, px: int, weight: int) -> list[str]:
    """Break a text between words; a word that is wider than the room, between its letters."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if _width(longer, px, weight) <= room:
            lines[-1] = longer
            continue
        lines += [word] if lines[-1] else []
        lines[-1] = word
        while _width(lines[-1], px, weight) > room and len(lines[-1]) > 1:
            cut = max(1, _fitting(lines[-1], room, px, weight))
            lines[-1:] = [lines[-1][:cut], lines[-1][cut:]]
    return lines


def _shortened(text: str, room: int, px: int, weight: int) -> str:
    return f"{text[: _fitting(text, room, px, weight, '…')].rstrip()}…"


def _fitting(text: str, room: int, px: int, weight: int, tail: str = "") -> int:
    """Return how many of a text's letters fit, `tail` after them; few measurements, each as dear as it is long."""
    lengths = range(1, len(text) + 1)
    return bisect_right(lengths, room, key=lambda length: _width(text[:length] + tail, px, weight))


def _width(text: str, px: int, weight: int) -> int:
    left, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), _FONT, px, weight)
    return left + width + 1
