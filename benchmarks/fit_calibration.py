"""Measure the distances of one person's and of strangers' faces, and write the calibration file.

    python benchmarks/fit_calibration.py --faces ../shared/media/lfw_dev.zip \
        --out fanreel/domain/matching/calibration_baseline.json

The zip holds labelled photographs as `<Person>/<Person>_<number>.jpg`. Each knot of the calibration pools some
photographs as selfies and others as faces of an appearance. Strangers: every drawn pool of one person against
every drawn pool of every other, photographs as they are (shrunk faces lie farther from strangers, so large ones
decide); fitted on the near tail: the core of mixed sexes and ages is narrower than the tail of people who look
alike. Genuine: disjoint pools of one person, the appearance's faces shrunk to 44 px and compressed as video is.
"""

import argparse
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from fanreel.domain.faces import Bgr, Faces
from fanreel.domain.matching.calibration import CalibrationFile, Knot
from fanreel.inference.chips import FaceChips
from fanreel.inference.networks import Networks, load_networks
from fanreel.settings import Settings

POOLS = ((1, 1), (3, 1), (3, 3), (5, 5))
"""(selfies, faces) pooled at each knot."""
DRAWS = 10
"""Random pools drawn per person where there is something to draw."""
SMALL_FACE_PX = 44.0
VIDEO_JPEG_QUALITY = 70
EMBED_BATCH = 64
TAIL_RATES = (1e-3, 1e-4, 1e-5, 1e-6)
TAIL_PAIRS = 4
"""A quantile with fewer pairs below it is left out of the fit."""
GENUINE_STD_FLOOR = 0.09
"""A broadcast is farther from selfies than photographs are from each other: over the sure appearances of the
shared broadcast one person's distances deviate by this much."""

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Embedded:
    """Unit rows (n, d) with the name of their photograph and of its person, (n,)."""

    rows: F32
    photograph: NDArray[np.str_]
    person: NDArray[np.str_]


def photographs(path: Path) -> Iterator[tuple[str, Bgr]]:
    """Yield (name, picture) for every photograph of the zip."""
    with zipfile.ZipFile(path) as archive:
        for name in sorted(name for name in archive.namelist() if name.lower().endswith(".jpg")):
            picture = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR)
            if picture is not None:
                yield name, np.asarray(picture, np.uint8)


def middle_face(networks: Networks, picture: Bgr) -> Faces | None:
    """Return the face nearest to the middle: in such a collection the labelled one."""
    faces = networks.detector.detect(picture)
    if not len(faces):
        return None
    offset = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2 - np.array(picture.shape[1::-1]) / 2
    return faces.select(np.array([int(np.linalg.norm(offset, axis=1).argmin())]))


def as_broadcast(networks: Networks, picture: Bgr, face_height_px: float) -> Bgr | None:
    """Return the picture shrunk to the face height and compressed; none when no face is found."""
    face = middle_face(networks, picture)
    if face is None:
        return None
    factor = min(face_height_px / float(face.heights[0]), 1.0)
    small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, VIDEO_JPEG_QUALITY])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def embed(networks: Networks, pictures: Iterable[tuple[str, Bgr]], face_height_px: float | None) -> Embedded:
    """Embed the middle face of every photograph, as it is or at a given height."""
    names: list[str] = []
    waiting: list[FaceChips] = []
    rows: list[F32] = []
    for name, picture in pictures:
        shown = picture if face_height_px is None else as_broadcast(networks, picture, face_height_px)
        face = None if shown is None else middle_face(networks, shown)
        if shown is None or face is None:
            continue
        names.append(name)
        waiting.append(networks.embedder.chips(shown, face))
        if len(waiting) == EMBED_BATCH:
            rows.append(networks.embedder.embed(FaceChips.concatenate(waiting)))
            waiting.clear()
    rows.append(networks.embedder.embed(FaceChips.concatenate(waiting)))
    people = [name.split("/")[0] for name in names]
    return Embedded(np.concatenate(rows), np.array(names), np.array(people))


@dataclass(frozen=True, slots=True)
class Pools:
    """Templates (n, d), cohesion (n,), whose (n,), and the photographs each was pooled from."""

    rows: F32
    cohesion: F32
    person: NDArray[np.str_]
    photographs: list[frozenset[str]]


