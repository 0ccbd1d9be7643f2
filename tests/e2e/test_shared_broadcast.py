"""The promise on real material: each fan gets their own moments, nobody anyone else's."""

import json
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from fanreel.adapters.media.render_loudness import measure_film_loudness
from fanreel.domain.shots import score_cuts
from tests.e2e.montage_file import measure
from tests.e2e.runs import FinishedRun, fanreel_run
from tests.e2e.truth import check_clips_inside_truth, check_matches_inside_truth

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SEEN_CLEARLY = ["Joey", "Phoebe", "Rachel", "Ross", "lin-manuel-miranda"]
NEVER_SHOWN = "biden"
FRAME_MS = 1000 / 25


@pytest.fixture(scope="module")
def truth(shared_media: Path) -> dict[str, Any]:
    return dict(json.loads((shared_media / "broadcast" / "truth.json").read_text()))


@pytest.fixture(scope="module")
def run(shared_media: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    folder = shared_media / "broadcast"
    return fanreel_run(folder / "broadcast.mp4", fans=folder / "selfies", out=tmp_path_factory.mktemp("broadcast"))


def test_the_run_succeeds(run: FinishedRun) -> None:
    assert run.exit_code == 0, run.output


@pytest.mark.parametrize("fan_id", SEEN_CLEARLY)
def test_everyone_clearly_seen_gets_a_montage(run: FinishedRun, fan_id: str) -> None:
    montage = run.fan(fan_id)["montage"]
    assert montage is not None
    assert montage["clips"]


def test_no_clip_shows_a_moment_without_its_fan(run: FinishedRun, truth: dict[str, Any]) -> None:
    assert check_clips_inside_truth(run.report, truth) == []


def test_no_match_lies_where_the_fan_is_not(run: FinishedRun, truth: dict[str, Any]) -> None:
    assert check_matches_inside_truth(run.report, truth) == []


def test_who_was_never_there_gets_nothing(run: FinishedRun) -> None:
    fan = run.fan(NEVER_SHOWN)
    assert fan["montage"] is None
    assert [a for a in fan["appearances"] if a["decision"] == "match"] == []


def test_shots_are_found_to_two_frames(run: FinishedRun, truth: dict[str, Any]) -> None:
    found = [shot["startMs"] for shot in run.report["videos"][0]["shots"][1:]]
    expected = [round(second * 1000) for second in truth["cutsSeconds"]]
    _, _, f1 = score_cuts(found, expected, round(2 * FRAME_MS))
    assert f1 >= 0.88


@pytest.mark.parametrize("kind", ["mp4", "vertical.mp4"])
@pytest.mark.parametrize("fan_id", SEEN_CLEARLY)
def test_every_montage_plays(run: FinishedRun, fan_id: str, kind: str) -> None:
    montage = run.fan(fan_id)["montage"]
    file = measure(run.out / montage["files"][kind])
    assert (file.video_codec, file.audio_codec) == ("h264", "aac")
    assert file.moov_before_mdat
    assert file.av_offset_ms < 40
    assert abs(file.duration_ms - montage["durationMs"]) <= 80
    assert file.max_frame_gap_ms < 2 * FRAME_MS


@pytest.mark.parametrize("fan_id", SEEN_CLEARLY)
def test_every_montage_is_as_loud_as_the_others(run: FinishedRun, fan_id: str) -> None:
    loudness = measure_film_loudness(run.out / run.fan(fan_id)["montage"]["path"])
    assert loudness is not None
    assert loudness.integrated == pytest.approx(-16, abs=1)
    assert loudness.true_peak <= -1.5


@pytest.mark.parametrize("fan_id", SEEN_CLEARLY)
def test_every_montage_tells_what_it_shows_and_where_it_was_cut(run: FinishedRun, fan_id: str) -> None:
    montage = run.fan(fan_id)["montage"]
    texts = {kind: (run.out / montage["files"][kind]).read_text("utf-8") for kind in ("edl", "srt", "vtt")}
    assert texts["srt"].count(" --> ") == texts["vtt"].count(" --> ") >= len(montage["clips"])
    assert all(clip["caption"][:1].isupper() and clip["caption"].endswith(".") for clip in montage["clips"])
    edit = otio.adapters.read_from_string(texts["edl"], "cmx_3600", rate=25)
    cuts = [clip.source_range.start_time.to_frames() for clip in edit.find_clips()]
    starts = [round(clip["startMs"] / 1000 * 25) for clip in montage["clips"]]
    assert all(any(abs(cut - start) <= 1 for cut in cuts) for start in starts)


def test_the_report_page_stands_alone(run: FinishedRun) -> None:
    page = (run.out / "report.html").read_text("utf-8")
    for fan in run.report["fans"]:
        assert fan["fanId"] in page
    assert 'src="http' not in page
    assert 'href="http' not in page
