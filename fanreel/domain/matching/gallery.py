"""Fans and appearances as columns, checked: what the decision calculates with."""

from binascii import a2b_base64
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import AppearanceDocument, FanDocument, ModelContract, SelfieRecord, Vectors
from fanreel.domain.enrolment import MIN_WEIGHT, UNIT_TOLERANCE, pooled_selfies
from fanreel.errors import ContractBroken

from .calibration import Calibration

F32 = NDArray[np.float32]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class FanColumns:
    """Fans who can be searched, ordered by id.

    rows                float32 (n, d): unit templates; (n, d + 2) once `comparable`.
    cohesion            float32 (n,): mean cosine of the pooled selfies with the template, 0..1; 1 for one selfie.
    female_probability  float32 (n,): mean over the selfies; NaN when unknown.
    age_years           float32 (n,): likewise.
    """

    documents: tuple[FanDocument, ...]
    rows: F32
    cohesion: F32
    female_probability: F32
    age_years: F32

    def __len__(self) -> int:
        return len(self.documents)

    def comparable(self, calibration: Calibration) -> "FanColumns":
        """Return the same with rows whose product with appearances' is the adjusted cosine."""
        return replace(self, rows=calibration.gallery_rows(self.rows))

    def of_event(self, event_id: str) -> "FanColumns":
        """Return the fans who take part in the event."""
        rows = [i for i, fan in enumerate(self.documents) if event_id in fan.event_ids]
        return FanColumns(
            tuple(self.documents[i] for i in rows),
            self.rows[rows],
            self.cohesion[rows],
            self.female_probability[rows],
            self.age_years[rows],
        )


@dataclass(frozen=True, slots=True)
class AppearanceColumns:
    """Appearances with a template, ordered by id.

    rows       float32 (m, d): unit templates; (m, d + 2) once `comparable`.
    quality    float32 (m,): pooled quality of the supporting faces, 0..1.
    cohesion   float32 (m,): mean cosine of the supporting faces with the template, from their spread.
    """

    documents: tuple[AppearanceDocument, ...]
    rows: F32
    quality: F32
    cohesion: F32

    def __len__(self) -> int:
        return len(self.documents)

    def comparable(self, calibration: Calibration) -> "AppearanceColumns":
        """Return the same with rows whose product with fans' is the adjusted cosine."""
        return replace(self, rows=calibration.probe_rows(self.rows))

    def by_search(self) -> dict[tuple[str, str], "AppearanceColumns"]:
        """Return the appearances of each (event, video), ascending."""
        rows: dict[tuple[str, str], list[int]] = {}
        for i, one in enumerate(self.documents):
            rows.setdefault((one.event_id, one.video_id), []).append(i)
        return {
            key: AppearanceColumns(
                tuple(self.documents[i] for i in some),
                self.rows[some],
                self.quality[some],
                self.cohesion[some],
            )
            for key, some in sorted(rows.items())
        }


def fan_columns(fans: Sequence[FanDocument]) -> FanColumns:
    """Return the fans who have a template and whose consent stands; all others are passed over.

    Raises:
        ContractBroken: `template_invalid`; `template_without_contract`; `duplicate_fan`.
    """
    usable = sorted((fan for fan in fans if _searchable(fan)), key=lambda fan: fan.fan_id)
    if len({fan.fan_id for fan in usable}) != len(usable):
        raise ContractBroken("duplicate_fan", "the gallery holds one fan twice")
    templates = _templates(usable, [fan.fan_id for fan in usable])
    selfies = [(row, selfie) for row, fan in enumerate(usable) for selfie in pooled_selfies(fan)]
    # Fans enrolled before it was stored: unpacking everybody's selfies takes longer than the search.
    unknown = [(row, selfie) for row, selfie in selfies if usable[row].cohesion is None]
    known = np.array([1.0 if fan.cohesion is None else fan.cohesion for fan in usable], np.float32)
    owner = np.array([row for row, _ in selfies], np.intp)
    return FanColumns(
        tuple(usable),
        templates,
        _cohesion(templates, known, np.array([row for row, _ in unknown], np.intp), [one for _, one in unknown]),
        _means(owner, [selfie.female_probability for _, selfie in selfies], len(usable)),
        _means(owner, [selfie.age_years for _, selfie in selfies], len(usable)),
    )


def appearance_columns(appearances: Sequence[AppearanceDocument]) -> AppearanceColumns:
    """Return the appearances that have a template.

    Raises:
        ContractBroken: `template_invalid`; `template_without_contract`; `duplicate_appearance`.
    """
    usable = sorted((one for one in appearances if one.template is not None), key=lambda one: one.id)
    if len({one.id for one in usable}) != len(usable):
        raise ContractBroken("duplicate_appearance", "the search holds one appearance twice")
    templates = _templates(usable, [one.id for one in usable])
    spread = np.array([one.spread for one in usable], np.float32)
    # Unit rows at distance s from the template have cosine 1 - s²/2 with it; an unknown spread proves nothing.
    cohesion = np.nan_to_num(np.clip(1.0 - spread**2 / 2, 0.0, 1.0), nan=0.0).astype(np.float32)
    quality = np.array([one.quality for one in usable], np.float32)
    return AppearanceColumns(tuple(usable), templates, quality, cohesion)


