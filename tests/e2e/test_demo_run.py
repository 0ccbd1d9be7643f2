"""What `make demo` does, checked against what the demo itself knows."""

import json
from typing import Any

import pytest

from fanreel.demo import Demo, make_demo
from fanreel.domain.shots import score_cuts
from fanreel.local.servers import npm_package
from tests.e2e.montage_file import measure
from tests.e2e.runs import FinishedRun, fanreel_run

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TOLERANCE_MS = 500


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return make_demo(tmp_path_factory.mktemp("demo"), npm_package("@vladmandic/face-api"))


@pytest.fixture(scope="module")
def truth(demo: Demo) -> dict[str, Any]:
    return dict(json.loads(demo.truth.read_text()))


@pytest.fixture(scope="module")
def run(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return fanreel_run(demo.broadcast, fans=demo.fans, out=tmp_path_factory.mktemp("demo-out"))


def test_the_demo_succeeds(run: FinishedRun) -> None:
    assert run.exit_code == 0, run.output


def test_every_fan_who_is_shown_gets_a_montage_and_nobody_else(run: FinishedRun, truth: dict[str, Any]) -> None:
    with_montage = {fan["fanId"] for fan in run.report["fans"] if fan["montage"]}
    assert with_montage == {name for name, spans in truth["people"].items() if spans}


def test_every_clip_shows_its_fan(run: FinishedRun, truth: dict[str, Any]) -> None:
    for fan in run.report["fans"]:
        spans = truth["people"][fan["fanId"]]
        clips = (fan["montage"] or {"clips": []})["clips"]
        for clip in [clip for clip in clips if clip["kind"] == "moment"]:
            assert any(
                start - TOLERANCE_MS <= clip["startMs"] and clip["endMs"] <= end + TOLERANCE_MS
                for start, end in spans
            ), (fan["fanId"], clip, spans)


def test_every_montage_of_the_demo_plays(run: FinishedRun) -> None:
    for fan in run.report["fans"]:
        if fan["montage"]:
            file = measure(run.out / fan["montage"]["path"])
            assert (file.video_codec, file.audio_codec) == ("h264", "aac")
            assert file.av_offset_ms < 40
            assert abs(file.duration_ms - fan["montage"]["durationMs"]) <= 80


def test_the_demos_cuts_are_found(run: FinishedRun, truth: dict[str, Any]) -> None:
    found = [shot["startMs"] for shot in run.report["videos"][0]["shots"][1:]]
    _, _, f1 = score_cuts(found, truth["cutsMs"], 80)
    assert f1 >= 0.88
