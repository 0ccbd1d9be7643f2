"""The colour of what somebody wears, in plain words.

The eleven words are the basic colour terms of English (Berlin & Kay, "Basic Color Terms", 1969), those that people
agree on; beige, teal and the like they do not. Regions of CIE L*C*h (D65) were drawn around the named colours of
CSS, which the tests list; red, green and blue take `dark` and `light` before them. What lies where people differ,
or where it may be skin, has no word.
"""

from collections import Counter
from collections.abc import Sequence
from math import atan2, degrees, hypot

Lab = tuple[float, float, float]
"""CIE L*a*b*: L 0..100, a and b about −100..100."""

BASIC = ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
SHADED = ("red", "green", "blue")
WORDS = (*BASIC, *(f"dark {word}" for word in SHADED), *(f"light {word}" for word in ("green", "blue")))
"""Every word that may be said; light red is pink."""

COLOURFUL_FROM = 12.0
"""Chroma below which a colour on television is black, grey or white: casts and compression reach ten."""
BLACK_BELOW, GREY_BELOW, WHITE_FROM = 25.0, 50.0, 78.0
"""L*. Between grey and white lies both a grey shirt in the sun and a white one in the evening: no word."""
DUSK, DUSK_COLOURFUL_FROM = (40.0, WHITE_FROM), 18.0
"""Between these L* less chroma than this is a white shirt under coloured light as often as a pale one."""
BLACK_CHROMA = 7.0
"""Chroma of black at most: what is as dark and more colourful may be a navy or a brown in the dark."""
NIGHT_BELOW = 6.0
"""L* so dark that the hue is the codec's."""
DARK_BELOW, LIGHT_FROM = 32.0, 70.0
"""L* of shades of a colour."""
PALE_BELOW = 20.0
"""A light colour of less chroma is called white by as many people as by its hue."""

MIN_AGREEING = 2
AGREEMENT = 0.6
"""Faces that must say the same word, and their share of those whose clothes were seen."""
MIN_SEEN = 0.5
"""Share of a person's faces under which clothes were seen: of somebody behind others they seldom are."""


def colour_word(lab: Lab) -> str | None:
    """Return the plain word for a colour; none where people would not agree on one."""
    lightness, a, b = lab
    chroma, hue = hypot(a, b), degrees(atan2(b, a)) % 360
    if lightness < BLACK_BELOW and chroma < COLOURFUL_FROM:
        return "black" if chroma < BLACK_CHROMA else None
    if chroma < COLOURFUL_FROM:
        return _grey(lightness)
    if DUSK[0] <= lightness < DUSK[1] and chroma < DUSK_COLOURFUL_FROM:
        return None
    if lightness < NIGHT_BELOW and chroma < 3 * COLOURFUL_FROM:
        return None
    base = _base(lightness, chroma, hue)
    if base == "red" and lightness < DARK_BELOW:
        return "dark red"
    if base in ("green", "blue"):
        if lightness < DARK_BELOW and not _vivid(lightness, chroma):
            return f"dark {base}"
        return f"light {base}" if lightness >= LIGHT_FROM and chroma < 0.75 * lightness else base
    return base


def worn_colour(under_faces: Sequence[Lab | None]) -> str | None:
    """Return the word that the pictures of one person agree on; else none.

    `under_faces` is what was seen under each of their faces. When these agree on the colour but not on its shade,
    the shade is left away.
    """
    seen = [lab for lab in under_faces if lab is not None]
    if len(seen) < MIN_SEEN * len(under_faces):
        return None
    words = [colour_word(lab) for lab in seen]
    whole, base = _agreed(words), _agreed([word.split()[-1] if word else None for word in words])
    return whole or base


def _agreed(words: Sequence[str | None]) -> str | None:
    word, count = Counter(words).most_common(1)[0] if words else (None, 0)
    return word if count >= MIN_AGREEING and count >= AGREEMENT * len(words) else None


def _grey(lightness: float) -> str | None:
    if lightness < GREY_BELOW:
        return "grey"
    return "white" if lightness >= WHITE_FROM else None


def _vivid(lightness: float, chroma: float) -> bool:
    """Tell the screen's pure blue, dark as it is, from navy."""
    return chroma > 100 and lightness > 20


def _base(lightness: float, chroma: float, hue: float) -> str | None:
    """Return the word for the hue, by regions around the circle from pink to purple."""
    if hue >= 340 or hue < 44:
        return _reddish(lightness, chroma, hue)
    if hue < 112:
        return _yellowish(lightness, chroma, hue)
    if lightness >= WHITE_FROM and chroma < PALE_BELOW and hue < 220:
        return "white"
    if hue < 195:
        return "green"
    if hue < 300:
        return "blue"
    if hue < 311:
        return "blue" if chroma >= 1.8 * lightness else "purple" if chroma >= 40 else None
    return "purple"


def _reddish(lightness: float, chroma: float, hue: float) -> str | None:
    if hue >= 340 or hue < 15:
        return "pink" if lightness >= 42 else "red" if hue < 340 else None  # wine to one, plum to another
    if lightness >= 62 and chroma < 60:
        return "pink" if hue < 36 else None
    return "brown" if chroma < 25 and lightness < 45 else "red"


def _yellowish(lightness: float, chroma: float, hue: float) -> str | None:
    if lightness >= WHITE_FROM and chroma < PALE_BELOW:
        return "white"
    if hue < 80:
        if chroma >= 60 and lightness >= 58:
            return "orange"
        return "brown" if lightness < 50 and (hue < 70 or chroma < 25) else None
    if lightness >= 60 and chroma >= 38:
        return "yellow"
    if hue < 97:
        return "brown" if lightness < 55 and chroma < 25 else None
    return "green" if lightness < 60 else None
