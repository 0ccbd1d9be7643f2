"""The steady noise beneath a sound: whether it can be told apart, its spectrum, and mains hum. Pure.

A cheer is noise too, so nothing is taken away because of how it sounds: noise is what stays when everything else
falls silent. Where nothing ever falls silent (a stand that roars throughout) there is nothing to tell it by, and
nothing is touched. The floor of each band is a low percentile of its smoothed power over time: minimum statistics
(R. Martin, "Noise power spectral density estimation based on optimal smoothing and minimum statistics", IEEE
Trans. Speech and Audio Processing 9(5), 2001), over one whole montage instead of a sliding window.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Samples = NDArray[np.float32] | NDArray[np.float64]

RATE = 48_000
BANDS_HZ = np.array([80, 120, 180, 270, 410, 620, 930, 1400, 2100, 3150, 4750, 7100, 10700, 16000, 24000.0])
"""Centres of the bands that ffmpeg's afftdn knows (libavfilter/af_afftdn.c)."""
BAND_RANGE_DB = 24.0
"""How far a band may lie from the middle one (afftdn)."""
FLOOR_RANGE_DB = (-80.0, -20.0)
"""What afftdn takes for a floor: below -80 dBFS nobody hears it."""
WINDOW = 2048
SMOOTHED_WINDOWS = 5
"""About 0.1 s: short enough for the pauses between words."""
SILENT_POWER = 1e-10
"""-100 dBFS: 16 bits end there."""
FLOOR_PERCENTILE = 5.0
FLOOR_BIAS_DB = 1.0
"""How far the percentile of white noise lies below its mean."""
LOUD_PERCENTILE = 90.0
LEAST_SPREAD_DB = 4.0
FULL_SPREAD_DB = 8.0
"""Loud above floor: nothing is reduced below the first, all of it from the second on. Chosen by
benchmarks/denoise.py on the files it names: a roar spreads less than 1 dB, speech in noise as loud as itself 5."""
REDUCTION_DB = 12.0
"""What benchmarks/denoise.py gains with 20 dB is not worth what it does to clean sound."""
LEAST_REDUCTION_DB = 1.0

HUM_WINDOW = 32_768
"""1.5 Hz a bin: the harmonics of a low G (49 Hz) are told from mains' from the third on."""
HUM_BASES_HZ = (50.0, 60.0)
HUM_HARMONICS = 16
HUM_ABOVE_DB = 15.0
"""A line of hum stands this far above both sides, in the quietest moments too: notes of music end."""
LEAST_HUM_LINES = 3
HUM_BINS = round(max(HUM_BASES_HZ) * HUM_HARMONICS * HUM_WINDOW / RATE) + 9
"""All that is looked at: the highest harmonic and what is beside it."""

BLOCK_SAMPLES = 1 << 20
"""Windows are transformed so many samples at once: those of three minutes together would take 600 MB."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What to take away: steady noise and hum.

    `reduction_db` (0: none was found) of a floor in the dBFS that white noise would have, shaped by `bands_db`
    around it, one value for each of BANDS_HZ; and the frequencies of hum.
    """

    reduction_db: float
    floor_db: float
    bands_db: tuple[float, ...]
    hum_hz: tuple[float, ...] = ()


def measure_noise(samples: Samples) -> Noise | None:
    """Return the steady noise under a sound (one channel at RATE, full scale 1); None where there is none.

    Sounds shorter than 0.5 s say nothing about what stays.
    """
    if len(samples) < RATE // 2:
        return None
    hum_hz = hum_lines(samples)
    power, total = _band_powers(samples, hum_hz)
    if len(total) < SMOOTHED_WINDOWS:
        return None
    floors_db = _db(np.percentile(power, FLOOR_PERCENTILE, axis=0)) + FLOOR_BIAS_DB
    floor_db = float(_db(np.percentile(total, FLOOR_PERCENTILE))) + FLOOR_BIAS_DB
    spread_db = float(_db(np.percentile(total, LOUD_PERCENTILE))) - floor_db
    share = np.clip((spread_db - LEAST_SPREAD_DB) / (FULL_SPREAD_DB - LEAST_SPREAD_DB), 0.0, 1.0)
    reduction_db = float(REDUCTION_DB * share)
    if reduction_db < LEAST_REDUCTION_DB or floor_db < FLOOR_RANGE_DB[0]:
        reduction_db = 0.0
    if reduction_db == 0.0 and not hum_hz:
        return None
    middle_db = float(np.clip(np.median(floors_db), *FLOOR_RANGE_DB))
    bands_db = np.clip(floors_db - middle_db, -BAND_RANGE_DB, BAND_RANGE_DB)
    return Noise(reduction_db, middle_db, tuple(np.round(bands_db, 1).tolist()), hum_hz)


