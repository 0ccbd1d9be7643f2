"""When a run is over, and how fast it was."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fanreel.local.inputs import FanInput, Inputs, VideoInput
from fanreel.local.job import State
from fanreel.local.progress import ProgressView, VideoClock

pytestmark = pytest.mark.unit

FAN = FanInput("ana", (("1.jpg", Path("1.jpg")), ("2.jpg", Path("2.jpg"))))


def _fan(files: list[str], searching: bool) -> dict[str, Any]:
    return {"selfies": [{"file": name, "status": "accepted"} for name in files], "searching": searching}


@pytest.mark.parametrize(
    ("known", "rendering", "done"),
    [
        ({}, (), False),
        ({"ana": _fan(["1.jpg"], False)}, (), False),
        ({"ana": _fan(["1.jpg", "2.jpg"], True)}, (), False),
        ({"ana": _fan(["1.jpg", "2.jpg"], False)}, ("ana",), False),
        ({"ana": _fan(["1.jpg", "2.jpg"], False)}, (), True),
    ],
)
def test_a_fan_is_done_when_every_selfie_is_judged_searched_and_cut(
    known: dict[str, Any], rendering: tuple[str, ...], done: bool
) -> None:
    assert State({}, known, frozenset(rendering)).fan_done(FAN) is done


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ("received", False),
        ("rendering", False),
        ("ready", True),
        ("ready_partial", True),
        ("rejected", True),
        ("failed", True),
    ],
)
def test_a_video_is_done_when_its_state_is_final(status: str, done: bool) -> None:
    assert State({"v": {"status": status}}).video_done("v") is done


def test_speed_is_video_covered_over_time_taken_and_stops_at_the_last_segment() -> None:
    now = [100.0]
    clock = VideoClock(lambda: now[0])

    def at(second: float, done: int) -> float | None:
        now[0] = 100.0 + second
        video = {"durationMs": 60_000, "segments": {"total": 3, "done": done, "failed": 0}}
        clock.note("v", video)
        return clock.speed("v", video)

    assert at(0, 0) is None
    assert at(10, 1) == pytest.approx(2.0)
    assert at(15, 3) == pytest.approx(4.0)
    assert at(99, 3) == pytest.approx(4.0)
    assert clock.analysis_seconds("v") == pytest.approx(15.0)


def test_without_a_terminal_every_change_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    inputs = Inputs("cup", (VideoInput(Path("a.mp4"), "a.mp4", "v"),), (FAN,), ())
    with ProgressView(inputs, Console(width=200)) as view:
        for done in (0, 1, 1, 2):
            video = {
                "status": "analyzing",
                "durationMs": 1000,
                "segments": {"total": 2, "done": done, "failed": 0},
            }
            view.show(State({"v": video}))
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("a.mp4")] == [
        f"a.mp4: analysing {done}/2 segments" for done in (0, 1, 2)
    ]
    assert sum(line.startswith("fans:") for line in lines) == 1
