"""What is heard in an uploaded video, from its segments to the video document and its insights."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import activities.merging
from activities.merging import merge_video
from activities.segments import measure_sound
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.adapters.services import Services
from fanreel.contracts import InsightsDocument, SegmentPlanDocument, SegmentWork, VideoDocument, VideoWork
from fanreel.domain import naming
from fanreel.domain.fitting import fitted
from fanreel.domain.media import plan_segments
from fanreel.local.servers import Azurite, CosmosEmulator
from functions.intake import receive_video

from .flow_services import services_on
from .made_media import H264, ffmpeg

pytestmark = pytest.mark.integration

WHISTLED_S = range(3, 6)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Eight seconds of quiet noise and, for three of them, a whistle."""
    path = tmp_path / "film.mp4"
    tone = "0.2*sin(2*PI*3100*t)*between(t,3,6)+0.02*(random(0)-0.5)"
    picture = ("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=8")
    ffmpeg(*picture, "-f", "lavfi", "-i", f"aevalsrc=exprs='{tone}':s=48000:d=8", *H264, "-c:a", "aac", path)
    return path


@pytest.fixture
def heard(film: Path, azurite: Azurite, cosmos: CosmosEmulator) -> Iterator[tuple[Services, VideoWork]]:
    """The film uploaded, and the sound of all its segments measured."""
    with services_on(azurite, cosmos) as services:
        client = services.blobs.client(services.settings.container_videos, "cup/film.mp4")
        client.upload_blob(film.read_bytes(), overwrite=True)
        start = receive_video(services, client)
        assert start is not None
        assert isinstance(start.work, VideoWork)
        media = probe(FileSource(film))
        segments = plan_segments(media, target_ms=4_000, overlap_ms=1_000)
        plan = SegmentPlanDocument(video_id=start.work.video_id, media=media, segments=segments)
        services.blobs.put_json(
            services.settings.container_results, naming.plan_blob(start.work.video_id), plan, overwrite=True
        )
        for index in range(len(segments)):
            measure_sound(
                services,
                SegmentWork(video=start.work, segment_index=index, instance_id="i", event_name="unused"),
            )
        yield services, start.work


def merged(services: Services, work: VideoWork) -> tuple[VideoDocument, InsightsDocument]:
    merge_video(services, work)
    document = services.documents.get(VideoDocument, work.video_id, work.video_id)
    assert document is not None
    blob = naming.insights_blob(work.video_id)
    return document, services.blobs.require_json(services.settings.container_results, blob, InsightsDocument)


def test_what_is_heard_reaches_the_video_and_its_insights(heard: tuple[Services, VideoWork]) -> None:
    for _ in range(2):
        document, insights = merged(*heard)
        assert len(document.crowd) == len(insights.loudness_db) == 8
        assert document.crowd == insights.sound.crowd
        assert document.excitement == insights.excitement
        assert [second for second, value in enumerate(insights.sound.whistle) if value > 0.5] == list(WHISTLED_S)
        (whistle,) = [event for event in document.sounds if event.kind == "whistle"]
        assert [(s.start_ms, s.end_ms) for s in whistle.instances] == [(3000, 6000)]


def test_what_the_store_would_not_take_is_left_out_of_the_video_and_stays_in_its_insights(
    heard: tuple[Services, VideoWork], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities.merging, "fitted", partial(fitted, most_bytes=100))
    document, insights = merged(*heard)
    assert document.status == "matching"
    assert (document.crowd, document.excitement, document.sounds) == ((), (), ())
    assert len(insights.sound.crowd) == len(insights.excitement) == 8
