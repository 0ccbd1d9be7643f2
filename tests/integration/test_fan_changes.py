"""What changes about a fan later: events, consent, pictures, failures (real Azurite and Cosmos emulator)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from activities import enrolment
from activities.enrolment import abandon_search, abandon_selfie, embed_selfie, finish_enrolment
from activities.networks import networks
from fanreel.adapters.services import Services
from fanreel.contracts import (
    Consent,
    Document,
    FanDocument,
    FanPageOutcome,
    MatchDocument,
    SelfieRecord,
    SelfieWork,
    Vectors,
    VideoDocument,
    VideoStatus,
)
from fanreel.domain import naming
from fanreel.errors import ModelFault
from fanreel.local.servers import Azurite, CosmosEmulator
from functions.api import fan_montages
from functions.fans import erase, register
from functions.views import FanRegistration, fan_view

from .flow_services import services_on
from .montage_world import EVIDENCE, montage

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def services(azurite: Azurite, cosmos: CosmosEmulator) -> Iterator[Services]:
    with services_on(azurite, cosmos) as connected:
        yield connected


@pytest.fixture
def contract() -> Any:
    try:
        return networks().model_contract
    except ModelFault as fault:
        pytest.skip(f"needs the baseline networks: {fault.message}")


def wanted(fan_id: str, *events: str, given: bool = True) -> FanRegistration:
    return FanRegistration.from_wire(
        {"fanId": fan_id, "eventIds": events, "consent": {"given": given, "textVersion": "1"}}
    )


def enrolled(services: Services, fan_id: str) -> SelfieWork:
    """A fan whose one selfie has been accepted and searched with."""
    register(services, wanted(fan_id, "cup"))
    work = upload(services, f"{fan_id}/1.jpg", b"picture")
    record = SelfieRecord(blob_name=work.blob_name, blob_etag=work.blob_etag, status="accepted")
    update = {"selfies": (record,), "status": "ready", "searched_selfies": 1}
    services.documents.update(FanDocument, fan_id, fan_id, lambda fan: fan.model_copy(update=update))
    return work


def upload(services: Services, name: str, content: bytes) -> SelfieWork:
    container = services.settings.container_selfies
    services.blobs.client(container, name).upload_blob(content, overwrite=True)
    etag = services.blobs.etag(container, name) or ""
    return SelfieWork(fan_id=name.partition("/")[0], blob_name=name, blob_etag=etag)


def known(services: Services, fan_id: str) -> FanDocument:
    found = services.documents.get(FanDocument, fan_id, fan_id)
    assert found is not None
    return found


def test_an_added_event_is_searched_for_until_it_is_finished(services: Services) -> None:
    enrolled(services, "ada")
    assert fan_view(known(services, "ada"))["searching"] is False
    is_new, start = register(services, wanted("ada", "cup", "league"))
    assert (is_new, start is not None) == (False, True)
    assert fan_view(known(services, "ada"))["searching"] is True, "before anything has started"
    again = register(services, wanted("ada", "league"))
    assert again == (False, start), "a repeated request starts what the first one may not have"
    assert start is not None
    assert isinstance(start.work, SelfieWork)
    finish_enrolment(services, start.work)
    assert fan_view(known(services, "ada"))["searching"] is False
    assert register(services, wanted("ada", "league")) == (False, None)


def test_an_older_search_that_ends_leaves_the_newer_one_under_way(services: Services) -> None:
    enrolled(services, "bea")
    _, first = register(services, wanted("bea", "league"))
    _, second = register(services, wanted("bea", "final"))
    assert first is not None
    assert second is not None
    assert first.instance_id != second.instance_id
    assert isinstance(first.work, SelfieWork)
    assert isinstance(second.work, SelfieWork)
    finish_enrolment(services, first.work)
    assert fan_view(known(services, "bea"))["searching"] is True
    finish_enrolment(services, second.work)
    assert fan_view(known(services, "bea"))["searching"] is False


@pytest.mark.parametrize("abandon", [abandon_search, abandon_selfie])
def test_a_failed_search_is_told_and_started_again_by_registering(services: Services, abandon: Any) -> None:
    name = f"cy-{abandon.__name__}"
    work = enrolled(services, name)
    abandon(services, work)
    fan = known(services, name)
    assert (fan.status, fan.search_reason) == ("ready", "search_failed")
    assert (fan_view(fan)["searching"], fan_view(fan)["searchReason"]) == (False, "search_failed")
    _, start = register(services, wanted(name, "cup"))
    assert start is not None
    assert known(services, name).search_reason is None
    assert isinstance(start.work, SelfieWork)
    finish_enrolment(services, start.work)
    assert fan_view(known(services, name))["searching"] is False


def test_a_picture_taken_in_before_is_not_measured_again(
    services: Services, contract: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert contract
    work = enrolled(services, "dot")
    monkeypatch.setattr(enrolment, "measure_selfie", None)
    assert embed_selfie(services, work).accepted


def test_an_old_picture_never_replaces_a_newer_one(
    services: Services, contract: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert contract
    register(services, wanted("eve", "cup"))
    old = upload(services, "eve/1.jpg", b"old picture")
    newer: list[SelfieWork] = []
    measure = enrolment.measure_selfie

    def overtaken(data: bytes, *rest: Any, **more: Any) -> SelfieRecord:
        if not newer:
            newer.append(upload(services, "eve/1.jpg", b"new picture"))
            embed_selfie(services, newer[0])
        return measure(data, *rest, **more)

    monkeypatch.setattr(enrolment, "measure_selfie", overtaken)
    assert embed_selfie(services, old).reason == "superseded"
    assert [one.blob_etag for one in known(services, "eve").selfies] == [newer[0].blob_etag]


def biometrics(services: Services, fan_id: str) -> list[str]:
    settings = services.settings
    containers = (settings.container_selfies, settings.container_montages, settings.container_results)
    return [
        name
        for container in containers
        for name in services.blobs.list_names(container, "")
        if f"{fan_id}/" in name
    ]


def with_everything(services: Services, fan_id: str, contract: Any) -> SelfieWork:
    """A fan with a selfie, a template, a match and a montage that is out."""
    work = enrolled(services, fan_id)
    update = {"template": Vectors.pack(np.ones((1, 4), np.float32) / 2), "model_contract": contract}
    services.documents.update(FanDocument, fan_id, fan_id, lambda fan: fan.model_copy(update=update))
    settings = services.settings
    services.documents.create(montage(fan_id=fan_id))
    services.documents.create(
        MatchDocument(
            id=naming.match_id("v-1-a00000", fan_id),
            fan_id=fan_id,
            video_id="v-1",
            event_id="cup",
            appearance_id="v-1-a00000",
            start_ms=0,
            end_ms=1000,
            probability=0.9,
            decision="match",
            evidence=EVIDENCE,
            model_contract=contract,
        )
    )
    services.blobs.put_marker(settings.container_montages, f"{fan_id}/m-old.mp4")
    services.blobs.put_marker(settings.container_results, naming.montage_plan_blob(fan_id, "m-old"))
    return work


def matches(services: Services, fan_id: str) -> list[MatchDocument]:
    return list(services.documents.query(MatchDocument, "", {}, partition=fan_id))


def test_taking_consent_back_erases_all_but_the_registration(services: Services, contract: Any) -> None:
    work = with_everything(services, "fay", contract)
    assert register(services, wanted("fay", "cup", given=False)) == (False, None)
    fan = known(services, "fay")
    assert fan.consent is not None
    assert (fan.consent.given, fan.status, fan.reason) == (False, "created", "consent_withdrawn")
    assert (fan.selfies, fan.template, fan.event_ids) == ((), None, ("cup",))
    assert fan_view(fan)["searching"] is False
    assert biometrics(services, "fay") == []
    assert matches(services, "fay") == []
    assert fan_montages(services, "fay") == {"montages": []}

    register(services, wanted("fay", "cup"))
    fan = known(services, "fay")
    assert fan.consent == Consent(
        given=True, text_version="1", given_at=fan.consent.given_at if fan.consent else ""
    )
    assert fan.reason is None
    assert upload(services, work.blob_name, b"picture").blob_etag != work.blob_etag


def test_consent_taken_back_while_a_picture_is_measured_keeps_no_template(
    services: Services, contract: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(services, wanted("gil", "cup"))
    work = upload(services, "gil/1.jpg", b"picture")

    def withdrawn(_data: bytes, *_rest: Any, **more: Any) -> SelfieRecord:
        register(services, wanted("gil", "cup", given=False))
        return SelfieRecord(**more, status="accepted")

    monkeypatch.setattr(enrolment, "measure_selfie", withdrawn)
    assert not embed_selfie(services, work).accepted
    fan = known(services, "gil")
    assert [one.reason for one in fan.selfies] == ["consent_missing"]
    assert fan.template is None


def test_an_erased_fan_is_struck_from_the_lists_of_finished_videos(services: Services, contract: Any) -> None:
    states: dict[str, VideoStatus] = {"v-done": "ready", "v-running": "rendering"}
    for video_id, status in states.items():
        document: Document = VideoDocument(
            id=video_id,
            video_id=video_id,
            event_id="cup",
            name="a",
            blob_name="cup/a",
            blob_etag="0",
            instance_id="i",
            status=status,
        )
        services.documents.create(document)
    results = services.settings.container_results
    page = FanPageOutcome(fan_ids=("bob", "hal"))
    for video_id in ("v-done", "v-running"):
        services.blobs.put_json(results, naming.fan_page_blob(video_id, 0), page)
    with_everything(services, "hal", contract)
    assert erase(services, "hal")
    done = services.blobs.require_json(results, naming.fan_page_blob("v-done", 0), FanPageOutcome)
    assert done.fan_ids == ("bob",)
    running = services.blobs.require_json(results, naming.fan_page_blob("v-running", 0), FanPageOutcome)
    assert running == page, "its own workflow is writing it"
    assert biometrics(services, "hal") == []
    services.documents.update(
        VideoDocument, "v-running", "v-running", lambda one: one.model_copy(update={"status": "ready"})
    )
    assert erase(services, "hal"), "again finishes the rest, although the events are forgotten"
    running = services.blobs.require_json(results, naming.fan_page_blob("v-running", 0), FanPageOutcome)
    assert running.fan_ids == ("bob",)
