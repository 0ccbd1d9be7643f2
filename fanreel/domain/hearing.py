"""What one second of sound is like, as numbers that do not depend on how loud it is.

Every second stands alone, cut at whole seconds of the video's clock, so that what is heard does not depend on
where segments are cut. Only sound below 7 kHz counts: what codecs leave above it tells their bit rates.

Sources: Scheirer & Slaney, "Construction and evaluation of a robust multifeature speech/music discriminator"
(ICASSP 1997) for modulation energy, low-energy frames, roll-off, centroid, flux; Giannakopoulos,
"pyAudioAnalysis" (PLoS ONE 2015) for mel-cepstral means and the spread of features over a second; Boersma,
"Accurate short-term analysis of the fundamental frequency" (1993) for the autocorrelation divided by the window's.
"""

from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, irfft, rfft
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import butter, sosfilt

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

RATE = 48_000
FRAME = 2_048
"""43 ms: three periods of the lowest voice, bins of 23 Hz."""
HOP = 960
"""20 ms: 48 frames lie within a second."""
FRAMES_PER_SECOND = RATE / HOP
MIN_SAMPLES = RATE // 2
"""Of a shorter rest of a second nothing is said."""
SILENCE_RMS = 10 ** (-70 / 20)
"""Below −70 dBFS (EBU R 128's own gate) there is nothing to hear."""
FLOOR = 1e-6
"""−60 dB under the mean power: below it a spectrum shows what the codec left out."""

TOP_HZ = 7_000.0
BIN_HZ = RATE / FRAME
BINS = int(TOP_HZ / BIN_HZ)
MEL_BANDS, MEL_LOW_HZ = 26, 80.0
CEPSTRA = 9
BANDS_HZ = ((100.0, 400.0), (400.0, 1_200.0), (1_200.0, 3_000.0), (3_000.0, TOP_HZ))
SYLLABLES_HZ = (2.0, 8.0)
ROUGH_HZ = (8.0, 24.0)
"""Syllables modulate a voice 2 to 8 times a second; hands and drums are faster, a crowd is neither."""
PITCH_HZ = (80.0, 500.0)
PITCH_BINS, PITCH_SAMPLES = 128, 256
"""The autocorrelation is of what lies below 3 kHz, at 6,000 samples a second."""
VOICED = 0.5
WHISTLE_HZ = (1_800.0, 4_500.0)
WHISTLE_DB = 12.0
WHISTLE_STEP_BINS = 6
"""A whistle stands this far above its surroundings and glides no faster than 140 Hz in 20 ms."""
WHISTLE_WIDTH_BINS = 8
WHISTLE_FRAMES = 6
CLAP_HZ = (1_000.0, 6_000.0)
BLOCK = 240
"""5 ms: a clap's own length."""
SALIENCE_BINS = 15
STEADY_FRAMES = 12
"""A note stays for a quarter of a second; a voice's partials move, a crowd's never stood."""

FEATURES = (
    *(f"cepstrum_{row}" for row in range(1, CEPSTRA)),
    *(f"spread_{low:.0f}" for low, _ in BANDS_HZ),
    *(f"syllables_{low:.0f}" for low, _ in BANDS_HZ),
    *(f"rough_{low:.0f}" for low, _ in BANDS_HZ),
    "flatness",
    "flatness_spread",
    "centroid",
    "centroid_spread",
    "roll_off",
    "flux",
    "flux_spread",
    "low_energy",
    "level_spread",
    "voicing",
    "voicing_high",
    "voiced_share",
    "pitch",
    "pitch_spread",
    "salience",
    "steady",
    "steady_share",
    "whistle_share",
    "whistle_run",
    "whistle_salience",
    "whistle_octave",
    "whistle_alone",
    "whistle_alone_kept",
    "clap_crest",
    "clap_kurtosis",
    "clap_rate",
)
"""Cepstral means without the level; per band the deviation of the level in dB and the share of its modulation at
2–8 and 8–24 Hz; logarithms of flatness, centroid and roll-off in octaves; autocorrelation peaks 0..1; how far
partials stand above their surroundings, at once and when averaged over a quarter second; the narrow peak at
1.8–4.5 kHz: share of frames, longest run in frames over all, median height, height of what is an octave below it,
how far it stands above the next highest (median, and at best through 120 ms); 5 ms bursts at 1–6 kHz."""


