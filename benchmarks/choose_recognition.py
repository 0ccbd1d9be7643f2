"""The tables that chose alignment, crop, mirroring, fusion weights, prototypes and pool size.

    python -m benchmarks.choose_recognition --faces ../shared/media/lfw_dev.zip

Everything is chosen on the half of the people of whom prototypes are made (`group_of`); the other half judges what
was chosen (`fanreel eval verification`). Prototypes are made of one part of this half and scored on the other.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.fit_calibration import make_prototypes
from fanreel.domain.faces import F32, Bgr, Faces
from fanreel.evaluation.labelled import Embedded, embed, group_of, middle_face, person_of, photographs
from fanreel.evaluation.pooling import pooled_verification
from fanreel.evaluation.verification import Verification, all_pairs, verification
from fanreel.inference.chips import ALIGNED_SIDE_PX, CONTEXT_SIDE_PX, UNIT_TEMPLATE, FaceChips, cut_chips
from fanreel.inference.embedder import FIRST_DIMENSION, FIRST_WEIGHT, SECOND_WEIGHT, FusedEmbedder
from fanreel.inference.images import chips, similarity_matrices, square_boxes, square_matrices
from fanreel.inference.networks import Networks, load_networks
from fanreel.inference.runtime import run_in_batches
from fanreel.settings import Settings

PADDINGS = (0.1, 0.2, 0.3)
ENLARGEMENTS = (1.0, 1.15, 1.3)
FIRST_WEIGHTS = (0.0, 0.35, 0.5, 0.65, 0.8, 1.0)
PROTOTYPE_COUNTS = (32, 64, 96)
NEIGHBOUR_COUNTS = (1, 2, 3, 5)
POOL_SIZES = (1, 2, 3, 4, 5)
CROP_PEOPLE_PHOTOGRAPHS = 4
"""For the crops each person of several photographs gives at most this many: every crop is embedded again."""
BATCH = 32


def tar_cells(found: Verification) -> str:
    """Return TAR at 1e-3, 1e-4 and 1e-5 as table cells."""
    by_rate = {rate.fmr: f"{rate.tar:.3f}" for rate in found.rates}
    return " | ".join(by_rate.get(fmr, "–") for fmr in (1e-3, 1e-4, 1e-5))


def print_table(title: str, rows: Iterable[tuple[str, Verification]]) -> None:
    """Print a markdown table of TARs."""
    print(f"\n{title}\n\n| | TAR at FMR 1e-3 | 1e-4 | 1e-5 |\n|---|---|---|---|")
    for name, found in rows:
        print(f"| {name} | {tar_cells(found)} |", flush=True)


def plain(faces: Embedded, rows: F32 | None = None) -> Verification:
    """Score all pairs of templates as they are."""
    own = faces.rows if rows is None else rows
    return verification(*all_pairs(own, own, faces.person))


def fused(rows: F32, first_weight: float) -> F32:
    """Return the templates with another share of the first recogniser."""
    first = rows[:, :FIRST_DIMENSION] * np.sqrt(first_weight / FIRST_WEIGHT)
    second = rows[:, FIRST_DIMENSION:] * np.sqrt((1 - first_weight) / (1 - FIRST_WEIGHT))
    return np.concatenate([first, second], axis=1).astype(np.float32)


def adjusted(parts: Sequence[Embedded], count: int, neighbours: int) -> Verification:
    """Score each part by the prototypes of the other; both parts' pairs together."""
    genuine, impostor = list[F32](), list[F32]()
    for one, other in (parts, parts[::-1]):
        nearest = np.sort(other.rows @ make_prototypes(one, count, people=2).T, axis=1)[:, -neighbours:]
        lifted = np.ones((2, len(other.rows), other.rows.shape[1] + 2), np.float32)
        lifted[:, :, :-2] = other.rows
        lifted[0, :, -2] = lifted[1, :, -1] = -nearest.mean(axis=1) / 2  # as Calibration.gallery_rows, probe_rows
        found = all_pairs(lifted[0], lifted[1], other.person)
        genuine.append(found[0])
        impostor.append(found[1])
    return verification(np.concatenate(genuine), np.concatenate(impostor))


