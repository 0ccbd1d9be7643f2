"""The pooled protocol: several photographs of a person on each side, as a track meets a fan's selfies."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import F32
from fanreel.domain.matching import Calibration

from .labelled import Embedded
from .verification import Verification, verification


@dataclass(frozen=True, slots=True)
class Pools:
    """Pooled templates: rows (n, d), cohesion (n,), person (n,); row i is made of the photographs `members[i]`."""

    rows: F32
    cohesion: F32
    person: NDArray[np.str_]
    members: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.rows)


def draw_pools(faces: Embedded, size: int, draws: int, seed: int) -> Pools:
    """Draw `draws` pools of `size` photographs of every person who has as many, without replacement in a pool."""
    rng = np.random.default_rng(seed)
    members: list[NDArray[np.intp]] = []
    for person in np.unique(faces.person):
        own = np.flatnonzero(faces.person == person)
        members += [rng.permutation(own)[:size] for _ in range(draws if len(own) >= size else 0)]
    chosen = np.array(members, np.intp).reshape(-1, size)
    means = faces.rows[chosen].mean(axis=1)
    cohesion = np.linalg.norm(means, axis=1)
    person = faces.person[chosen[:, 0]] if len(chosen) else np.zeros(0, np.str_)
    return Pools(means / np.maximum(cohesion[:, None], 1e-9), cohesion.astype(np.float32), person, chosen)


def genuine_pairs(one: Pools, other: Pools, names_one: NDArray[np.str_], names_other: NDArray[np.str_]) -> F32:
    """Return cosines of pools of one person that share no photograph."""
    cosines: list[float] = []
    for row, person in enumerate(one.person):
        used = set(names_one[one.members[row]].tolist())
        for column in np.flatnonzero(other.person == person):
            if used.isdisjoint(names_other[other.members[column]].tolist()):
                cosines.append(float(one.rows[row] @ other.rows[column]))
    return np.array(cosines, np.float32)


def impostor_pairs(one: Pools, other: Pools) -> F32:
    """Return cosines of all pools of different people."""
    return (one.rows @ other.rows.T)[one.person[:, None] != other.person[None, :]]


def comparable(one: Pools, other: Pools, calibration: Calibration | None) -> tuple[Pools, Pools]:
    """Return pools whose inner products are the calibration's adjusted cosines; as they are without one."""
    if calibration is None:
        return one, other
    return replace(one, rows=calibration.gallery_rows(one.rows)), replace(
        other, rows=calibration.probe_rows(other.rows)
    )


def pooled_verification(
    faces: Embedded, size: int, calibration: Calibration | None = None, *, draws: int = 4, seed: int = 1
) -> Verification | None:
    """Compare pools of `size` on both sides; None where nobody has 2 × `size` photographs."""
    pools = draw_pools(faces, size, draws, seed), draw_pools(faces, size, draws, seed + 1)
    one, other = comparable(*pools, calibration)
    genuine = genuine_pairs(one, other, faces.name, faces.name)
    return verification(genuine, impostor_pairs(one, other)) if len(genuine) else None