def second_features(samples: NDArray[Any]) -> F32 | None:
    """Return FEATURES of up to a second of mono sound at 48 kHz, (n,) −1..1; None when silent or too short."""
    sound = np.asarray(samples, np.float32)[:RATE]
    if len(sound) < MIN_SAMPLES or float(np.sqrt(np.mean(np.square(sound)))) < SILENCE_RMS:
        return None
    starts = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::HOP]
    power = _power(starts * _window())[:, : BINS + 1]
    power = np.asarray(power + (FLOOR * float(power.mean()) + 1e-20), np.float32)
    decibel = 10 * np.log10(power)
    bands = 10 * np.log10(np.stack([power[:, low:high].sum(axis=1) for low, high in _band_bins()]))
    values = (
        *_cepstral_means(power),
        *bands.std(axis=1),
        *_modulation(bands, SYLLABLES_HZ),
        *_modulation(bands, ROUGH_HZ),
        *_shape(power),
        *_course(power),
        *_voice(power),
        *_partials(decibel),
        *_whistle(decibel),
        *_claps(sound),
    )
    return np.nan_to_num(np.array(values, np.float32))


def _power(signals: NDArray[Any]) -> NDArray[Any]:
    """Return the power spectra of the rows; 32 bits stay 32 bits."""
    return np.square(np.abs(cast(NDArray[Any], rfft(signals, axis=-1))))


def _correlation(power: NDArray[Any], lags: int) -> F64:
    """Return the autocorrelation of the rows whose power spectra these are."""
    return np.asarray(cast(NDArray[Any], irfft(power, n=lags, axis=-1)), np.float64)


@lru_cache(maxsize=1)
def _window() -> F32:
    return np.hanning(FRAME).astype(np.float32)


@lru_cache(maxsize=1)
def _band_bins() -> tuple[tuple[int, int], ...]:
    return tuple((round(low / BIN_HZ), round(high / BIN_HZ)) for low, high in BANDS_HZ)


@lru_cache(maxsize=1)
def _mel_filters() -> F32:
    """Return triangles (BINS + 1, MEL_BANDS), even on the mel scale."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (MEL_LOW_HZ, TOP_HZ))
    edges = 700 * (10 ** (np.linspace(low, high, MEL_BANDS + 2) / 2595) - 1)
    hz = np.arange(BINS + 1)[:, None] * BIN_HZ
    rising = (hz - edges[None, :-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[None, 2:] - hz) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def _cepstral_means(power: F32) -> F64:
    bands = 10 * np.log10(power @ _mel_filters() + 1e-20)
    return np.asarray(dct(bands.mean(axis=0), norm="ortho")[1:CEPSTRA], np.float64)


def _modulation(bands: F64, hz: tuple[float, float]) -> F64:
    """Return, per band, the share of the level's modulation (without its slope) that lies within these Hz."""
    count = bands.shape[1]
    spectrum = _power((bands - bands.mean(axis=1, keepdims=True)) * np.hanning(count))
    rate = np.arange(spectrum.shape[1]) * FRAMES_PER_SECOND / count
    inside = (rate >= hz[0]) & (rate < hz[1])
    return spectrum[:, inside].sum(axis=1) / (spectrum.sum(axis=1) + 1e-9)


def _shape(power: F32) -> tuple[float, ...]:
    """Return flatness (log), its deviation, centroid (log Hz), its deviation, roll-off (log Hz)."""
    flatness = np.log(power).mean(axis=1) - np.log(power.mean(axis=1))
    hz = np.arange(power.shape[1]) * BIN_HZ
    total = power.sum(axis=1)
    centroid = np.log2((power @ hz) / total + 1.0)
    within = np.cumsum(power, axis=1) >= 0.85 * total[:, None]
    roll_off = np.log2(hz[within.argmax(axis=1)] + BIN_HZ)
    return (
        float(np.median(flatness)),
        float(flatness.std()),
        float(np.median(centroid)),
        float(centroid.std()),
        float(np.median(roll_off)),
    )


def _course(power: F32) -> tuple[float, ...]:
    """Return flux, its deviation, the share of frames under half the mean power, the level's deviation in dB."""
    amplitude = np.sqrt(power)
    amplitude /= amplitude.sum(axis=1, keepdims=True)
    flux = np.abs(np.diff(amplitude, axis=0)).sum(axis=1)
    level = power.sum(axis=1)
    return (
        float(flux.mean()),
        float(flux.std()),
        float((level < 0.5 * level.mean()).mean()),
        float((10 * np.log10(level)).std()),
    )


