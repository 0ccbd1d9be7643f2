"""What a captioning network says gets into the montage, where it may (real Azurite and Cosmos emulator)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from activities.captions import network_captions
from activities.montage_plans import gather
from fanreel.adapters.services import Services
from fanreel.contracts import AppearanceDocument, FocusPoint, MontageClip, MontagePlan
from fanreel.local.servers import Azurite, CosmosEmulator

from .flow_services import services_on
from .montage_sources import H264, make
from .montage_world import WORK, begin
from .test_captioner import SAID, install

pytestmark = pytest.mark.integration

FACE = (130, 60, 160, 95)
MEASURED = "A person looks on calmly."


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of somebody in red before a blue wall, if the network looks where the face is."""
    person = "drawbox=x=90:y=40:w=110:h=140:t=fill:c=red"
    return make(
        tmp_path_factory.mktemp("film") / "film.mp4",
        *("-f", "lavfi", "-i", f"color=c=blue:s=320x180:r=25:d=12,{person}", *H264),
    )


@pytest.fixture(scope="module")
def world(azurite: Azurite, cosmos: CosmosEmulator, film: Path) -> Iterator[Services]:
    with services_on(azurite, cosmos) as services:
        begin(services, film=film)
        yield services


def planned(**fields: object) -> MontagePlan:
    clip = MontageClip(
        video_id="v-1",
        start_ms=1000,
        end_ms=4000,
        score=0.5,
        reason="r",
        appearance_id="v-1-a00000",
        caption=MEASURED,
        focus=(FocusPoint(pts_ms=1000, box=(0, 0, 30, 30)), FocusPoint(pts_ms=2400, box=FACE)),
    ).model_copy(update=fields)
    return MontagePlan(
        montage_id="m",
        fan_id="ada",
        event_id="cup",
        clips=(clip,),
        duration_ms=3000,
        crossfade_ms=0,
        width=320,
        height=180,
    )


def with_network(services: Services, folder: Path, *, gender: str = "female") -> Services:
    """The same services with the tiny network installed, and the fan's apparent gender."""
    settings = install(folder, SAID)
    changed = services.settings.model_copy(
        update={"model_dir": settings.model_dir, "caption_network": settings.caption_network}
    )
    seen = services.documents.get(AppearanceDocument, "v-1-a00000", "v-1")
    assert seen is not None
    services.documents.upsert(seen.model_copy(update={"apparent_gender": gender}))
    return replace(services, settings=changed)


def caption(services: Services, plan: MontagePlan) -> str:
    return network_captions(services, plan, gather(services, WORK)).clips[0].caption


def test_the_network_describes_the_person_the_clip_is_about(world: Services, tmp_path: Path):
    plan = planned()
    described = network_captions(with_network(world, tmp_path), plan, gather(world, WORK))
    assert described.clips[0].caption == "A woman in red cheers."
    assert described.montage_id == plan.montage_id
    assert described.model_copy(update={"clips": plan.clips}) == plan


def test_what_it_may_not_say_is_not_shown(world: Services, tmp_path: Path):
    assert caption(with_network(world, tmp_path, gender="undetermined"), planned()) == MEASURED


def test_without_a_network_the_plan_is_as_it_was(world: Services):
    plan = planned()
    assert network_captions(world, plan, gather(world, WORK)) is plan


def test_an_opener_and_an_appearance_that_is_gone_keep_their_words(world: Services, tmp_path: Path):
    services = with_network(world, tmp_path)
    assert caption(services, planned(kind="opener", appearance_id="", focus=())) == MEASURED
    assert caption(services, planned(appearance_id="v-1-a00099")) == MEASURED


def test_a_picture_that_cannot_be_had_costs_only_the_words(world: Services, tmp_path: Path):
    beyond = (FocusPoint(pts_ms=90_000, box=FACE),)
    assert caption(with_network(world, tmp_path), planned(focus=beyond)) == MEASURED


def test_a_damaged_network_costs_only_the_words(world: Services, tmp_path: Path):
    services = with_network(world, tmp_path)
    (tmp_path / "captioner_decoder.onnx").write_bytes(b"damaged")
    assert caption(services, planned()) == MEASURED
