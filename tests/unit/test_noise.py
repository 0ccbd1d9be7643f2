"""Steady noise and hum: found where it can be told from everything else, and only there."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanreel.domain.noise import BANDS_HZ, BLOCK_SAMPLES, RATE, REDUCTION_DB, hum_lines, measure_noise

pytestmark = pytest.mark.unit


def white(seconds: float, level_db: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=int(seconds * RATE)) * 10 ** (level_db / 20)


def words(seconds: float, level_db: float) -> np.ndarray:
    """A tone that comes and goes twice a second."""
    t = np.arange(int(seconds * RATE)) / RATE
    return np.sin(2 * np.pi * 700 * t) * (t % 0.5 < 0.25) * 10 ** (level_db / 20)


def notes(seconds: float) -> np.ndarray:
    """G1, twice a second: its harmonics lie near those of 50 Hz, and stop."""
    t = np.arange(int(seconds * RATE)) / RATE
    return sum(np.sin(2 * np.pi * 49 * k * t) / k for k in range(1, 8)) * np.exp(-6 * (t % 0.5))


@pytest.mark.parametrize("level_db", [-30.0, -45.0, -60.0])
def test_floor_under_words_is_found_at_its_level(level_db):
    noise = measure_noise(words(4, -12) + white(4, level_db))
    assert noise is not None
    assert noise.reduction_db == REDUCTION_DB
    floors_db = np.array(noise.bands_db) + noise.floor_db
    assert len(floors_db) == len(BANDS_HZ)
    assert float(np.median(floors_db)) == pytest.approx(level_db, abs=2)


def test_what_never_falls_silent_is_left_alone():
    assert measure_noise(white(4, -15)) is None
    swelling = white(4, -15) * np.linspace(1, 1.5, 4 * RATE)
    assert measure_noise(swelling) is None


def test_clean_words_silence_and_moments_have_no_noise():
    assert measure_noise(words(4, -12)) is None
    assert measure_noise(np.zeros(RATE * 2)) is None
    assert measure_noise(white(0.4, -40)) is None


@pytest.mark.parametrize("base_hz", [50, 60])
def test_hum_is_found_by_its_lines(base_hz):
    t = np.arange(3 * RATE) / RATE
    hum = sum(np.sin(2 * np.pi * base_hz * k * t) / k for k in range(1, 6)) * 0.02
    lines = hum_lines(hum + words(3, -12) + white(3, -70))
    assert set(lines) >= {base_hz * k for k in range(1, 6)}


def test_notes_and_noise_are_no_hum():
    assert hum_lines(notes(3) * 0.3 + white(3, -50)) == ()
    assert hum_lines(white(3, -20)) == ()
    assert hum_lines(white(0.3, -20)) == ()


def test_memory_does_not_grow_with_the_windows():
    samples = (words(40, -12) + white(40, -45)).astype(np.float32)
    tracemalloc.start()
    try:
        assert measure_noise(samples) is not None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A block as samples, as complex spectrum and as power, some 24 bytes a sample; all windows took 120 MB.
    assert peak < 40 * BLOCK_SAMPLES


@settings(max_examples=20, deadline=None)
@given(st.floats(-70, 0), st.floats(-90, 0), st.integers(0, 5))
def test_never_asks_for_more_than_the_filter_takes(words_db, noise_db, seed):
    noise = measure_noise(words(1, words_db) + white(1, noise_db, seed))
    if noise is not None:
        assert 0 <= noise.reduction_db <= REDUCTION_DB
        assert -80 <= noise.floor_db <= -20
        assert max(map(abs, noise.bands_db)) <= 24
