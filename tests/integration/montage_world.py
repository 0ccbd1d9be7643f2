"""A fan in two videos of an event on the real local servers, and what tests of montages do there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from activities.montage_records import rendered_blob
from activities.montages import plan_montage
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.adapters.services import Services
from fanreel.contracts import (
    AppearanceDocument,
    Consent,
    FanDocument,
    MatchDocument,
    MontageClip,
    MontageDocument,
    MontagePlan,
    MontageWork,
    SegmentPlanDocument,
    Shot,
    VideoDocument,
)
from fanreel.domain import naming
from fanreel.domain.media import plan_segments
from tests.unit.montage_material import CONTRACT, EVIDENCE

OLD = MontageWork(fan_id="ada", event_id="cup", montage_id="m-old")
WORK = MontageWork(fan_id="ada", event_id="cup")
OLD_FILE = "ada/m-old.mp4"


def begin(services: Services, *, film: Path | None = None) -> None:
    """A fan in two videos of an event, with nothing planned yet; `film` is what both videos show."""
    for kind in (FanDocument, MatchDocument, MontageDocument, VideoDocument, AppearanceDocument):
        for one in list(services.documents.query(kind, "", {})):
            key = one.video_id if isinstance(one, VideoDocument | AppearanceDocument) else one.fan_id
            services.documents.delete(kind, one.id, key)
    for container in (services.settings.container_montages, services.settings.container_results):
        services.blobs.delete_prefix(container, "")
    consent = Consent(given=True, text_version="1", given_at="2026-01-01T00:00:00Z")
    fan = FanDocument(id="ada", fan_id="ada", event_ids=("cup",), status="ready", consent=consent)
    services.documents.create(fan)
    for video_id in ("v-1", "v-2"):
        add_video(services, video_id, film=film)


def add_video(services: Services, video_id: str, *, film: Path | None = None) -> None:
    """A finished video with the fan in every shot: six shots of 10 s of nothing, or a real film's two of 6 s."""
    settings, blob = services.settings, f"cup/{video_id}.mp4"
    content = video_id.encode() if film is None else film.read_bytes()
    services.blobs.client(settings.container_videos, blob).upload_blob(content, overwrite=True)
    shots, shot_ms = (6, 10_000) if film is None else (2, 6_000)
    if film is not None:
        media = probe(FileSource(film))
        plan = SegmentPlanDocument(
            video_id=video_id, media=media, segments=plan_segments(media, target_ms=45_000, overlap_ms=1_000)
        )
        services.blobs.put_json(settings.container_results, naming.plan_blob(video_id), plan, overwrite=True)
    services.documents.create(
        VideoDocument(
            id=video_id,
            video_id=video_id,
            event_id="cup",
            name=blob,
            blob_name=blob,
            blob_etag=services.blobs.etag(settings.container_videos, blob) or "",
            instance_id="i",
            status="ready",
            duration_ms=shots * shot_ms,
            shots=tuple(Shot(start_ms=at * shot_ms, end_ms=(at + 1) * shot_ms) for at in range(shots)),
        )
    )
    for shot in range(shots):
        see(services, video_id, shot, shot * shot_ms + 1_000, (shot + 1) * shot_ms - 1_000)


def see(services: Services, video_id: str, shot: int, start: int, end: int) -> None:
    """The fan is recognised in a shot from `start` to `end`."""
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
