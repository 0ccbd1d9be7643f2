"""Videos nobody would film, through the whole pipeline: bounded in time and memory, and no nonsense found."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import SegmentResult
from fanreel.domain.faces import Bgr
from fanreel.domain.media import plan_segments
from fanreel.errors import ModelFault
from fanreel.inference.networks import Networks, load_networks
from fanreel.inference.yunet import YuNetDetector
from fanreel.settings import Settings
from gpu_workers.pipeline.faces import MAX_CHIPS_PER_LOOK
from gpu_workers.pipeline.segment import analyze_segment
from tests.golden.test_cascade import Noting

from .made_media import ffmpeg

pytestmark = pytest.mark.integration

LOOKS = 3
MAX_MORE_MIB = 600
"""What one segment may take beside the loaded weights; 1.5 GiB are allowed to a worker."""


@pytest.fixture(scope="module")
def networks() -> Networks:
    try:
        return load_networks(Settings())
    except ModelFault as fault:
        pytest.skip(f"needs the baseline networks: {fault.message}")


@pytest.fixture(scope="module")
def face(shared_media: Path) -> Bgr:
    """A frontal face with what surrounds it, square."""
    picture = cv2.imread(str(shared_media / "broadcast" / "selfies" / "Ross" / "1.jpg"))
    assert picture is not None
    return np.asarray(picture, np.uint8)


def analysed(picture: Bgr, folder: Path, networks: Networks) -> SegmentResult:
    """Analyse a video that shows one picture for LOOKS looks."""
    return analysed_video(still_video(picture, folder), networks)


def still_video(picture: Bgr, folder: Path) -> Path:
    still, path = folder / "still.png", folder / "still.mp4"
    cv2.imwrite(str(still), picture)
    ffmpeg("-loop", "1", "-framerate", "5", "-i", still, "-frames:v", str(LOOKS), "-qp", "10", "-y", path)
    return path


def analysed_video(path: Path, networks: Networks) -> SegmentResult:
    source = FileSource(path)
    media = probe(source)
    (segment,) = plan_segments(media, target_ms=45_000, overlap_ms=1000)
    return analyze_segment(source, media, segment, networks, Settings(), video_id="v-1")


def analysed_with_memory(path: Path) -> tuple[SegmentResult, float]:
    """Return what the video shows, and the MiB this process took for it at most beside the loaded weights."""
    networks = load_networks(Settings())
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on, not from loading
    before = _status_mib("VmRSS")
    result = analysed_video(path, networks)
    return result, _status_mib("VmHWM") - before


def _status_mib(name: str) -> float:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) / 1024


def mosaic(face: Bgr, columns: int, rows: int, side_px: int) -> Bgr:
    """Return a frame full of faces."""
    small = cv2.resize(face, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return np.asarray(np.tile(small, (rows, columns, 1)), np.uint8)


def test_hundreds_of_faces_in_a_frame_are_followed_and_only_the_best_are_cut_out(
    face: Bgr, tmp_path: Path, networks: Networks
) -> None:
    assert networks  # or else the child could not load them
    path = still_video(mosaic(face, 32, 18, 60), tmp_path)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as child:  # a peak of its own
        result, more_mib = child.submit(analysed_with_memory, path).result(timeout=300)
    assert result.frames_sampled == LOOKS
    assert 400 <= len(result.tracks) <= 500
    recognised = sum(len(track.embedded.pts_ms) for track in result.tracks if track.embedded is not None)
    assert 0 < recognised <= LOOKS * MAX_CHIPS_PER_LOOK
    assert 0 < more_mib < MAX_MORE_MIB


def test_faces_of_a_pixel_are_nobody(face: Bgr, tmp_path: Path, networks: Networks) -> None:
    result = analysed(mosaic(face, 640, 360, 2), tmp_path, networks)
    assert all(track.embedded is None for track in result.tracks)


@pytest.mark.parametrize("grey", [0, 255])
def test_an_empty_picture_costs_one_coarse_look_and_shows_nobody(
    grey: int, tmp_path: Path, networks: Networks
) -> None:
    if not isinstance(networks.detector, YuNetDetector):
        pytest.skip("needs YuNet: fanreel models pull")
    noting = Noting(networks.detector.session)
    watched = replace(networks, detector=replace(networks.detector, session=noting))
    result = analysed(np.full((1080, 1920, 3), grey, np.uint8), tmp_path, watched)
    assert result.frames_sampled == LOOKS
    assert result.tracks == ()
    assert noting.shapes == [(1, 3, 384, 640)] * LOOKS


@pytest.mark.parametrize("shape", [(2, 4000), (4000, 2), (16, 16)])
def test_a_picture_of_hardly_any_pixels_is_looked_at(
    shape: tuple[int, int], tmp_path: Path, networks: Networks
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    result = analysed(noise, tmp_path, networks)
    assert result.frames_sampled == LOOKS
    assert all(track.embedded is None for track in result.tracks)
