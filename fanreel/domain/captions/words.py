"""What a caption may say, whoever wrote it: words of `vocabulary` only, beside none that would turn their meaning.

Looks do not tell who somebody is, where they are from or whom they belong to, and a guess printed under a
stranger's face does harm. No list of what is forbidden is ever complete, so this is one of what is allowed.
`is_allowed` is asked of every sentence of a network before it is shown, of our own in tests only.
"""

import re
from collections.abc import Sequence

from .facts import ClipFacts
from .vocabulary import (
    AGES,
    ANYBODY,
    BEFORE_BODY,
    BODY,
    BY_AGE,
    BY_EXPRESSION,
    BY_GENDER,
    COLOURS,
    COUNTS,
    EXCITED,
    GROUPS,
    MODIFIERS,
    MOODS,
    NOUNS,
    PEOPLE,
    POSSESSIVES,
    SHADES,
    SIZES,
    SUBJECTS,
)

_TOKEN = re.compile(r"[a-z]+(?:[-'][a-z]+)*|\d{1,2}–\d{1,2}|\S")
_SCORE = re.compile(r"\d{1,2}–\d{1,2}")
_MARKS = frozenset({",", "."})
_END = "."
_BEFORE_AGES = frozenset({"a", "an", "the"})
_BEFORE_SUBJECTS = AGES | {"a", "the"}
_BEFORE_MOODS = frozenset({"is", "looks", "looking", "grows", "growing"})
_WORN_AFTER = frozenset({"in", "wearing", "wears"})
"""A colour that stands alone is that of clothes only after one of these."""
NOTHING_MEASURED = ClipFacts()


def allowed_words(facts: ClipFacts = NOTHING_MEASURED) -> frozenset[str]:
    """Return the words that may be said of somebody of whom this was measured; a child's gender never may."""
    gender = "undetermined" if facts.age_group == "child" else facts.gender
    nothing = frozenset[str]()
    age, mood = BY_AGE.get(facts.age_group, nothing), BY_EXPRESSION.get(facts.expression, nothing)
    return ANYBODY | BY_GENDER[gender] | age | mood | (EXCITED if facts.excited or facts.rising else nothing)


def is_allowed(text: str, facts: ClipFacts = NOTHING_MEASURED) -> bool:
    """Tell whether a caption keeps to what may be said of somebody of whom this was measured."""
    words: list[str] = _TOKEN.findall(text.lower())
    allowed = allowed_words(facts) | _MARKS
    if not all(word in allowed or _SCORE.fullmatch(word) for word in words):
        return False
    return _tells_of_one(words) and all(_may_stand(words, row) for row in range(len(words)))


def _tells_of_one(words: Sequence[str]) -> bool:
    """Tell whether gender and age are those of whom the caption is about: of the first who is mentioned, once."""
    first = next((row for row, word in enumerate(words) if word in PEOPLE | SUBJECTS), len(words))
    subjects = [row for row, word in enumerate(words) if word in SUBJECTS]
    ages = [row for row, word in enumerate(words) if word in AGES]
    if not all(row + 1 == first and words[first] in SUBJECTS | {"person"} for row in ages if first < len(words)):
        return False
    return subjects in ([], [first]) and (not ages or first < len(words))


def _may_stand(words: Sequence[str], row: int) -> bool:
    """Tell whether a word may stand where it does."""
    word, before = words[row], words[row - 1] if row else _END
    if word in MODIFIERS:
        return _modifies_a_thing(words, row)
    if word in SUBJECTS or word in AGES:
        return before in (_BEFORE_SUBJECTS if word in SUBJECTS else _BEFORE_AGES)
    if word in PEOPLE:  # nobody is anybody's
        low = row
        while low and words[low - 1] in MODIFIERS | COUNTS | AGES:
            low -= 1
        return not low or words[low - 1] not in POSSESSIVES
    if word in BODY:
        return before in BEFORE_BODY
    return word not in MOODS or before in _BEFORE_MOODS


def _modifies_a_thing(words: Sequence[str], row: int) -> bool:
    """Tell whether a colour, size or pattern is that of a thing or of what is worn, and of nobody."""
    high = row + 1
    while high < len(words) and (words[high] in MODIFIERS | NOUNS or _joins_colours(words, high)):
        high += 1
    after = words[high] if high < len(words) else _END
    if after in PEOPLE | SUBJECTS | AGES | BODY | COUNTS:
        return after in GROUPS and all(word in SIZES for word in words[row:high])
    if words[row] in SHADES and words[row + 1 : row + 2] and words[row + 1] not in COLOURS:
        return False
    if any(word in NOUNS for word in words[row + 1 : high]):
        return True
    low = row
    while low and (words[low - 1] in COLOURS | SHADES or _joins_colours(words, low - 1)):
        low -= 1
    return low > 0 and words[low - 1] in _WORN_AFTER and words[high - 1] in COLOURS


def _joins_colours(words: Sequence[str], row: int) -> bool:
    """Tell whether the word is the `and` of "black and white"."""
    around = {*words[row - 1 : row], *words[row + 1 : row + 2]}
    return words[row] == "and" and row > 0 and row + 1 < len(words) and around <= COLOURS | SHADES
