"""What scoreboards say, reduced to the score and when it stood."""

import re
from collections.abc import Sequence
from itertools import pairwise

from fanreel.contracts import ReadText, ScoreSpan

SURE_TEXT = 0.8
_SCORE = re.compile(r"(?<![\d:.,(-])(\d{1,2})\s?[-–—]\s?(\d{1,2})(?![\d:.,)-])")
"""Two numbers with a dash. A colon is a clock; what stands in brackets is another leg's or the shoot-out's."""
_BUG = re.compile(r"\b[A-Z]{2,4}\s(\d{1,2})\s(\d{1,2})\s[A-Z]{2,4}\b")
"""Two numbers between two short names."""
MAX_GOALS = 20

MIN_READINGS = 2
"""A score read once is a mistake more often than a goal."""
LONGEST_GAP_MS = 20_000
"""Between two readings of the same score it still stands: graphics go away for a replay or a close-up."""


def score_in(text: str) -> str:
    """Return the score that a line of text gives, like `2–1`; empty when it gives none, or several."""
    found = {(int(a), int(b)) for form in (_SCORE, _BUG) for a, b in form.findall(text)}
    scores = [f"{home}–{away}" for home, away in found if max(home, away) <= MAX_GOALS]
    return scores[0] if len(scores) == 1 else ""


def score_spans(texts: Sequence[ReadText]) -> tuple[ScoreSpan, ...]:
    """Return where which score stood, from the first to the last of its readings, in order of time."""
    readings = [
        (text.pts_ms, score)
        for text in sorted(texts, key=lambda text: (text.pts_ms, text.region))
        if text.confidence >= SURE_TEXT and (score := score_in(text.text))
    ]
    breaks = [
        row
        for row, ((before_ms, before), (after_ms, after)) in enumerate(pairwise(readings), start=1)
        if before != after or after_ms - before_ms > LONGEST_GAP_MS
    ]
    runs = [readings[low:high] for low, high in pairwise([0, *breaks, len(readings)])]
    return tuple(
        ScoreSpan(start_ms=run[0][0], end_ms=run[-1][0], score=run[0][1])
        for run in runs
        if len(run) >= MIN_READINGS
    )


def score_between(spans: Sequence[ScoreSpan], start_ms: int, end_ms: int) -> str:
    """Return the score of all of [start_ms, end_ms); empty when it is not known to be one."""
    return next((span.score for span in spans if span.start_ms <= start_ms and end_ms <= span.end_ms), "")
