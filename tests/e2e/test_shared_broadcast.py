"""The promise on real material: each fan gets their own moments, nobody anyone else's."""

import json
from pathlib import Path
from typing import Any

import pytest

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


@pytest.mark.parametrize("fan_id", SEEN_CLEARLY)
def test_every_montage_plays(run: FinishedRun, fan_id: str) -> None:
    montage = run.fan(fan_id)["montage"]
    file = measure(run.out / montage["path"])
    assert (file.video_codec, file.audio_codec) == ("h264", "aac")
    assert file.moov_before_mdat
    assert file.av_offset_ms < 40
    assert abs(file.duration_ms - montage["durationMs"]) <= 80
    assert file.max_frame_gap_ms < 2 * FRAME_MS


def test_the_report_page_stands_alone(run: FinishedRun) -> None:
    page = (run.out / "report.html").read_text("utf-8")
    for fan in run.report["fans"]:
        assert fan["fanId"] in page
    assert 'src="http' not in page
    assert 'href="http' not in page
