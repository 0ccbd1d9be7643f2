"""The sound: a murmuring crowd that cheers at known times, and a whistle."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import F32

RATE_HZ = 48_000
CHEERS_S = (4.1, 12.6, 23.9, 36.3, 40.6)
"""Each begins as a shot of fans begins or is running."""
WHISTLE_S = 0.6


def _band(samples: int, low_hz: float, high_hz: float, rng: np.random.Generator) -> F32:
    """Noise between two frequencies with unit RMS, falling 3 dB per octave as crowds do."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / RATE_HZ)
    keep = 1 / (1 + (low_hz / np.maximum(frequency, 1.0)) ** 4) / (1 + (frequency / high_hz) ** 4)
    noise = np.fft.irfft(spectrum * keep / np.sqrt(np.maximum(frequency, 20.0)), samples)
    return (noise / np.sqrt(np.mean(noise**2))).astype(np.float32)


def cheer_envelope(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cheers' level 0..1 at each time: up within 0.2 s, down over about three seconds."""
    level = np.zeros_like(seconds)
    for start in CHEERS_S:
        since = seconds - start
        one = np.where(
            since > 0, (1 - np.exp(-np.maximum(since, 0) / 0.15)) * np.exp(-np.maximum(since, 0) / 1.6), 0
        )
        level = np.maximum(level, one / 0.78)
    return np.minimum(level, 1.0)


def write_crowd(path: Path, seconds: float) -> None:
    """Write a stereo 48 kHz 16-bit WAV of the given length."""
    rng = np.random.default_rng(11)
    samples = round(seconds * RATE_HZ)
    time = np.arange(samples) / RATE_HZ
    cheer = cheer_envelope(time)
    murmur = 0.02 * (1 + 0.3 * np.sin(0.7 * time) + 0.2 * np.sin(1.9 * time + 1))
    since = time - WHISTLE_S
    whistle = np.where(
        (since > 0) & (since < 0.7), 0.06 * np.sin(2 * np.pi * 2900 * time + 4 * np.sin(2 * np.pi * 38 * time)), 0
    )
    channels: list[NDArray[np.int16]] = []
    for _ in range(2):
        crowd = murmur * _band(samples, 150, 1500, rng) + 0.16 * cheer * _band(samples, 400, 3500, rng)
        channels.append((np.clip(crowd + whistle, -0.98, 0.98) * 32767).astype("<i2"))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.stack(channels, axis=1).tobytes())
