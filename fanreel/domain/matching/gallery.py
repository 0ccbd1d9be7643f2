"""Fans and appearances as columns, checked: what the decision calculates with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import AppearanceDocument, FanDocument, ModelContract
from fanreel.domain.enrolment import pooled_selfies, selfie_rows, unit_rows
from fanreel.errors import ContractBroken

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FanColumns:
    """Fans who can be searched, ordered by id.

    templates           float32 (n, d): unit rows.
    cohesion            float32 (n,): mean cosine of the pooled selfies with the template, 0..1; 1 for one selfie.
    female_probability  float32 (n,): mean over the selfies; NaN when unknown.
    age_years           float32 (n,): likewise.
    """

    documents: tuple[FanDocument, ...]
    templates: F32
    cohesion: F32
    female_probability: F32
    age_years: F32

    def __len__(self) -> int:
        return len(self.documents)

    def of_event(self, event_id: str) -> "FanColumns":
        """Return the fans who take part in the event."""
        rows = [i for i, fan in enumerate(self.documents) if event_id in fan.event_ids]
        return FanColumns(
            tuple(self.documents[i] for i in rows),
            self.templates[rows],
            self.cohesion[rows],
            self.female_probability[rows],
            self.age_years[rows],
        )


@dataclass(frozen=True, slots=True)
class AppearanceColumns:
    """Appearances with a template, ordered by id.

    templates  float32 (m, d): unit rows.
    cohesion   float32 (m,): mean cosine of the supporting faces with the template, from their spread.
    """

    documents: tuple[AppearanceDocument, ...]
    templates: F32
    cohesion: F32

    def __len__(self) -> int:
        return len(self.documents)

    def by_search(self) -> dict[tuple[str, str], "AppearanceColumns"]:
        """Return the appearances of each (event, video), ascending."""
        rows: dict[tuple[str, str], list[int]] = {}
        for i, one in enumerate(self.documents):
            rows.setdefault((one.event_id, one.video_id), []).append(i)
        return {
            key: AppearanceColumns(
                tuple(self.documents[i] for i in some), self.templates[some], self.cohesion[some]
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
    rows: list[F32] = []
    cohesion = np.ones(len(usable), np.float32)
    female = np.full(len(usable), np.nan, np.float32)
    age = np.full(len(usable), np.nan, np.float32)
    for i, fan in enumerate(usable):
        template = _row(fan, fan.fan_id)
        rows.append(template)
        selfies = pooled_selfies(fan)
        if selfies:
            singles, weights = selfie_rows(selfies)
            _same_width(singles, template)
            cohesion[i] = min(float(np.average(singles @ template, weights=weights)), 1.0)
            female[i] = _mean([one.female_probability for one in selfies])
            age[i] = _mean([one.age_years for one in selfies])
    return FanColumns(tuple(usable), _stack(rows), cohesion, female, age)


def appearance_columns(appearances: Sequence[AppearanceDocument]) -> AppearanceColumns:
    """Return the appearances that have a template.

    Raises:
        ContractBroken: `template_invalid`; `template_without_contract`; `duplicate_appearance`.
    """
    usable = sorted((one for one in appearances if one.template is not None), key=lambda one: one.id)
    if len({one.id for one in usable}) != len(usable):
        raise ContractBroken("duplicate_appearance", "the search holds one appearance twice")
    rows = [_row(one, one.id) for one in usable]
    spread = np.array([one.spread for one in usable], np.float32)
    # Unit rows at distance s from the template have cosine 1 - s²/2 with it.
    return AppearanceColumns(
        tuple(usable), _stack(rows), np.clip(1.0 - spread**2 / 2, 0.0, 1.0).astype(np.float32)
    )


def common_contract(fans: FanColumns, appearances: AppearanceColumns) -> ModelContract | None:
    """Return the one contract all templates were made under; none when there is no template.

    Raises:
        ContractBroken: `model_contract_mismatch`; `template_invalid` when their lengths differ.
    """
    documents = (*fans.documents, *appearances.documents)
    contracts = {
        one.model_contract.model_dump_json(): one.model_contract for one in documents if one.model_contract
    }
    if len(contracts) > 1:
        raise ContractBroken(
            "model_contract_mismatch",
            "templates of different networks cannot be compared; embed the older ones again",
            contracts=sorted(
                f"{one.model_id}/{one.preprocessing}/{one.sha256[:12]}" for one in contracts.values()
            ),
        )
    if len(fans) and len(appearances) and fans.templates.shape[1] != appearances.templates.shape[1]:
        raise ContractBroken("template_invalid", "templates of different length under one contract")
    return next(iter(contracts.values()), None)


def _searchable(fan: FanDocument) -> bool:
    consented = fan.consent is not None and fan.consent.given
    return fan.template is not None and consented and fan.status != "erased"


def _row(one: FanDocument | AppearanceDocument, name: str) -> F32:
    if one.model_contract is None:
        raise ContractBroken("template_without_contract", "a template travels with its model contract", id=name)
    assert one.template is not None
    rows = unit_rows(one.template, id=name)
    if rows.shape[0] != 1:
        raise ContractBroken("template_invalid", "a template is exactly one row", id=name)
    return rows[0]


def _same_width(rows: F32, template: F32) -> None:
    if rows.shape[1] != template.shape[0]:
        raise ContractBroken("template_invalid", "selfies and template differ in length")


def _stack(rows: list[F32]) -> F32:
    if len({row.shape[0] for row in rows}) > 1:
        raise ContractBroken("template_invalid", "templates of different length under one contract")
    return np.stack(rows) if rows else np.zeros((0, 0), np.float32)


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else float("nan")
