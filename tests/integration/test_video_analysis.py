"""The vision pipeline on real clips with the real networks, alone: no server, no blob."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import SegmentPlanDocument, SegmentResult
from fanreel.domain.media import plan_segments
from fanreel.domain.merging import MergedVideo, merge_segments
from fanreel.errors import ModelFault
from fanreel.inference.networks import Networks, load_networks
from fanreel.settings import Settings
from gpu_workers.pipeline.following import Step
from gpu_workers.pipeline.recognition import RecognitionStage
from gpu_workers.pipeline.segment import analyze_segment

from .made_media import ffmpeg

pytestmark = pytest.mark.integration

FRIENDS = "video/people/friends.mp4"


@pytest.fixture(scope="module")
def networks() -> Networks:
    try:
        return load_networks(Settings())
    except ModelFault as fault:
        pytest.skip(f"needs the baseline networks: {fault.message}")


def cut_and_merge(path: Path, networks: Networks, target_ms: int) -> tuple[MergedVideo, list[SegmentResult]]:
    source = FileSource(path)
    media = probe(source)
    plan = SegmentPlanDocument(
        video_id="v-1", media=media, segments=plan_segments(media, target_ms=target_ms, overlap_ms=1000)
    )
    results = [
        analyze_segment(source, media, segment, networks, Settings(), video_id="v-1") for segment in plan.segments
    ]
    return merge_segments(plan, results, [], event_id="e"), results


@pytest.fixture(scope="module")
def friends(shared_media: Path, networks: Networks) -> tuple[MergedVideo, list[SegmentResult]]:
    return cut_and_merge(shared_media / FRIENDS, networks, 45_000)


def made(tmp_path: Path, *arguments: str) -> Path:
    path = tmp_path / "made.mp4"
    ffmpeg(*arguments, "-pix_fmt", "yuv420p", "-y", path)
    return path


def test_friends_are_found_followed_and_cut_at_every_shot(
    friends: tuple[MergedVideo, list[SegmentResult]],
) -> None:
    video, (result,) = friends
    assert [shot.start_ms for shot in video.shots] == [0, 2200, 4900, 7666]
    recognisable = [a for a in video.appearances if a.template is not None]
    assert len({a.shot_index for a in recognisable}) == 4
    assert all(a.supporting_faces >= 2 for a in recognisable if a.face_height_px > 80)
    for appearance in recognisable:
        assert appearance.template is not None
        assert np.linalg.norm(appearance.template.unpack()) == pytest.approx(1.0, abs=1e-3)
        assert appearance.age_years is not None
        assert 0 < appearance.age_years < 90
    assert result.frames_sampled == pytest.approx(75, abs=1)
    assert {"decode", "shots", "detect", "embed", "attributes", "total"} <= result.seconds.keys()


def test_ross_in_three_shots_is_one_person(friends: tuple[MergedVideo, list[SegmentResult]]) -> None:
    """Present in the first three shots (truth.json of the broadcast cut from this clip)."""
    video, _ = friends
    longest = video.people[0]
    shots = {a.shot_index for a in video.appearances if a.person_id == longest.id}
    assert {0, 1, 2} <= shots
    assert longest.screen_time_ms <= 14_934
    said = [a.apparent_gender for a in video.appearances if a.person_id == longest.id]
    assert "male" in said
    assert "female" not in said


def test_where_a_clip_is_cut_into_segments_changes_nothing(
    friends: tuple[MergedVideo, list[SegmentResult]], shared_media: Path, networks: Networks
) -> None:
    whole, _ = friends
    parts, results = cut_and_merge(shared_media / FRIENDS, networks, 5_000)
    assert len(results) >= 3
    assert [(s.start_ms, s.end_ms) for s in parts.shots] == [(s.start_ms, s.end_ms) for s in whole.shots]
    assert [(a.start_ms, a.end_ms, a.pts_ms, a.boxes) for a in parts.appearances] == [
        (a.start_ms, a.end_ms, a.pts_ms, a.boxes) for a in whole.appearances
    ]
    assert [p.appearance_ids for p in parts.people] == [p.appearance_ids for p in whole.people]
    for mine, other in zip(parts.appearances, whole.appearances, strict=True):
        assert (mine.template is None) == (other.template is None)
        if mine.template is not None and other.template is not None:
            assert float(np.linalg.norm(mine.template.unpack() - other.template.unpack())) < 0.02


def test_a_black_video_has_one_shot_and_nobody(tmp_path: Path, networks: Networks) -> None:
    path = made(tmp_path, "-f", "lavfi", "-i", "color=black:s=320x240:r=25:d=3")
    video, _ = cut_and_merge(path, networks, 45_000)
    assert [(s.start_ms, s.end_ms) for s in video.shots] == [(0, 3000)]
    assert (video.appearances, video.people, video.gaps) == ((), (), ())
    assert max(video.excitement) == 0.0


def test_a_video_of_one_frame_is_looked_at(tmp_path: Path, networks: Networks) -> None:
    path = made(tmp_path, "-f", "lavfi", "-i", "testsrc=s=320x240:r=25", "-frames:v", "1")
    video, (result,) = cut_and_merge(path, networks, 45_000)
    assert (result.frames_decoded, result.frames_sampled) == (1, 1)
    assert len(video.shots) == 1
    assert video.gaps == ()


def test_seconds_that_are_not_in_the_data_are_a_gap(tmp_path: Path, networks: Networks) -> None:
    """Two recordings of one clock, four seconds of which nobody recorded."""
    whole = tmp_path / "whole.ts"
    for offset_s in (0, 8):
        part = tmp_path / f"{offset_s}.ts"
        picture = ("-f", "lavfi", "-i", "testsrc=s=320x240:r=25:d=4")
        ffmpeg(*picture, "-c:v", "libx264", "-preset", "ultrafast", "-output_ts_offset", str(offset_s), part)
        whole.write_bytes((whole.read_bytes() if whole.exists() else b"") + part.read_bytes())
    video, _ = cut_and_merge(whole, networks, 45_000)
    (gap,) = video.gaps
    assert gap.reason == "undecodable"
    assert (gap.start_ms, gap.end_ms) == (pytest.approx(4_000, abs=200), pytest.approx(8_000, abs=200))


def test_a_stage_that_fails_stops_the_decode_thread(
    shared_media: Path, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object, __: object) -> None:
        raise ModelFault("inference_failed", "the device is gone")

    monkeypatch.setattr(type(networks.detector), "detect_many", broken)
    with pytest.raises(ModelFault, match="inference_failed"):
        cut_and_merge(shared_media / FRIENDS, networks, 45_000)
    assert not [t for t in threading.enumerate() if t.name.startswith(("decode", "look"))]


@pytest.fixture(scope="module")
def crowd(shared_media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = next(iter(sorted((shared_media / "video").rglob("*station_crowd*"))), None)
    if clip is None:
        pytest.skip("needs the crowd clip of ../shared/media")
    path = tmp_path_factory.mktemp("crowd") / "crowd.mp4"
    ffmpeg("-t", "2", "-i", clip, "-an", "-y", path)
    return path


def watched(monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], list[int]]:
    """Note at every step how many faces were cut out, and how many are held afterwards."""
    cut_out, held = list[int](), list[int]()
    take = RecognitionStage.take

    def noting(stage: RecognitionStage, step: Step) -> None:
        take(stage, step)
        cut_out.append(len(step.seen))
        held.append(stage.faces_held)

    monkeypatch.setattr(RecognitionStage, "take", noting)
    return cut_out, held


def test_of_a_crowd_no_more_faces_are_cut_out_per_look_than_allowed(
    crowd: Path, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpu_workers.pipeline.faces.MAX_CHIPS_PER_LOOK", 4)
    cut_out, _ = watched(monkeypatch)
    video, (result,) = cut_and_merge(crowd, networks, 45_000)
    assert max(cut_out) == 4
    assert max(len([t for t in result.tracks if pts in t.pts_ms]) for pts in result.picture.pts_ms) > 4
    assert result.frames_sampled == pytest.approx(10, abs=1)
    assert all(len(t.pts_ms) == len(set(t.pts_ms)) for t in result.tracks)
    assert video.gaps == ()


def test_a_crowd_held_in_bounds_is_recognised_like_one_held_whole(
    crowd: Path, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, held = watched(monkeypatch)
    _, (whole,) = cut_and_merge(crowd, networks, 45_000)
    assert max(held) > 12
    held.clear()
    monkeypatch.setattr("gpu_workers.pipeline.recognition.MAX_HELD_FACES", 12)
    _, (bounded,) = cut_and_merge(crowd, networks, 45_000)
    assert max(held) <= 12
    assert len(bounded.tracks) == len(whole.tracks)
    for mine, other in zip(bounded.tracks, whole.tracks, strict=True):
        assert (mine.embedded is None) == (other.embedded is None)
        if mine.embedded is not None and other.embedded is not None:
            assert mine.embedded.pts_ms == other.embedded.pts_ms
            apart = mine.embedded.vectors.unpack() - other.embedded.vectors.unpack()
            assert float(np.abs(apart).max()) < 0.01


def test_the_command_writes_what_it_found_without_templates(
    shared_media: Path, tmp_path: Path, networks: Networks
) -> None:
    from fanreel.cli import app

    clip = tmp_path / "clip.mp4"
    ffmpeg("-t", "2", "-i", shared_media / FRIENDS, "-y", clip)
    out = tmp_path / "found" / "clip.json"
    answer = CliRunner().invoke(app, ["analyze", str(clip), "--out", str(out)])
    assert answer.exit_code == 0, answer.output
    found = json.loads(out.read_text("utf-8"))
    assert found["detector"] == networks.detector.name
    assert found["video"]["media"]["durationMs"] == pytest.approx(2000, abs=60)
    assert found["appearances"]
    assert all("template" not in a for a in found["appearances"])
    assert len(found["loudnessDb"]) == len(found["excitement"]) == 2
    assert found["timings"]["seconds"]["detect"] > 0


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "empty_file"), (b"hello, I am a text file\n" * 50, "not_a_video")]
)
def test_a_broken_input_is_one_clear_line(content: bytes, code: str, tmp_path: Path, networks: Networks) -> None:
    from fanreel.cli import app

    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    answer = CliRunner().invoke(app, ["analyze", str(path), "--out", str(tmp_path / "out.json")])
    assert answer.exit_code == 1
    assert code in answer.output
    lines = [line for line in answer.output.splitlines() if not line.startswith("face detector:")]
    assert len(lines) == 1
    assert not (tmp_path / "out.json").exists()
