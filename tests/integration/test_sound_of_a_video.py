"""What is heard in an uploaded video, from its segments to the video document and its insights."""

from pathlib import Path

import pytest

from activities.merging import merge_video
from activities.segments import measure_sound
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import InsightsDocument, SegmentPlanDocument, SegmentWork, VideoDocument, VideoWork
from fanreel.domain import naming
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


def test_what_is_heard_reaches_the_video_and_its_insights(
    film: Path, azurite: Azurite, cosmos: CosmosEmulator
) -> None:
    with services_on(azurite, cosmos) as services:
        client = services.blobs.client(services.settings.container_videos, "cup/film.mp4")
        client.upload_blob(film.read_bytes())
        start = receive_video(services, client)
        assert start is not None
        assert isinstance(start.work, VideoWork)
        media = probe(FileSource(film))
        segments = plan_segments(media, target_ms=4_000, overlap_ms=1_000)
        results, video = services.settings.container_results, start.work.video_id
        plan = SegmentPlanDocument(video_id=video, media=media, segments=segments)
        services.blobs.put_json(results, naming.plan_blob(video), plan)
        for index in range(len(segments)):
            measure_sound(
                services,
                SegmentWork(video=start.work, segment_index=index, instance_id="i", event_name="unused"),
            )
        for _ in range(2):
            merge_video(services, start.work)
            document = services.documents.get(VideoDocument, video, video)
            insights = services.blobs.require_json(results, naming.insights_blob(video), InsightsDocument)
            assert document is not None
            assert len(document.crowd) == len(document.loudness_db) == 8
            assert document.crowd == insights.sound.crowd
            assert document.excitement == insights.excitement
            assert [second for second, value in enumerate(insights.sound.whistle) if value > 0.5] == list(
                WHISTLED_S
            )
            (whistle,) = [event for event in document.sounds if event.kind == "whistle"]
            assert [(s.start_ms, s.end_ms) for s in whistle.instances] == [(3000, 6000)]
