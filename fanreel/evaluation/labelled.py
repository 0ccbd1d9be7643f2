"""Labelled photographs, `Person/Person_0001.jpg` in a folder or a zip, and the labelled face of each."""

import hashlib
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import F32, Bgr, Faces
from fanreel.domain.quality import face_quality, measure_chips
from fanreel.errors import InputRejected
from fanreel.inference.chips import FaceChips
from fanreel.inference.networks import Networks
from fanreel.inference.pictures import decode_picture

PICTURES = (".jpg", ".jpeg", ".png", ".webp")
EMBED_BATCH = 32

Group = Literal["prototypes", "calibration", "judged"]

Named = tuple[str, Bgr]
"""`Person/Person_0001` and the picture."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The labelled faces that were found.

    rows    float32 (n, d), unit length     name    (n,) of the photograph     person  (n,)
    height_px, quality, female_probability, age_years  float32 (n,)
    missed  names of the photographs in which no face was found
    """

    rows: F32
    name: NDArray[np.str_]
    person: NDArray[np.str_]
    height_px: F32
    quality: F32
    female_probability: F32
    age_years: F32
    missed: tuple[str, ...] = ()

    def select(self, chosen: NDArray[Any]) -> "Embedded":
        """Return the chosen rows (mask or indices)."""
        return Embedded(*(getattr(self, f.name)[chosen] for f in fields(Embedded)[:-1]))

    def of(self, *groups: Group) -> "Embedded":
        """Return the faces of people of these groups."""
        missed = tuple(name for name in self.missed if group_of(person_of(name)) in groups)
        return replace(self.select(in_groups(self.person, *groups)), missed=missed)

    @staticmethod
    def concatenate(parts: Sequence["Embedded"]) -> "Embedded":
        """Return all rows of the parts in order."""
        columns = [np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Embedded)[:-1]]
        return Embedded(*columns, missed=tuple(name for part in parts for name in part.missed))


def photographs(path: Path) -> Iterator[Named]:
    """Yield every readable photograph of a folder or a zip, by name; `Person/file` without its ending.

    Raises InputRejected `images_missing` when there is none.
    """
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in PICTURES)
        files: Iterable[tuple[str, bytes]] = (
            (file.relative_to(path).as_posix(), file.read_bytes()) for file in found
        )
        count = len(found)
    else:
        archive = _open_zip(path)
        names = sorted(name for name in archive.namelist() if name.lower().endswith(PICTURES))
        files, count = ((name, archive.read(name)) for name in names), len(names)
    if not count:
        raise InputRejected("images_missing", f"{path}: no picture {'/'.join(PICTURES)} in it.")
    for name, data in files:
        yield _label(name), decode_picture(data)


def person_of(name: str) -> str:
    """Return whose photograph it is: the folder's name, or what stands before the last underscore."""
    path = PurePosixPath(name)
    return path.parent.name or path.name.rpartition("_")[0] or path.name


def middle_face(networks: Networks, picture: Bgr) -> Faces | None:
    """Return the face nearest to the middle: in such a collection the labelled one."""
    faces = networks.detector.detect(picture)
    if not len(faces):
        return None
    offset = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2 - np.array(picture.shape[1::-1]) / 2
    return faces.select(np.array([int(np.linalg.norm(offset, axis=1).argmin())]))


def embed(networks: Networks, pictures: Iterable[Named]) -> Embedded:
    """Embed the middle face of every photograph; raises ModelFault."""
    names, missed, waiting = list[str](), list[str](), list[tuple[Faces, FaceChips]]()
    columns = [_columns(networks, ())]
    for name, picture in pictures:
        face = middle_face(networks, picture)
        if face is None:
            missed.append(name)
            continue
        names.append(name)
        waiting.append((face, networks.embedder.chips(picture, face)))
        if len(waiting) == EMBED_BATCH:
            columns.append(_columns(networks, waiting))
            waiting.clear()
    columns.append(_columns(networks, waiting))
    people = np.array([person_of(name) for name in names], np.str_)
    rows, *rest = (np.concatenate(column) for column in zip(*columns, strict=True))
    return Embedded(rows, np.array(names, np.str_), people, *rest, missed=tuple(missed))


def _columns(networks: Networks, found: Sequence[tuple[Faces, FaceChips]]) -> tuple[F32, F32, F32, F32, F32]:
    """Return vectors, heights, qualities, and apparent gender and age of some faces."""
    chips = FaceChips.concatenate([one for _, one in found])
    if not len(chips):
        none = np.zeros(0, np.float32)
        return np.zeros((0, networks.embedder.dimension), np.float32), none, none, none, none
    heights = np.concatenate([face.heights for face, _ in found])
    points = np.concatenate([face.points for face, _ in found])
    scores = np.concatenate([face.scores for face, _ in found])
    quality = face_quality(heights, points, scores, measure_chips(chips.aligned_rgb))
    attributes = networks.attributes.measure(chips)
    read = (attributes.female_probability, attributes.age_years)
    gender, age = (np.asarray(column, np.float32) for column in read)
    return networks.embedder.embed(chips), heights, quality, gender, age


def group_of(person: str) -> Group:
    """Return what a person's photographs are for: half make prototypes, a quarter calibrate, a quarter judge.

    By a hash of the name, so a person is in the same group in every collection, for ever: nothing is judged on
    people it was fitted on, and the calibration's distances are those of people who are in no prototype.
    """
    first, second = hashlib.sha256(person.encode()).digest()[:2]
    return "prototypes" if first % 2 == 0 else "calibration" if second % 2 == 0 else "judged"


def in_groups(people: NDArray[np.str_], *groups: Group) -> NDArray[np.bool_]:
    """Return which entries belong to people of these groups, (n,)."""
    return np.array([group_of(str(person)) in groups for person in people], np.bool_)


def _label(name: str) -> str:
    path = PurePosixPath(name)
    return str(PurePosixPath(*path.parts[-2:]).with_suffix(""))


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputRejected("images_unreadable", f"{path}: neither a folder nor a zip of pictures.") from error
