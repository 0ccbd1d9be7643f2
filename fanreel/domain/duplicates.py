"""Fans who look like one person: found so that somebody looks, refused by nobody.

One person may register twice, and somebody may send another's picture to get their video. Neither is for a program
to decide. Both fans are marked, and matching gives neither what it cannot tell apart (gate `small_margin`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import FanDocument, ModelContract, Vectors
from fanreel.domain.enrolment import Strangers, unit_rows
from fanreel.errors import ContractBroken

DUPLICATE_REASON = "may_be_another_fan"
"""For operators only: `FanDocument.duplicate_of` names the others."""

MAX_FALSE_FLAGS = 0.01
"""Strangers marked per enrolment, expected: about every hundredth fan, however many fans an event has. A look
costs a person a minute, and half of the duplicates of single selfies are still found among ten thousand fans."""
MAX_FMR = 1e-4
"""The rate for small events: the distance of a looser one is extrapolated from the tail that was measured."""


@dataclass(frozen=True, slots=True)
class Template:
    """What of a fan is compared."""

    fan_id: str
    template: Vectors
    cohesion: float
    contract: ModelContract


def template_of(fan: FanDocument) -> Template | None:
    """Return the fan's template; None without one, or when they may not be compared (any more)."""
    consented = fan.consent is not None and fan.consent.given and fan.status != "erased"
    if fan.template is None or fan.model_contract is None or not consented:
        return None
    return Template(fan.fan_id, fan.template, _known(fan.cohesion), fan.model_contract)


def template_of_row(row: dict[str, object]) -> Template:
    """Return the template of a stored fan's fields `fanId`, `template`, `cohesion` and `modelContract`."""
    fan = FanDocument.from_wire({"id": row["fanId"], "eventIds": (), **row})
    assert fan.template is not None
    if fan.model_contract is None:
        raise ContractBroken("template_without_contract", "a template travels with its model contract", id=fan.id)
    return Template(fan.fan_id, fan.template, _known(fan.cohesion), fan.model_contract)


def find_duplicates(fan: Template, others: Sequence[Template], strangers: Strangers) -> tuple[str, ...]:
    """Return the ids of those among `others` who may be the same person as `fan`, ascending.

    The distance allowed is the one `strangers` pass so rarely that in a search of this size hardly any does. Fans
    embedded by another network cannot be compared and are passed over.

    Raises:
        ContractBroken: `template_invalid`.
    """
    comparable = [one for one in others if one.contract == fan.contract and one.fan_id != fan.fan_id]
    if not comparable or strangers.contract != fan.contract:
        return ()
    own = unit_rows(fan.template, id=fan.fan_id)[0]
    rows: NDArray[np.float32] = np.concatenate([unit_rows(one.template, id=one.fan_id) for one in comparable])
    if len(rows) != len(comparable) or rows.shape[1] != len(own):
        raise ContractBroken("template_invalid", "templates of different shape under one contract")
    distances = strangers.distances(own[None], rows)
    cohesion = fan.cohesion * np.array([one.cohesion for one in comparable])
    limits = strangers.distance_at(min(MAX_FALSE_FLAGS / len(comparable), MAX_FMR), cohesion)
    return tuple(sorted(comparable[i].fan_id for i in np.flatnonzero(distances <= limits)))


def with_duplicate(fan: FanDocument, other_id: str, *, is_duplicate: bool) -> FanDocument | None:
    """Return the fan marked, or no longer marked, as looking like the other; None when that changes nothing."""
    marked = tuple(sorted({*fan.duplicate_of} - {other_id} | ({other_id} if is_duplicate else set())))
    return None if marked == fan.duplicate_of else fan.model_copy(update={"duplicate_of": marked})


def _known(cohesion: float | None) -> float:
    return 1.0 if cohesion is None else cohesion
