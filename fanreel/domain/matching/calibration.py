"""From distance to false-match rate and likelihood, as measured for one model contract.

**Strangers nearby.** Some faces have many look-alikes: to a network that has seen few of their kind, they all lie
close. So a pair's cosine counts relative to how near each side lies to strangers in general (symmetric adaptive
score normalisation, Matějka et al. 2017, means only): from it is taken half of each side's mean cosine with its
`NEIGHBOURS` nearest prototypes, and a constant is added that keeps the usual distance where it was. A prototype is
the mean of several strangers' templates, nobody's own. On people who are in no prototype this raises TAR at FMR
1e-5 from .74 to .82 (benchmarks/RESULTS.md). It is a property of each template alone: who else is enrolled does
not enter. The **distance** everywhere in this package is √(2 − 2 · that cosine).

**Pooling and quality.** Pooled faces lie nearer to everybody, strangers too, and poor faces farther from
themselves. So what a distance means depends on the cohesion (mean cosine of the pooled faces with their template,
fan times appearance) and on the quality of the appearance's faces. For each bin of quality the calibration holds,
at some cohesions, two normal distributions: of one person's distances, and of strangers', fitted on the near tail
where decisions fall. Between cohesions it is linear. `benchmarks/fit_calibration.py` measures and writes the file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator
from scipy.special import ndtri

from fanreel.contracts import Message, ModelContract, Vectors, Wire
from fanreel.errors import ContractBroken

Array = NDArray[Any]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

NEIGHBOURS = 2
"""Nearest prototypes looked at. Of 2, 3 and 5, two told best, with 32 as with 64 and 96 prototypes
(`benchmarks/choose_recognition.py`)."""

BEST_QUALITY = 1.0


class Knot(Wire):
    """The two distributions at one cohesion."""

    cohesion: float = Field(gt=0, le=1)
    genuine_mean: float = Field(gt=0, lt=2)
    genuine_std: float = Field(gt=0, lt=1)
    impostor_mean: float = Field(gt=0, lt=2)
    impostor_std: float = Field(gt=0, lt=1)


class QualityBin(Wire):
    """What was measured on appearances of at least this quality, up to the next bin."""

    min_quality: float = Field(ge=0, le=1)
    knots: tuple[Knot, ...] = Field(min_length=2)

    @field_validator("knots")
    @classmethod
    def _ascending(cls, knots: tuple[Knot, ...]) -> tuple[Knot, ...]:
        cohesions = [knot.cohesion for knot in knots]
        if cohesions != sorted(set(cohesions)):
            raise ValueError("knots must ascend by cohesion")
        return knots


class CalibrationFile(Message):
    """The measured file beside this module; it holds for one model contract only."""

    model_contract: ModelContract
    measured_on: str
    command: str
    usual_density: float = Field(ge=-1, le=1)
    """Mean density of single photographs: what the adjusted cosine is brought back to."""
    least_density: float = Field(ge=-1, le=1)
    """Density below which hardly a face lies. What does is a poor face or none: it gains no more."""
    bins: tuple[QualityBin, ...] = Field(min_length=1)
    prototypes: Vectors
    """Unit rows (k, d), each the mean of several people."""

    @field_validator("bins")
    @classmethod
    def _from_zero(cls, bins: tuple[QualityBin, ...]) -> tuple[QualityBin, ...]:
        edges = [one.min_quality for one in bins]
        if edges[0] != 0 or edges != sorted(set(edges)):
            raise ValueError("bins must ascend by quality, from 0")
        return bins


@dataclass(frozen=True, slots=True)
class Knots:
    """The knots of one bin as columns, (knots,), cohesion ascending."""

    cohesion: F64
    genuine_mean: F64
    genuine_std: F64
    impostor_mean: F64
    impostor_std: F64

    @staticmethod
    def of(knots: Sequence[Knot]) -> "Knots":
        """Turn knots into columns."""
        return Knots(*(np.array([getattr(knot, name) for knot in knots], np.float64) for name in Knots.__slots__))

    def at(self, column: F64, cohesion: Array) -> Array:
        """Return the column at these cohesions."""
        return np.interp(cohesion, self.cohesion, column)

    def stranger_mean(self, cohesion: Array) -> Array:
        """Return the strangers' mean; below the first knot it goes on falling as between the first two."""
        slope = (self.impostor_mean[1] - self.impostor_mean[0]) / (self.cohesion[1] - self.cohesion[0])
        below = np.minimum(cohesion - self.cohesion[0], 0.0)
        return self.at(self.impostor_mean, cohesion) + max(slope, 0.0) * below


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured, ready to calculate with.

    prototypes  float32 (k, d) unit rows; with none, distances are those of the templates as they are.
    edges       (bins,) least quality of each bin, ascending from 0.
    """

    contract: ModelContract
    prototypes: F32
    usual_density: float
    least_density: float
    edges: F64
    bins: tuple[Knots, ...]

    @staticmethod
    def from_file(file: CalibrationFile) -> "Calibration":
        """Turn the file into columns."""
        return Calibration(
            file.model_contract,
            file.prototypes.unpack().astype(np.float32),
            file.usual_density,
            file.least_density,
            np.array([one.min_quality for one in file.bins]),
            tuple(Knots.of(one.knots) for one in file.bins),
        )

    def check(self, contract: ModelContract) -> None:
        """Raise `ContractBroken` when the embeddings come from a network this calibration did not measure."""
        if contract != self.contract:
            raise ContractBroken(
                "calibration_missing",
                "these embeddings are of a network that was not calibrated; run benchmarks/fit_calibration.py",
                given=contract.to_wire(),
                calibrated=self.contract.to_wire(),
            )

    def density(self, rows: F32) -> F32:
        """Return how near unit rows (n, d) lie to strangers: mean cosine with the nearest prototypes, (n,).

        Raises ContractBroken `template_invalid` when the length of the rows is not the prototypes'.
        """
        if not len(self.prototypes) or not len(rows):
            return np.full(len(rows), self.usual_density, np.float32)
        if rows.shape[1] != self.prototypes.shape[1]:
            raise ContractBroken("template_invalid", "templates and calibration differ in length")
        cosine = rows @ self.prototypes.T
        nearest = np.partition(cosine, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
        return np.maximum(nearest.mean(axis=1), np.float32(self.least_density)).astype(np.float32)

    def gallery_rows(self, rows: F32) -> F32:
        """Return rows (n, d + 2) whose inner product with `probe_rows` is the adjusted cosine."""
        return self._lifted(rows, -2)

    def probe_rows(self, rows: F32) -> F32:
        """Return the other side's rows (n, d + 2)."""
        return self._lifted(rows, -1)

    def distances(self, one: F32, other: F32) -> F64:
        """Return the distance of unit rows, pair by pair, (n,) from (n, d) each; one may be a single row."""
        cosine = np.einsum("ij,ij->i", self.gallery_rows(one), self.probe_rows(other), dtype=np.float64)
        return distance_from_cosine(cosine)

    def deviation(self, distance: Array, cohesion: Array, quality: Array | float = BEST_QUALITY) -> Array:
        """Return the distance from the strangers' mean in their standard deviations; near is negative.

        `quality` (n,) goes with the first axis of the others.
        """
        return self._each(
            lambda knots, d, c: (d - knots.stranger_mean(c)) / knots.at(knots.impostor_std, c),
            distance,
            cohesion,
            quality,
        )

    def distance_at(self, fmr: float, cohesion: Array, quality: Array | float = BEST_QUALITY) -> F64:
        """Return the distance that strangers' pairs pass with the given rate; never below zero.

        A poorer bin never allows more than a better one: poor faces lie farther from strangers, which moves the
        threshold out, but nobody may be matched because they were seen badly.
        """
        deviations = float(ndtri(fmr))
        limits = np.stack(
            [
                knots.stranger_mean(cohesion) + deviations * knots.at(knots.impostor_std, cohesion)
                for knots in self.bins
            ]
        )
        # The least of the own and all better bins, for every bin.
        tightest = np.minimum.accumulate(limits[::-1], axis=0)[::-1]
        number = self._bin(quality)
        if number.ndim == 0:
            return np.maximum(tightest[int(number)], 0.0)
        return np.maximum(tightest[number, np.arange(len(number))], 0.0)

    def log_likelihood_ratio(self, distance: Array, cohesion: Array, quality: Array | float = BEST_QUALITY) -> F64:
        """Return ln p(distance | same) / p(distance | strangers), falling with distance.

        Nearer than the genuine mean costs nothing (the genuine curve would call an extremely good fit unlikely),
        and farther than the strangers' mean gains nothing.
        """
        return self._each(_log_likelihood_ratio, distance, cohesion, quality)

    def _lifted(self, rows: F32, own: int) -> F32:
        lifted = np.ones((len(rows), rows.shape[1] + 2), np.float32)
        lifted[:, :-2] = rows
        lifted[:, own] = (np.float32(self.usual_density) - self.density(rows)) / 2
        return lifted

    def _bin(self, quality: Array | float) -> NDArray[np.intp]:
        """Return the bin of each quality; what is unknown is poor."""
        known = np.nan_to_num(np.asarray(quality, np.float64))
        return np.maximum(np.searchsorted(self.edges, known, side="right") - 1, 0)

    def _each(self, measure: Any, distance: Array, cohesion: Array, quality: Array | float) -> F64:
        """Measure every row with the knots of its quality."""
        bins = self._bin(quality)
        if bins.ndim == 0 or len(np.unique(bins)) == 1:
            return np.asarray(measure(self.bins[int(bins.flat[0])], distance, cohesion), np.float64)
        found = np.empty(np.broadcast_shapes(distance.shape, cohesion.shape), np.float64)
        for number in np.unique(bins):
            rows = np.flatnonzero(bins == number)
            found[rows] = measure(self.bins[int(number)], distance[rows], cohesion[rows])
        return found


def distance_from_cosine(cosine: Array) -> Array:
    """Return √(2 − 2·cos), 0 and more."""
    return np.sqrt(np.maximum(2.0 - 2.0 * cosine, 0.0))


def _log_likelihood_ratio(knots: Knots, distance: Array, cohesion: Array) -> Array:
    std, strangers = knots.at(knots.genuine_std, cohesion), knots.at(knots.impostor_std, cohesion)
    same = np.maximum((distance - knots.at(knots.genuine_mean, cohesion)) / std, 0.0)
    other = np.minimum((distance - knots.stranger_mean(cohesion)) / strangers, 0.0)
    return np.log(strangers / std) - 0.5 * same**2 + 0.5 * other**2


@lru_cache(maxsize=1)
def baseline_calibration() -> Calibration:
    """Return the calibration that ships for the baseline pack."""
    text = files("fanreel.domain.matching").joinpath("calibration_baseline.json").read_text(encoding="utf-8")
    return Calibration.from_file(CalibrationFile.from_wire(text))
