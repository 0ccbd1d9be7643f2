"""Nothing older overtakes, and what is no longer the fan's is taken back (real Azurite and Cosmos emulator)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from activities.montage_plans import is_in_storage
from activities.montage_records import UPDATE_FAILED, rendered_blob
from activities.montages import abandon_montage, plan_montage, publish_montage, render_montage
from fanreel.adapters.media.source import fingerprint
from fanreel.adapters.services import Services
from fanreel.contracts import (
    AppearanceDocument,
    Consent,
    Evidence,
    FanDocument,
    MatchDocument,
    ModelContract,
    MontageClip,
    MontageDocument,
    MontagePlan,
    MontageWork,
    Shot,
    VideoDocument,
)
from fanreel.domain import naming
from fanreel.errors import ContractBroken, TransientFault
from fanreel.local.servers import Azurite, CosmosEmulator
from functions.fans import erase

from .flow_services import services_on

pytestmark = pytest.mark.integration

OLD = MontageWork(fan_id="ada", event_id="cup", montage_id="m-old")
WORK = MontageWork(fan_id="ada", event_id="cup")
OLD_FILE = "ada/m-old.mp4"
CONTRACT = ModelContract(model_id="net", sha256="0" * 64, preprocessing="1")
EVIDENCE = Evidence(
    distance=0.4,
    threshold=0.5,
    review_threshold=0.6,
    threshold_reason="test",
    runner_up_fan_id=None,
    runner_up_margin=None,
    supporting_faces=5,
)


@pytest.fixture(scope="module")
def connected(azurite: Azurite, cosmos: CosmosEmulator) -> Iterator[Services]:
    with services_on(azurite, cosmos) as services:
        yield services


@pytest.fixture
def services(connected: Services) -> Services:
    """A fan in two videos of an event, with nothing planned yet."""
    for kind in (FanDocument, MatchDocument, MontageDocument, VideoDocument, AppearanceDocument):
        for one in list(connected.documents.query(kind, "", {})):
            key = one.video_id if isinstance(one, VideoDocument | AppearanceDocument) else one.fan_id
            connected.documents.delete(kind, one.id, key)
    for container in (connected.settings.container_montages, connected.settings.container_results):
        connected.blobs.delete_prefix(container, "")
    consent = Consent(given=True, text_version="1", given_at="2026-01-01T00:00:00Z")
    fan = FanDocument(id="ada", fan_id="ada", event_ids=("cup",), status="ready", consent=consent)
    connected.documents.create(fan)
    for video_id in ("v-1", "v-2"):
        add_video(connected, video_id)
    return connected


def add_video(services: Services, video_id: str) -> None:
    blob = f"cup/{video_id}.mp4"
    services.blobs.client(services.settings.container_videos, blob).upload_blob(video_id.encode(), overwrite=True)
    services.documents.create(
        VideoDocument(
            id=video_id,
            video_id=video_id,
            event_id="cup",
            name=blob,
            blob_name=blob,
            blob_etag=services.blobs.etag(services.settings.container_videos, blob) or "",
            instance_id="i",
            status="ready",
            duration_ms=60_000,
            shots=tuple(Shot(start_ms=at, end_ms=at + 10_000) for at in range(0, 60_000, 10_000)),
        )
    )
    for shot in range(6):
        start, end = shot * 10_000 + 1_000, shot * 10_000 + 9_000
        stamps = tuple(range(start, end + 1, 200))
        appearance = AppearanceDocument(
            id=f"{video_id}-a{shot:05d}",
            video_id=video_id,
            event_id="cup",
            start_ms=start,
            end_ms=end,
            shot_index=shot,
            pts_ms=stamps,
            boxes=tuple((0, 0, 100, 100) for _ in stamps),
            excitement=0.5 + shot / 20,
            excitement_curve=tuple(0.5 for _ in stamps),
            quality=0.5,
            face_height_px=120.0,
            model_contract=CONTRACT,
        )
        services.documents.create(appearance)
        services.documents.create(
            MatchDocument(
                id=naming.match_id(appearance.id, "ada"),
                fan_id="ada",
                video_id=video_id,
                event_id="cup",
                appearance_id=appearance.id,
                start_ms=start,
                end_ms=end,
                probability=0.99,
                decision="match",
                evidence=EVIDENCE,
                model_contract=CONTRACT,
            )
        )


def unmatch(services: Services, *video_ids: str) -> None:
    for match in list(services.documents.query(MatchDocument, "", {}, partition="ada")):
        if match.video_id in video_ids:
            services.documents.delete(MatchDocument, match.id, "ada")


def montage(**changes: Any) -> MontageDocument:
    clip = MontageClip(video_id="v-9", start_ms=0, end_ms=2000, score=1, reason="r", appearance_id="v-9-a00000")
    plan = MontagePlan(
        montage_id="m-old",
        fan_id="ada",
        event_id="cup",
        clips=(clip,),
        duration_ms=2000,
        crossfade_ms=200,
        width=1280,
        height=720,
    )
    document = MontageDocument(
        id=naming.montage_document_id("cup"),
        fan_id="ada",
        event_id="cup",
        montage_id="m-old",
        status="ready",
        plan=plan,
        duration_ms=2000,
        files={"mp4": OLD_FILE},
    )
    return document.model_copy(update=changes)


def out(services: Services) -> MontageDocument | None:
    return services.documents.get(MontageDocument, naming.montage_document_id("cup"), "ada")


def put_old_out(services: Services) -> None:
    services.documents.create(montage())
    services.blobs.put_marker(services.settings.container_montages, OLD_FILE)


def plan_and_render(services: Services) -> MontageWork:
    """Plan what is to be planned, and store what rendering it would leave behind."""
    planned = plan_montage(services, WORK)
    assert planned.needed
    work = WORK.model_copy(update={"montage_id": planned.montage_id})
    results = services.settings.container_results
    plan = services.blobs.require_json(results, naming.montage_plan_blob("ada", planned.montage_id), MontagePlan)
    file = f"ada/{planned.montage_id}.mp4"
    services.blobs.put_marker(services.settings.container_montages, file)
    document = montage(montage_id=planned.montage_id, plan=plan, files={"mp4": file})
    services.blobs.put_json(results, rendered_blob(work), document, overwrite=True)
    return work


def files(services: Services) -> list[str]:
    return list(services.blobs.list_names(services.settings.container_montages, ""))


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, services: Services, before: str, happens: Callable[[], None]
) -> None:
    """Let something happen once, right before the next `create`, `update` or `delete` of a montage."""
    original = getattr(services.documents, before)
    pending = [happens]

    def hooked(first: Any, *rest: Any, **more: Any) -> Any:
        if pending and (first is MontageDocument or isinstance(first, MontageDocument)):
            pending.pop()()
        return original(first, *rest, **more)

    monkeypatch.setattr(services.documents, before, hooked)


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


def see_on(services: Services, appearance_id: str, *, start_ms: int) -> str:
    """The fan found again in the same shot, less well, right after the first appearance ends: one moment."""
    first = services.documents.get(AppearanceDocument, appearance_id, "v-1")
    match = services.documents.get(MatchDocument, naming.match_id(appearance_id, "ada"), "ada")
    assert first is not None
    assert match is not None
    stamps = tuple(range(start_ms, first.end_ms + 1, 200))
    cut = tuple(at for at in first.pts_ms if at < start_ms)
    curve = tuple(0.1 for _ in stamps)
    later = first.model_copy(
        update={
            "id": f"{appearance_id}b", "start_ms": start_ms, "pts_ms": stamps, "boxes": first.boxes[: len(stamps)],
            "excitement": 0.1, "excitement_curve": curve,
        }
    )  # fmt: skip
    end_ms = cut[-1]
    update = {"end_ms": end_ms, "pts_ms": cut, "boxes": first.boxes[: len(cut)], "excitement_curve": curve[:0]}
    again = {"id": naming.match_id(later.id, "ada"), "appearance_id": later.id, "start_ms": start_ms}
    services.documents.upsert_many([first.model_copy(update=update), later])
    services.documents.upsert_many([match.model_copy(update={"end_ms": end_ms}), match.model_copy(update=again)])
    return naming.match_id(later.id, "ada")


def two_in_one_clip_out(services: Services) -> tuple[MontageWork, str]:
    """A montage that is out, with a clip of two appearances that names only the better one; the other's match."""
    other = see_on(services, "v-1-a00005", start_ms=55_000)
    work = plan_and_render(services)
    assert publish_montage(services, work).needed
    published = out(services)
    assert published is not None
    (clip,) = (one for one in published.plan.clips if one.appearance_id == "v-1-a00005")
    assert clip.end_ms > 55_000, "the other is shown, too"
    assert all(one.appearance_id != "v-1-a00005b" for one in published.plan.clips)
    return work, other


