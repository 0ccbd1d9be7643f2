"""What one second of sound is said to be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanreel.adapters.media.hearing import SecondKinds
from fanreel.domain.hearing import FEATURES, RATE, second_features
from fanreel.domain.sound_kinds import KINDS, likelihoods, read_model, sound_model

pytestmark = pytest.mark.unit

TIME = np.arange(RATE) / RATE


def said(samples: np.ndarray) -> dict[str, float]:
    return dict(zip(KINDS, likelihoods(samples), strict=True))


def hiss(seed: int, seconds: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=seconds * RATE) * 0.1


def shaped_hiss(seed: int, centre_hz: float, octaves: float) -> np.ndarray:
    """Noise with a bell of so many octaves around a frequency: what a far crowd's roar comes to."""
    hz = np.maximum(np.fft.rfftfreq(RATE, 1 / RATE), 20.0)
    bell = np.exp(-0.5 * (np.log2(hz / centre_hz) / octaves) ** 2)
    sound = np.fft.irfft(np.fft.rfft(hiss(seed)) * bell, RATE)
    return 0.1 * sound / sound.std()


@pytest.mark.parametrize("hz", [2_300, 2_800, 3_400, 3_900])
def test_one_steady_high_tone_over_noise_is_a_whistle(hz: int) -> None:
    whistle = 0.1 * np.sin(2 * np.pi * hz * TIME) + shaped_hiss(1, 600, 1.0) * 0.5
    assert said(whistle)["whistle"] > 0.8
    assert said(shaped_hiss(1, 600, 1.0))["whistle"] < 0.3


def test_nothing_is_heard_in_silence_or_in_the_rest_of_a_second() -> None:
    assert set(likelihoods(np.zeros(RATE))) == {0.0}
    assert set(likelihoods(hiss(1) * 1e-4)) == {0.0}
    assert set(likelihoods(hiss(1)[: RATE // 3])) == {0.0}


@pytest.mark.parametrize("seed", range(4))
def test_white_noise_is_neither_cheer_nor_speech_nor_music(seed: int) -> None:
    heard = said(hiss(seed))
    assert max(heard["cheer"], heard["speech"], heard["music"], heard["whistle"]) < 0.5


def test_a_held_chord_is_music_and_nobody_speaks() -> None:
    partials = [(note, number) for note in (220.0, 277.2, 329.6) for number in range(1, 9)]
    heard = said(sum(0.05 / n * np.sin(2 * np.pi * note * n * TIME) for note, n in partials) + hiss(2) * 0.01)
    assert heard["music"] > 0.8 > heard["cheer"]
    assert max(heard["speech"], heard["applause"]) < 0.5


@settings(max_examples=20, deadline=None)
@given(st.floats(-50, 15), st.integers(0, 5))
def test_how_loud_it_is_changes_nothing(gain_db: float, seed: int) -> None:
    sound = shaped_hiss(seed, 800, 1.0) + 0.05 * np.sin(2 * np.pi * 440 * TIME)
    first, second = second_features(sound), second_features(sound * 10 ** (gain_db / 20))
    assert first is not None
    assert second == pytest.approx(first, rel=1e-3, abs=2e-2)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=40), st.integers(0, 3))
def test_however_the_sound_comes_in_pieces_every_second_is_said_alike(sizes: list[int], first: int) -> None:
    sound = np.concatenate([hiss(1, 2), shaped_hiss(3, 700, 1.0), hiss(4)])
    whole = SecondKinds(0, 4)
    whole.add(0, sound)
    parts = SecondKinds(first, 4)
    at = 0
    while at < len(sound):
        size = sizes[at % len(sizes)]
        parts.add(at, sound[at : at + size])
        at += size
    expected = {kind: column[first:] for kind, column in whole.columns().items()}
    assert parts.columns() == expected


def test_seconds_that_were_not_heard_are_zero() -> None:
    kinds = SecondKinds(0, 4)
    kinds.add(2 * RATE, hiss(1))
    columns = kinds.columns()
    assert all(len(column) == 4 for column in columns.values())
    assert {column[row] for column in columns.values() for row in (0, 1, 3)} == {0.0}
    assert tuple(columns[kind][2] for kind in KINDS) == likelihoods(hiss(1))


def test_a_model_of_other_features_is_refused() -> None:
    document = {"features": [*FEATURES[1:]], "kinds": list(KINDS)}
    with pytest.raises(ValueError, match="fitted on other features"):
        read_model(document)
    assert sound_model().coefficients.shape == (len(KINDS), len(FEATURES))