def draw_pools(faces: Embedded, size: int, draws: int, seed: int) -> Pools:
    """Draw `draws` pools of `size` photographs of every person who has as many."""
    rng = np.random.default_rng(seed)
    rows: list[F32] = []
    people: list[str] = []
    used: list[frozenset[str]] = []
    for person in np.unique(faces.person):
        own = np.flatnonzero(faces.person == person)
        for _ in range(draws if len(own) >= size else 0):
            chosen = rng.permutation(own)[:size]
            rows.append(faces.rows[chosen].mean(axis=0))
            people.append(str(person))
            used.append(frozenset(str(name) for name in faces.photograph[chosen]))
    means = np.stack(rows)
    cohesion = np.linalg.norm(means, axis=1)
    return Pools(means / cohesion[:, None], cohesion, np.array(people), used)


def stranger_distances(selfies: Pools, faces: Pools) -> tuple[F32, float]:
    """Return all distances between pools of different people, ascending, and their mean cohesion."""
    others = selfies.person[:, None] != faces.person[None, :]
    distances = np.sort(_distance((selfies.rows @ faces.rows.T)[others]))
    return distances, float((selfies.cohesion[:, None] * faces.cohesion[None, :])[others].mean())


def genuine_distances(selfies: Pools, faces: Pools) -> F32:
    """Return the distances between pools of one person that share no photograph."""
    theirs: dict[str, list[int]] = {}
    for index, person in enumerate(faces.person):
        theirs.setdefault(str(person), []).append(index)
    cosines = [
        float(selfies.rows[one] @ faces.rows[other])
        for one, person in enumerate(selfies.person)
        for other in theirs.get(str(person), ())
        if not selfies.photographs[one] & faces.photographs[other]
    ]
    return _distance(np.array(cosines, np.float32))


def fit_knot(cohesion: float, genuine: F32, strangers: F32) -> Knot:
    """Fit one knot; `strangers` ascend."""
    rates = [rate for rate in TAIL_RATES if rate * len(strangers) >= TAIL_PAIRS]
    quantiles = strangers[[int(rate * len(strangers)) for rate in rates]]
    slope, middle = np.polyfit(ndtri(np.array(rates)), quantiles, 1)
    return Knot(
        cohesion=round(cohesion, 4),
        genuine_mean=round(float(genuine.mean()), 4),
        genuine_std=round(max(float(genuine.std()), GENUINE_STD_FLOOR), 4),
        impostor_mean=round(float(middle), 4),
        impostor_std=round(float(slope), 4),
    )


def print_row(pools: tuple[int, int], genuine: F32, strangers: F32, knot: Knot) -> None:
    """Print measured and fitted thresholds of one knot."""
    cells: list[str] = []
    for rate in (rate for rate in TAIL_RATES if rate * len(strangers) >= TAIL_PAIRS):
        measured = float(strangers[int(rate * len(strangers))])
        modelled = knot.impostor_mean + knot.impostor_std * float(ndtri(rate))
        cells.append(f"{rate:.0e}: {measured:.3f}/{modelled:.3f} TAR {float((genuine <= modelled).mean()):.3f}")
    print(
        f"{pools[0]} selfies, {pools[1]} faces, cohesion {knot.cohesion:.3f}, {len(genuine)} genuine, "
        f"{len(strangers)} strangers | " + " | ".join(cells)
    )


def fit(selfies: Embedded, small: Embedded) -> tuple[Knot, ...]:
    """Fit every knot, cohesion ascending, and print a table."""
    print("distance at false-match rate, measured/fitted, and the share of genuine pairs (44 px) accepted there")
    knots: list[Knot] = []
    for count, faces in POOLS:
        mine = draw_pools(selfies, count, DRAWS if count > 1 else 1, seed=1)
        strangers, cohesion = stranger_distances(mine, draw_pools(selfies, faces, 1, seed=2))
        genuine = genuine_distances(mine, draw_pools(small, faces, DRAWS if faces > 1 else 1, seed=3))
        knots.append(fit_knot(cohesion, genuine, strangers))
        print_row((count, faces), genuine, strangers, knots[-1])
    return tuple(sorted(knots, key=lambda knot: knot.cohesion))


def main() -> None:
    """Measure every bin, print a table, write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    networks = load_networks(Settings())
    selfies = embed(networks, photographs(options.faces), None)
    small = embed(networks, photographs(options.faces), SMALL_FACE_PX)
    file = CalibrationFile(
        model_contract=networks.model_contract,
        measured_on=f"{options.faces.name}: {len(selfies.rows)} photographs of "
        f"{len(np.unique(selfies.person))} people, detector {networks.detector.name}",
        command="python benchmarks/fit_calibration.py --faces ../shared/media/lfw_dev.zip --out <this file>",
        knots=fit(selfies, small),
    )
    options.out.write_text(file.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")


def _distance(cosine: F32) -> F32:
    return np.sqrt(np.maximum(2 - 2 * cosine, 0)).astype(np.float32)


if __name__ == "__main__":
    main()
