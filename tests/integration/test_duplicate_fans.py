"""Fans who look like one person are marked on both sides, and no mark outlives who it points to."""

from collections.abc import Iterator
from typing import Any

import pytest

from activities.duplicates import mark_duplicates
from fanreel.adapters.services import Services
from fanreel.contracts import FanDocument
from fanreel.local.servers import Azurite, CosmosEmulator
from functions.fans import erase, register
from functions.reviews import questions_page
from functions.views import FanRegistration, fan_view
from tests.unit.matching_world import fan, person, seen_at

from .flow_services import services_on

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("made_templates")]


@pytest.fixture
def services(azurite: Azurite, cosmos: CosmosEmulator) -> Iterator[Services]:
    with services_on(azurite, cosmos) as connected:
        yield connected


def known(services: Services, fan_id: str) -> FanDocument:
    found = services.documents.get(FanDocument, fan_id, fan_id)
    assert found is not None
    return found


def marks(services: Services) -> dict[str, tuple[str, ...]]:
    return {one.fan_id: one.duplicate_of for one in services.documents.query(FanDocument, "", {})}


def enrol(services: Services, name: str, who: int, event: str = "cup", distance: float = 0.2) -> None:
    noise = sum(name.encode()) % 30
    services.documents.upsert(fan(name, seen_at(person(who), distance, noise), event_ids=(event,), cohesion=1.0))
    mark_duplicates(services, name)


def test_both_are_marked_whoever_came_first_and_doing_it_again_changes_nothing(services: Services) -> None:
    enrol(services, "ann", 0)
    enrol(services, "bob", 1)
    enrol(services, "anna", 0)
    enrol(services, "elsewhere", 0, event="other")
    expected = {"ann": ("anna",), "anna": ("ann",), "bob": (), "elsewhere": ()}
    assert marks(services) == expected
    before = known(services, "ann").etag
    for name in expected:
        mark_duplicates(services, name)
    assert marks(services) == expected
    assert known(services, "ann").etag == before


def test_a_fan_is_told_nothing_of_others(services: Services) -> None:
    enrol(services, "ann", 0)
    enrol(services, "anna", 0)
    assert "anna" not in str(fan_view(known(services, "ann")))


def test_operators_are_shown_who_may_be_one_person(services: Services) -> None:
    for name, who in (("ann", 0), ("anna", 0), ("bob", 1)):
        enrol(services, name, who)
    page = questions_page(services, "cup", "")
    assert page["duplicates"] == [
        {"fanId": "ann", "duplicateOf": ["anna"]},
        {"fanId": "anna", "duplicateOf": ["ann"]},
    ]


def test_a_better_template_takes_the_mark_away(services: Services) -> None:
    enrol(services, "ann", 0)
    enrol(services, "anna", 0)
    template = fan("x", person(3)).template
    services.documents.update(
        FanDocument, "anna", "anna", lambda one: one.model_copy(update={"template": template})
    )
    mark_duplicates(services, "anna")
    assert marks(services) == {"ann": (), "anna": ()}


def test_erasing_or_taking_consent_back_takes_the_marks_away(services: Services) -> None:
    for name in ("ann", "anna", "annie"):
        enrol(services, name, 0)
    assert marks(services)["annie"] == ("ann", "anna")
    erase(services, "ann")
    assert marks(services) == {"ann": (), "anna": ("annie",), "annie": ("anna",)}
    body = {"fanId": "anna", "eventIds": ["cup"], "consent": {"given": False, "textVersion": "1"}}
    register(services, FanRegistration.from_wire(body))
    assert marks(services) == {"ann": (), "anna": (), "annie": ()}


@pytest.mark.parametrize("write", [1, 2])
def test_who_is_erased_between_two_writes_is_marked_nowhere(
    services: Services, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    enrol(services, "ann", 0)
    services.documents.upsert(fan("anna", seen_at(person(0), 0.2, noise=9), event_ids=("cup",), cohesion=1.0))
    update, writes = services.documents.update, 0

    def interrupted(*arguments: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes == write:
            erase(services, "ann")
        return update(*arguments)

    monkeypatch.setattr(services.documents, "update", interrupted)
    mark_duplicates(services, "anna")
    assert writes > write
    assert marks(services) == {"ann": (), "anna": ()}


def test_a_mark_made_after_the_query_is_kept(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two who enrol at once: the one who looked too early does not wipe out what the other wrote."""
    services.documents.upsert(fan("ann", seen_at(person(0), 0.2, noise=9), event_ids=("cup",), cohesion=1.0))
    select = services.documents.select

    def too_early(*arguments: Any) -> Any:
        rows = list(select(*arguments))
        monkeypatch.undo()
        enrol(services, "anna", 0)
        return rows

    monkeypatch.setattr(services.documents, "select", too_early)
    mark_duplicates(services, "ann")
    assert marks(services) == {"ann": ("anna",), "anna": ("ann",)}
