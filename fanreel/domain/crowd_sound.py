"""What a whole video sounds like, from its seconds: loudness against what is usual, and how much the crowd is up.

Loudness is EBU R 128 short-term (the three seconds around), set against a moving median, because commentary and
mastering set the level and the crowd sets the change. Loud alone is no crowd: a commentator is loud too. So what
is heard (`sound_kinds`) decides, and loudness says how much.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, median_filter

from fanreel.contracts import CrowdSound, SoundEvent, SoundKind, SoundResult, SoundSpan
from fanreel.domain.sound_kinds import KINDS

F64 = NDArray[np.float64]
_Curve = tuple[Sequence[float], float, float]
"""Values per second, where an event begins, where it ends."""

SHORT_TERM_S = 3
"""EBU Tech 3341: short-term loudness is over three seconds."""
SILENCE_LUFS = -70.0
"""The absolute gate of BS.1770: what is below is silence and has no part in what is usual."""
USUAL_WINDOW_S = 121
"""Moving median over two minutes: longer than a celebration, shorter than a half."""
FULL_RISE_LU = 9.0
"""Above what is usual: a roar in full (twice as loud is about 10 dB)."""
STEADY_SHARE = 0.25
"""What a crowd that is heard counts at its usual loudness; the rest is the rise's. A stadium is never silent."""
SMOOTHED_S = 3
"""Kinds last: a second's likelihood is the mean with its neighbours'. Not a whistle's."""

ON, OFF = 0.6, 0.4
"""An event begins at a likelihood of ON and lasts until it falls under OFF. Chosen as round numbers on either side
of one half, not fitted."""
LOUD_ON, LOUD_OFF = 2 / 3, 1 / 3
"""The same for `loud`, in shares of FULL_RISE_LU: 6 and 3 LU above what is usual."""


def describe_sound(
    duration_ms: int, sounds: Sequence[SoundResult], loudness_db: Sequence[float], channels: int = 1
) -> CrowdSound:
    """Return what is heard, a value per second from 0; all columns empty where no sound was measured.

    loudness_db is the joined K-weighted level per second (`timeline.join_loudness`), the mean over so many
    channels; LUFS add channels up (exact for mono and stereo; surrounds count 1.0 here, in BS.1770 1.41). The
    kinds' columns are empty when no segment was listened to; a second of one that was not counts by its loudness
    alone.
    """
    level = np.asarray(loudness_db, np.float64)
    if len(level) == 0:
        return CrowdSound()
    short_term = short_term_lufs(level, channels)
    above = above_usual(short_term)
    rise = np.clip(above / FULL_RISE_LU, 0, 1)
    columns = joined_kinds(-(-duration_ms // 1000), sounds)
    up = _crowd_heard(columns, len(level))
    crowd = np.where(np.isnan(up), rise, up * (STEADY_SHARE + (1 - STEADY_SHARE) * rise))
    return CrowdSound(
        short_term_lufs=_rounded(short_term, 2),
        above_usual_lu=_rounded(above, 2),
        crowd=_rounded(crowd, 3),
        **{kind: _rounded(np.nan_to_num(column), 3) for kind, column in columns.items()},
    )


def short_term_lufs(level_db: F64, channels: int = 1) -> F64:
    """Return the loudness of the three seconds around each second, from levels per second; at the ends, of two."""
    power = _around(10 ** (np.asarray(level_db, np.float64) / 10), SHORT_TERM_S) * max(channels, 1)
    return np.maximum(10 * np.log10(np.maximum(power, 1e-12)), -120.0)


def above_usual(short_term: F64) -> F64:
    """Return how far each second lies above the median around it, in LU; 0 for silence.

    At the ends the programme is mirrored; silence counts as the median of what is heard.
    """
    heard = short_term > SILENCE_LUFS
    if not heard.any():
        return np.zeros(len(short_term))
    filled = np.where(heard, short_term, np.median(short_term[heard]))
    usual = np.asarray(median_filter(filled, size=USUAL_WINDOW_S, mode="reflect"), np.float64)
    return np.where(heard, filled - usual, 0.0)


def joined_kinds(seconds: int, sounds: Sequence[SoundResult]) -> dict[str, F64]:
    """Return each kind's likelihood per second, smoothed but for whistles; NaN where nobody listened.

    Empty when no segment was listened to.
    """
    columns = {kind: np.full(seconds, np.nan) for kind in KINDS}
    for sound in sorted(sounds, key=lambda each: each.segment_id, reverse=True):
        if all(len(getattr(sound, kind)) == len(sound.second_ms) for kind in KINDS):
            rows = np.array(sound.second_ms, np.int64) // 1000
            inside = (rows >= 0) & (rows < seconds)
            for kind, column in columns.items():
                column[rows[inside]] = np.array(getattr(sound, kind), np.float64)[inside]
    if all(np.isnan(column).all() for column in columns.values()):
        return {}
    return {kind: column if kind == "whistle" else _smoothed(column) for kind, column in columns.items()}


def sound_events(sound: CrowdSound) -> tuple[SoundEvent, ...]:
    """Return what is heard when, thresholded with hysteresis; kinds that are never heard are left out."""
    curves: dict[SoundKind, _Curve] = {
        "cheer": (sound.cheer, ON, OFF),
        "applause": (sound.applause, ON, OFF),
        "whistle": (sound.whistle, ON, OFF),
        "speech": (sound.speech, ON, OFF),
        "music": (sound.music, ON, OFF),
        "loud": (_rounded(np.clip(np.array(sound.above_usual_lu) / FULL_RISE_LU, 0, 1), 3), LOUD_ON, LOUD_OFF),
    }
    return tuple(
        SoundEvent(kind=kind, instances=spans) for kind, curve in curves.items() if (spans := _spans(*curve))
    )


def _crowd_heard(columns: dict[str, F64], seconds: int) -> F64:
    """Return how likely the crowd is heard, roaring or clapping; NaN where nobody listened."""
    if not columns:
        return np.full(seconds, np.nan)
    return 1 - (1 - columns["cheer"]) * (1 - columns["applause"])


def _smoothed(column: F64) -> F64:
    """Return the mean of what is known of each second and its neighbours; NaN stays."""
    known = ~np.isnan(column)
    weight = _around(known.astype(np.float64), SMOOTHED_S, inside_only=False)
    total = _around(np.where(known, column, 0.0), SMOOTHED_S, inside_only=False)
    return np.where(known, total / np.maximum(weight, 1e-9), np.nan)


def _around(values: F64, width: int, *, inside_only: bool = True) -> F64:
    """Return the mean over the width seconds around each; at the ends over those that there are, or zeros too."""
    # Not a running sum: that would carry what a roar was rounded by into the silence after it.
    share = np.full(width, 1 / width)
    mean = np.asarray(convolve1d(values, share, mode="constant"), np.float64)
    if not inside_only:
        return mean
    return mean / np.asarray(convolve1d(np.ones(len(values)), share, mode="constant"), np.float64)


def _spans(curve: Sequence[float], on: float, off: float) -> tuple[SoundSpan, ...]:
    spans: list[SoundSpan] = []
    start: int | None = None
    for second, value in enumerate((*curve, 0.0)):
        if start is None and value >= on:
            start = second
        elif start is not None and value < off:
            peak = max(curve[start:second])
            spans.append(SoundSpan(start_ms=1000 * start, end_ms=1000 * second, confidence=peak))
            start = None
    return tuple(spans)


def _rounded(values: F64, digits: int) -> tuple[float, ...]:
    return tuple(round(value, digits) for value in values.tolist())