def common_contract(fans: FanColumns, appearances: AppearanceColumns) -> ModelContract | None:
    """Return the one contract all templates were made under; none when there is no template.

    Raises:
        ContractBroken: `model_contract_mismatch`; `template_invalid` when their lengths differ.
    """
    documents = (*fans.documents, *appearances.documents)
    known = [one.model_contract for one in documents if one.model_contract is not None]
    contracts = {(one.model_id, one.preprocessing, one.sha256): one for one in known}
    if len(contracts) > 1:
        raise ContractBroken(
            "model_contract_mismatch",
            "templates of different networks cannot be compared; embed the older ones again",
            contracts=sorted(f"{name}/{preprocessing}/{sha[:12]}" for name, preprocessing, sha in contracts),
        )
    if len(fans) and len(appearances) and fans.rows.shape[1] != appearances.rows.shape[1]:
        raise ContractBroken("template_invalid", "templates of different length under one contract")
    return next(iter(contracts.values()), None)


def _searchable(fan: FanDocument) -> bool:
    consented = fan.consent is not None and fan.consent.given
    return fan.template is not None and consented and fan.status != "erased"


def _templates(documents: Sequence[FanDocument | AppearanceDocument], names: Sequence[str]) -> F32:
    """Return the documents' templates, unit rows (n, d)."""
    for one, name in zip(documents, names, strict=True):
        if one.model_contract is None:
            raise ContractBroken(
                "template_without_contract", "a template travels with its model contract", id=name
            )
    return _unit_rows([one.template for one in documents if one.template is not None], names)


def _unit_rows(vectors: Sequence[Vectors], names: Sequence[str]) -> F32:
    """Unpack many templates of one row at once: ten thousand one by one cost a second."""
    if not vectors:
        return np.zeros((0, 0), np.float32)
    for one, name in zip(vectors, names, strict=True):
        if one.shape[0] != 1:
            raise ContractBroken("template_invalid", "a template is exactly one row", id=name)
    if len({one.shape for one in vectors}) > 1:
        raise ContractBroken("template_invalid", "templates of different length under one contract")
    rows = np.empty((len(vectors), vectors[0].shape[1]), np.float32)
    for dtype, kind in (("float32", "<f4"), ("float16", "<f2")):
        mine = [row for row, one in enumerate(vectors) if one.dtype == dtype]
        data = b"".join(_decoded(vectors[row], names[row]) for row in mine)
        rows[mine] = np.frombuffer(data, kind).reshape(len(mine), -1) if mine else 0
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    unit = np.abs(lengths - 1.0) <= UNIT_TOLERANCE  # not-a-number compares false
    if not unit.all():
        first = int(np.flatnonzero(~unit)[0])
        raise ContractBroken("template_invalid", "a template is not a finite row of unit length", id=names[first])
    return (rows / lengths[:, None]).astype(np.float32)


def _decoded(vectors: Vectors, name: str) -> bytes:
    try:
        data = a2b_base64(vectors.data)
    except ValueError as broken:
        raise ContractBroken("template_invalid", "a template's data are not base64", id=name) from broken
    if len(data) != vectors.shape[1] * (4 if vectors.dtype == "float32" else 2):
        raise ContractBroken("template_invalid", "a template's data do not fit its shape", id=name)
    return data


def _cohesion(templates: F32, cohesion: F32, owner: Rows, selfies: Sequence[SelfieRecord]) -> F32:
    """Return the cohesion (n,), measured for the owners of these selfies: their weighted mean cosine."""
    if not selfies:
        return np.clip(cohesion, 0.0, 1.0)
    embedded = [one.template for one in selfies if one.template is not None]  # all of them: they are pooled
    singles = _unit_rows(embedded, [one.blob_name for one in selfies])
    if singles.shape[1] != templates.shape[1]:
        raise ContractBroken("template_invalid", "selfies and template differ in length")
    cosine = np.einsum("ij,ij->i", singles, templates[owner], dtype=np.float64)
    weight = np.fmax(np.array([one.quality for one in selfies], np.float64), MIN_WEIGHT)
    total = np.bincount(owner, weight, len(templates))
    measured = total > 0
    cohesion[measured] = (np.bincount(owner, weight * cosine, len(templates))[measured] / total[measured]).astype(
        np.float32
    )
    return np.clip(cohesion, 0.0, 1.0)


def _means(owner: Rows, values: Sequence[float | None], count: int) -> F32:
    """Return each owner's mean of what is known, (count,); NaN where nothing is."""
    column = np.array([np.nan if value is None else value for value in values], np.float64)
    known = ~np.isnan(column)
    number = np.bincount(owner[known], minlength=count)
    total = np.bincount(owner[known], column[known], count)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32)
