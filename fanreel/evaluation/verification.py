"""One-to-one comparison of faces, in the numbers of the field (ISO/IEC 19795-1, NIST FRVT).

FMR, the false-match rate: share of pairs of different people taken for one. TAR, the true-accept rate: share of
pairs of one person that are taken for one at the threshold of a given FMR. Impostor pairs are all pairs of the
collection: a list of a few thousand cannot show a rate of one in a million. A photograph without a detected face
is a failure to acquire: its genuine pairs are not accepted at any threshold, so they count in every TAR.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import F32
from fanreel.errors import InputRejected

FMRS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""Rates a table is printed for; one with fewer than one pair below it cannot be measured and is left out."""

FOLDS = 10
DET_POINTS = 200
_CHUNK_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photographs by name, and whether they show one person."""

    one: str
    other: str
    same: bool


@dataclass(frozen=True, slots=True)
class Rate:
    """The true-accept rate at a false-match rate, and the L2 distance that gives it."""

    fmr: float
    tar: float
    distance: float


@dataclass(frozen=True, slots=True)
class Verification:
    """Scores of one set of comparisons.

    genuine, impostor  numbers of pairs     auc  area under the ROC     eer  equal error rate
    rates  ascending strictness             det  (m, 2): false-match rate, false-non-match rate
    """

    genuine: int
    impostor: int
    auc: float
    eer: float
    rates: tuple[Rate, ...]
    det: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Best-threshold accuracy on listed pairs, ten-fold as LFW's protocol has it: threshold of nine, score of one.

    missed  pairs with a photograph without a face: wrong if of one person, right if of two.
    """

    pairs: int
    accuracy: float
    deviation: float
    distance: float
    missed: int


def read_pairs(text: str) -> list[Pair]:
    """Read LFW's pairs format, with or without its header line; names become `Person/Person_0001`.

    Raises InputRejected `pairs_malformed` naming the line.
    """
    pairs: list[Pair] = []
    for number, line in enumerate(text.splitlines(), start=1):
        cells = line.split("\t") if "\t" in line else line.split()
        if not cells or (number == 1 and len(cells) < 3):
            continue
        try:
            if len(cells) == 3:
                pairs.append(Pair(_photograph(cells[0], cells[1]), _photograph(cells[0], cells[2]), same=True))
            else:
                one, first, other, second = cells
                pairs.append(Pair(_photograph(one, first), _photograph(other, second), same=False))
        except ValueError as error:
            raise InputRejected(
                "pairs_malformed",
                f"line {number} is neither 'name n1 n2' nor 'name1 n1 name2 n2': {line[:80]!r}",
            ) from error
    if not pairs:
        raise InputRejected("pairs_malformed", "there is no pair in the file")
    return pairs


def accuracy(pairs: Sequence[Pair], names: NDArray[np.str_], rows: F32) -> Accuracy:
    """Score listed pairs; pairs whose photograph has no row are missed. Raises InputRejected `pairs_malformed`."""
    index = {str(name): row for row, name in enumerate(names)}
    same = np.array([pair.same for pair in pairs], np.bool_)
    found = np.array([pair.one in index and pair.other in index for pair in pairs], np.bool_)
    if not found.any():
        raise InputRejected("pairs_malformed", "no pair names two photographs of the collection")
    distance = np.full(len(pairs), np.inf)
    for row, pair in enumerate(pairs):
        if found[row]:
            distance[row] = distance_of(float(rows[index[pair.one]] @ rows[index[pair.other]]))
    # Folds by position in the file, dealt like cards: lists are sorted by kind or by name.
    fold = np.arange(len(pairs)) % FOLDS
    scores, thresholds = list[float](), list[float]()
    for number in range(FOLDS):
        held_out = fold == number
        if not held_out.any() or held_out.all():
            continue
        threshold = _best_threshold(distance[~held_out], same[~held_out])
        thresholds.append(threshold)
        scores.append(float(((distance[held_out] <= threshold) == same[held_out]).mean()))
    if not scores:  # one pair alone has nothing to choose a threshold on
        raise InputRejected("pairs_malformed", "at least two pairs are needed")
    return Accuracy(
        len(pairs), float(np.mean(scores)), float(np.std(scores)), float(np.mean(thresholds)), int((~found).sum())
    )