def hum_lines(samples: Samples) -> tuple[float, ...]:
    """Return the multiples of 50 or 60 Hz at which a steady line stands in the quietest moments; none if few."""
    if len(samples) < HUM_WINDOW * 2:
        return ()
    spectra = _spectra(samples, np.blackman(HUM_WINDOW), HUM_WINDOW // 4)
    spectrum = np.concatenate([block[:, :HUM_BINS].copy() for block in spectra])
    quiet_db = _db(np.percentile(spectrum, FLOOR_PERCENTILE, axis=0))
    found = [_lines(quiet_db, base_hz) for base_hz in HUM_BASES_HZ]
    best = max(found, key=len)
    return best if len(best) >= LEAST_HUM_LINES else ()


def _lines(quiet_db: F64, base_hz: float) -> tuple[float, ...]:
    lines: list[float] = []
    for harmonic in range(1, HUM_HARMONICS + 1):
        at = round(base_hz * harmonic * HUM_WINDOW / RATE)
        beside_db = max(quiet_db[at - 8 : at - 4].max(), quiet_db[at + 5 : at + 9].max())
        peak = at - 4 + int(np.argmax(quiet_db[at - 4 : at + 5]))
        if abs(peak - at) <= 1 and quiet_db[peak] - beside_db > HUM_ABOVE_DB:
            lines.append(base_hz * harmonic)
    return tuple(lines)


def _spectra(samples: Samples, window: F64, step: int) -> Iterator[F64]:
    """Yield the power spectra of the windows, one a row, a block of windows at a time."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, len(window))[::step]
    rows = max(1, BLOCK_SAMPLES // len(window))
    for at in range(0, len(frames), rows):
        yield np.abs(np.fft.rfft(frames[at : at + rows] * window)) ** 2


def _band_powers(samples: Samples, hum_hz: tuple[float, ...]) -> tuple[F64, F64]:
    """Return the smoothed power density per window and band, and over all; white noise has its variance.

    What the notches will take is left out, and so is what touches digital silence (cards, gated microphones):
    that is no floor.
    """
    window = np.hanning(WINDOW)
    hz = np.fft.rfftfreq(WINDOW, 1 / RATE)
    usable = np.ones(len(hz), bool)
    for line_hz in hum_hz:
        usable &= np.abs(hz - line_hz) > 2 * RATE / WINDOW
    edges_hz = np.sqrt(BANDS_HZ[1:] * BANDS_HZ[:-1])
    band = np.searchsorted(edges_hz, hz)
    chosen = [*((band == index) & usable for index in range(len(BANDS_HZ))), usable]
    means = np.concatenate(
        [
            np.stack([_mean(block, bins) for bins in chosen], axis=1) / (window @ window)
            for block in _spectra(samples, window, WINDOW // 2)
        ]
    )
    total = means[:, -1]
    heard = _smoothed(np.convolve(total > SILENT_POWER, np.ones(3), "same") == 3) > 1 - 1e-9
    power = np.stack([_smoothed(column)[heard] for column in means.T[:-1]], axis=1)
    return power, _smoothed(total)[heard]


def _mean(spectrum: F64, chosen: NDArray[np.bool_]) -> F64:
    return spectrum[:, chosen].mean(axis=1) if chosen.any() else np.zeros(len(spectrum))


def _smoothed(values: F64 | NDArray[np.bool_]) -> F64:
    return np.convolve(values, np.ones(SMOOTHED_WINDOWS) / SMOOTHED_WINDOWS, "valid")


def _db(power: F64 | np.floating) -> F64:
    return 10 * np.log10(np.maximum(np.asarray(power, np.float64), 1e-12))
