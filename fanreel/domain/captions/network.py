"""Words of a captioning network, shown only where they keep to what may be said."""

import re

from .facts import ClipFacts
from .sentences import MAX_CHARACTERS, caption_clip
from .words import is_allowed

MIN_WORDS = 4
"""Less is no description; networks that see nothing say "a"."""
_PLAIN = re.compile(r"[A-Za-z][A-Za-z ,-]*")
REPEATED_WORDS = 3
"""So many words in a row, said twice: the network has lost its thread."""


def network_caption(said: str, facts: ClipFacts) -> str:
    """Return what a network said as a sentence, or the measured caption when that may not be shown.

    It may not when it breaks the rules of `words`, which every single word must keep, repeats itself, is too long
    or no plain English.
    """
    text = " ".join(said.strip().rstrip(".").split())
    return f"{text[0].upper()}{text[1:]}." if _may_be_shown(text, facts) else caption_clip(facts)


def _may_be_shown(text: str, facts: ClipFacts) -> bool:
    words = re.findall(r"[a-z-]+", text.lower())
    if len(words) < MIN_WORDS or len(text) >= MAX_CHARACTERS or _PLAIN.fullmatch(text) is None:
        return False
    return is_allowed(f"{text}.", facts) and not _repeats(words) and not _names(text)


def _repeats(words: list[str]) -> bool:
    rows = [tuple(words[at : at + REPEATED_WORDS]) for at in range(len(words) - REPEATED_WORDS + 1)]
    return len(set(rows)) < len(rows)


def _names(text: str) -> bool:
    """Tell whether a capital letter stands inside: names do, and these networks' own words do not."""
    return any(letter.isupper() for letter in text[1:])
