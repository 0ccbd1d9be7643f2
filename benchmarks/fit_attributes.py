"""Fits how the attribute networks' answers are joined, on one half of the people of the shared labelled stills.

    python -m benchmarks.fit_attributes --media ../shared/media --out fanreel/domain/attributes_baseline.json

`fanreel eval attributes` and `fanreel eval expression` judge the file on the other half.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from fanreel.domain.attributes import (
    ADULT_FROM_YEARS,
    EXPRESSIONS,
    AttributeCalibration,
    log_odds,
    pool_expressions,
)
from fanreel.evaluation.attribute_stills import (
    ExpressionStills,
    PersonStills,
    expression_stills,
    person_stills,
)
from fanreel.evaluation.calibration import reference_weights
from fanreel.inference.attributes import CALIBRATED
from fanreel.inference.catalogue import catalogue
from fanreel.inference.networks import load_networks
from fanreel.settings import get_settings

F64 = NDArray[np.float64]

RIDGE_SHIFT, RIDGE_EXPONENT = 1.0, 5.0
"""In nats: a shift of 1.4, or an exponent .45 away from one half, must gain one; faces in fear are few."""


def main() -> None:
    """Look at the stills, fit, write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    networks = load_networks(get_settings())
    stills = expression_stills(options.media, networks)
    people = person_stills(options.media, networks)
    expression, gender = fit_expressions(stills), fit_gender(people)
    file = AttributeCalibration(
        networks={name: catalogue().entry(name).sha256 for name in CALIBRATED},
        measured_on=f"half of the people: {int(stills.fitting.sum())} stills with expressions, "
        f"{int(people.fitting.sum())} with gender, detector {networks.detector.name}",
        command="python -m benchmarks.fit_attributes --media ../shared/media --out <this file>",
        expression_exponents=(round(float(expression[0]), 4), round(float(expression[1]), 4)),
        expression_shifts=tuple(round(float(v), 4) for v in expression[2:]),
        gender_exponents=(round(float(gender[0]), 4), round(float(gender[1]), 4)),
        gender_shift=round(float(gender[2]), 4),
    )
    options.out.write_text(file.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")
    print(file.model_dump_json(by_alias=True, indent=2))


def fit_expressions(stills: ExpressionStills) -> F64:
    """Return two exponents and seven shifts that make the labels of the fitting half likeliest."""
    own = stills.fitting
    label, first, second = stills.label[own], stills.first[own], stills.second[own]
    weight = reference_weights(label, stills.counts)
    weight = weight / weight.mean()

    def loss(values: F64) -> float:
        pooled = pool_expressions(first, second, float(values[0]), float(values[1]), values[2:])
        chance = np.maximum(pooled[np.arange(len(label)), label].astype(np.float64), 1e-9)
        ridge = RIDGE_SHIFT * np.square(values[2:]).sum() / 2 + RIDGE_EXPONENT * np.square(values[:2] - 0.5).sum()
        return float(-(weight * np.log(chance)).sum() + ridge)

    return _least(loss, np.array([0.5, 0.5, *(0.0 for _ in EXPRESSIONS)]))


def fit_gender(people: PersonStills) -> F64:
    """Return two exponents and a shift; children, whose looks do not tell, are left out; both weigh alike."""
    own = people.fitting & ~(people.age < ADULT_FROM_YEARS)
    female = people.female[own]
    odds = np.stack([log_odds(people.first[own]), log_odds(people.second[own])], axis=1)
    weight = np.where(female, 0.5 / female.mean(), 0.5 / (1 - female.mean()))

    def loss(values: F64) -> float:
        score = odds @ values[:2] + values[2]
        wrong = np.logaddexp(0, np.where(female, -score, score))
        return float((weight * wrong).sum() + np.square(values).sum() / 2)

    return _least(loss, np.array([0.5, 0.5, 0.0]))


def _least(loss: Callable[[F64], float], start: F64) -> F64:
    options = {"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-5, "fatol": 1e-7, "adaptive": True}
    return np.asarray(minimize(loss, start, method="Nelder-Mead", options=options).x)


if __name__ == "__main__":
    main()
