"""The same bytes uploaded again, at every moment of an analysis, on the real Azurite and Cosmos emulator."""

import json
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from activities.merging import brought_kinds, merge_video
from activities.montage_plans import EventLook, event_look
from activities.preparing import probe_video
from activities.segments import collect_segment, dispatch_segment
from fanreel.adapters.services import Services
from fanreel.contracts import (
    SegmentDone,
    SegmentPlanDocument,
    SegmentWork,
    Shot,
    VideoDocument,
    VideoStatus,
    VideoWork,
)
from fanreel.domain import naming
from fanreel.domain.media import plan_segments
from fanreel.local.servers import Azurite, CosmosEmulator
from functions.intake import Start, receive_video
from tests.plain_media import plain_media

from .flow_services import services_on

pytestmark = pytest.mark.integration

MEDIA = plain_media(30_000)


@pytest.fixture(scope="module")
def services(azurite: Azurite, cosmos: CosmosEmulator) -> Iterator[Services]:
    with services_on(azurite, cosmos) as connected:
        yield connected


def upload(services: Services, name: str, content: bytes, **metadata: str) -> Start | None:
    client = services.blobs.client(services.settings.container_videos, name)
    client.upload_blob(content, overwrite=True, metadata=metadata)
    return receive_video(services, client)


def started(services: Services, name: str, content: bytes) -> VideoWork:
    start = upload(services, name, content)
    assert start is not None
    assert isinstance(start.work, VideoWork)
    return start.work


def document(services: Services, video_id: str) -> VideoDocument:
    found = services.documents.get(VideoDocument, video_id, video_id)
    assert found is not None
    return found


def set_status(services: Services, video_id: str, status: VideoStatus, reason: str | None = None) -> None:
    services.documents.update(
        VideoDocument,
        video_id,
        video_id,
        lambda one: one.model_copy(update={"status": status, "reason": reason}),
    )


def plan(services: Services, video_id: str) -> None:
    segments = plan_segments(MEDIA, target_ms=45_000, overlap_ms=1_000)
    services.blobs.put_json(
        services.settings.container_results,
        naming.plan_blob(video_id),
        SegmentPlanDocument(video_id=video_id, media=MEDIA, segments=segments),
    )


def segment_work(video: VideoWork) -> SegmentWork:
    upload_instance = naming.video_instance_id(video.blob_name, video.blob_etag)
    return SegmentWork(
        video=video, segment_index=0, instance_id=f"{upload_instance}-b0-s00000", event_name="segment-done:00000:1"
    )


@pytest.mark.parametrize("status", ["received", "analyzing", "matching", "rendering"])
def test_an_unfinished_video_whose_file_was_overwritten_is_started_anew(
    services: Services, status: VideoStatus
) -> None:
    """`received` is also what a host killed between the document and the start leaves behind."""
    first = started(services, f"cup/{status}.mp4", status.encode())
    set_status(services, first.video_id, status)
    second = started(services, f"cup/{status}.mp4", status.encode())
    assert second.video_id == first.video_id
    assert second.blob_etag != first.blob_etag
    found = document(services, first.video_id)
    assert (found.status, found.blob_etag) == ("received", second.blob_etag)
    assert upload(services, f"cup/copy-of-{status}.mp4", status.encode()) is None, "that file is still there"


@pytest.mark.parametrize("status", ["ready", "ready_partial"])
def test_a_finished_video_only_takes_the_new_file(services: Services, status: VideoStatus) -> None:
    first = started(services, f"cup/{status}.mp4", status.encode())
    set_status(services, first.video_id, status)
    assert upload(services, f"cup/{status}.mp4", status.encode()) is None
    assert document(services, first.video_id).status == status
    videos = services.settings.container_videos
    found = document(services, first.video_id)
    assert services.blobs.etag(videos, found.blob_name) == found.blob_etag, "what a render reads is there"
    services.blobs.delete(videos, f"cup/{status}.mp4")
    assert upload(services, f"cup/moved-{status}.mp4", status.encode()) is None
    found = document(services, first.video_id)
    assert (found.status, found.name) == (status, f"moved-{status}.mp4")
    assert services.blobs.etag(videos, found.blob_name) == found.blob_etag


def test_a_second_copy_of_a_finished_video_is_a_duplicate(services: Services) -> None:
    first = started(services, "cup/kept.mp4", b"kept")
    set_status(services, first.video_id, "ready")
    before = document(services, first.video_id)
    assert upload(services, "cup/copy.mp4", b"kept") is None
    assert document(services, first.video_id) == before


