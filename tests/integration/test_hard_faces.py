"""Faces that are followed though hardly recognisable: turned away, or as small as in a crowd (real clips)."""

from pathlib import Path

import numpy as np
import pytest

from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import AppearanceDocument, SegmentPlanDocument
from fanreel.domain.media import plan_segments
from fanreel.domain.merging import merge_segments
from fanreel.errors import ModelFault
from fanreel.inference.networks import Networks, load_networks
from fanreel.settings import Settings
from gpu_workers.pipeline.segment import analyze_segment

from .made_media import ffmpeg

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def networks() -> Networks:
    try:
        return load_networks(Settings())
    except ModelFault as fault:
        pytest.skip(f"needs the baseline networks: {fault.message}")


def seen_in(path: Path, networks: Networks) -> tuple[AppearanceDocument, ...]:
    source = FileSource(path)
    media = probe(source)
    plan = SegmentPlanDocument(
        video_id="v-1", media=media, segments=plan_segments(media, target_ms=45_000, overlap_ms=1000)
    )
    results = [analyze_segment(source, media, s, networks, Settings(), video_id="v-1") for s in plan.segments]
    return merge_segments(plan, results, [], event_id="e").appearances


def heights(one: AppearanceDocument) -> list[int]:
    return [box[3] - box[1] for box in one.boxes]


def test_a_close_up_in_profile_is_followed_without_a_template(
    shared_media: Path, tmp_path: Path, networks: Networks
) -> None:
    """The second shot of the clip shows one man from the side, his face 200 px and more (truth/presence.json)."""
    path = tmp_path / "profile.mp4"
    clip = shared_media / "video" / "people" / "hamilton_white_house.mp4"
    ffmpeg("-t", "2.6", "-i", clip, "-an", "-y", path)
    large = [one for one in seen_in(path, networks) if np.median(heights(one)) > 150]
    followed = max(large, key=lambda one: len(one.pts_ms))
    assert followed.shot_index == 1
    assert len(followed.pts_ms) >= 3
    assert followed.template is None
    assert followed.supporting_faces == 0
    assert len(followed.boxes) == len(followed.pts_ms), "others must know where this face is"


def test_faces_of_24_pixels_in_a_1080p_crowd_are_followed(
    shared_media: Path, tmp_path: Path, networks: Networks
) -> None:
    """The station's crowd at half its size, in the corner of a 1080p picture: faces of 22 to 66 px."""
    path = tmp_path / "crowd.mp4"
    clip = shared_media / "video" / "people" / "station_crowd_1080p.mp4"
    ffmpeg("-t", "1.2", "-i", clip, "-an", "-vf", "scale=960:540,pad=1920:1080", "-crf", "14", "-y", path)
    found = seen_in(path, networks)
    small = [one for one in found if np.median(heights(one)) <= 30]
    assert len(found) >= 6
    assert len(small) >= 2
    assert min(np.median(heights(one)) for one in found) <= 26
    assert max(len(one.pts_ms) for one in small) >= 5
