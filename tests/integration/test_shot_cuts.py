import json
from pathlib import Path

import pytest

from fanreel.adapters.media.frames import iter_frames
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import Transition
from fanreel.domain.media import plan_segments
from fanreel.domain.shots import score_cuts
from fanreel.domain.transitions import join_transitions, shot_boundaries
from gpu_workers.pipeline.picture import PictureStage
from gpu_workers.pipeline.shots import ShotStage

from .made_media import ffmpeg

pytestmark = pytest.mark.integration


def cuts_in_one_pass(path: Path) -> tuple[int, ...]:
    source = FileSource(path)
    media = probe(source)
    stage = ShotStage()
    for frame in iter_frames(source, media, 0, media.duration_ms + 1):
        stage.process_frame(frame)
    return stage.cuts_ms(0, media.duration_ms + 1)


def cuts_by_segment(path: Path, target_ms: int) -> tuple[int, ...]:
    source = FileSource(path)
    media = probe(source)
    found: list[int] = []
    for segment in plan_segments(media, target_ms=target_ms, overlap_ms=1000):
        stage = ShotStage()
        for frame in iter_frames(source, media, segment.start_ms, segment.decode_end_ms):
            stage.process_frame(frame)
        found += stage.cuts_ms(segment.owned_from_ms, segment.owned_to_ms)
    return tuple(found)


@pytest.mark.slow
def test_the_broadcast_s_cuts_are_found_the_same_whole_and_in_segments(shared_media):
    path = shared_media / "broadcast/broadcast.mp4"
    truth = json.loads((shared_media / "broadcast/truth.json").read_text())["cutsSeconds"]
    whole = cuts_in_one_pass(path)
    _, _, f1 = score_cuts(whole, [1000 * cut for cut in truth], 80)
    assert f1 >= 0.93
    assert cuts_by_segment(path, 45_000) == whole


@pytest.mark.parametrize("target_ms", [45_000, 5_000])
def test_a_stream_that_changes_its_picture_size_goes_on_in_the_first_one_and_the_change_is_a_cut(
    tmp_path: Path, target_ms: int
) -> None:
    path = tmp_path / "two_sizes.ts"
    for offset_s, size in ((0, "320x240"), (6, "256x144")):
        part = tmp_path / f"{size}.ts"
        picture = ("-f", "lavfi", "-i", f"testsrc=s={size}:r=25:d=6")
        ffmpeg(*picture, "-c:v", "libx264", "-preset", "ultrafast", "-output_ts_offset", str(offset_s), part)
        path.write_bytes((path.read_bytes() if path.exists() else b"") + part.read_bytes())
    assert cuts_by_segment(path, target_ms) == (6_000,)
    source = FileSource(path)
    media = probe(source)
    look = PictureStage()
    for frame in iter_frames(source, media, 5_000, 7_000):
        look.process_frame(frame)
        assert frame.bgr().shape == (240, 320, 3)
    assert len(look.measures().pts_ms) == 50


def stage_over(path: Path, start_ms: int, end_ms: int) -> ShotStage:
    source = FileSource(path)
    stage = ShotStage()
    for frame in iter_frames(source, probe(source), start_ms, end_ms):
        stage.process_frame(frame)
    return stage


def edited(path: Path) -> Path:
    """3 s of a pattern, dissolved over 0.6 s into 6 s of another, faded out to black, with a flash of two frames.

    Dissolve from 2.4 to 3.0 s, flash at 5.0 s, fade from 7.4 to 8.0 s and black to 8.4 s, then a cut to a third.
    """
    first = "mandelbrot=s=320x180:r=25:start_scale=0.3:end_scale=0.2,trim=duration=3,setpts=PTS-STARTPTS"
    second = "testsrc2=s=320x180:r=25:d=6,eq=brightness=0.6:enable='between(n,65,66)'"
    third = "smptebars=s=320x180:r=25:d=2"
    graph = (
        f"{first},format=yuv420p[a];{second},format=yuv420p[b];{third},format=yuv420p[c];"
        "[a][b]xfade=duration=0.6:offset=2.4,fade=out:st=7.4:d=0.6[ab];[ab][c]concat=n=2:v=1:a=0[v]"
    )
    ffmpeg("-filter_complex", graph, "-map", "[v]", "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", path)
    return path


def test_dissolves_and_fades_are_spans_and_flashes_are_nothing_wherever_the_video_is_divided(
    tmp_path: Path,
) -> None:
    path = edited(tmp_path / "edited.mp4")
    media = probe(FileSource(path))
    whole = stage_over(path, 0, media.duration_ms + 1)
    transitions = whole.transitions(0, media.duration_ms + 1)
    assert [t.kind for t in transitions] == ["dissolve", "fade"]
    dissolve, fade = transitions
    assert (dissolve.start_ms, dissolve.end_ms) == (pytest.approx(2400, abs=160), pytest.approx(3000, abs=160))
    assert (fade.start_ms, fade.end_ms) == (pytest.approx(7400, abs=160), pytest.approx(8400, abs=80))
    assert len(shot_boundaries(whole.cuts_ms(0, media.duration_ms), transitions)) == 2
    for target_ms in (2_000, 3_000, 5_000):
        found: list[Transition] = []
        cuts: list[int] = []
        for segment in plan_segments(media, target_ms=target_ms, overlap_ms=1000):
            stage = stage_over(path, segment.start_ms, segment.decode_end_ms)
            found += stage.transitions(segment.owned_from_ms, segment.owned_to_ms)
            cuts += stage.cuts_ms(segment.owned_from_ms, segment.owned_to_ms)
        joined = join_transitions(found)
        assert joined == transitions
        assert shot_boundaries(cuts, joined) == shot_boundaries(whole.cuts_ms(0, media.duration_ms), transitions)


LABELLED = {
    "sports/nba_celebrations_13cuts.mp4": 0.93,
    "sports/cricket_ipl_portrait_letterbox.mp4": 0.97,
    "sports/nba_halfcourt.mp4": 1.0,
    "people/friends.mp4": 1.0,
    "people/hamilton_white_house.mp4": 1.0,
    "people/promo_many_faces_20cuts.mp4": 0.97,
}


@pytest.mark.parametrize("name", LABELLED)
def test_labelled_clips_score_as_measured(shared_media, name):
    labels = json.loads((shared_media / "truth/shots.json").read_text())["files"][name]["cuts"]
    path = shared_media / "video" / name
    source = FileSource(path)
    media = probe(source)
    stage = ShotStage()
    times: list[int] = []
    for frame in iter_frames(source, media, 0, media.duration_ms + 1):
        stage.process_frame(frame)
        times.append(frame.pts_ms)
    two_frames_ms = 2 * 1000 / float(media.frame_rate.fraction()) + 1
    found = stage.cuts_ms(0, media.duration_ms + 1)
    _, _, f1 = score_cuts(found, [times[index] for index in labels], two_frames_ms)
    assert f1 >= LABELLED[name]


def test_short_segments_find_what_one_pass_finds(shared_media):
    path = shared_media / "video/sports/nba_celebrations_13cuts.mp4"
    assert cuts_by_segment(path, 5_000) == cuts_in_one_pass(path)
