"""When a run is over, and how fast it was."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from fanreel.commands.run import failures
from fanreel.contracts import FanDocument
from fanreel.local.inputs import FanInput, Inputs, VideoInput
from fanreel.local.job import Job, State
from fanreel.local.progress import ProgressView, VideoClock
from fanreel.report import RunDocuments

pytestmark = pytest.mark.unit

FAN = FanInput("ana", (("1.jpg", Path("1.jpg")), ("2.jpg", Path("2.jpg"))))
PICTURES = {("ana", "1.jpg"): "0x1", ("ana", "2.jpg"): "0x2"}


def _fan(files: list[str], searching: bool) -> dict[str, Any]:
    selfies = [{"file": name, "etag": f"0x{name[0]}", "status": "accepted"} for name in files]
    return {"selfies": selfies, "searching": searching}


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
    assert State({}, known, frozenset(rendering), PICTURES).fan_done(FAN) is done


def test_a_picture_replaced_under_its_name_is_waited_for() -> None:
    known = {"ana": _fan(["1.jpg", "2.jpg"], False)}
    assert not State({}, known, pictures={**PICTURES, ("ana", "1.jpg"): "0xnew"}).fan_done(FAN)


class _Montages:
    """An API that knows montages only."""

    def __init__(self, *montages: dict[str, Any]) -> None:
        self._montages = list(montages)

    def montages(self, _fan_id: str) -> list[dict[str, Any]]:
        return self._montages


def _montage(event: str, status: str, reason: str | None = None) -> dict[str, Any]:
    return {"eventId": event, "status": status, "reason": reason}


def _job(*montages: dict[str, Any]) -> Job:
    unused: Any = SimpleNamespace(settings=None)
    api: Any = _Montages(*montages)
    return Job(Inputs("cup", (), (FAN,), ()), unused, api)


def test_a_montage_of_another_event_is_nobodys_concern() -> None:
    elsewhere = [_montage("old", "rendering"), _montage("old", "failed", "source_missing")]
    job = _job(*elsewhere, _montage("cup", "ready"))
    assert job.rendering() == frozenset()
    assert job.failed_montages() == {}
    assert _job(_montage("cup", "rendering")).rendering() == {"ana"}


@pytest.mark.parametrize(("status", "reason"), [("failed", "source_missing"), ("ready", "update_failed")])
def test_a_montage_that_failed_or_is_out_of_date_is_a_failure(status: str, reason: str) -> None:
    assert _job(_montage("cup", status, reason)).failed_montages() == {"ana": reason}


def test_a_search_that_failed_is_a_failure_of_the_run() -> None:
    fan = FanDocument(id="ana", fan_id="ana", event_ids=("cup",), search_reason="search_failed")
    results = RunDocuments([], [fan])
    (line,) = failures(Inputs("cup", (), (FAN,), ()), results, {})
    assert "search_failed" in line


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
