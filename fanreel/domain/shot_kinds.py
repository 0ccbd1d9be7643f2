"""What a shot shows: people, a crowd, play, a graphic, or nothing that can be told.

A small multinomial logistic regression over what the pipeline measures anyway, fitted by
`python -m benchmarks.fit_shot_kinds` on the labels of benchmarks/shot_labels.csv. It says four kinds: with these
features nobody tells a spectator's close-up from a player's, a substitute's or a presenter's (the command's second
table shows it), so those are all `people`; who they are is what faces are matched for.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import ShotMeasure
from fanreel.domain.faces import F32

KINDS = ("people", "crowd", "play", "graphic")
FAN_KINDS = ("people", "crowd")
"""Kinds in which somebody may be recognised."""

UNKNOWN = "unknown"
SURE_FROM = 0.5
"""The likeliest kind is said from this probability on: more likely than all others together."""

MODEL_FILE = "shot_kinds.json"

PICTURE_COLUMNS = ("motion", "still", "detail", "flat", "grass", "skin")
"""Not how light or colourful it is: that tells broadcasters apart, not what they show."""
LOOK_COLUMNS = (*PICTURE_COLUMNS, "sharpness", "luma")
"""What is read of each look; the luma for the quality only."""
FEATURES = (
    *PICTURE_COLUMNS,
    "sharpness_log2",
    "faces_log2",
    "seen_share",
    "largest_face",
    "face_spread",
    "face_area",
    "off_centre",
)
"""Medians over the shot's looks of what `ShotMeasure` names; then log2 of the sharpness, log2 of 1 + faces in a
look, the share of looks with a face, and over those the largest face's height as a share of the picture's, the
spread of log2 heights (a crowd has all sizes), the faces' area as a share of the picture's, and how far the
largest one is from the middle, 0..1."""


@dataclass(frozen=True, slots=True)
class LookFaces:
    """The faces of one look, in shares of the picture: heights, areas, centres; all (n,)."""

    height: F32
    area: F32
    x: F32
    y: F32


@dataclass(frozen=True, slots=True)
class KindModel:
    """Standardised features → logits. coefficients (kinds, features)."""

    kinds: tuple[str, ...]
    mean: F32
    scale: F32
    coefficients: F32
    intercepts: F32

    def probabilities(self, features: F32) -> dict[str, float]:
        """Return the probability of each kind for one row of FEATURES."""
        logits = self.coefficients @ ((features - self.mean) / self.scale) + self.intercepts
        odds = np.exp(logits - logits.max())
        return {kind: float(share) for kind, share in zip(self.kinds, odds / odds.sum(), strict=True)}


@lru_cache(maxsize=1)
def kind_model() -> KindModel:
    """Return the fitted model that ships with the package."""
    return read_model(json.loads(files("fanreel.domain").joinpath(MODEL_FILE).read_text("utf-8")))


def read_model(document: Mapping[str, Any]) -> KindModel:
    """Read what the fitting command wrote; raises ValueError when it was fitted on other features."""
    if tuple(document["features"]) != FEATURES:
        raise ValueError("The shot-kind model was fitted on other features; fit it anew.")
    mean, scale, coefficients, intercepts = (
        np.array(document[name], np.float32) for name in ("mean", "scale", "coefficients", "intercepts")
    )
    return KindModel(tuple(document["kinds"]), mean, scale, coefficients, intercepts)


def shot_features(looks: Mapping[str, NDArray[np.floating]], faces: Sequence[LookFaces]) -> F32 | None:
    """Return FEATURES of a shot from the columns of its looks and the faces of each; None when it has no look.

    The first look's motion and stillness are measured across the cut: with other looks to go by they do not count.
    """
    if not faces or any(len(looks[name]) != len(faces) for name in (*PICTURE_COLUMNS, "sharpness")):
        return None
    within = slice(1, None) if len(faces) > 1 else slice(None)
    medians = [
        float(np.median(looks[name][within] if name in ("motion", "still") else looks[name]))
        for name in PICTURE_COLUMNS
    ]
    seen = [look for look in faces if len(look.height)]
    return np.array(
        [
            *medians,
            np.log2(max(float(np.median(looks["sharpness"])), 1.0)),
            np.log2(1 + np.mean([len(look.height) for look in faces])),
            len(seen) / len(faces),
            *(_face_features(seen) if seen else (0.0, 0.0, 0.0, 0.0)),
        ],
        np.float32,
    )


def _face_features(seen: Sequence[LookFaces]) -> tuple[float, float, float, float]:
    largest = [int(look.height.argmax()) for look in seen]
    away = [
        min(1.0, float(np.hypot(look.x[row] - 0.5, look.y[row] - 0.5)) * 2)
        for look, row in zip(seen, largest, strict=True)
    ]
    return (
        float(np.median([look.height.max() for look in seen])),
        float(np.median([np.log2(np.maximum(look.height, 1e-3)).std() for look in seen])),
        float(np.median([look.area.sum() for look in seen])),
        float(np.median(away)),
    )


def kind_of(probabilities: Mapping[str, float]) -> str:
    """Return the likeliest kind, or `unknown` when none is more likely than all others together."""
    kind = max(probabilities, key=lambda name: probabilities[name])
    return kind if probabilities[kind] >= SURE_FROM else UNKNOWN


def fan_probability(probabilities: Mapping[str, float]) -> float:
    """Return how likely it is that people can be recognised."""
    return sum(probabilities.get(kind, 0.0) for kind in FAN_KINDS)


def looks_of(measure: ShotMeasure) -> dict[str, NDArray[np.float32]]:
    """Return the columns that features are made of."""
    return {name: np.array(getattr(measure, name), np.float32) for name in LOOK_COLUMNS}


NO_FANS_FROM = 0.95
"""A shot that shows play or a graphic at least this surely holds nobody to search for …"""
RECOGNISABLE_SHARE = 0.06
"""… but who fills this share of the picture's height: 43 px of 720, where templates begin to tell people apart. A
large face is a person, whatever the rest of the picture says."""


def worth_searching(shot_fan_probability: float | None, face_share: float) -> bool:
    """Tell whether a face is worth a template, a place among people and a search.

    `face_share` is the face's height over the picture's; an unjudged shot is always worth it.
    """
    surely_none = shot_fan_probability is not None and shot_fan_probability <= 1 - NO_FANS_FROM
    return not surely_none or face_share >= RECOGNISABLE_SHARE
