"""From distance to false-match rate and likelihood, as measured for one model contract.

Pooling faces brings templates nearer to each other, strangers' too: on Labelled Faces in the Wild one stranger in
ten thousand lies nearer than .577 when single pictures are compared, nearer than .536 with three selfies, and
nearer than .474 with three faces pooled on the other side as well. So what a distance means depends on how much
was pooled, and that is measured by the cohesion: the mean cosine of the pooled faces with their template (the
length of their mean), fan times appearance. A calibration holds, at some cohesions, two normal distributions: of
one person's distances, and of strangers', fitted on the near tail where decisions fall. Between them it is linear.
`benchmarks/fit_calibration.py` measures it and writes the file.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator
from scipy.special import ndtri

from fanreel.contracts import Message, ModelContract, Wire
from fanreel.errors import ContractBroken

Array = NDArray[Any]
F64 = NDArray[np.float64]


class Knot(Wire):
    """The two distributions at one cohesion."""

    cohesion: float = Field(gt=0, le=1)
    genuine_mean: float = Field(gt=0, lt=2)
    genuine_std: float = Field(gt=0, lt=1)
    impostor_mean: float = Field(gt=0, lt=2)
    impostor_std: float = Field(gt=0, lt=1)


class CalibrationFile(Message):
    """The measured file beside this module; it holds for one model contract only."""

    model_contract: ModelContract
    measured_on: str
    command: str
    knots: tuple[Knot, ...] = Field(min_length=2)

    @field_validator("knots")
    @classmethod
    def _ascending(cls, knots: tuple[Knot, ...]) -> tuple[Knot, ...]:
        cohesions = [knot.cohesion for knot in knots]
        if cohesions != sorted(set(cohesions)):
            raise ValueError("knots must ascend by cohesion")
        return knots


@dataclass(frozen=True, slots=True)
class Calibration:
    """The knots as columns, (knots,), cohesion ascending."""

    contract: ModelContract
    cohesion: F64
    genuine_mean: F64
    genuine_std: F64
    impostor_mean: F64
    impostor_std: F64

    @staticmethod
    def from_file(file: CalibrationFile) -> "Calibration":
        """Turn the file into columns."""

        def column(name: str) -> F64:
            return np.array([getattr(knot, name) for knot in file.knots], np.float64)

        names = ("cohesion", "genuine_mean", "genuine_std", "impostor_mean", "impostor_std")
        return Calibration(file.model_contract, *(column(name) for name in names))

    def check(self, contract: ModelContract) -> None:
        """Raise `ContractBroken` when the embeddings come from a network this calibration did not measure."""
        if contract != self.contract:
            raise ContractBroken(
                "calibration_missing",
                "these embeddings are of a network that was not calibrated; run benchmarks/fit_calibration.py",
                given=contract.to_wire(),
                calibrated=self.contract.to_wire(),
            )

    def deviation(self, distance: Array, cohesion: Array) -> Array:
        """Return the distance from the strangers' mean in their standard deviations; near is negative."""
        return (distance - self._mean(cohesion)) / np.interp(cohesion, self.cohesion, self.impostor_std)

    def distance_at(self, fmr: float, cohesion: Array) -> F64:
        """Return the distance that strangers' pairs pass with the given rate; never below zero."""
        std = np.interp(cohesion, self.cohesion, self.impostor_std)
        return np.maximum(self._mean(cohesion) + float(ndtri(fmr)) * std, 0.0)

    def log_likelihood_ratio(self, distance: Array, cohesion: Array) -> F64:
        """Return ln p(distance | same) / p(distance | strangers), falling with distance.

        Nearer than the genuine mean costs nothing (the genuine curve would call an extremely good fit unlikely),
        and farther than the strangers' mean gains nothing.
        """
        std = np.interp(cohesion, self.cohesion, self.genuine_std)
        same = np.maximum((distance - np.interp(cohesion, self.cohesion, self.genuine_mean)) / std, 0.0)
        other = np.minimum(self.deviation(distance, cohesion), 0.0)
        scale = np.log(np.interp(cohesion, self.cohesion, self.impostor_std) / std)
        return np.asarray(scale - 0.5 * same**2 + 0.5 * other**2, np.float64)

    def _mean(self, cohesion: Array) -> Array:
        """Return the strangers' mean; below the first knot it goes on falling as between the first two."""
        slope = (self.impostor_mean[1] - self.impostor_mean[0]) / (self.cohesion[1] - self.cohesion[0])
        below = np.minimum(cohesion - self.cohesion[0], 0.0)
        return np.interp(cohesion, self.cohesion, self.impostor_mean) + slope * below


@lru_cache(maxsize=1)
def baseline_calibration() -> Calibration:
    """Return the calibration that ships for the baseline pack."""
    text = files("fanreel.domain.matching").joinpath("calibration_baseline.json").read_text(encoding="utf-8")
    return Calibration.from_file(CalibrationFile.from_wire(text))
