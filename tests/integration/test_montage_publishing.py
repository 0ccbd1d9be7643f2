"""Nothing older overtakes, and what is no longer the fan's is taken back (real Azurite and Cosmos emulator)."""

from collections.abc import Iterator

import pytest

from activities.montages import plan_montage, publish_montage
from fanreel.adapters.services import Services
from fanreel.contracts import FanDocument, MontageClip, MontageDocument, MontagePlan, MontageWork
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
