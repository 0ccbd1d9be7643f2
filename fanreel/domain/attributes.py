"""What a face looks like, from several networks: expression, gender, age. Never what a person is or feels.

Networks are too sure of themselves, and each has its own leaning. Their answers are joined by a log-linear pool
(Genest & Zidek 1986): a weighted sum of log-probabilities plus one shift per class, brought back to probabilities.
The exponents make confidence honest, the shifts take the leaning away. They are fitted by
`benchmarks/fit_attributes.py` on one half of the people and judged by `fanreel eval attributes` and
`fanreel eval expression` on the other; the file beside this module holds for exactly the networks it names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fanreel.contracts import Message
from fanreel.domain.faces import F32
from fanreel.errors import ContractBroken

Array = NDArray[Any]
F64 = NDArray[np.float64]
Gender = Literal["female", "male", "undetermined"]

EXPRESSIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")

VALENCE_AROUSAL = np.array(
    [[0.0, 0.0], [0.81, 0.51], [-0.63, -0.27], [-0.51, 0.59], [-0.64, 0.60], [-0.60, 0.35], [0.40, 0.67]],
    np.float32,
)
"""Pleasure and arousal of each of EXPRESSIONS, −1..1 (Russell & Mehrabian 1977, table of 151 emotion terms);
neutral is the origin. A face's valence and arousal are the mean of these under its expression probabilities."""

LEAST_PROBABILITY = 1e-4
"""A network that has never seen a thing is not to veto it: probabilities are taken as no smaller."""

DECLARED_FROM = 0.95
"""Apparent gender is declared from this probability on, else `undetermined`."""

MIN_VOTES = 2
"""One face is no vote."""

ADULT_FROM_YEARS = 13.0
"""Of faces that look younger, gender cannot be told by looks: a quarter of the networks' answers are wrong."""


class AttributeCalibration(Message):
    """The measured file beside this module; it holds for the networks it names only.

    networks             catalogue id → sha256
    expression_exponents of face_expression and emotion; expression_shifts in the order of EXPRESSIONS
    gender_exponents     of age_gender and face_context; gender_shift towards female
    """

    networks: dict[str, str]
    measured_on: str
    command: str
    expression_exponents: tuple[float, float]
    expression_shifts: tuple[float, ...] = Field(min_length=len(EXPRESSIONS), max_length=len(EXPRESSIONS))
    gender_exponents: tuple[float, float]
    gender_shift: float

    def check(self, networks: Mapping[str, str]) -> None:
        """Raise ContractBroken `calibration_missing` unless these are the networks that were measured."""
        if dict(networks) != self.networks:
            raise ContractBroken(
                "calibration_missing",
                "these attribute networks were not calibrated; run benchmarks/fit_attributes.py",
                given=dict(networks),
                calibrated=self.networks,
            )

    def expressions(self, first: Array, second: Array) -> F32:
        """Return (n, 7) probabilities from those of face_expression and emotion (n, 7)."""
        strength, other = self.expression_exponents
        return pool_expressions(first, second, strength, other, np.array(self.expression_shifts))

    def female_probability(self, first: Array, second: Array) -> F32:
        """Return (n,) from the probabilities of age_gender and face_context."""
        strength, other = self.gender_exponents
        score = strength * log_odds(first) + other * log_odds(second) + self.gender_shift
        return (1 / (1 + np.exp(-score))).astype(np.float32)


@dataclass(frozen=True, slots=True)
class ApparentPerson:
    """What the faces of a track together look like. `gender` is `undetermined` where looks do not tell."""

    female_probability: float
    age_years: float
    gender: Gender


def pool_expressions(first: Array, second: Array, strength: float, other: float, shifts: F64) -> F32:
    """Return the log-linear pool (n, 7) of two distributions (n, 7)."""
    score = strength * _log(first) + other * _log(second) + shifts
    weight = np.exp(score - score.max(axis=1, keepdims=True, initial=-np.inf))
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)


def log_odds(probability: Array) -> F64:
    """Return ln p / (1 − p), bounded."""
    return _log(probability) - _log(1 - np.asarray(probability, np.float64))


def valence_arousal(expressions: Array) -> F32:
    """Return (n, 2) from expression probabilities (n, 7)."""
    return (np.asarray(expressions, np.float32) @ VALENCE_AROUSAL).astype(np.float32)


def mean_expressions(expressions: Array, quality: Array) -> dict[str, float]:
    """Average probabilities (n, 7) over a track by quality (n,); NaN rows were not measured. Empty without any.

    Faces of one track are nearly the same face, so they do not multiply to certainty as independent ones would:
    the mean stays calibrated.
    """
    measured = ~np.isnan(expressions).any(axis=1)
    weight = np.asarray(quality, np.float64)[measured]
    if weight.sum() <= 0:
        return {}
    mean = weight @ np.asarray(expressions, np.float64)[measured] / weight.sum()
    return {name: round(float(value), 4) for name, value in zip(EXPRESSIONS, mean, strict=True)}


def vote(values: Array, weights: Array) -> float:
    """Return the weighted mean of what single faces say, (n,), n ≥ 1."""
    return float(np.average(np.asarray(values, np.float64), weights=np.maximum(weights, 1e-6)))


def apparent_person(female_probability: Array, age_years: Array, quality: Array) -> ApparentPerson:
    """Vote over the faces of a track, (n,) each, by quality; n ≥ 1."""
    female, age = vote(female_probability, quality), vote(age_years, quality)
    return ApparentPerson(female, age, apparent_gender(female, age, len(quality)))


def apparent_gender(female_probability: float, age_years: float, votes: int) -> Gender:
    """Return the verdict of a vote, or `undetermined` when it is close, of a child, or too few took part."""
    if votes < MIN_VOTES or age_years < ADULT_FROM_YEARS:
        return "undetermined"
    if female_probability >= DECLARED_FROM:
        return "female"
    return "male" if female_probability <= 1 - DECLARED_FROM else "undetermined"


@lru_cache(maxsize=1)
def baseline_attributes() -> AttributeCalibration:
    """Return the calibration that ships for the baseline pack."""
    text = files("fanreel.domain").joinpath("attributes_baseline.json").read_text(encoding="utf-8")
    return AttributeCalibration.from_wire(text)


def _log(probability: Array) -> F64:
    return np.log(np.clip(np.asarray(probability, np.float64), LEAST_PROBABILITY, 1.0))