def test_a_video_overwritten_while_it_was_probed_is_not_lost(services: Services) -> None:
    first = started(services, "cup/probed.mp4", b"probed")
    client = services.blobs.client(services.settings.container_videos, "cup/probed.mp4")
    client.upload_blob(b"probed", overwrite=True)
    assert probe_video(services, first).reason == "blob_changed"
    assert document(services, first.video_id).status == "rejected"
    assert receive_video(services, client) is not None
    assert document(services, first.video_id).status == "received"


def test_what_is_no_video_stays_rejected_wherever_it_is_put(services: Services) -> None:
    first = started(services, "cup/text.mp4", b"a text")
    assert probe_video(services, first).reason == "not_a_video"
    assert upload(services, "cup/text.mp4", b"a text") is None
    assert document(services, first.video_id).status == "rejected"


def test_the_overtaken_analysis_fails_nothing_of_the_new_one(services: Services) -> None:
    first = started(services, "cup/overtaken.mp4", b"overtaken")
    plan(services, first.video_id)
    second = started(services, "cup/overtaken.mp4", b"overtaken")
    dispatch_segment(services, segment_work(second))
    old = segment_work(first)
    services.blobs.put_json(
        services.settings.container_results,
        naming.failure_blob(first.video_id, "00000", 1),
        SegmentDone(
            video_id=first.video_id,
            segment_id="00000",
            attempt=1,
            instance_id=old.instance_id,
            event_name=old.event_name,
            outcome="rejected",
            reason="blob_changed",
        ),
    )
    assert collect_segment(services, old).state == "failed"
    assert collect_segment(services, segment_work(second)).state == "pending"
    before = document(services, first.video_id)
    merge_video(services, first)
    assert document(services, first.video_id) == before


