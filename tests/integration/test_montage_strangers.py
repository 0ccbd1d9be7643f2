"""A plan is made knowing everybody seen in the fan's shots, not the fan alone (real Cosmos emulator)."""

from dataclasses import replace

import pytest

from activities.montage_plans import best_plan, gather, style_of
from activities.montage_records import rendering
from fanreel.adapters.services import Services
from fanreel.contracts import (
    AppearanceDocument,
    Consent,
    FanDocument,
    MatchDocument,
    MontageWork,
    Shot,
    VideoDocument,
)
from fanreel.domain import naming
from fanreel.local.servers import Azurite, CosmosEmulator
from tests.unit.montage_material import CONTRACT, EVIDENCE

from .flow_services import services_on

pytestmark = pytest.mark.integration

WORK = MontageWork(fan_id="ada", event_id="cup")


def seen(index: int, start_ms: int, end_ms: int, shot: int = 0, height: int = 100) -> AppearanceDocument:
    stamps = tuple(range(start_ms, end_ms, 200))
    return AppearanceDocument(
        id=naming.appearance_id("v-1", index),
        video_id="v-1",
        event_id="cup",
        start_ms=start_ms,
        end_ms=end_ms,
        shot_index=shot,
        pts_ms=stamps,
        boxes=tuple((0, 0, 100, height) for _ in stamps),
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
        evidence=EVIDENCE,
        model_contract=CONTRACT,
    )


def put_fan(services: Services) -> None:
    consent = Consent(given=True, text_version="1", given_at="2026-05-01T10:00:00Z")
    services.documents.create(FanDocument(id="ada", fan_id="ada", event_ids=("cup",), consent=consent))


def put_video(services: Services, *shots: Shot) -> None:
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
            frame_width=1280,
            frame_height=720,
            shots=shots,
        )
    )


def test_a_stranger_without_a_match_between_two_of_the_fan_is_not_in_the_plan(
    azurite: Azurite, cosmos: CosmosEmulator
) -> None:
    before, stranger, after = seen(0, 1_000, 4_000), seen(1, 4_000, 4_400), seen(2, 4_400, 9_000)
    elsewhere = seen(3, 21_000, 24_000, shot=1)
    with services_on(azurite, cosmos) as services:
        put_fan(services)
        put_video(services, Shot(start_ms=0, end_ms=20_000), Shot(start_ms=20_000, end_ms=30_000))
        services.documents.upsert_many([before, stranger, after, elsewhere])
        services.documents.upsert_many([match(before), match(after)])
        material = gather(services, WORK)
        plan = best_plan(services, WORK, material)
    assert set(material.appearances) == {before.id, stranger.id, after.id}
    assert plan is not None
    assert [(clip.start_ms, clip.end_ms) for clip in plan.clips] == [(900, 3_900), (4_300, 8_900)]


def test_an_opener_stays_out_only_while_nobody_in_it_could_be_its_subject(
    azurite: Azurite, cosmos: CosmosEmulator
) -> None:
    """Everybody in a shot that could open is loaded, and a face found there later takes the montage back."""
    fan, far = seen(0, 8_200, 18_000, shot=1), seen(1, 1_000, 7_000, height=20)
    with services_on(azurite, cosmos) as services:
        put_fan(services)
        wide = Shot(start_ms=0, end_ms=8_000, kind="play", highest_face=20 / 720)
        put_video(services, wide, Shot(start_ms=8_000, end_ms=20_000))
        services.documents.upsert_many([fan, far])
        services.documents.upsert_many([match(fan)])
        material = gather(services, WORK)
        style = style_of(services, material.look)
        assert set(material.appearances) == {fan.id, far.id}
        plan = best_plan(services, WORK, material)
        assert plan is not None
        opener, own = plan.clips
        assert (opener.kind, own.kind) == ("opener", "moment")
        out = rendering(plan).model_copy(update={"status": "ready"})
        assert material.shows(out, style)
        # Nobody has looked where an opener without a shot of the fan behind it would lie.
        elsewhere = plan.model_copy(
            update={"clips": (opener.model_copy(update={"start_ms": 9_000, "end_ms": 11_000}),)}
        )
        assert not material.shows(out.model_copy(update={"plan": elsewhere}), style)
        assert not replace(material, matches=()).shows(out, style)
        services.documents.upsert_many([seen(2, 6_000, 7_600, height=200)])
        later = gather(services, WORK)
        assert not later.shows(out, style)
        again = best_plan(services, WORK, later)
    assert again is not None
    assert [clip.kind for clip in again.clips] == ["moment"]
