"""A worker killed while it renders: nothing is half out, the next attempt finishes and cleans up after it."""

import multiprocessing
import os
import signal
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest

from activities.montages import plan_montage, publish_montage, render_montage
from fanreel.adapters.media.scratch import scratch_folder
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


def test_a_worker_killed_while_it_renders_leaves_nothing_half_out_and_the_next_attempt_finishes(
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

        assert (out(services) or pytest.fail("gone")).status == "rendering"
        assert files(services) == [], "nothing is half published"
        (left,) = scratch.glob("fanreel-montage-*")
        assert renderers(left), "its ffmpeg goes on for nobody"

        monkeypatch.setattr(tempfile, "tempdir", str(scratch))
        assert render_montage(services, work).rendered
        assert publish_montage(services, work).needed
        published = out(services)
        assert published is not None
        assert (published.status, published.version, published.progress) == ("ready", 1, 1.0)
        assert files(services) == sorted(published.files.values())
        assert list(scratch.iterdir()) == []
        assert renderers(left) == set()


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
