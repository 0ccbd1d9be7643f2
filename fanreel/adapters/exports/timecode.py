"""SMPTE time code: frames counted as hh:mm:ss:ff, with and without drop-frame (SMPTE ST 12-1).

29.97 frames a second are counted as 30, so plain counting runs 3.6 s an hour behind the clock. Drop-frame skips
numbers, never pictures: the first two of every minute that is not a tenth one (four at 59.94).
"""

from fractions import Fraction

DROPPED_NUMBERS = {Fraction(30_000, 1_001): 2, Fraction(60_000, 1_001): 4}
"""Frame numbers skipped a minute, by rate; drop-frame exists for no other."""


def can_drop(rate: Fraction) -> bool:
    """Whether drop-frame counting exists at a rate."""
    return rate in DROPPED_NUMBERS


def timecode(frame: int, rate: Fraction, *, drop_frame: bool) -> str:
    """Return the name of a frame: `hh:mm:ss:ff`, with `;` before the frames where numbers are dropped.

    After 24 hours it starts over, as on tape.
    """
    counted = round(rate)
    dropped = DROPPED_NUMBERS[rate] if drop_frame else 0
    tens, rest = divmod(frame, counted * 600 - 9 * dropped)
    # The first minute of each ten is a whole one: numbers are missing from its end on.
    minutes = max(0, rest - dropped) // (counted * 60 - dropped)
    seconds, frames = divmod(frame + dropped * (9 * tens + minutes), counted)
    sign = ";" if drop_frame else ":"
    return f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{sign}{frames:02d}"


def hour_frames(rate: Fraction, *, drop_frame: bool) -> int:
    """Return how many frames an hour of time code has."""
    return round(rate) * 3600 - (DROPPED_NUMBERS[rate] * 54 if drop_frame else 0)
