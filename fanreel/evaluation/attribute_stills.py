"""Labelled stills for apparent attributes, and what the single networks say of them.

Expressions: photographs of Labelled Faces in the Wild and of films with the labels of muxspace/facial_expressions
(`emotion/muxspace/legend_full.csv`). Gender and age: UTKFace (in the file's name), and Labelled Faces in the Wild
where the first name is unmistakable. People are split in two by `in_fitting_half`.

UTKFace names nobody: each of its photographs counts as a person of its own, so that one person may sit in both
halves. `age_gender` may have been trained on it.
"""

import csv
import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.attributes import EXPRESSIONS
from fanreel.domain.faces import F32
from fanreel.errors import ModelFault
from fanreel.inference.attributes import FaceApiAttributes, context_female
from fanreel.inference.chips import FaceChips
from fanreel.inference.networks import Networks
from fanreel.inference.pictures import decode_picture

NOUNS = ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
"""The labels' words, in the order of EXPRESSIONS."""

COMMON_KEPT = 2, 5
"""Of neutral and happy photographs two in five are looked at: there are 3,500 of them, and 200 of all others."""

PHOTOS_PER_PERSON = 5

MEN_KEPT = 2, 5
"""Of the men, who are three in four, two in five."""


@dataclass(frozen=True, slots=True)
class ExpressionStills:
    """label (n,) index into EXPRESSIONS; first, second (n, 7) the networks' answers; counts (7,) of all labels.

    fitting (n,): the half of the people that parameters are fitted on.
    """

    label: NDArray[np.intp]
    first: F32
    second: F32
    fitting: NDArray[np.bool_]
    counts: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PersonStills:
    """female (n,) bool; age (n,) years, NaN unknown; first, second (n,) probability of a woman; seen_age (n,)."""

    female: NDArray[np.bool_]
    age: F32
    first: F32
    second: F32
    seen_age: F32
    person: NDArray[np.str_]
    fitting: NDArray[np.bool_]


def expression_stills(media: Path, networks: Networks) -> ExpressionStills:
    """Look at every labelled still; raises InputRejected or ModelFault."""
    attributes = _networks_of(networks)
    labels, people, first, second = list[int](), list[str](), list[F32](), list[F32]()
    for person, label, data in _labelled_expressions(media):
        chips = _middle_chips(networks, data)
        if chips is not None:
            answers = attributes.raw_expressions(chips)
            labels.append(label)
            people.append(person)
            first.append(answers[0])
            second.append(answers[1])
    found = np.array(labels, np.intp)
    counts = np.bincount(found, minlength=len(EXPRESSIONS)).astype(np.float64)
    counts[:2] *= COMMON_KEPT[1] / COMMON_KEPT[0]
    return ExpressionStills(found, np.concatenate(first), np.concatenate(second), in_fitting_half(people), counts)


def person_stills(media: Path, networks: Networks) -> PersonStills:
    """Look at UTKFace and the unmistakable names; raises InputRejected or ModelFault."""
    attributes = _networks_of(networks)
    rows: list[tuple[bool, float, float, float, float]] = []
    people: list[str] = []
    for person, female, age, data in _labelled_people(media):
        chips = _middle_chips(networks, data)
        if chips is not None:
            seen, years = attributes.raw_people(chips)
            other = context_female(attributes.context, chips)
            rows.append((female, age, float(seen[0]), float(other[0]), float(years[0])))
            people.append(person)
    female, age, first, second, seen_age = np.array(rows, np.float32).T
    return PersonStills(female > 0, age, first, second, seen_age, np.array(people), in_fitting_half(people))


def in_fitting_half(people: Sequence[str]) -> NDArray[np.bool_]:
    """Return for each entry (n,) whether its person is one that parameters are fitted on; all others judge."""
    return np.array([hashlib.sha256(name.encode()).digest()[0] % 2 == 0 for name in people], np.bool_)


def _labelled_expressions(media: Path) -> Iterator[tuple[str, int, bytes]]:
    """Yield person, label and picture; every photograph once."""
    with (media / "emotion" / "muxspace" / "legend_full.csv").open(encoding="utf-8") as lines:
        label_of = {str(row["image"]): str(row["emotion"]).lower() for row in csv.DictReader(lines)}
    done: set[str] = set()
    for name, data in _photographs(media):
        label = label_of.get(name, "")
        if label in NOUNS and (NOUNS.index(label) > 1 or _kept(name, COMMON_KEPT)):
            done.add(name)
            yield _person(name), NOUNS.index(label), data
    for path in sorted((media / "emotion" / "muxspace").glob("*/*.jpg")):
        if path.parent.name in NOUNS and path.name not in done:
            yield _person(path.name), NOUNS.index(path.parent.name), path.read_bytes()


def _labelled_people(media: Path) -> Iterator[tuple[str, bool, float, bytes]]:
    """Yield person, whether a woman, age, picture. In UTKFace's names: age, then 0 male or 1 female."""
    for path in sorted((media / "faces" / "utkface").iterdir()):
        age, female, *_ = path.name.split("_")
        # A prefix, since the shared selection itself was drawn by a hash of the names.
        yield f"UTKFace {path.name}", female == "1", float(age), path.read_bytes()
    names = json.loads(files("fanreel.evaluation").joinpath("first_names.json").read_text(encoding="utf-8"))
    women, men = frozenset(names["women"]), frozenset(names["men"])
    taken: dict[str, int] = {}
    for name, data in _photographs(media):
        person = _person(name)
        first_name = person.split("_")[0]
        if first_name in women or (first_name in men and _kept(person, MEN_KEPT)):
            taken[person] = taken.get(person, 0) + 1
            if taken[person] <= PHOTOS_PER_PERSON:
                yield person, first_name in women, float("nan"), data


def _photographs(media: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(media / "lfw_dev.zip") as archive:
        for name in sorted(name for name in archive.namelist() if name.endswith(".jpg")):
            yield Path(name).name, archive.read(name)


def _middle_chips(networks: Networks, data: bytes) -> FaceChips | None:
    picture = decode_picture(data)
    faces = networks.detector.detect(picture)
    if not len(faces):
        return None
    offset = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2 - np.array(picture.shape[1::-1]) / 2
    middle = np.linalg.norm(offset, axis=1).argmin(keepdims=True)
    return networks.embedder.chips(picture, faces.select(middle))


def _networks_of(networks: Networks) -> FaceApiAttributes:
    found: Any = networks.attributes
    if not isinstance(found, FaceApiAttributes):
        raise ModelFault("calibration_missing", "these attribute networks have no single answers to look at.")
    return found


def _person(name: str) -> str:
    return re.sub(r"_?\d*\.jpg$", "", name)


def _kept(name: str, share: tuple[int, int]) -> bool:
    return zlib.crc32(name.encode()) % share[1] < share[0]
