"""A worker killed while it renders: nothing is half out or goes on, and the next attempt finishes."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest

from activities.montages import plan_montage, publish_montage, render_montage
from fanreel.adapters.media.scratch import GUARD, NEW_S, scratch_folder
from fanreel.adapters.services import Services
from fanreel.contracts import MontageWork
from fanreel.local.servers import Azurite, CosmosEmulator
from fanreel.settings import Settings

from .flow_services import services_on
from .montage_sources import H264, make, picture, sound
from .montage_world import WORK, begin, files, out
from .slow_ffmpeg import FILM, renderers, slow_ffmpeg

pytestmark = pytest.mark.integration


def render_there(settings: Settings, work: MontageWork, folder: str, ffmpeg: str) -> None:
    """What the worker's process does."""
    os.environ["FANREEL_FFMPEG"] = ffmpeg
    tempfile.tempdir = folder
    with closing(Services.connect(settings)) as services:
        render_montage(services, work)


def test_a_worker_ended_while_it_renders_leaves_nothing_and_the_next_attempt_finishes(
    azurite: Azurite, cosmos: CosmosEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make(tmp_path / "film.mp4", *picture(), *sound(), *H264)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    limits = {"montage_min_ms": 3_000, "montage_max_ms": 8_000, "montage_height": 240}
    with services_on(azurite, cosmos, **limits) as services:
        begin(services, film=film)
        planned = plan_montage(services, WORK)
        work = WORK.model_copy(update={"montage_id": planned.montage_id})
        worker = multiprocessing.get_context("spawn").Process(
            target=render_there, args=(services.settings, work, str(scratch), str(slow_ffmpeg(tmp_path)))
        )
        worker.start()
        end = time.monotonic() + 90
        while not renderers(scratch, FILM):
            assert worker.is_alive(), "ended before it began"
            assert time.monotonic() < end, "never began"
            time.sleep(0.1)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(30)
        until_nothing_is_left(scratch)

        assert (out(services) or pytest.fail("gone")).status == "rendering"
        assert files(services) == [], "nothing is half published"

        monkeypatch.setattr(tempfile, "tempdir", str(scratch))
        assert render_montage(services, work).rendered
        assert publish_montage(services, work).needed
        published = out(services)
        assert published is not None
        assert (published.status, published.version, published.progress) == ("ready", 1, 1.0)
        assert files(services) == sorted(published.files.values())
        until_nothing_is_left(scratch)


def until_nothing_is_left(scratch: Path) -> None:
    end = time.monotonic() + 30
    while list(scratch.iterdir()) or renderers(scratch):
        assert time.monotonic() < end, "ffmpeg goes on for nobody, or its files stay"
        time.sleep(0.1)


def test_only_folders_whose_makers_are_gone_are_removed(tmp_path: Path) -> None:
    (tmp_path / "fanreel-test-orphan").mkdir()
    (tmp_path / "fanreel-test-orphan" / ".lock").touch()
    (tmp_path / "fanreel-test-orphan" / "half.mp4").touch()
    (tmp_path / "fanreel-other-purpose").mkdir()
    (tmp_path / "fanreel-other-purpose" / ".lock").touch()
    with scratch_folder("test", tmp_path) as first, scratch_folder("test", tmp_path) as second:
        (first / "work").touch()
        assert {path.name for path in tmp_path.iterdir()} == {first.name, second.name, "fanreel-other-purpose"}
        assert (first / "work").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["fanreel-other-purpose"]


MAKER = """
import pathlib, subprocess, sys, time
from fanreel.adapters.media.scratch import scratch_folder
with scratch_folder("test", pathlib.Path(sys.argv[1])) as folder:
    asleep = ["ffmpeg", "-c", "import time; time.sleep(60)", f"{folder}/half.mp4"]
    subprocess.Popen(asleep, executable=sys.executable, stdout=subprocess.DEVNULL, start_new_session=True)
    print("made", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_what_a_maker_of_files_started_ends_with_it(tmp_path: Path, ended_by: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", MAKER, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == b"made\n"
        (folder,) = tmp_path.iterdir()
        assert renderers(folder)
        maker.send_signal(ended_by)
    until_nothing_is_left(tmp_path)


def test_a_guard_ends_with_the_block(tmp_path: Path) -> None:
    def guards() -> int:
        listed = subprocess.run(["ps", "-ww", "-eo", "args="], capture_output=True, text=True, check=True)
        return sum(str(GUARD) in line and str(tmp_path) in line for line in listed.stdout.splitlines())

    with scratch_folder("test", tmp_path):
        assert guards() == 1
    assert guards() == 0


def test_what_writes_into_a_folder_nobody_holds_is_ended(tmp_path: Path) -> None:
    folder = tmp_path / "fanreel-test-orphan"
    folder.mkdir()
    (folder / ".lock").touch()
    asleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with (
        subprocess.Popen(["ffmpeg", *asleep[1:], str(folder / "half.mp4")], executable=asleep[0]) as writer,
        subprocess.Popen([*asleep, str(folder / "half.mp4")]) as reader,
    ):
        with scratch_folder("test", tmp_path):
            assert writer.wait(30) == -signal.SIGKILL
            assert reader.poll() is None, "no ffmpeg"
        reader.kill()


def test_a_folder_whose_maker_was_killed_before_it_could_lock_it_is_removed(tmp_path: Path) -> None:
    never_locked, new, foreign = (tmp_path / f"fanreel-test-{name}" for name in ("never", "new", "file"))
    never_locked.mkdir()
    (never_locked / ".locking").touch()
    new.mkdir()
    foreign.touch()
    long_ago = time.time() - NEW_S - 5
    for path in (never_locked, foreign):
        os.utime(path, (long_ago, long_ago))
    with scratch_folder("test", tmp_path):
        assert not never_locked.exists()
        assert new.exists(), "its maker may be about to lock it"
        assert foreign.exists()
