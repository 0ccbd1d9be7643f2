"""Looks taken in several threads come back in the order of the frames, and never too many are on their way."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanreel.errors import ModelFault
from fanreel.inference.chips import FaceChips
from gpu_workers.pipeline.decoding import SampledFrame, frames_within
from gpu_workers.pipeline.faces import FaceStage, Look
from gpu_workers.pipeline.looking import FRAMES_AHEAD, FRAMES_TOGETHER, LookThreads

pytestmark = pytest.mark.unit

FULL_HD_BYTES, UHD_BYTES = 3 * 1920 * 1080, 3 * 3840 * 2160


@given(st.integers(1, 20), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 20))
def test_pictures_held_fit_the_budget_or_are_the_least_that_work_needs(
    most: int, budget_bytes: int, frame_bytes: int, least: int
) -> None:
    held = frames_within(most, budget_bytes, frame_bytes, least)
    assert least <= held <= max(least, most)
    assert held == least or held * frame_bytes <= budget_bytes


def test_a_device_can_prepare_a_group_beside_the_one_it_looks_at_whatever_the_size() -> None:
    with threads_with(Stage(), "cuda", frame_bytes=16 * UHD_BYTES) as looks:
        assert looks.most_ahead == FRAMES_TOGETHER["cuda"] + 1


@dataclass
class NumberedFrame:
    """A frame without a picture."""

    pts_ms: int


class Stage:
    """Looks that the test lets through: the device's part of the work is the one thing faked."""

    def __init__(self, fault_at: int = -1) -> None:
        self.groups = list[list[int]]()
        self.go = threading.Event()
        self._fault_at = fault_at

    def look(self, frames: Sequence[Any], first_sample: int) -> list[Look]:
        assert self.go.wait(30)
        self.groups.append([frame.pts_ms for frame in frames])
        if self._fault_at in self.groups[-1]:
            raise ModelFault("inference_failed", "the device is gone")
        return [_empty_look(first_sample + index, frame.pts_ms) for index, frame in enumerate(frames)]


def _empty_look(sample: int, pts_ms: int) -> Look:
    none, rows = np.zeros(0, np.float32), np.zeros(0, np.intp)
    return Look(sample, pts_ms, np.zeros((0, 4), np.int32), none, none, none, rows, FaceChips.none())


def threads_with(
    stage: Stage, provider: Any = "cpu", threads: int = 3, frame_bytes: int = FULL_HD_BYTES
) -> LookThreads:
    return LookThreads(cast(FaceStage, stage), provider, threads, frame_bytes=frame_bytes)


def frame(number: int) -> SampledFrame:
    return SampledFrame(cast(Any, NumberedFrame(number)), (number,), number)


def test_looks_come_in_the_order_of_frames_each_with_its_own() -> None:
    stage = Stage()
    stage.go.set()
    taken = list[tuple[Look, SampledFrame]]()
    with threads_with(stage) as looks:
        for number in range(50):
            looks.submit(frame(number))
            taken += looks.ready()
        taken += looks.rest()
    assert [look.sample for look, _ in taken] == list(range(50))
    assert [look.pts_ms for look, _ in taken] == [sampled.frame.pts_ms for _, sampled in taken] == list(range(50))
    assert looks.looks_taken == 50


@pytest.mark.parametrize(
    ("frame_bytes", "most"), [(FULL_HD_BYTES, FRAMES_AHEAD), (UHD_BYTES, 6), (4 * UHD_BYTES, 4)]
)
def test_frames_on_their_way_are_bounded_by_what_they_take(frame_bytes: int, most: int) -> None:
    stage = Stage()
    with threads_with(stage, frame_bytes=frame_bytes) as looks:
        for number in range(most):
            looks.submit(frame(number))
            assert list(looks.ready()) == []
        looks.submit(frame(most))
        stage.go.set()
        assert len(list(looks.ready())) >= 1  # the one too many had to be waited for
        list(looks.rest())


def test_a_device_gets_many_frames_at_once_and_the_last_ones_too() -> None:
    stage = Stage()
    stage.go.set()
    count = 2 * FRAMES_TOGETHER["cuda"] + 3
    with threads_with(stage, "cuda") as looks:
        for number in range(count):
            looks.submit(frame(number))
        taken = list(looks.rest())
    assert [look.sample for look, _ in taken] == list(range(count))
    assert sorted(len(group) for group in stage.groups) == [3, FRAMES_TOGETHER["cuda"], FRAMES_TOGETHER["cuda"]]


def test_a_fault_reaches_the_caller_and_the_threads_end() -> None:
    stage = Stage(fault_at=2)
    stage.go.set()

    def look_at_ten() -> None:
        with threads_with(stage) as looks:
            for number in range(10):
                looks.submit(frame(number))
            list(looks.rest())

    with pytest.raises(ModelFault, match="inference_failed"):
        look_at_ten()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("look")]
