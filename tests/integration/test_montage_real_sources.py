"""Montages cut from real, odd files and read over the network from real blob storage."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from azure.storage.blob import BlobSasPermissions, BlobServiceClient, generate_blob_sas

from fanreel.adapters.media.frames import iter_frames
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.render import RenderSource, render_montage
from fanreel.adapters.media.source import FileSource
from fanreel.adapters.media.thumbnail import frame_jpeg
from fanreel.domain.montage import output_rate, place_clips
from fanreel.errors import InputRejected, TransientFault

from .montage_sources import H264, flashes_s, make, picture, plan_of, planned_marks_s, sound

pytestmark = pytest.mark.integration

WIDTH, HEIGHT = 320, 180


def small(picture_):
    return cv2.resize(picture_, (64, 36), interpolation=cv2.INTER_AREA).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "span"),
    [
        ("odd/autoeditor_SAR-2by3.mp4", (600, 1_900)),
        ("odd/media3_mp4_sample_rotate_and_reflect.mp4", (100, 1_000)),
        ("odd/media3_mp4_sample_portrait.mp4", (100, 1_000)),
        ("odd/media3_avi_sample.avi", (200, 1_000)),  # coarse time base
        ("odd/media3_mp4_sample_empty_track.mp4", (100, 1_000)),  # a sound stream without sound
        ("odd/moviepy_video_with_failing_audio.mp4", (5_000, 6_200)),
        ("odd/mmaction_demo_armwrestle_corrupt_gop.mp4", (200, 1_400)),
        ("odd/media3_vp9_bear-vp9-odd-dimensions.webm", (100, 1_000)),
    ],
)
def test_real_file_comes_out_upright_in_its_colours_and_on_time(shared_media, tmp_path, name, span):
    """Every fourth frame of the montage is the source's frame of that moment, not one before or after."""
    source = FileSource(shared_media / "video" / name)
    media = probe(source)
    plan = plan_of(("v", *span))
    rendered = render_montage(plan, {"v": RenderSource(str(source.path), media)}, tmp_path)
    rate = output_rate([media.frame_rate.fraction()])
    placed = place_clips(plan, rate).clips[0]
    scale = min(WIDTH / media.width, HEIGHT / media.height)
    width, height = round(media.width * scale / 2) * 2, round(media.height * scale / 2) * 2
    left, top = (WIDTH - width) // 2, (HEIGHT - height) // 2
    with av.open(str(rendered.files["mp4"])) as container:
        shown = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert abs(len(shown) - placed.frames) <= 1
    real = [(frame.pts_ms, small(frame.bgr())) for frame in iter_frames(source, media, 0, span[1] + 500)]
    for index in range(0, len(shown), 4):
        at_ms = float(Fraction(placed.source_frame + index) * 1000 / rate)
        now = max(i for i, (pts_ms, _) in enumerate(real) if pts_ms <= at_ms + 500 / float(rate))
        seen = small(shown[index][top : top + height, left : left + width])
        distance = {
            i: float(np.abs(seen - real[i][1]).mean()) for i in range(max(0, now - 3), min(len(real), now + 4))
        }
        assert distance[now] < 12
        # Off the output's grid two frames are equally near; no other may be nearer.
        near = [distance[i] for i in (now - 1, now, now + 1) if i in distance]
        allowed = near if media.frame_rate.fraction() != rate else [distance[now]]
        assert min(allowed) <= min(distance.values()) + 0.3


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return make(tmp_path_factory.mktemp("plain") / "plain.mp4", *picture(), *sound(), *H264)


def test_broadcast_is_read_from_blob_storage_by_signed_url(azurite, plain, tmp_path):
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        container = service.get_container_client("montage-sources")
        container.create_container()
        blob = container.get_blob_client("e/plain film.mp4")
        with plain.open("rb") as data:
            blob.upload_blob(data)
        signature = generate_blob_sas(
            account_name=str(service.account_name),
            container_name="montage-sources",
            blob_name="e/plain film.mp4",
            account_key=service.credential.account_key,
            permission=BlobSasPermissions(read=True),
            expiry=datetime.now(UTC) + timedelta(minutes=5),
        )
        url = f"{blob.url}?{signature}"
        plan = plan_of(("v", 613, 2_513), ("v", 8_450, 10_030))
        media = probe(FileSource(plain))
        rendered = render_montage(plan, {"v": RenderSource(url, media)}, tmp_path)
        assert flashes_s(rendered.files["mp4"]) == pytest.approx(planned_marks_s(plan), abs=0.042)
        with pytest.raises(TransientFault) as refused:
            render_montage(plan, {"v": RenderSource(f"{url}x", media)}, tmp_path)
        assert signature not in str(dict(refused.value.details))
        blob.delete_blob()
        with pytest.raises(InputRejected, match="source_unreadable"):
            render_montage(plan, {"v": RenderSource(url, media)}, tmp_path)


def test_thumbnail_is_the_frame_asked_for_cut_to_the_face(plain):
    source = FileSource(plain)
    media = probe(source)

    def decoded(data):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        return image

    assert decoded(frame_jpeg(source, media, 3_040)).mean() > 200, "the flash at 3 s"
    assert decoded(frame_jpeg(source, media, 2_900)).mean() < 128
    assert decoded(frame_jpeg(source, media, 2_900, width=160)).shape == (90, 160, 3)
    # 40×40 with half of that around it, the part beyond the left edge left away.
    assert decoded(frame_jpeg(source, media, 2_900, box=(10, 60, 50, 100))).shape == (80, 70, 3)
    last = decoded(frame_jpeg(source, media, media.duration_ms + 500))
    assert last.shape == (180, 320, 3), "after the end the last picture stands"
    with pytest.raises(InputRejected, match="no_decodable_frame"):
        frame_jpeg(source, media, media.duration_ms + 60_000)
