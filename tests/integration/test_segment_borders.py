"""Real decoding, real networks: wherever a video is cut into segments, the same people are found and matched."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import Consent, FanDocument, MatchDocument, SegmentPlanDocument
from fanreel.demo.cast import PEOPLE, photo_path
from fanreel.demo.selfies import LOOKS, cut_selfie
from fanreel.domain.enrolment import with_selfie
from fanreel.domain.matching import MatchPolicy, baseline_calibration, decide_matches
from fanreel.domain.media import plan_segments
from fanreel.domain.merging import MergedVideo, merge_segments
from fanreel.errors import FanreelError, ModelFault
from fanreel.inference.networks import Networks, load_networks
from fanreel.inference.selfies import measure_selfie
from fanreel.local.servers import npm_package
from fanreel.settings import Settings
from gpu_workers.pipeline.segment import analyze_segment

from .made_media import ffmpeg

pytestmark = pytest.mark.integration

SHOTS = (
    ("sample3.jpg", 50, "crop=1200:675:x=40+300*t:y=160+10*sin(9*t)"),
    ("sample6.jpg", 70, "crop=1200:675:x=100+240*t:y=230-30*t+8*sin(11*t)"),
    ("sample4.jpg", 40, "crop=1500:844:x=60+60*t:y=100+12*cos(7*t)"),
)
"""Six seconds (frames at 25 fps): shaken pans that bring people in and out, two hard cuts."""

FANS = ("amber", "carla", "grace", "zoe")


@dataclass(frozen=True)
class Found:
    """What one way of cutting a video came to."""

    segments: int
    video: MergedVideo
    matches: list[MatchDocument]


@pytest.fixture(scope="module")
def networks() -> Networks:
    try:
        return load_networks(Settings())
    except ModelFault as fault:
        pytest.skip(f"needs the baseline networks: {fault.message}")


@pytest.fixture(scope="module")
def photos() -> Path:
    try:
        return npm_package("@vladmandic/face-api")
    except FanreelError as error:
        pytest.skip(f"needs the photographs of the npm package: {error.message}")


@pytest.fixture(scope="module")
def clip(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Few keyframes, so that segments begin in the middle of a group of pictures."""
    path = tmp_path_factory.mktemp("borders") / "clip.mp4"
    inputs: list[str | Path] = []
    chains: list[str] = []
    for index, (name, frames, move) in enumerate(SHOTS):
        inputs += ["-loop", "1", "-framerate", "25", "-t", str(frames / 25), "-i", photo_path(photos, name)]
        chains.append(f"[{index}]{move},scale=640:360,setsar=1[v{index}]")
    joined = "".join(f"[v{index}]" for index in range(len(SHOTS))) + f"concat=n={len(SHOTS)}[v]"
    coded = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "120", "-sc_threshold", "0", "-pix_fmt", "yuv420p")
    ffmpeg(*inputs, "-filter_complex", ";".join([*chains, joined]), "-map", "[v]", *coded, path)
    return path


def found(clip: Path, networks: Networks, fans: list[FanDocument], target_ms: int) -> Found:
    source = FileSource(clip)
    media = probe(source)
    segments = plan_segments(media, target_ms=target_ms, overlap_ms=1000)
    plan = SegmentPlanDocument(video_id="v-1", media=media, segments=segments)
    results = [analyze_segment(source, media, s, networks, Settings(), video_id="v-1") for s in segments]
    video = merge_segments(plan, results, [], event_id="e")
    return Found(len(segments), video, decide_matches(fans, list(video.appearances), MatchPolicy()))


@pytest.fixture(scope="module")
def fans(photos: Path, networks: Networks) -> list[FanDocument]:
    enrolled: list[FanDocument] = []
    for person in PEOPLE:
        if person.name not in FANS:
            continue
        selfie = cut_selfie(np.asarray(cv2.imread(str(photo_path(photos, person.photo)))), person, LOOKS[0])
        picture = cv2.imencode(".png", selfie)[1].tobytes()
        record = measure_selfie(picture, networks, blob_name="1.png", blob_etag="1")
        consent = Consent(given=True, text_version="1", given_at="2026-01-01T00:00:00Z")
        fan = FanDocument(id=person.name, fan_id=person.name, event_ids=("e",), consent=consent)
        enrolled.append(with_selfie(fan, record, networks.model_contract, baseline_calibration()))
    return enrolled


def test_where_a_video_is_cut_changes_no_shot_track_template_or_match(
    clip: Path, networks: Networks, fans: list[FanDocument]
) -> None:
    whole, parts = found(clip, networks, fans, 60_000), found(clip, networks, fans, 1_500)
    assert whole.segments == 1
    assert parts.segments >= 4
    assert {match.fan_id for match in whole.matches if match.decision == "match"} == {"amber", "carla", "grace"}
    assert parts.video.shots == whole.video.shots
    assert len(parts.video.appearances) == len(whole.video.appearances)
    for mine, other in zip(parts.video.appearances, whole.video.appearances, strict=True):
        assert (mine.pts_ms, mine.start_ms, mine.end_ms) == (other.pts_ms, other.start_ms, other.end_ms)
        assert (mine.boxes, mine.person_id, mine.shot_index) == (other.boxes, other.person_id, other.shot_index)
        assert mine.excitement_curve == pytest.approx(other.excitement_curve, abs=0.002)
        assert (mine.template is None) == (other.template is None)
        if mine.template is not None and other.template is not None:
            # Faces share batches with others; a network's sums differ in the last digits then.
            apart = float(np.linalg.norm(mine.template.unpack() - other.template.unpack()))
            assert apart < 0.002
    assert [(m.id, m.decision) for m in parts.matches] == [(m.id, m.decision) for m in whole.matches]
    for mine, other in zip(parts.matches, whole.matches, strict=True):
        assert mine.evidence.distance == pytest.approx(other.evidence.distance, abs=0.002)
        assert mine.evidence.supporting_faces == other.evidence.supporting_faces