def test_a_clip_of_two_appearances_goes_when_either_is_no_longer_a_match(services: Services) -> None:
    work, other = two_in_one_clip_out(services)
    services.documents.delete(MatchDocument, other, "ada")
    assert plan_montage(services, WORK).needed
    announced = out(services)
    assert announced is not None
    assert announced.status == "rendering", "what shows somebody else is not out while the right one is rendered"
    assert f"ada/{work.montage_id}.mp4" not in files(services)


def test_a_montage_stays_out_while_a_better_one_is_rendered(services: Services) -> None:
    work, _ = two_in_one_clip_out(services)
    add_video(services, "v-3")
    assert plan_montage(services, WORK).needed
    published = out(services)
    assert published is not None
    assert (published.status, published.montage_id) == ("ready", work.montage_id)


@pytest.mark.parametrize("failed", [WORK, WORK.model_copy(update={"montage_id": "m-newer"}), None])
def test_a_wrong_montage_does_not_stay_out_when_the_right_one_cannot_be_made(
    services: Services, failed: MontageWork | None
) -> None:
    work, other = two_in_one_clip_out(services)
    services.documents.delete(MatchDocument, other, "ada")
    abandon_montage(services, failed or work)
    assert_hidden(services)
    assert publish_montage(services, plan_and_render(services)).needed, "it is made as soon as it can be"


def assert_hidden(services: Services) -> None:
    hidden = out(services)
    assert hidden is not None
    assert (hidden.status, hidden.files, hidden.plan.clips, hidden.superseded) == ("failed", {}, (), ())
    assert files(services) == []


def test_a_montage_that_nobody_can_check_does_not_stay_out(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert publish_montage(services, plan_and_render(services)).needed
    query = services.documents.query

    def unreadable(kind: Any, *rest: Any, **more: Any) -> Any:
        if kind is MatchDocument:
            raise ContractBroken("document_invalid", "A match cannot be read.")
        return query(kind, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(services.documents, "query", unreadable)
        with pytest.raises(ContractBroken):
            plan_montage(services, WORK)
        abandon_montage(services, WORK)
    assert_hidden(services)


def test_hiding_a_wrong_montage_that_was_interrupted_is_finished(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_old_out(services)

    def interrupted(*_: Any) -> None:
        raise TransientFault("storage", "Storage is busy.")

    with monkeypatch.context() as patched:
        patched.setattr(services.blobs, "delete_prefix", interrupted)
        with pytest.raises(TransientFault):
            abandon_montage(services, WORK)
        hidden = out(services)
        assert hidden is not None
        assert hidden.status == "failed", "nobody sees it from the first moment on"
    abandon_montage(services, WORK)
    assert_hidden(services)
