"""Frames between the decoder and the looks, on real video: few at once, and none left behind by a fault."""

import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from av.video.frame import VideoFrame

from fanreel.adapters.media.picture import Converter
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.domain.faces import Bgr
from fanreel.domain.media import plan_segments
from fanreel.errors import ModelFault
from fanreel.inference.chips import FaceChips
from gpu_workers.pipeline.base import StageClock
from gpu_workers.pipeline.decoding import QUEUED_BYTES, QUEUED_FRAMES, DecodeThread, frames_within, picture_bytes
from gpu_workers.pipeline.faces import FaceStage, Look
from gpu_workers.pipeline.looking import BYTES_AHEAD, FRAMES_AHEAD, LookThreads

from .made_media import ffmpeg

pytestmark = pytest.mark.integration

THREADS = 2
UHD = "3840x2160"


class Stage:
    """Looks that wait for `go`, and fail from the third on where asked to: a fault is the one thing faked."""

    def __init__(self, fails: bool = False) -> None:
        self.go = threading.Event()
        self._fails = fails

    def look(self, frames: Sequence[Any], first_sample: int) -> list[Look]:
        assert self.go.wait(30)
        if self._fails and first_sample >= 2:
            raise ModelFault("inference_failed", "the device is gone")
        none, rows = np.zeros(0, np.float32), np.zeros(0, np.intp)
        boxes = np.zeros((0, 4), np.int32)
        return [
            Look(first_sample + index, frame.pts_ms, boxes, none, none, none, rows, FaceChips.none())
            for index, frame in enumerate(frames)
        ]


def clip(folder: Path, size: str, frames: int) -> Path:
    """Make a clip of which every frame is looked at."""
    path = folder / "clip.mp4"
    picture = ("-f", "lavfi", "-i", f"testsrc=size={size}:rate=5")
    ffmpeg(*picture, "-frames:v", str(frames), "-c:v", "libx264", "-preset", "ultrafast", path)
    return path


def opened(path: Path, stage: Stage) -> tuple[LookThreads, DecodeThread, int]:
    """Return both as a segment opens them, and the bytes of a picture."""
    source = FileSource(path)
    media = probe(source)
    (segment,) = plan_segments(media, target_ms=45_000, overlap_ms=1000)
    size = picture_bytes(media)
    looks = LookThreads(cast(FaceStage, stage), "cpu", THREADS, frame_bytes=size)
    return looks, DecodeThread(source, media, segment, 5.0, StageClock()), size


def until_it_stands(made: list[Any]) -> None:
    """Wait until no picture was made for half a second."""
    before = -1
    while before != len(made):
        before = len(made)
        time.sleep(0.5)


def test_of_a_4k_video_few_pictures_are_held_at_once_and_no_coded_one_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[Bgr]] = []
    held: list[int] = []
    convert = Converter.full

    def noted(self: Converter, frame: VideoFrame) -> Bgr:
        picture = convert(self, frame)
        made.append(weakref.ref(picture))
        held.append(sum(one() is not None for one in made))
        return picture

    monkeypatch.setattr(Converter, "full", noted)
    stage = Stage()
    count = FRAMES_AHEAD + QUEUED_FRAMES + 2
    looks, decoding, size = opened(clip(tmp_path, UHD, count), stage)
    ahead = frames_within(FRAMES_AHEAD, BYTES_AHEAD, size, least=THREADS + 1)
    queued = frames_within(QUEUED_FRAMES, QUEUED_BYTES, size)
    taken: list[int] = []
    with looks, decoding:
        for number, sampled in enumerate(decoding, start=1):
            with pytest.raises(AssertionError, match="released"):
                sampled.frame.small(17)
            looks.submit(sampled)
            if number == ahead + 1:  # a look must be waited for from here on: nothing more is taken meanwhile
                until_it_stands(made)
                stage.go.set()
            taken += [look.sample for look, _ in looks.ready()]
        taken += [look.sample for look, _ in looks.rest()]
    assert taken == list(range(count))
    in_hand = 2  # one that waits for room in the queue, and one that was just submitted
    assert ahead + queued < max(held) <= ahead + queued + in_hand
    assert max(held) * size <= BYTES_AHEAD + QUEUED_BYTES + in_hand * size


def test_a_fault_in_a_look_ends_the_decoder_too_and_no_thread_stays(tmp_path: Path) -> None:
    stage = Stage(fails=True)
    looks, decoding, _ = opened(clip(tmp_path, "320x180", 60), stage)

    def look_at_all() -> None:
        with looks, decoding:
            for sampled in decoding:
                looks.submit(sampled)
                if looks.looks_taken == looks.most_ahead:  # the decoder waits for room when the fault comes
                    stage.go.set()
                list(looks.ready())

    with pytest.raises(ModelFault, match="inference_failed"):
        look_at_all()
    assert decoding.stats.frames_decoded < 60
    assert not [t.name for t in threading.enumerate() if t.name.startswith(("look", "decode"))]


def test_frames_that_share_their_milliseconds_end_in_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "bunched.mp4"
    picture = ("-f", "lavfi", "-i", "testsrc=size=320x180:rate=25", "-frames:v", "60", "-bf", "0")
    clock = ("-vf", "settb=1/90000,setpts=N*20", "-enc_time_base", "1/90000", "-fps_mode", "passthrough")
    ffmpeg(*picture, *clock, "-c:v", "libx264", "-preset", "ultrafast", "-video_track_timescale", "90000", path)
    stage = Stage()
    stage.go.set()
    looks, decoding, _ = opened(path, stage)
    with looks, decoding:
        for sampled in decoding:
            looks.submit(sampled)
        assert len(list(looks.rest())) >= 1
    assert decoding.stats.frames_decoded == 60
    assert decoding.stats.last_pts_ms < 30  # or else no frames would share one
    assert decoding.shots.transitions(0, 1000) == ()