def all_pairs(one: F32, other: F32, person: NDArray[np.str_]) -> tuple[F32, F32]:
    """Return cosines of all genuine and all impostor pairs i < j, `one[i]` with `other[j]`."""
    _, code = np.unique(person, return_inverse=True)
    genuine, impostor = list[F32](), list[F32]()
    for start in range(0, len(one), _CHUNK_ROWS):
        stop = min(start + _CHUNK_ROWS, len(one))
        cosine = one[start:stop] @ other[start:].T
        later = np.arange(start, len(one))[None, :] > np.arange(start, stop)[:, None]
        same = code[start:stop, None] == code[None, start:]
        genuine.append(cosine[later & same])
        impostor.append(cosine[later & ~same])
    return np.concatenate(genuine), np.concatenate(impostor)


def verification(genuine: F32, impostor: F32, *, missed_genuine: int = 0) -> Verification:
    """Score cosines of genuine (n,) and impostor (m,) pairs; `missed_genuine` further pairs are never accepted.

    Raises InputRejected `pairs_missing` when there is no pair of either kind.
    """
    if not len(genuine) or not len(impostor):
        raise InputRejected("pairs_missing", "both pairs of one person and pairs of two people are needed")
    mine, theirs = np.sort(genuine), np.sort(impostor)
    total = len(mine) + missed_genuine

    def true_accepts(cosine: float) -> float:
        return (len(mine) - int(np.searchsorted(mine, cosine, side="right"))) / total

    rates: list[Rate] = []
    for fmr in (rate for rate in FMRS if rate * len(theirs) >= 1):
        # The largest allowed number of impostors lies strictly above the threshold.
        threshold = float(theirs[len(theirs) - 1 - int(fmr * len(theirs))])
        rates.append(Rate(fmr, true_accepts(threshold), distance_of(threshold)))
    below = np.searchsorted(theirs, mine, side="left") + np.searchsorted(theirs, mine, side="right")
    auc = float(below.sum()) / 2 / len(theirs) / total
    det = _det(mine, theirs, total)
    crossing = int(np.abs(det[:, 0] - det[:, 1]).argmin())
    return Verification(total, len(theirs), auc, float(det[crossing].mean()), tuple(rates), det)


def missed_pairs(person: NDArray[np.str_], missed: Sequence[str]) -> int:
    """Return how many genuine pairs involve a photograph without a face, given the people of those."""
    names, counts = np.unique(person, return_counts=True)
    seen = dict(zip(names.tolist(), counts.tolist(), strict=True))
    lost = 0
    for name in missed:
        lost += seen.get(name, 0)
        seen[name] = seen.get(name, 0) + 1
    return lost


def distance_of(cosine: float) -> float:
    """Return the L2 distance of unit rows with this cosine, 0..2."""
    return float(np.sqrt(max(2.0 - 2.0 * cosine, 0.0)))


def _det(genuine: F32, impostor: F32, total: int) -> NDArray[np.float64]:
    rates = np.geomspace(max(1 / len(impostor), 1e-7), 1.0, DET_POINTS)
    at = np.clip(len(impostor) - 1 - (rates * len(impostor)).astype(int), 0, len(impostor) - 1)
    accepted = len(genuine) - np.searchsorted(genuine, impostor[at], side="right")
    return np.stack([rates, 1.0 - accepted / total], axis=1)


def _best_threshold(distance: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """Return the distance that tells the pairs apart best; of equally good ones the middle."""
    order = np.argsort(distance, kind="stable")
    right = np.cumsum(np.where(same[order], 1, -1))
    best = np.flatnonzero(right == right.max())
    return float(distance[order[best[len(best) // 2]]])


def _photograph(person: str, number: str) -> str:
    return f"{person}/{person}_{int(number):04d}"