@lru_cache(maxsize=1)
def _window_correlation() -> F64:
    """Return the window's own autocorrelation at the pitch lags' rate; what a steady tone would show."""
    own = _correlation(_power(np.pad(_window().astype(np.float64), (0, FRAME))), 2 * FRAME)
    return own[:: RATE // 6_000][: PITCH_SAMPLES // 2] / own[0]


def _voice(power: F32) -> tuple[float, ...]:
    """Return the mean and high autocorrelation peak, the share of voiced frames, log2 pitch and its deviation."""
    correlation = _correlation(power[:, : PITCH_BINS + 1], PITCH_SAMPLES)[:, : PITCH_SAMPLES // 2]
    correlation = correlation / correlation[:, :1] / np.maximum(_window_correlation(), 0.1)
    low, high = int(6_000 / PITCH_HZ[1]), int(6_000 / PITCH_HZ[0])
    lags = correlation[:, low:high]
    peak = np.clip(lags.max(axis=1), 0, 1)
    pitch = np.log2(6_000 / (low + lags.argmax(axis=1)))
    voiced = pitch[peak >= VOICED]
    centre, spread = (float(np.median(voiced)), float(voiced.std())) if len(voiced) > 2 else (7.6, 0.8)
    return float(peak.mean()), float(np.quantile(peak, 0.9)), len(voiced) / len(peak), centre, spread


def _partials(decibel: F32) -> tuple[float, ...]:
    """Return how far partials stand out at 0.1–5 kHz, how far when averaged over time, and the two's ratio."""
    part = decibel[:, int(100 / BIN_HZ) : int(5_000 / BIN_HZ)]
    above = part - uniform_filter1d(part, SALIENCE_BINS, axis=1)
    salience = float(np.maximum(above, 0).mean())
    steady = float(np.maximum(uniform_filter1d(above, STEADY_FRAMES, axis=0), 0).mean())
    return salience, steady, steady / max(salience, 1e-6)


def _whistle(decibel: F32) -> tuple[float, ...]:
    """Return what FEATURES says of the narrow peak; a voice has many partials there, a whistle one or two."""
    low, high = (round(hz / BIN_HZ) for hz in WHISTLE_HZ)
    part = decibel[:, low:high]
    rows = np.arange(len(part))
    peak = part.argmax(axis=1)
    height = part[rows, peak] - np.median(part, axis=1)
    beside = np.maximum(decibel[rows, low + peak - 5], decibel[rows, low + peak + 5])
    sharp = part[rows, peak] - beside
    clear = (height >= WHISTLE_DB) & (sharp >= WHISTLE_DB / 2)
    follows = np.concatenate(([False], np.abs(np.diff(peak)) <= WHISTLE_STEP_BINS))
    run = longest = 0
    for here, on in zip(clear.tolist(), follows.tolist(), strict=True):
        run = (run + 1 if on else 1) if here else 0
        longest = max(longest, run)
    half = (low + peak) // 2
    octave = decibel[rows, half] - (decibel[rows, half - 5] + decibel[rows, half + 5]) / 2
    away = np.abs(np.arange(part.shape[1]) - peak[:, None]) > WHISTLE_WIDTH_BINS
    alone = part[rows, peak] - np.where(away, part, -np.inf).max(axis=1)
    return (
        float(clear.mean()),
        longest / len(part),
        float(np.median(height)),
        float(np.median(octave)),
        float(np.median(alone)),
        float(minimum_filter1d(alone, WHISTLE_FRAMES).max()),
    )


@lru_cache(maxsize=1)
def _clap_filter() -> F64:
    return np.asarray(butter(2, CLAP_HZ, "bandpass", fs=RATE, output="sos"), np.float64)


def _claps(sound: F32) -> tuple[float, ...]:
    """Return crest (dB), kurtosis (log) and rate of peaks (of 200 a second) of the power in 5 ms blocks."""
    filtered = np.asarray(sosfilt(_clap_filter().astype(np.float32), sound), np.float32)
    blocks = np.square(filtered[: len(sound) // BLOCK * BLOCK]).reshape(-1, BLOCK).mean(axis=1)[4:]
    blocks = blocks + FLOOR * blocks.mean() + 1e-20
    around = uniform_filter1d(blocks, 15)
    local = blocks / around
    crest = 10 * np.log10(np.quantile(local, 0.95) / np.median(local))
    kurtosis = np.mean((local - local.mean()) ** 4) / (np.var(local) ** 2 + 1e-9)
    peaks = (local[1:-1] > local[:-2]) & (local[1:-1] >= local[2:]) & (local[1:-1] > 1.5)
    return float(crest), float(np.log(kurtosis + 1e-6)), float(peaks.mean())
