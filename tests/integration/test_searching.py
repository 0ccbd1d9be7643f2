"""Searches of one video that race with sign-ups, erasures and each other, on the real servers."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from azure.storage.blob import BlobLeaseClient

import activities.matching as matching
from activities.matching import load_searched_fans, search_fan, search_video
from fanreel.adapters.services import Services
from fanreel.contracts import FanDocument, FanSearch, MatchDocument, VideoDocument
from fanreel.domain import naming
from fanreel.errors import TransientFault
from fanreel.local.servers import Azurite, CosmosEmulator
from tests.unit.matching_world import CONTRACT, EVENT, VIDEO, appearance, fan, person, seen_at

from .flow_services import services_on

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("made_templates")]


@pytest.fixture
def services(azurite: Azurite, cosmos: CosmosEmulator) -> Iterator[Services]:
    with services_on(azurite, cosmos) as connected:
        connected.documents.upsert_many(
            appearance(f"{VIDEO}-a{index}", seen_at(person(index), 0.1, index), start_ms=5_000 * index)
            for index in range(3)
        )
        connected.documents.upsert(fan("fan0", person(0)))
        yield connected


def matched(services: Services) -> set[str]:
    return {one.fan_id for one in services.documents.query(MatchDocument, "c.decision = 'match'", {})}


def search(services: Services) -> None:
    search_video(services, VIDEO, EVENT, lambda _: None)


def during_decisions(monkeypatch: pytest.MonkeyPatch, happen: Any) -> None:
    """Let something happen each time between the reading of the gallery and the writing of its matches."""
    real = matching.decide_matches

    def decide(*arguments: Any, **more: Any) -> Any:
        happen()
        return real(*arguments, **more)

    monkeypatch.setattr(matching, "decide_matches", decide)


def test_people_who_keep_signing_up_do_not_keep_a_search_from_ending(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_up: list[int] = []

    def sign_up() -> None:
        signed_up.append(len(signed_up))
        services.documents.upsert(fan(f"new{len(signed_up)}", person(10 + len(signed_up))))

    during_decisions(monkeypatch, sign_up)
    search(services)
    assert matched(services) == {"fan0"}
    assert len(signed_up) == 1


def test_a_slow_search_does_not_undo_what_a_later_one_found(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slow one has read the gallery before fan1 was in it; fan1's own search is the later one."""
    errors: list[BaseException] = []

    def search_for_fan1() -> None:
        try:
            search(services)
        except BaseException as error:
            errors.append(error)

    later = threading.Thread(target=search_for_fan1)

    def enrol() -> None:
        if later.ident is None:
            services.documents.upsert(fan("fan1", person(1)))
            later.start()
            later.join(1.5)
            assert later.is_alive(), "it waits for the slow one"

    during_decisions(monkeypatch, enrol)
    search(services)
    later.join(30)
    assert not errors
    assert matched(services) == {"fan0", "fan1"}


def test_a_fan_erased_meanwhile_is_matched_no_more(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def erase() -> None:
        services.documents.update(
            FanDocument, "fan0", "fan0", lambda one: one.model_copy(update={"template": None, "status": "erased"})
        )

    during_decisions(monkeypatch, erase)
    search(services)
    assert matched(services) == set()


def test_a_match_of_an_earlier_network_outlives_a_new_selfie(services: Services) -> None:
    search(services)
    later = CONTRACT.model_copy(update={"sha256": "1" * 64})
    services.documents.upsert(fan("fan0", person(0), model_contract=later))
    search(services)
    assert matched(services) == {"fan0"}


def test_a_search_that_lost_its_turn_writes_nothing(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = services.blobs.client(services.settings.container_results, naming.search_lock_blob(VIDEO))

    def lose() -> None:
        BlobLeaseClient(lock).break_lease(0)
        lock.acquire_lease(15)

    during_decisions(monkeypatch, lose)
    with pytest.raises(TransientFault, match="lock_lost"):
        search(services)
    assert matched(services) == set()


def test_who_waits_too_long_for_a_turn_is_told_to_come_back(services: Services) -> None:
    results = services.settings.container_results
    with (
        services.blobs.exclusive(results, "a.lock"),
        pytest.raises(TransientFault, match="lock_busy"),
        services.blobs.exclusive(results, "a.lock", wait_seconds=0.3),
    ):
        raise AssertionError("two inside")
    with services.blobs.exclusive(results, "a.lock", wait_seconds=0) as hold:
        hold()


def test_a_search_that_broke_knows_whose_montages_it_has_changed(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = FanSearch(fan_id="fan1", event_id=EVENT)
    assert load_searched_fans(services, work).fan_ids == (), "it has not begun"
    services.documents.create(
        VideoDocument(
            id=VIDEO,
            video_id=VIDEO,
            event_id=EVENT,
            name="a",
            blob_name=f"{EVENT}/a",
            blob_etag="0",
            instance_id="i",
            status="ready",
        )
    )
    upsert_many = services.documents.upsert_many

    def broken(documents: Any) -> None:
        upsert_many(documents)
        raise TransientFault("storage", "Storage is busy.")

    monkeypatch.setattr(services.documents, "upsert_many", broken)
    with pytest.raises(TransientFault):
        search_fan(services, work)
    assert matched(services) == {"fan0"}
    assert load_searched_fans(services, work).fan_ids == ("fan0", "fan1")
