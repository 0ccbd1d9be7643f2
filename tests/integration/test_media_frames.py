import gc
import random
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fanreel.adapters.media.frames import DecodeStats, Frame, iter_frames
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.contracts.media import MediaInfo
from fanreel.domain.faces import Bgr

from .made_media import H264, RECIPES, ffmpeg, make

pytestmark = pytest.mark.integration

RUN_UP_MS = 6_000  # longer than a broadcast's keyframe interval (at most 5 s)
MADE = [*RECIPES, "edit_list.mp4"]
REAL = [
    "shots/counter.mp4",
    "shots/delayed_start.mp4",
    "shots/goldeneye-vfr-drop3.mp4",
    "people/hamilton_white_house.mp4",
    "odd/media3_avi_sample.avi",
    "odd/media3_hls_cea608_sd-hls0000000000.ts",
    "odd/media3_mp4_iibbibb_editlist_videoonly.mp4",
    "odd/media3_mp4_sample_without_stss.mp4",
    "sports/laliga_wide_720p.mp4",
]
TURNED = [
    "odd/decord_video_90.mov",
    "odd/decord_video_180.mov",
    "odd/media3_mp4_internal_emulator_transformer_output_270_rotated.mp4",
    "odd/media3_mp4_sample_rotate_and_reflect.mp4",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


def opened(path: Path) -> tuple[FileSource, MediaInfo]:
    source = FileSource(path)
    return source, probe(source)


def seen(frame: Frame) -> tuple[int, bytes]:
    return frame.pts_ms, frame.small(64).tobytes()


def assert_segments_join(path: Path, *, cuts: int) -> None:
    """Segments between random borders give what one pass gives: every frame once, pixel for pixel."""
    source, media = opened(path)
    whole = [seen(frame) for frame in iter_frames(source, media, 0, media.duration_ms + 1)]
    draw = random.Random(path.name)
    inner = {draw.randrange(1, media.duration_ms) for _ in range(cuts)}
    borders = sorted({0, media.duration_ms + 1} | inner)
    joined = [seen(frame) for start, end in pairwise(borders) for frame in iter_frames(source, media, start, end)]
    assert [pts for pts, _ in joined] == [pts for pts, _ in whole]
    assert joined == whole
    assert whole[0][0] == 0
    assert all(left < right for (left, _), (right, _) in pairwise(whole))


@pytest.mark.parametrize("name", MADE)
def test_segments_of_a_made_file_join_to_one_pass(folder, name):
    assert_segments_join(make(name, folder), cuts=12)


@pytest.mark.parametrize("name", REAL)
def test_segments_of_a_real_file_join_to_one_pass(shared_media, name):
    assert_segments_join(shared_media / "video" / name, cuts=4)


def ffmpeg_frame(path: Path, media: MediaInfo, pts_ms: int) -> Bgr:
    """Cut one frame with the ffmpeg binary, as a player would show it.

    ffmpeg counts `-ss` from the container's own start. Seeking alone is exact only by an index: in transport
    streams and open GOPs it starts at a keyframe after, hence the run-up that the second `-ss` drops again. A seek
    to 0 is left out: AVI seeks badly to its own start.
    """
    total_ms = max(0, pts_ms - media.container_start_ms)
    run_up_ms = min(total_ms, RUN_UP_MS)
    before, after = (total_ms - run_up_ms) / 1000, run_up_ms / 1000
    untagged_hd = media.coded_height >= 720
    raw = ffmpeg(
        *("-colorspace:v", "bt709" if untagged_hd else "smpte170m"),
        *(("-ss", f"{before:.3f}") if before else ()),
        *("-i", path, "-ss", f"{after:.3f}", "-frames:v", "1"),
        *("-vf", f"scale={media.width}:{media.height}:flags=bilinear"),
        *("-f", "rawvideo", "-pix_fmt", "bgr24", "-"),
    )
    return np.frombuffer(raw, np.uint8).reshape(media.height, media.width, 3)


def difference(left: Bgr, right: Bgr) -> float:
    return float(np.abs(left.astype(int) - right.astype(int)).mean())


def assert_ffmpeg_cuts_the_same_frames(path: Path, *, frames: int) -> None:
    source, media = opened(path)
    times = [frame.pts_ms for frame in iter_frames(source, media, 0, media.duration_ms + 1)]
    for pts_ms in random.Random(path.name).sample(times, min(frames, len(times))):
        (frame,) = iter_frames(source, media, pts_ms, pts_ms + 1)
        assert difference(frame.bgr(), ffmpeg_frame(path, media, pts_ms)) < 0.5, pts_ms


@pytest.mark.parametrize("name", MADE)
def test_ffmpeg_cuts_a_made_file_at_the_same_frame(folder, name):
    assert_ffmpeg_cuts_the_same_frames(make(name, folder), frames=2)


@pytest.mark.parametrize("name", REAL)
def test_ffmpeg_cuts_a_real_file_at_the_same_frame(shared_media, name):
    assert_ffmpeg_cuts_the_same_frames(shared_media / "video" / name, frames=2)


@pytest.mark.parametrize("name", TURNED)
def test_a_turned_picture_stands_as_ffmpeg_shows_it(shared_media, name):
    path = shared_media / "video" / name
    source, media = opened(path)
    frame = next(iter_frames(source, media, 0, 1))
    assert frame.bgr().shape == (media.height, media.width, 3)
    # ffmpeg scales before it converts the turned chroma, so edges differ a little; a wrong turn differs by tens.
    assert difference(frame.bgr(), ffmpeg_frame(path, media, 0)) < 3


@pytest.mark.parametrize(
    ("turn", "mirror"), [(90, None), (180, None), (270, None), (0, "hflip"), (0, "vflip"), (90, "hflip")]
)
def test_every_display_matrix_is_honoured(folder, turn, mirror):
    plain = make("b_frames.mp4", folder)
    path = folder / f"turned_{turn}_{mirror}.mp4"
    flip = (f"-display_{mirror}",) if mirror else ()
    ffmpeg("-display_rotation", str(turn), *flip, "-i", plain, "-c", "copy", path)
    source, media = opened(path)
    frame = next(iter_frames(source, media, 0, 1))
    assert difference(frame.bgr(), ffmpeg_frame(path, media, 0)) < 3
    small = frame.small(90)
    assert small.shape[:2] == (round(90 * media.height / media.width), 90)


def test_a_small_picture_is_the_large_one_made_small(folder):
    source, media = opened(make("b_frames.mp4", folder))
    frame = next(iter_frames(source, media, 2000, 2040))
    small = frame.small(80)
    assert small.shape == (45, 80, 3)
    averaged = frame.bgr().reshape(45, 4, 80, 4, 3).mean(axis=(1, 3))
    # Not nothing: this scaler averages before it upsamples the chroma, on a pattern of hard colour edges.
    assert difference(small, averaged.astype(np.uint8)) < 10
    (other,) = iter_frames(source, media, 4000, 4040)
    assert difference(small, other.small(80)) > 20
    assert frame.small(10_000).shape == frame.bgr().shape


def test_pictures_are_made_once(folder):
    source, media = opened(make("b_frames.mp4", folder))
    frame = next(iter_frames(source, media, 0, 40))
    assert frame.bgr() is frame.bgr()
    assert frame.small(64) is frame.small(64)
    assert not frame.is_corrupt


def test_sample_aspect_widens_the_picture(folder):
    path = folder / "wide.mp4"
    ffmpeg("-i", make("b_frames.mp4", folder), "-vf", "setsar=64/45", *H264, path)
    source, media = opened(path)
    assert (media.width, media.height, media.coded_width) == (455, 180, 320)
    assert next(iter_frames(source, media, 0, 40)).bgr().shape == (180, 455, 3)


def test_statistics_tell_the_range(folder):
    source, media = opened(make("b_frames.mp4", folder))
    stats = DecodeStats()
    list(iter_frames(source, media, 1000, 2000, stats))
    assert stats == DecodeStats(frames_decoded=25, frames_corrupt=0, last_pts_ms=1960)
    nothing = DecodeStats()
    assert list(iter_frames(source, media, 7000, 8000, nothing)) == []
    assert nothing.last_pts_ms == -1


def test_broken_packets_at_the_end_do_not_cost_the_last_frames(shared_media):
    source, media = opened(shared_media / "video/odd/media3_mp4_sample_with_invalid_nalu.mp4")
    stats = DecodeStats()
    times = [frame.pts_ms for frame in iter_frames(source, media, 0, 2000, stats)]
    assert (len(times), times[-1], stats.frames_corrupt) == (29, 967, 1)


def test_leaving_early_closes_the_file(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        source, media = opened(make("b_frames.mp4", folder))
        frames = iter_frames(source, media, 0, 6000)
        first = next(frames)
        frames.close()
        gc.collect()
        assert first.bgr().shape == (180, 320, 3)
