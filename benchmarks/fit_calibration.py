"""Measure the distances of one person's and of strangers' faces, and write the calibration file.

    python -m benchmarks.fit_calibration --faces ../shared/media/lfw_dev.zip \
        --out fanreel/domain/matching/calibration_baseline.json --plot docs/calibration.svg

The folder or zip holds labelled photographs as `<Person>/<Person>_<number>.jpg`. Its people are divided once and
for all (`fanreel.evaluation.labelled.group_of`): of one half the prototypes are made, on a quarter the two
distributions are fitted, and the last quarter judges both.

Each knot of a bin pools some photographs as selfies, as they are, and others of the bin's quality as faces of an
appearance: shrunk and compressed as video is. Strangers are all pairs of pools of two people, fitted on the near
tail: the core of mixed sexes and ages is narrower than the tail of people who look alike.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from sklearn.cluster import KMeans

from fanreel.contracts import Vectors
from fanreel.domain.faces import F32, Bgr
from fanreel.domain.matching.calibration import (
    Calibration,
    CalibrationFile,
    Knot,
    Knots,
    QualityBin,
    distance_from_cosine,
)
from fanreel.evaluation.fit_plot import FitPanel, fit_svg
from fanreel.evaluation.labelled import Embedded, Named, embed, group_of, middle_face, person_of, photographs
from fanreel.evaluation.pooling import comparable, draw_pools, genuine_pairs, impostor_pairs
from fanreel.inference.networks import Networks, load_networks
from fanreel.settings import Settings

POOLS = ((1, 1), (3, 1), (3, 3))
"""(selfies, faces) pooled at each knot. Five and five leave too few people of a quarter to see a tail."""
SELFIE_DRAWS, FACE_DRAWS = 10, 6
"""Random pools drawn per person where there is something to draw."""
HEIGHTS_PX = (100.0, 60.0, 40.0, 30.0)
"""Photographs (faces of 130 px) are shrunk to these as faces of an appearance: as small as anything matched."""
MIN_QUALITY = (0.0, 0.65, 0.9)
"""Bins of face quality: at 30 px nine faces in ten lie in the first, at 40 px in the second."""
VIDEO_JPEG_QUALITY = 70
PROTOTYPES = 64
PEOPLE_PER_PROTOTYPE = 4
"""A cluster of fewer people is left out: a prototype is nobody's template."""
AS_THEY_ARE = "as they are"
LEAST_DENSITY = 0.005
"""Share of people's photographs that may lie below the least density."""
TAIL_RATES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
TAIL_PAIRS = 8
"""A quantile with fewer independent pairs below it is left out of the fit."""
LEAST_RATES = 2
GENUINE_STD_FLOOR = 0.09
"""A broadcast is farther from selfies than photographs are from each other. This floor is the one number here that
was read off the shared broadcast; it bears on probabilities (gate `low_probability`), on no threshold."""


@dataclass(frozen=True, slots=True)
class Distances:
    """What one knot is fitted on.

    genuine, strangers  distances of one person's pools and of strangers', the latter ascending
    independent         how many pairs of strangers are of their own: further draws repeat the same people
    """

    cohesion: float
    genuine: F32
    strangers: F32
    independent: int


def as_broadcast(networks: Networks, picture: Bgr, face_height_px: float) -> Bgr | None:
    """Return the picture shrunk to the face height and compressed; none when no face is found."""
    face = middle_face(networks, picture)
    if face is None:
        return None
    factor = min(face_height_px / float(face.heights[0]), 1.0)
    small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, VIDEO_JPEG_QUALITY])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def shrunk(networks: Networks, pictures: Iterable[Named], face_height_px: float) -> Iterator[Named]:
    """Yield the photographs of the people who calibrate and judge, as a broadcast would show them."""
    for name, picture in pictures:
        small = (
            None if group_of(person_of(name)) == "prototypes" else as_broadcast(networks, picture, face_height_px)
        )
        if small is not None:
            yield name, small


def make_prototypes(faces: Embedded, count: int = PROTOTYPES, people: int = PEOPLE_PER_PROTOTYPE) -> F32:
    """Return the unit means of clusters of people who look alike, (≤ count, d): k-means over people's means."""
    means = _unit(np.stack([faces.rows[faces.person == name].mean(axis=0) for name in np.unique(faces.person)]))
    clusters = KMeans(count, n_init=4, random_state=0)  # pyright: ignore[reportArgumentType] -- stub: str only
    label = clusters.fit_predict(means)
    sizes = np.bincount(label, minlength=count)
    return _unit(np.stack([means[label == number].mean(axis=0) for number in np.flatnonzero(sizes >= people)]))


def measure(selfies: Embedded, faces: Embedded, calibration: Calibration, pools: tuple[int, int]) -> Distances:
    """Measure one knot: pools of selfies against pools of an appearance's faces."""
    one = draw_pools(selfies, pools[0], SELFIE_DRAWS if pools[0] > 1 else 1, seed=1)
    other = draw_pools(faces, pools[1], FACE_DRAWS if pools[1] > 1 else 1, seed=2)
    mine, theirs = comparable(one, other, calibration)
    cohesion = (one.cohesion[:, None] * other.cohesion[None, :])[one.person[:, None] != other.person[None, :]]
    return Distances(
        float(cohesion.mean()),
        distance_from_cosine(genuine_pairs(mine, theirs, selfies.name, faces.name)),
        np.sort(distance_from_cosine(impostor_pairs(mine, theirs))),
        len(np.unique(one.person)) * (len(np.unique(other.person)) - 1) // 2,
    )


