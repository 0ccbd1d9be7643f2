"""Joining a long broadcast costs as much per segment as joining a short one."""

import time

import numpy as np
import pytest

from fanreel.contracts import ModelContract, SegmentResult, ShotMeasure, TrackResult
from fanreel.domain.stitching import stitch

pytestmark = pytest.mark.unit

LANES = 30


def segment(index: int) -> SegmentResult:
    """Thirty faces side by side, each seen at the segment's start and at its neighbour's."""
    moments = (index * 1000, (index + 1) * 1000)
    return SegmentResult(
        video_id="v-1",
        segment_id=f"{index:05d}",
        attempt=1,
        start_ms=moments[0],
        end_ms=moments[1],
        model_contract=ModelContract(model_id="m", sha256="0" * 64, preprocessing="p"),
        detector="synthetic",
        frame_width=3000,
        frame_height=100,
        frames_decoded=2,
        frames_sampled=2,
        frames_corrupt=0,
        last_pts_ms=moments[1],
        cuts_ms=(),
        tracks=tuple(
            TrackResult(
                track_id=lane,
                pts_ms=moments,
                boxes=((lane * 100, 0, lane * 100 + 50, 50),) * 2,
                scores=(1.0, 1.0),
                quality=(0.1, 0.1),
                valence=(),
                arousal=(),
                mouth_open=(),
                expression=(),
                embedded=None,
            )
            for lane in range(LANES)
        ),
        picture=ShotMeasure(pts_ms=moments, sharpness=(1.0,) * 2, luma=(1.0,) * 2, motion=(0.0,) * 2),
        seconds={},
    )


def seconds_for(segments: int) -> float:
    results = [segment(index) for index in range(segments)]
    started = time.process_time()
    tracks = stitch(results)
    spent = time.process_time() - started
    assert len(tracks) == LANES
    assert all(np.array_equal(t.pts_ms, np.arange(segments + 1) * 1000) for t in tracks)
    return spent


def test_four_times_the_segments_cost_about_four_times_the_time() -> None:
    seconds_for(10)
    assert seconds_for(400) < 8 * seconds_for(100)
