import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from fanreel.commands.eval_shots import GRID, Clip, cross_validate, read_truth, shots

from .made_media import ffmpeg

pytestmark = pytest.mark.integration

app = typer.Typer()
app.command()(shots)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `two.mp4`: a cut at frame 50, and two bright frames from 80 on."""
    folder = tmp_path_factory.mktemp("videos")
    graph = (
        "testsrc2=s=256x144:r=25:d=2[a];smptebars=s=256x144:r=25:d=2,eq=brightness=0.5:enable='between(n,30,31)'[b];"
        "[a][b]concat=n=2:v=1:a=0[v]"
    )
    ffmpeg("-filter_complex", graph, "-map", "[v]", "-c:v", "libx264", "-preset", "ultrafast", folder / "two.mp4")
    return folder


def run(videos: Path, folder: Path, labels: dict[str, Any], *more: str) -> tuple[int, str, dict[str, Any]]:
    truth, out = folder / "truth.json", folder / "numbers.json"
    truth.write_text(json.dumps({"files": {"two.mp4": labels}}))
    result = CliRunner().invoke(app, ["--truth", str(truth), "--videos", str(videos), "--out", str(out), *more])
    return result.exit_code, result.stdout, json.loads(out.read_text()) if out.exists() else {}


def test_right_labels_score_one_and_a_flash_is_no_cut(videos: Path, tmp_path: Path) -> None:
    code, text, numbers = run(videos, tmp_path, {"cuts": [50], "not_cuts": {"80-82": "flash"}}, "--min-f1", "0.95")
    assert code == 0
    assert "0 of 1" in text
    assert (numbers["all"]["precision"], numbers["all"]["recall"], numbers["all"]["f1"]) == (1, 1, 1)
    assert (numbers["all"]["not_cuts"], numbers["all"]["not_cuts_called"]) == (1, 0)


def test_a_wrong_label_costs_precision_and_recall_and_is_named(videos: Path, tmp_path: Path) -> None:
    code, text, numbers = run(videos, tmp_path, {"cuts": [20], "not_cuts": {"50": "made up"}}, "--min-f1", "0.95")
    assert code == 1
    assert "false alarms at 50" in text
    assert "missed at 20" in text
    assert numbers["clips"][0]["not_cuts_called"] == 1
    assert numbers["all"]["f1"] == 0


def test_what_comes_after_the_labels_end_is_not_judged(videos: Path, tmp_path: Path) -> None:
    assert run(videos, tmp_path, {"cuts": [], "until": 40}, "--min-f1", "1")[0] == 0


def test_a_missing_video_or_label_is_told(videos: Path, tmp_path: Path) -> None:
    assert run(videos / "elsewhere", tmp_path, {"cuts": [50]})[0] == 1
    assert run(videos, tmp_path, {"not_cuts": {}})[0] == 1


def test_parameters_are_judged_on_clips_they_were_not_chosen_on(
    videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, values in {
        "adaptive_threshold": (2.0,),
        "min_content": (15.0, 250.0),
        "min_separation": (0.3,),
    }.items():
        monkeypatch.setitem(GRID, name, values)
    right = Clip("right", videos / "two.mp4", (50,))
    nothing = Clip("nothing", videos / "two.mp4", ())
    chosen, held_out = cross_validate([right, right])
    assert chosen["min_content"] == 15.0
    assert held_out == (2, 2, 2)
    # Chosen on the clip without labels the threshold is too high for the other, and the other way round.
    assert cross_validate([right, nothing])[1] == (0, 1, 1)


def test_the_labels_in_the_repository_can_be_read() -> None:
    labels = Path(__file__).parents[2] / "benchmarks" / "shot_truth_pyscenedetect.json"
    clips = read_truth(labels, Path("videos"))
    assert all(clip.gradual and clip.cuts == tuple(sorted(clip.cuts)) for clip in clips)
