"""A render that is stopped, stuck or killed: it ends soon, says why, and leaves nothing behind."""

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.render import RenderSource, render_montage
from fanreel.adapters.media.render_run import Progress, Stop, run_ffmpeg
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
    silent = os.open(pipe, os.O_RDWR)  # somebody who never says a word
    try:
        fault = failing(
            tmp_path, ffmpeg("-f", "s16le", "-i", str(pipe), "-f", "null", "-"), stall_s=1.0, timeout_s=600
        )
    finally:
        os.close(silent)
    assert isinstance(fault, TransientFault)
    assert fault.code == "render_stalled"


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


def test_a_stopped_montage_leaves_no_file(tmp_path: Path) -> None:
    path = make(tmp_path / "plain.mp4", *picture(), *sound(), *H264)
    plan = plan_of(("v", 613, 2_513), ("v", 4_207, 6_411))
    source = RenderSource(str(path), probe(FileSource(path)))
    with pytest.raises(InputRejected, match="render_stopped"):
        render_montage(plan, {"v": source}, tmp_path / "out", stop=lambda: True)
    assert list((tmp_path / "out").iterdir()) == []
    assert children() == set()
