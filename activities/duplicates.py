"""Marking fans of one event who look like one person, on both documents, whoever came first."""

from fanreel.adapters.services import Services
from fanreel.contracts import FanDocument
from fanreel.domain.duplicates import (
    DUPLICATE_REASON,
    Template,
    find_duplicates,
    template_of,
    template_of_row,
    with_duplicate,
)
from fanreel.domain.matching import baseline_calibration

from .base import log

_FIELDS = ("fanId", "template", "cohesion", "modelContract")
_COMPARED = "c.template != null AND c.consent.given = true"


def mark_duplicates(services: Services, fan_id: str) -> None:
    """Bring the marks between this fan and all others in line with the templates as they are now.

    One query and one matrix product, whatever the number of fans. Doing it twice changes nothing. Of two fans who
    enrol at the same time the one whose template is stored last sees the other's.
    """
    fan = services.documents.get(FanDocument, fan_id, fan_id)
    if fan is None:
        return
    own = template_of(fan)
    found = () if own is None else find_duplicates(own, _others(services, fan), baseline_calibration())
    live = {other for other in found if _mark(services, other, fan_id, is_duplicate=True)}
    over = set(fan.duplicate_of) - live
    for other in over:
        _mark(services, other, fan_id, is_duplicate=False)

    def marked(document: FanDocument) -> FanDocument | None:
        # Somebody who enrolled after the query may have marked this fan meanwhile; that stays.
        ids = tuple(sorted({*document.duplicate_of} - over | live)) if template_of(document) is not None else ()
        return None if ids == document.duplicate_of else document.model_copy(update={"duplicate_of": ids})

    services.documents.update(FanDocument, fan_id, fan_id, marked)
    _unmark_who_left(services, fan_id, live)
    if live:
        log.info("fan.marked", reason=DUPLICATE_REASON, others=len(live))


def _others(services: Services, fan: FanDocument) -> list[Template]:
    """Read what is compared of all fans of this fan's events: templates, not their selfies."""
    events = {f"@event{index}": event for index, event in enumerate(fan.event_ids)}
    shared = " OR ".join(f"ARRAY_CONTAINS(c.eventIds, {name})" for name in events)
    where = f"{_COMPARED} AND c.fanId != @fan AND ({shared})"
    rows = services.documents.select(FanDocument, _FIELDS, where, {**events, "@fan": fan.fan_id})
    return [template_of_row(row) for row in rows]


def _mark(services: Services, fan_id: str, other_id: str, *, is_duplicate: bool) -> bool:
    """Change one fan's mark; says whether they are still there to be compared."""

    def marked(document: FanDocument) -> FanDocument | None:
        return with_duplicate(document, other_id, is_duplicate=is_duplicate and template_of(document) is not None)

    fan = services.documents.update(FanDocument, fan_id, fan_id, marked)
    return fan is not None and template_of(fan) is not None


def _unmark_who_left(services: Services, fan_id: str, live: set[str]) -> None:
    """Look again after writing: who was erased meanwhile has looked for marks before these were there."""
    for gone, holders in ((fan_id, live), *((other, {fan_id}) for other in live)):
        fan = services.documents.get(FanDocument, gone, gone)
        if fan is None or template_of(fan) is None:
            for holder in holders:
                _mark(services, holder, gone, is_duplicate=False)
