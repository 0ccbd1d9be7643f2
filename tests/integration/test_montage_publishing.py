"""Nothing older overtakes, and what is no longer planned is never published (real Azurite and Cosmos emulator)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from activities.montage_plans import Material, gather
from activities.montage_records import rendered_blob
from activities.montage_watch import LEAST_STEP, RenderWatch
from activities.montages import abandon_montage, plan_montage, publish_montage, render_montage
from fanreel.adapters.media.source import fingerprint
from fanreel.adapters.originals import is_in_storage
from fanreel.adapters.services import Services
from fanreel.contracts import (
    Consent,
    FanDocument,
    MontageDocument,
    MontagePlan,
    MontageWork,
    VideoDocument,
)
from fanreel.domain import naming
from fanreel.domain.cancelling import UPDATE_FAILED
from fanreel.local.servers import Azurite, CosmosEmulator
from functions.fans import erase

from .flow_services import services_on
from .montage_world import (
    OLD,
    OLD_FILE,
    WORK,
    add_video,
    begin,
    files,
    meanwhile,
    montage,
    out,
    plan_and_render,
    put_old_out,
    unmatch,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def connected(azurite: Azurite, cosmos: CosmosEmulator) -> Iterator[Services]:
    with services_on(azurite, cosmos) as services:
        yield services


@pytest.fixture
def services(connected: Services) -> Services:
    begin(connected)
    return connected


def test_a_plan_that_no_longer_holds_is_never_published(services: Services) -> None:
    services.blobs.put_json(services.settings.container_results, rendered_blob(OLD), montage())
    services.blobs.put_marker(services.settings.container_montages, OLD_FILE)
    answer = publish_montage(services, OLD)
    assert (answer.needed, answer.reason) == (False, "overtaken")
    assert out(services) is None
    assert files(services) == []


def test_a_montage_whose_matches_are_gone_is_taken_back(services: Services) -> None:
    put_old_out(services)
    unmatch(services, "v-1", "v-2")
    answer = plan_montage(services, WORK)
    assert (answer.needed, answer.reason) == (False, "no_material")
    assert out(services) is None
    assert files(services) == []


def test_a_wrong_montage_and_its_files_go_before_the_right_one_is_rendered(services: Services) -> None:
    put_old_out(services)
    work = plan_and_render(services)
    announced = out(services)
    assert announced is not None
    assert (announced.status, announced.montage_id) == ("rendering", work.montage_id)
    assert files(services) == [f"ada/{work.montage_id}.mp4"], "the wrong one's are gone already"
    assert publish_montage(services, work).needed
    published = out(services)
    assert published is not None
    assert (published.status, published.version, published.superseded) == ("ready", 2, ())
    assert publish_montage(services, work).needed, "done twice changes nothing"
    again = out(services)
    assert again is not None
    assert again.version == 2


def withdraw_all(services: Services) -> Callable[[], None]:
    def happens() -> None:
        unmatch(services, "v-1", "v-2")
        assert plan_montage(services, WORK).reason == "no_material"

    return happens


@pytest.mark.parametrize(("before", "announced"), [("update", True), ("create", False)])
def test_what_is_withdrawn_while_it_is_published_does_not_stay_out(
    services: Services, monkeypatch: pytest.MonkeyPatch, before: str, announced: bool
) -> None:
    work = plan_and_render(services)
    if not announced:
        services.documents.delete(MontageDocument, naming.montage_document_id("cup"), "ada")
    meanwhile(monkeypatch, services, before, withdraw_all(services))
    answer = publish_montage(services, work)
    assert (answer.needed, answer.reason) == (False, "overtaken")
    assert out(services) is None
    assert files(services) == []


def test_a_newer_montage_is_not_overwritten_by_a_stalled_publication(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled = plan_and_render(services)
    newer: list[MontageWork] = []

    def happens() -> None:
        unmatch(services, "v-1")
        newer.append(plan_and_render(services))
        assert publish_montage(services, newer[0]).needed

    meanwhile(monkeypatch, services, "update", happens)
    assert publish_montage(services, stalled).reason == "overtaken"
    published = out(services)
    assert published is not None
    assert (published.status, published.montage_id) == ("ready", newer[0].montage_id)
    assert files(services) == [f"ada/{newer[0].montage_id}.mp4"]


def test_a_stalled_withdrawal_does_not_delete_a_newer_montage(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_old_out(services)
    unmatch(services, "v-1", "v-2")

    def happens() -> None:
        add_video(services, "v-3")
        assert publish_montage(services, plan_and_render(services)).needed

    meanwhile(monkeypatch, services, "delete", happens)
    assert plan_montage(services, WORK).reason == "no_material", "as it was when this one looked"
    published = out(services)
    assert published is not None
    assert published.status == "ready"
    assert files(services) == [published.files["mp4"]]


def test_a_stalled_announcement_does_not_hide_a_newer_montage(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_old_out(services)

    def happens() -> None:
        unmatch(services, "v-1")
        assert publish_montage(services, plan_and_render(services)).needed

    meanwhile(monkeypatch, services, "update", happens)
    assert plan_montage(services, WORK).reason == "unchanged"
    published = out(services)
    assert published is not None
    assert published.status == "ready"


def test_a_fan_erased_while_a_montage_is_planned_keeps_no_document(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, services, "create", lambda: assert_erased(services))
    assert plan_montage(services, WORK).needed is False
    assert out(services) is None


def test_a_fan_erased_while_an_update_is_planned_or_rendered_keeps_no_file(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert publish_montage(services, plan_and_render(services)).needed
    add_video(services, "v-3")
    put_json = services.blobs.put_json

    def erased_before(*where: Any, **more: Any) -> bool:
        assert_erased(services)
        return put_json(*where, **more)

    with monkeypatch.context() as patched:
        patched.setattr(services.blobs, "put_json", erased_before)
        assert plan_montage(services, WORK).needed is False
    assert stored(services) == []
    services.blobs.put_marker(services.settings.container_montages, OLD_FILE)
    services.blobs.put_json(services.settings.container_results, rendered_blob(OLD), montage())
    abandon_montage(services, OLD)
    assert stored(services) == [], "what a render left behind goes with its failure"


def begun(services: Services) -> MontageWork:
    """Plan what is to be planned, and begin to render it as another run would."""
    work = plan_and_render(services)
    assert not RenderWatch(services, work).is_unwanted()
    assert progress(services) == LEAST_STEP
    return work


def tell(services: Services, work: MontageWork, part: float) -> None:
    watch = RenderWatch(services, work)
    watch.progress(part)
    watch.is_unwanted()


def progress(services: Services) -> float:
    current = out(services)
    assert current is not None
    return current.progress


def stored(services: Services) -> list[str]:
    """Everything kept about the fan in storage and in the montages."""
    assert out(services) is None
    return [*files(services), *services.blobs.list_names(services.settings.container_results, "fans/")]


def assert_erased(services: Services) -> None:
    assert erase(services, "ada")


def test_without_consent_nothing_is_planned_and_what_is_out_is_taken_back(services: Services) -> None:
    assert publish_montage(services, plan_and_render(services)).needed
    refused = Consent(given=False, text_version="1", given_at="2026-01-02T00:00:00Z")
    services.documents.update(FanDocument, "ada", "ada", lambda fan: fan.model_copy(update={"consent": refused}))
    assert plan_montage(services, WORK).reason == "no_material"
    assert out(services) is None
    assert files(services) == []


def test_a_file_deleted_under_a_publication_is_rendered_again(services: Services) -> None:
    work = plan_and_render(services)
    services.blobs.delete_prefix(services.settings.container_montages, "ada/")
    assert publish_montage(services, work).reason == "overtaken"
    assert out(services) is None
    assert plan_montage(services, WORK).needed


def clip_videos(services: Services, montage_id: str) -> set[str]:
    blob = naming.montage_plan_blob("ada", montage_id)
    plan = services.blobs.require_json(services.settings.container_results, blob, MontagePlan)
    return {clip.video_id for clip in plan.clips}


def test_a_video_that_left_storage_is_left_out(services: Services) -> None:
    planned = plan_montage(services, WORK)
    assert clip_videos(services, planned.montage_id) == {"v-1", "v-2"}
    services.blobs.delete(services.settings.container_videos, "cup/v-1.mp4")
    planned = plan_montage(services, WORK)
    assert planned.needed
    assert clip_videos(services, planned.montage_id) == {"v-2"}
    assert publish_montage(services, plan_and_render(services)).needed
    assert plan_montage(services, WORK).reason == "unchanged"


def test_a_video_that_was_replaced_by_another_is_left_out(services: Services) -> None:
    client = services.blobs.client(services.settings.container_videos, "cup/v-2.mp4")
    client.upload_blob(b"another broadcast", overwrite=True)
    planned = plan_montage(services, WORK)
    assert planned.needed
    assert clip_videos(services, planned.montage_id) == {"v-1"}


def test_the_same_content_uploaded_again_is_the_same_video(services: Services) -> None:
    container = services.settings.container_videos
    client = services.blobs.client(container, "cup/again.mp4")
    client.upload_blob(b"the same broadcast", overwrite=True)
    video_id = naming.video_id("cup", fingerprint(services.blobs.source(container, "cup/again.mp4")))
    known = services.documents.get(VideoDocument, "v-1", "v-1")
    assert known is not None
    update = {"video_id": video_id, "blob_name": "cup/again.mp4", "blob_etag": "0xearlier"}
    assert is_in_storage(services, known.model_copy(update=update))
    client.upload_blob(b"another one", overwrite=True)
    assert not is_in_storage(services, known.model_copy(update=update))


def test_a_montage_that_is_out_survives_the_end_of_its_sources(services: Services) -> None:
    work = plan_and_render(services)
    assert publish_montage(services, work).needed
    for video_id in ("v-1", "v-2"):
        services.blobs.delete(services.settings.container_videos, f"cup/{video_id}.mp4")
    assert plan_montage(services, WORK).reason == "unchanged"
    published = out(services)
    assert published is not None
    assert (published.status, published.montage_id) == ("ready", work.montage_id)


def test_without_any_source_the_montage_has_failed(services: Services) -> None:
    for video_id in ("v-1", "v-2"):
        services.blobs.delete(services.settings.container_videos, f"cup/{video_id}.mp4")
    assert plan_montage(services, WORK).reason == "source_missing"
    failed = out(services)
    assert failed is not None
    assert (failed.status, failed.reason) == ("failed", "source_missing")


def test_a_render_whose_plan_was_cleaned_up_is_overtaken(services: Services) -> None:
    outcome = render_montage(services, OLD)
    assert (outcome.rendered, outcome.reason) == (False, "overtaken")


def test_a_montage_whose_planning_broke_is_not_waited_for(services: Services) -> None:
    abandon_montage(services, WORK)
    failed = out(services)
    assert failed is not None
    assert (failed.status, failed.reason) == ("failed", "plan_failed")
    plan_montage(services, WORK)
    planned = out(services)
    assert planned is not None
    assert planned.status == "rendering"
    abandon_montage(services, WORK)
    failed = out(services)
    assert failed is not None
    assert failed.status == "failed", "announced by the very planning that broke"


def test_a_plan_that_takes_longer_than_a_render_tells_its_progress_is_announced(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way = begun(services)
    unmatch(services, "v-1")
    told: list[float] = []

    def gathered(*arguments: Any) -> Material:
        material = gather(*arguments)
        told.append(0.02 * (len(told) + 2))
        tell(services, under_way, told[-1])
        return material

    monkeypatch.setattr("activities.montages.gather", gathered)
    newer = plan_montage(services, WORK)
    assert newer.needed
    announced = out(services)
    assert announced is not None
    assert (announced.montage_id, announced.progress) == (newer.montage_id, 0.0)
    assert plan_montage(services, WORK).montage_id == newer.montage_id
    assert len(told) == 2, "once each"


def test_announced_again_a_render_under_way_keeps_its_progress(services: Services) -> None:
    under_way = begun(services)
    tell(services, under_way, 0.4)
    assert plan_montage(services, WORK).montage_id == under_way.montage_id
    assert progress(services) == 0.4


@pytest.mark.parametrize("is_update", [False, True])
def test_a_broken_plan_does_not_end_a_render_under_way(services: Services, is_update: bool) -> None:
    if is_update:
        assert publish_montage(services, plan_and_render(services)).needed
        add_video(services, "v-3")
    under_way = begun(services)
    abandon_montage(services, WORK)
    assert not RenderWatch(services, under_way).is_unwanted()
    assert f"ada/{under_way.montage_id}.mp4" in files(services)
    assert publish_montage(services, under_way).needed
    published = out(services)
    assert published is not None
    assert (published.status, published.montage_id) == ("ready", under_way.montage_id)


def test_what_may_not_stay_out_is_hidden_and_the_right_one_under_way_goes_on(services: Services) -> None:
    wrong = plan_and_render(services)
    assert publish_montage(services, wrong).needed
    add_video(services, "v-3")
    right = begun(services)
    unmatch(services, "v-1", "v-2")
    abandon_montage(services, WORK)
    hidden = out(services)
    assert hidden is not None
    assert (hidden.status, hidden.plan.clips, hidden.files) == ("rendering", (), {})
    assert files(services) == [f"ada/{right.montage_id}.mp4"]
    assert not RenderWatch(services, right).is_unwanted()
    assert publish_montage(services, right).reason == "overtaken", "it shows what is no longer a match, too"
    assert out(services) is None


def test_a_failed_update_is_told_until_it_is_made_or_not_needed(services: Services) -> None:
    first = plan_and_render(services)
    assert publish_montage(services, first).needed
    unneeded = WORK.model_copy(update={"montage_id": "m-newer"})
    abandon_montage(services, unneeded)
    published = out(services)
    assert published is not None
    assert (published.status, published.reason, published.montage_id) == (
        "ready", UPDATE_FAILED, first.montage_id,
    )  # fmt: skip
    assert plan_montage(services, WORK).reason == "unchanged"
    published = out(services)
    assert published is not None
    assert (published.status, published.reason, published.version) == ("ready", None, 1)