def test_failures_are_forgotten_even_when_the_host_stops_meanwhile(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = started(services, "cup/crash.mp4", b"crash")
    set_status(services, first.video_id, "failed")
    results = services.settings.container_results
    failure = naming.failure_blob(first.video_id, "00000", 1)
    services.blobs.put_marker(results, failure)

    def crash(*_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as broken:
        broken.setattr(services.blobs, "delete", crash)
        with pytest.raises(ConnectionResetError):
            upload(services, "cup/crash.mp4", b"crash")
    client = services.blobs.client(services.settings.container_videos, "cup/crash.mp4")
    assert receive_video(services, client) is not None, "the redelivered event"
    assert not services.blobs.exists(results, failure)


def test_an_uploads_metadata_names_its_profile_and_its_title(services: Services) -> None:
    start = upload(services, "named/a.mp4", b"named", profile="football", Title="Cup%20final%0A%C3%A9t%C3%A9")
    assert start is not None
    assert isinstance(start.work, VideoWork)
    known = document(services, start.work.video_id)
    assert (known.profile, known.title, known.subtitle) == ("football", "Cup final été", "")


def test_an_unknown_profile_is_refused_by_name_and_welcome_once_it_is_right(services: Services) -> None:
    assert upload(services, "refused/a.mp4", b"refused", profile="footbal") is None
    found = list(services.documents.query(VideoDocument, "c.eventId = 'refused'", {}))
    assert [(video.status, video.reason) for video in found] == [("rejected", "unknown_profile")]
    assert "football" in (found[0].reason_detail or "")
    client = services.blobs.client(services.settings.container_videos, "refused/a.mp4")
    assert receive_video(services, client) is None, "the redelivered event"
    assert upload(services, "refused/a.mp4", b"refused", profile="football") is not None
    assert document(services, found[0].video_id).status == "received"


def test_another_title_takes_a_finished_video_up_again_and_silence_does_not(services: Services) -> None:
    work = started(services, "retitled/a.mp4", b"retitled")
    set_status(services, work.video_id, "ready")
    assert upload(services, "retitled/a.mp4", b"retitled") is None
    assert upload(services, "retitled/a.mp4", b"retitled", title="Cup final") is not None
    again = document(services, work.video_id)
    assert (again.status, again.title) == ("received", "Cup final")
    set_status(services, work.video_id, "ready")
    assert upload(services, "retitled/b.mp4", b"retitled") is None
    assert document(services, work.video_id).title == "Cup final"


def test_a_bad_profile_on_a_known_video_changes_nothing(services: Services) -> None:
    work = started(services, "steady/a.mp4", b"steady")
    set_status(services, work.video_id, "ready")
    assert upload(services, "steady/b.mp4", b"steady", profile="none-such") is None
    assert document(services, work.video_id).status == "ready"


def test_asking_for_one_thing_keeps_the_others_and_what_is_known(services: Services) -> None:
    start = upload(services, "kept/a.mp4", b"kept", profile="football", title="Final", subtitle="Sunday")
    assert start is not None
    assert isinstance(start.work, VideoWork)
    video_id = start.work.video_id
    shots = (Shot(start_ms=0, end_ms=9_000),)
    services.documents.update(
        VideoDocument, video_id, video_id, lambda d: d.model_copy(update={"status": "ready", "shots": shots})
    )
    assert upload(services, "kept/a.mp4", b"kept", title="Cup final") is not None
    again = document(services, video_id)
    assert (again.status, again.profile, again.title, again.subtitle) == (
        "received",
        "football",
        "Cup final",
        "Sunday",
    )
    assert again.shots == shots, "montages are planned from these until the next merge"


def test_the_late_event_of_an_older_copy_undoes_nothing(services: Services) -> None:
    start = upload(services, "late/a.mp4", b"late", title="First")
    assert start is not None
    assert isinstance(start.work, VideoWork)
    set_status(services, start.work.video_id, "ready")
    time.sleep(1.6)  # storage tells the times of files in whole seconds
    assert upload(services, "late/b.mp4", b"late", title="Second") is not None
    set_status(services, start.work.video_id, "ready")
    older = services.blobs.client(services.settings.container_videos, "late/a.mp4")
    assert receive_video(services, older) is None
    known = document(services, start.work.video_id)
    assert (known.title, known.status, known.blob_name) == ("Second", "ready", "late/b.mp4")


def test_a_title_that_comes_while_a_video_is_worked_on_is_taken_down(services: Services) -> None:
    work = started(services, "early/a.mp4", b"early")
    set_status(services, work.video_id, "analyzing")
    time.sleep(1.6)
    assert upload(services, "early/b.mp4", b"early", title="Cup final") is None
    known = document(services, work.video_id)
    assert (known.title, known.status, known.blob_name) == ("Cup final", "analyzing", "early/a.mp4")


def test_another_pitch_has_every_segment_looked_at_again(services: Services) -> None:
    work = started(services, "pitch/a.mp4", b"pitch")
    settings, video_id = services.settings, work.video_id
    segments = plan_segments(MEDIA, target_ms=10_000, overlap_ms=1_000)
    plan = SegmentPlanDocument(video_id=video_id, media=MEDIA, segments=segments)
    services.blobs.put_json(settings.container_results, naming.plan_blob(video_id), plan)
    result = naming.result_blob(video_id, naming.segment_id(0), 1)
    sound = naming.sound_blob(video_id, naming.segment_id(0))
    for blob in (result, sound):
        services.blobs.put_marker(settings.container_results, blob)
    set_status(services, video_id, "ready")
    assert upload(services, "pitch/a.mp4", b"pitch", title="Final") is not None
    assert services.blobs.exists(settings.container_results, result), "a title changes no picture"
    set_status(services, video_id, "ready")
    assert upload(services, "pitch/a.mp4", b"pitch", profile="basketball") is not None
    assert not services.blobs.exists(settings.container_results, result)
    assert services.blobs.exists(settings.container_results, sound)
    changed = services.blobs.require_json(
        settings.container_results, naming.plan_blob(video_id), SegmentPlanDocument
    )
    assert (changed.profile, changed.segments) == ("basketball", segments)


def test_an_event_has_one_profile_and_one_title_for_all_its_fans(services: Services) -> None:
    upload(services, "shared/2-second.mp4", b"second half", profile="cricket", title="Other")
    upload(services, "shared/1-first.mp4", b"first half", profile="football", title="Cup final", subtitle="Sunday")
    upload(services, "shared/0-silent.mp4", b"warm-up")
    upload(services, "shared/00-refused.mp4", b"refused too", profile="handball", title="Wrong")
    assert event_look(services, "shared") == EventLook("football", "Cup final", "Sunday")
    assert event_look(services, "nobody-knows") == EventLook()


@pytest.mark.parametrize(
    ("content", "kinds"),
    [(None, None), ("{}", None), ("ours, renamed", ("bench", "crowd", "graphic", "play"))],
    ids=["no file", "a broken file", "a model"],
)
def test_a_profile_brings_its_own_model_of_shots(
    azurite: Azurite, cosmos: CosmosEmulator, tmp_path: Path, content: str | None, kinds: tuple[str, ...] | None
) -> None:
    (tmp_path / "own.toml").write_text('description = "own"\n[picture]\nfan_shot_model = "shots.json"\n')
    if content == "ours, renamed":
        ours = json.loads(files("fanreel.domain").joinpath("shot_kinds.json").read_text("utf-8"))
        content = json.dumps({**ours, "kinds": list(kinds or ())})
    if content is not None:
        (tmp_path / "shots.json").write_text(content)
    with services_on(azurite, cosmos, profile_dir=tmp_path) as services:
        start = upload(services, f"brought/{len(content or '')}.mp4", str(content).encode(), profile="own")
        assert start is not None
        assert isinstance(start.work, VideoWork)
        model = brought_kinds(services, start.work.video_id)
    assert (None if model is None else model.kinds) == kinds