def fit_knot(found: Distances) -> Knot:
    """Fit one knot: a line through the strangers' tail on normal paper, and the moments of the genuine."""
    rates = [rate for rate in TAIL_RATES if rate * found.independent >= TAIL_PAIRS]
    if len(rates) < LEAST_RATES:
        raise SystemExit(f"too few people to see a tail: {found.independent} pairs of strangers of their own")
    quantiles = found.strangers[[int(rate * len(found.strangers)) for rate in rates]]
    slope, middle = np.polyfit(ndtri(np.array(rates)), quantiles, 1)
    return Knot(
        cohesion=round(found.cohesion, 4),
        genuine_mean=round(float(found.genuine.mean()), 4),
        genuine_std=round(max(float(found.genuine.std()), GENUINE_STD_FLOOR), 4),
        impostor_mean=round(float(middle), 4),
        impostor_std=round(float(slope), 4),
    )


def in_bin(faces: Embedded, number: int) -> Embedded:
    """Return the faces of one bin of quality, each photograph at most once."""
    upper = (*MIN_QUALITY[1:], np.inf)[number]
    inside = faces.select((faces.quality >= MIN_QUALITY[number]) & (faces.quality < upper))
    return inside.select(np.unique(inside.name, return_index=True)[1])


def report(pools: tuple[int, int], number: int, judged: Distances, knot: Knot) -> FitPanel:
    """Print one line of how the fit does on people it has not seen, and return what is plotted of it."""
    knots = Knots.of([knot])
    cells: list[str] = []
    for rate in (1e-2, 1e-3, 1e-4):
        limit = float(knots.impostor_mean[0] + ndtri(rate) * knots.impostor_std[0])
        fmr, tar = float((judged.strangers <= limit).mean()), float((judged.genuine <= limit).mean())
        cells.append(f"| {limit:.3f} | {fmr:.1e} | {tar:.3f} ")
    print(
        f"| {MIN_QUALITY[number]:.2f} | {pools[0]} × {pools[1]} | {knot.cohesion:.3f} | {len(judged.genuine):,} | "
        f"{len(judged.strangers):,} {''.join(cells)}|"
    )
    rates = np.geomspace(max(1 / len(judged.strangers), 1e-6), 0.5, 60)
    measured = judged.strangers[(rates * len(judged.strangers)).astype(int)]
    fitted = ndtr((measured - knot.impostor_mean) / knot.impostor_std)
    return FitPanel(
        f"quality ≥ {MIN_QUALITY[number]:g}, {pools[0]} selfies × {pools[1]} faces",
        measured.astype(np.float64),
        rates,
        fitted,
    )


def fit(selfies: Embedded, faces: Embedded, draft: Calibration) -> tuple[tuple[QualityBin, ...], list[FitPanel]]:
    """Fit every knot of every bin on the people who calibrate, and print and plot it on those who judge."""
    print("on people who judge, at the distance fitted for an FMR of 1e-2 | 1e-3 | 1e-4:\n")
    print("| quality from | pools | cohesion | genuine | strangers " + "| distance | FMR | TAR " * 3 + "|")
    print("|---" * 14 + "|")
    bins: list[QualityBin] = []
    panels: list[FitPanel] = []
    for number in range(len(MIN_QUALITY)):
        knots: list[Knot] = []
        for pools in POOLS:
            found = {
                group: measure(selfies.of(group), in_bin(faces.of(group), number), draft, pools)
                for group in ("calibration", "judged")
            }
            knots.append(fit_knot(found["calibration"]))
            panels.append(report(pools, number, found["judged"], knots[-1]))
        knots.sort(key=lambda knot: knot.cohesion)
        bins.append(QualityBin(min_quality=MIN_QUALITY[number], knots=tuple(knots)))
    return tuple(bins), panels


def embedded_levels(networks: Networks, path: Path) -> Mapping[str, Embedded]:
    """Embed the photographs as they are, and those that calibrate and judge at every height."""
    levels = {AS_THEY_ARE: embed(networks, photographs(path))}
    for height_px in HEIGHTS_PX:
        levels[f"{height_px:g} px"] = embed(networks, shrunk(networks, photographs(path), height_px))
    return levels


def main() -> None:
    """Measure every bin, print a table, write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--plot", type=Path, help="where to draw measured and fitted tails, as SVG")
    options = parser.parse_args()
    networks = load_networks(Settings())
    levels = embedded_levels(networks, options.faces)
    selfies = levels[AS_THEY_ARE]
    prototypes = make_prototypes(selfies.of("prototypes"))
    empty = Knots(*(np.ones(1) for _ in Knots.__slots__))
    draft = Calibration(networks.model_contract, prototypes, 0.0, -1.0, np.zeros(1), (empty,))
    densities = draft.density(selfies.of("calibration").rows)
    usual, least = round(float(densities.mean()), 4), round(float(np.quantile(densities, LEAST_DENSITY)), 4)
    draft = replace(draft, usual_density=usual, least_density=least)
    seen = Embedded.concatenate([faces for name, faces in levels.items() if name != AS_THEY_ARE])
    bins, panels = fit(selfies, seen, draft)
    file = CalibrationFile(
        model_contract=networks.model_contract,
        measured_on=f"{options.faces.name}: {len(selfies.rows)} photographs of "
        f"{len(np.unique(selfies.person))} people, detector {networks.detector.name}",
        command="python -m benchmarks.fit_calibration --faces ../shared/media/lfw_dev.zip --out <this file>",
        usual_density=usual,
        least_density=least,
        bins=bins,
        prototypes=Vectors.pack(prototypes, "float16"),
    )
    options.out.write_text(file.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")
    if options.plot is not None:
        options.plot.write_text(fit_svg(panels, "strangers nearer than a distance: measured and fitted"), "utf-8")


def _unit(rows: F32) -> F32:
    lengths: NDArray[np.float32] = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(lengths, 1e-9)).astype(np.float32)


if __name__ == "__main__":
    main()
