"""What is worn under a face stays with that face, from the worker to the document."""

import numpy as np
import pytest

from fanreel.contracts import SegmentResult
from fanreel.domain.clothing import Lab
from fanreel.domain.merging import merge_segments
from fanreel.domain.stitching import stitch

from .crowded_scene import Scene, Walker, whole_plan, worked_on

pytestmark = pytest.mark.unit

RED: Lab = (48.0, 70.0, 50.0)
SCENE = Scene(
    duration_ms=12_000,
    walkers=tuple(
        Walker(
            who=who,
            start_ms=0,
            end_ms=12_000,
            x=300 * who,
            y=100,
            speed=0,
            side=80,
            blinks=0.1,
            poor=0.1,
        )
        for who in (1, 2)
    ),
)
PLAN = whole_plan(SCENE, [6_000])


def dressed(result: SegmentResult, *, measured: bool = True) -> SegmentResult:
    """Under every face a lightness of its own: its time in tenths of a second; nothing at whole seconds."""
    tracks = tuple(
        track
        if track.embedded is None or not measured
        else track.model_copy(
            update={
                "embedded": track.embedded.model_copy(
                    update={
                        "clothing_lab": tuple(
                            None if pts % 1000 == 0 else (pts / 100, 1.0, 2.0) for pts in track.embedded.pts_ms
                        )
                    }
                )
            }
        )
        for track in result.tracks
    )
    return result.model_copy(update={"tracks": tracks})


def test_every_face_keeps_its_own_through_overlaps_and_choices():
    results = [dressed(worked_on(SCENE, segment)) for segment in PLAN.segments]
    seen = 0
    for track in stitch(results):
        assert track.faces is not None
        pts, worn = track.faces.pts_ms, track.faces.clothing_lab
        hidden = pts % 1000 == 0
        assert np.isnan(worn[hidden]).all()
        np.testing.assert_allclose(worn[~hidden, 0], pts[~hidden] / 100)
        some = track.faces.select(pts > 3_000)
        np.testing.assert_array_equal(some.clothing_lab, worn[pts > 3_000])
        seen += int((~hidden).sum())
    assert seen > 10


def test_a_worker_that_did_not_look_leaves_it_open():
    first, second = (worked_on(SCENE, segment) for segment in PLAN.segments)
    for track in stitch([dressed(first), dressed(second, measured=False)]):
        assert track.faces is not None
        assert np.isnan(track.faces.clothing_lab[track.faces.pts_ms > 7_000]).all()


@pytest.mark.parametrize(("worn", "word"), [(RED, "red"), (None, None)])
def test_the_document_has_the_word(worn: Lab | None, word: str | None):
    def wearing(result: SegmentResult) -> SegmentResult:
        tracks = [
            track.model_copy(
                update={
                    "embedded": track.embedded.model_copy(
                        update={"clothing_lab": (worn,) * len(track.embedded.pts_ms)}
                    )
                }
            )
            for track in result.tracks
            if track.embedded is not None
        ]
        return result.model_copy(update={"tracks": tuple(tracks)})

    results = [wearing(worked_on(SCENE, segment)) for segment in PLAN.segments]
    merged = merge_segments(PLAN, results, [], event_id="cup")
    assert {one.clothing for one in merged.appearances if one.supporting_faces > 1} == {word}
    # Nobody in this scene leaves their place; the detector's trembling is no rise.
    assert all(one.rise < 1.0 for one in merged.appearances)
