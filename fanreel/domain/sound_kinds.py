"""How likely cheer, applause, whistle, speech and music are heard in a second: independent of one another.

A logistic regression per kind on `hearing.FEATURES`, fitted by `benchmarks/fit_crowd_sound.py` on synthesised
scenes and permissively licensed files. Small on purpose: what it says can be traced to features with names.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.hearing import F32, FEATURES, second_features

KINDS = ("cheer", "applause", "whistle", "speech", "music")
MODEL_FILE = "sound_kinds.json"
FARTHEST = 3.0
"""A feature counts at most so many standard deviations: a pure tone is no more of a whistle than a real one."""


@dataclass(frozen=True, slots=True)
class SoundModel:
    """Standardised features → one logit per kind. coefficients (kinds, features)."""

    mean: F32
    scale: F32
    coefficients: F32
    intercepts: F32

    def likelihoods(self, features: NDArray[Any]) -> F32:
        """Return 0..1 per kind, (n, kinds), of rows of FEATURES, (n, features)."""
        logits = standardised(features, self.mean, self.scale) @ self.coefficients.T + self.intercepts
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def standardised(features: NDArray[Any], mean: NDArray[Any], scale: NDArray[Any]) -> F32:
    """Return features in standard deviations, at most FARTHEST from the mean."""
    return np.asarray(np.clip((features - mean) / scale, -FARTHEST, FARTHEST), np.float32)


@lru_cache(maxsize=1)
def sound_model() -> SoundModel:
    """Return the fitted model that ships with the package."""
    return read_model(_document())


def fitted_on() -> frozenset[str]:
    """Return the names of the files that the shipped model was fitted on; they do not judge it."""
    return frozenset(_document()["madeBy"]["files"])


def _document() -> dict[str, Any]:
    return json.loads(files("fanreel.domain").joinpath(MODEL_FILE).read_text("utf-8"))


def read_model(document: Mapping[str, Any]) -> SoundModel:
    """Read what the fitting command wrote; raises ValueError when it was fitted on other features or kinds."""
    if tuple(document["features"]) != FEATURES or tuple(document["kinds"]) != KINDS:
        raise ValueError("The model of sounds was fitted on other features; fit it anew.")
    names = ("mean", "scale", "coefficients", "intercepts")
    return SoundModel(*(np.array(document[name], np.float32) for name in names))


def likelihoods(samples: NDArray[Any]) -> tuple[float, ...]:
    """Return 0..1 per KINDS of up to one second of mono sound at 48 kHz; zeros when it is silent or too short."""
    features = second_features(samples)
    if features is None:
        return (0.0,) * len(KINDS)
    return tuple(round(float(value), 3) for value in sound_model().likelihoods(features[None])[0])
