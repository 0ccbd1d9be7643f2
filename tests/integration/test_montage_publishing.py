"""Nothing older overtakes, and what is no longer the fan's is taken back (real Azurite and Cosmos emulator)."""

from collections.abc import Iterator

import pytest

from activities.montages import plan_montage, publish_montage
from fanreel.adapters.services import Services
from fanreel.contracts import (
    AppearanceDocument,
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
from fanreel.local.servers import Azurite, CosmosEmulator

from .flow_services import services_on

pytestmark = pytest.mark.integration

MP4 = "ada/m-old.mp4"
WORK = MontageWork(fan_id="ada", event_id="cup", montage_id="m-old")


@pytest.fixture
def services(azurite: Azurite, cosmos: CosmosEmulator) -> Iterator[Services]:
    with services_on(azurite, cosmos) as connected:
        connected.documents.create(FanDocument(id="ada", fan_id="ada", event_ids=("cup",), status="ready"))
        connected.blobs.put_marker(connected.settings.container_montages, MP4)
        yield connected


def montage() -> MontageDocument:
    clip = MontageClip(video_id="v-1", start_ms=0, end_ms=2000, score=1, reason="r", appearance_id="v-1-a00000")
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
    return MontageDocument(
        id=naming.montage_document_id("cup"),
        fan_id="ada",
        event_id="cup",
        montage_id="m-old",
        status="ready",
        plan=plan,
        duration_ms=2000,
        files={"mp4": MP4},
    )


def test_a_plan_that_no_longer_holds_is_never_published(services: Services) -> None:
    rendered = f"{naming.montage_plan_blob('ada', 'm-old')}.rendered"
    services.blobs.put_json(services.settings.container_results, rendered, montage())
    answer = publish_montage(services, WORK)
    assert (answer.needed, answer.reason) == (False, "overtaken")
    assert services.documents.get(MontageDocument, naming.montage_document_id("cup"), "ada") is None
    assert not services.blobs.exists(services.settings.container_montages, MP4)


def test_a_montage_whose_matches_are_gone_is_taken_back(services: Services) -> None:
    services.documents.create(montage())
    answer = plan_montage(services, WORK.model_copy(update={"montage_id": ""}))
    assert (answer.needed, answer.reason) == (False, "no_material")
    assert services.documents.get(MontageDocument, naming.montage_document_id("cup"), "ada") is None
    assert not services.blobs.exists(services.settings.container_montages, MP4)


CONTRACT = ModelContract(model_id="net", sha256="0" * 64, preprocessing="1")


def seen(index: int, start_ms: int, end_ms: int, shot: int = 0) -> AppearanceDocument:
    stamps = tuple(range(start_ms, end_ms, 200))
    return AppearanceDocument(
        id=naming.appearance_id("v-1", index),
        video_id="v-1",
        event_id="cup",
        start_ms=start_ms,
        end_ms=end_ms,
        shot_index=shot,
        pts_ms=stamps,
        boxes=tuple((0, 0, 100, 100) for _ in stamps),
        model_contract=CONTRACT,
    )


def match(of: AppearanceDocument) -> MatchDocument:
    return MatchDocument(
        id=naming.match_id(of.id, "ada"),
        fan_id="ada",
        video_id=of.video_id,
        event_id="cup",
        appearance_id=of.id,
        start_ms=of.start_ms,
        end_ms=of.end_ms,
        probability=0.95,
        decision="match",
        evidence=Evidence(
            distance=0.4,
            threshold=0.5,
            review_threshold=0.6,
            threshold_reason="test",
            runner_up_fan_id=None,
            runner_up_margin=None,
            supporting_faces=5,
        ),
        model_contract=CONTRACT,
    )


def test_a_stranger_without_a_match_between_two_of_the_fan_is_not_in_the_plan(services: Services) -> None:
    services.documents.create(
        VideoDocument(
            id="v-1",
            video_id="v-1",
            event_id="cup",
            name="final.mp4",
            blob_name="cup/final.mp4",
            blob_etag="1",
            instance_id="i",
            status="ready",
            duration_ms=30_000,
            shots=(Shot(start_ms=0, end_ms=20_000), Shot(start_ms=20_000, end_ms=30_000)),
        )
    )
    before, stranger, after = seen(0, 1_000, 4_000), seen(1, 4_000, 4_400), seen(2, 4_400, 9_000)
    services.documents.upsert_many([before, stranger, after, seen(3, 21_000, 24_000, shot=1)])
    services.documents.upsert_many([match(before), match(after)])
    answer = plan_montage(services, WORK.model_copy(update={"montage_id": ""}))
    assert answer.needed
    blob = naming.montage_plan_blob("ada", answer.montage_id)
    planned = services.blobs.require_json(services.settings.container_results, blob, MontagePlan)
    assert [(clip.start_ms, clip.end_ms) for clip in planned.clips] == [(1_000, 3_800), (4_400, 8_800)]
