"""A render that is stopped, stuck or killed: it ends soon, says why, and leaves nothing behind."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fanreel.adapters.media import render_slots
from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.render import Rendered, RenderSource, render_montage
from fanreel.adapters.media.render_run import Progress, Stop, run_ffmpeg
from fanreel.adapters.media.render_slots import film_slot
from fanreel.adapters.media.source import FileSource
from fanreel.errors import FanreelError, InputRejected, TransientFault

from .montage_sources import H264, make, picture, plan_of, sound

pytestmark = pytest.mark.integration

ENDLESS = ("-re", "-f", "lavfi", "-i", "anullsrc", "-f", "null", "-")


def ffmpeg(*arguments: str) -> list[str]:
    return [ffmpeg_binary(), "-hide_banner", "-nostdin", "-nostats", "-progress", "pipe:1", *arguments]


def children() -> set[int]:
    """Processes this one has started and that still run."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,comm=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False
    )
    return {int(line.split()[0]) for line in listed.stdout.splitlines() if "ffmpeg" in line}


def failing(
    tmp_path: Path,
    command: list[str],
    *,
    timeout_s: float = 20,
    stall_s: float = 90,
    stop: Stop | None = None,
    progress: Progress | None = None,
) -> FanreelError:
    before = time.monotonic()
    with pytest.raises(FanreelError) as caught:
        run_ffmpeg(
            command,
            log_file=tmp_path / "log",
            length_ms=60_000,
            timeout_s=timeout_s,
            stall_s=stall_s,
            stop=stop,
            progress=progress,
        )
    assert time.monotonic() - before < 15
    assert children() == set()
    return caught.value


def test_what_nobody_wants_any_more_is_stopped(tmp_path: Path) -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(threading.get_ident())
        return len(asked) > 3

    fault = failing(tmp_path, ffmpeg(*ENDLESS), stop=stop)
    assert isinstance(fault, InputRejected)
    assert fault.code == "render_stopped"
    assert len(asked) == 4, "asked again after the end"


def test_a_process_that_stands_still_is_stopped_long_before_its_time_is_up(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    silent = os.open(pipe, os.O_RDWR)
    os.write(silent, bytes(60_000))  # somebody who begins and then never says a word
    try:
        fault = failing(
            tmp_path, ffmpeg("-f", "s16le", "-i", str(pipe), "-f", "null", "-"), stall_s=1.0, timeout_s=12
        )
    finally:
        os.close(silent)
    assert isinstance(fault, TransientFault)
    assert fault.code == "render_stalled"


def test_opening_the_sources_may_take_longer_than_a_process_may_stand_still(tmp_path: Path) -> None:
    opening = "sleep 2.5; echo out_time_us=40000"
    run_ffmpeg(["sh", "-c", opening], log_file=tmp_path / "log", timeout_s=60, length_ms=1_000, stall_s=1)
    assert failing(tmp_path, ["sh", "-c", "sleep 60"], stall_s=0.2, timeout_s=1.5).code == "render_timeout"


def test_a_process_that_moves_slowly_is_not_stuck(tmp_path: Path) -> None:
    slow = ffmpeg("-re", "-f", "lavfi", "-i", "anullsrc=d=4", "-f", "null", "-")
    run_ffmpeg(slow, log_file=tmp_path / "log", timeout_s=60, length_ms=4_000, stall_s=3)


@pytest.mark.parametrize(
    ("command", "kind", "code"),
    [
        (["sh", "-c", "kill -SEGV $$"], TransientFault, "render_crashed"),
        (["sh", "-c", "kill -KILL $$"], TransientFault, "render_crashed"),
        (["sh", "-c", "echo 'Cannot allocate memory' >&2; exit 244"], TransientFault, "render_no_memory"),
        (["sh", "-c", "exit 1"], TransientFault, "render_failed"),
        (["true", "x" * 140_000], TransientFault, "render_failed"),
    ],
)
def test_every_end_has_a_code(tmp_path: Path, command: list[str], kind: type[FanreelError], code: str) -> None:
    fault = failing(tmp_path, command)
    assert (type(fault), fault.code) == (kind, code)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    full = ffmpeg("-f", "lavfi", "-i", "testsrc=d=5", "-f", "rawvideo", "-y", "/dev/full")
    assert failing(tmp_path, full).code == "render_no_space"


def test_a_fault_in_who_watches_ends_the_process_and_is_told(tmp_path: Path) -> None:
    def broken() -> bool:
        raise TransientFault("storage", "Storage is busy.")

    assert failing(tmp_path, ffmpeg(*ENDLESS), stop=broken).code == "storage"

    def told(_: float) -> None:
        raise TransientFault("storage", "Storage is busy.")

    assert failing(tmp_path, ffmpeg(*ENDLESS), progress=told).code == "storage"


def test_a_montage_that_waits_for_its_turn_can_be_stopped(tmp_path: Path, one_slot: None) -> None:
    del one_slot
    path = make(tmp_path / "plain.mp4", *picture(), *sound(), *H264)
    source = RenderSource(str(path), probe(FileSource(path)))
    plan = plan_of(("v", 613, 2_513))
    films: list[float] = []
    is_over = threading.Event()

    def render() -> Rendered:
        return render_montage(plan, {"v": source}, tmp_path / "out", progress=films.append, stop=is_over.is_set)

    with ThreadPoolExecutor(1) as pool, film_slot():
        waiting = pool.submit(render)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=3)
        is_over.set()
        with pytest.raises(InputRejected, match="render_stopped"):
            waiting.result(timeout=15)
    assert films == []
    render_montage(plan, {"v": source}, tmp_path / "out")
    with film_slot():
        assert (tmp_path / "out" / f"{plan.montage_id}.mp4").exists(), "the turn was handed on"


@pytest.fixture
def one_slot(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that may use one core."""
    monkeypatch.setattr(render_slots, "usable_cores", lambda: 1)
    render_slots._slots.cache_clear()
    yield
    render_slots._slots.cache_clear()


def test_a_stopped_montage_leaves_no_file(tmp_path: Path) -> None:
    path = make(tmp_path / "plain.mp4", *picture(), *sound(), *H264)
    plan = plan_of(("v", 613, 2_513), ("v", 4_207, 6_411))
    source = RenderSource(str(path), probe(FileSource(path)))
    with pytest.raises(InputRejected, match="render_stopped"):
        render_montage(plan, {"v": source}, tmp_path / "out", stop=lambda: True)
    assert list((tmp_path / "out").iterdir()) == []
    assert children() == set()
