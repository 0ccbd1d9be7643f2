"""Long expressions, written so that ffmpeg takes them."""

import math
from collections.abc import Sequence


def summed(terms: Sequence[str]) -> str:
    """Write a sum of any number of terms, each with its sign in front; the result begins with a sign too.

    ffmpeg refuses sums of a hundred terms, and as deep a nesting (libavutil/eval.c). Written as a sum of sums, as
    many as each is long, two thousand terms fit.
    """
    size = max(1, math.isqrt(len(terms)))
    return "".join(f"+({''.join(terms[at : at + size])})" for at in range(0, len(terms), size))