def crops(networks: Networks, pictures: Sequence[tuple[str, Bgr, Faces]]) -> None:
    """Print the tables of alignment padding, context size and mirroring, each recogniser alone."""
    people = np.array([person_of(name) for name, _, _ in pictures])

    def scored(cut: Callable[[Bgr, Faces], FaceChips], columns: slice, *, mirrored: bool = True) -> Verification:
        rows = _embedded(networks, pictures, cut, mirrored=mirrored)[:, columns]
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return verification(*all_pairs(unit, unit, people))

    first, second = slice(0, FIRST_DIMENSION), slice(FIRST_DIMENSION, None)
    print_table(
        f"First recogniser, padding of the alignment ({len(pictures)} photographs)",
        ((f"{padding:.2f}", scored(_aligned(padding), first)) for padding in PADDINGS),
    )
    print_table(
        "Second recogniser, square box times",
        ((f"{times:.2f}", scored(_context(times), second)) for times in ENLARGEMENTS),
    )
    print_table(
        "Both, the mirror image averaged in",
        ((name, scored(cut_chips, slice(None), mirrored=on)) for name, on in (("no", False), ("yes", True))),
    )


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faces", type=Path, required=True)
    options = parser.parse_args()
    networks = load_networks(Settings())
    named = [one for one in photographs(options.faces) if group_of(person_of(one[0])) == "prototypes"]
    faces = embed(networks, named)
    print_table(
        "Share of the first recogniser in the squared distance",
        ((f"{weight:.2f}", plain(faces, fused(faces.rows, weight))) for weight in FIRST_WEIGHTS),
    )
    side = np.array([hash_side(name) for name in faces.person])
    parts = (faces.select(side), faces.select(~side))
    print_table(
        "Prototypes × nearest looked at (templates as they are first)",
        (
            ("none", plain(faces)),
            *(
                (f"{count} × {near}", adjusted(parts, count, near))
                for count in PROTOTYPE_COUNTS
                for near in NEIGHBOUR_COUNTS
            ),
        ),
    )
    pools = ((size, pooled_verification(faces, size)) for size in POOL_SIZES)
    print_table("Faces pooled on each side", ((str(size), found) for size, found in pools if found is not None))
    crops(networks, _some(networks, named))


def hash_side(person: str) -> bool:
    """Return which part of the half a person is in, by another letter of the name's hash than `group_of`."""
    return group_of(f"part of {person}") == "prototypes"


def _some(networks: Networks, named: Sequence[tuple[str, Bgr]]) -> list[tuple[str, Bgr, Faces]]:
    taken: dict[str, int] = {}
    chosen: list[tuple[str, Bgr, Faces]] = []
    several = {person_of(name) for name, _ in named if name.endswith("_0002")}
    for name, picture in named:
        person = person_of(name)
        face = middle_face(networks, picture) if person in several else None
        if face is not None and taken.get(person, 0) < CROP_PEOPLE_PHOTOGRAPHS:
            taken[person] = taken.get(person, 0) + 1
            chosen.append((name, picture, face))
    return chosen


def _embedded(
    networks: Networks,
    pictures: Sequence[tuple[str, Bgr, Faces]],
    cut: Callable[[Bgr, Faces], FaceChips],
    *,
    mirrored: bool,
) -> F32:
    rows: list[F32] = []
    for start in range(0, len(pictures), BATCH):
        part = FaceChips.concatenate([cut(picture, face) for _, picture, face in pictures[start : start + BATCH]])
        rows.append(networks.embedder.embed(part) if mirrored else _unmirrored(networks, part))
    return np.concatenate(rows)


def _unmirrored(networks: Networks, part: FaceChips) -> F32:
    """Embed as the product does, but for the mirror image."""
    assert isinstance(networks.embedder, FusedEmbedder)
    columns: list[F32] = []
    for session, pictures, weight in (
        (networks.embedder.recognition, part.aligned_rgb, FIRST_WEIGHT),
        (networks.embedder.context, part.context_bgr, SECOND_WEIGHT),
    ):
        found = run_in_batches(session, pictures)["descriptor"]
        columns.append(np.sqrt(np.float32(weight)) * found / np.linalg.norm(found, axis=1, keepdims=True))
    return np.concatenate(columns, axis=1)


def _aligned(padding: float) -> Callable[[Bgr, Faces], FaceChips]:
    template = (UNIT_TEMPLATE + padding) / (1 + 2 * padding) * ALIGNED_SIDE_PX

    def cut(picture: Bgr, face: Faces) -> FaceChips:
        matrices = similarity_matrices(face.points, template)
        aligned = np.ascontiguousarray(chips(picture, matrices, ALIGNED_SIDE_PX)[..., ::-1])
        return replace(cut_chips(picture, face), aligned_rgb=aligned)

    return cut


def _context(times: float) -> Callable[[Bgr, Faces], FaceChips]:
    def cut(picture: Bgr, face: Faces) -> FaceChips:
        matrices = square_matrices(square_boxes(face.boxes, times), CONTEXT_SIDE_PX)
        return replace(cut_chips(picture, face), context_bgr=chips(picture, matrices, CONTEXT_SIDE_PX))

    return cut


if __name__ == "__main__":
    main()
