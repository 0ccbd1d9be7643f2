"""One stack that is treated badly: killed parts, the same upload twice, inputs that are no videos."""

import json
import shutil
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pytest

from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.adapters.services import Services
from fanreel.contracts import AppearanceDocument, MatchDocument, MontageDocument, PersonDocument, VideoDocument
from fanreel.demo import Demo, make_demo
from fanreel.local.api import Api
from fanreel.local.inputs import read_inputs
from fanreel.local.job import Job, State
from fanreel.local.servers import npm_package
from fanreel.local.stack import LocalStack

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

EVENT = "faults"
ENVIRONMENT = {
    # Short segments: several jobs in a short video. A short lease: a killed worker's job comes back soon.
    "FANREEL_SEGMENT_TARGET_MS": "8000",
    "FANREEL_LEASE_SECONDS": "10",
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return make_demo(tmp_path_factory.mktemp("demo"), npm_package("@vladmandic/face-api"))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with LocalStack(directory=tmp_path_factory.mktemp("stack"), env=ENVIRONMENT, publish=False) as running:
        yield running


@pytest.fixture(scope="module")
def services(stack: LocalStack) -> Iterator[Services]:
    with closing(Services.connect(stack.settings)) as connected:
        yield connected


class KillsDuring:
    """Ends the worker and the host with SIGKILL while segments are analysed, and the host again while montages are
    rendered; starts them again each time."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.killed: list[str] = []

    def watch(self, state: State) -> None:
        for video in state.videos.values():
            done, total = video["segments"]["done"], video["segments"]["total"]
            if total and done >= 1 and done < total:
                self._once("worker", "worker while analysing")
            if total and 2 <= done < total:
                self._once("host", "host while analysing")
            if video["status"] == "rendering":
                self._once("host", "host while rendering")

    def _once(self, name: Literal["host", "worker"], when: str) -> None:
        if when not in self.killed:
            self.killed.append(when)
            self.stack.kill(name)
            time.sleep(1)
            self.stack.restart(name)


@pytest.fixture(scope="module")
def finished(
    stack: LocalStack, services: Services, demo: Demo, tmp_path_factory: pytest.TempPathFactory
) -> KillsDuring:
    """The demo, run through a stack whose worker and host are killed with SIGKILL in the middle."""
    kills = KillsDuring(stack)
    job = Job(read_inputs([demo.broadcast], demo.fans, EVENT), services, Api(stack.info.api_url))
    job.upload(lambda _: None)
    job.wait(kills.watch, stack.check)
    return kills


def documents(services: Services, kind: Any) -> list[Any]:
    return list(services.documents.query(kind, "", {}))


def the_video(services: Services, name: str) -> VideoDocument:
    return next(v for v in documents(services, VideoDocument) if v.name == name)


def instances(stack: LocalStack) -> dict[str, str]:
    """Every orchestration the host knows, with its state."""
    base = stack.info.api_url.removesuffix("/api")
    url = f"{base}/runtime/webhooks/durabletask/instances?top=10000"
    with urllib.request.urlopen(url, timeout=30) as response:
        return {one["instanceId"]: one["runtimeStatus"] for one in json.loads(response.read())}


def wait_until(holds: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.5)


def test_a_run_survives_sigkill_of_worker_and_host(finished: KillsDuring, services: Services) -> None:
    assert finished.killed == ["worker while analysing", "host while analysing", "host while rendering"]
    video = the_video(services, "broadcast.mp4")
    assert video.status == "ready", video.reason
    assert video.counts().done == video.counts().total >= 4


def test_nothing_is_done_twice(finished: KillsDuring, services: Services) -> None:
    for kind in (AppearanceDocument, PersonDocument, MatchDocument):
        found = documents(services, kind)
        assert found
        assert max(Counter(one.id for one in found).values()) == 1
    # The same face at the same time twice would be a segment merged twice.
    seen = Counter((a.start_ms, a.end_ms, a.boxes) for a in documents(services, AppearanceDocument))
    assert max(seen.values()) == 1


def test_every_montage_is_published_once(finished: KillsDuring, services: Services) -> None:
    montages = documents(services, MontageDocument)
    assert montages
    assert max(Counter((m.fan_id, m.event_id) for m in montages).values()) == 1
    assert {m.status for m in montages} == {"ready"}
    # Published under one plan only, and rendered into one set of files: version counts other plans.
    assert {m.version for m in montages} == {1}
    stored = set(services.blobs.list_names(services.settings.container_montages, ""))
    assert stored == {name for montage in montages for name in montage.files.values()}


def test_every_orchestration_has_ended(finished: KillsDuring, stack: LocalStack) -> None:
    wait_until(lambda: set(instances(stack).values()) <= {"Completed"})


def test_uploading_the_same_video_again_starts_nothing(
    finished: KillsDuring, stack: LocalStack, services: Services, demo: Demo
) -> None:
    before = instances(stack)
    blobs = set(services.blobs.list_names(stack.settings.container_results, ""))
    services.blobs.upload_file(stack.settings.container_videos, f"{EVENT}/broadcast.mp4", demo.broadcast)
    services.blobs.upload_file(stack.settings.container_videos, f"{EVENT}/renamed.mp4", demo.broadcast)
    log = stack.logs["host"]
    wait_until(lambda: log.read_text("utf-8", "replace").count("video.duplicate") >= 2, 60)
    assert instances(stack) == before
    assert set(services.blobs.list_names(stack.settings.container_results, "")) == blobs
    assert len(documents(services, VideoDocument)) == 1


@pytest.fixture(scope="module")
def broken_inputs(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("broken")
    files = {name: folder / name for name in ("text.mp4", "empty.mp4", "sound.mp4", "cut.mp4")}
    files["text.mp4"].write_text("This is not a video.\n" * 100)
    files["empty.mp4"].write_bytes(b"")
    arguments = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2", "-c:a", "aac"]
    subprocess.run([ffmpeg_binary(), "-v", "error", *arguments, str(files["sound.mp4"])], check=True)
    whole = folder / "whole.mp4"
    # With its index at the front the first part of the file can still be played.
    command = [ffmpeg_binary(), "-v", "error", "-i", str(demo.broadcast), "-c", "copy", "-movflags", "+faststart"]
    subprocess.run([*command, str(whole)], check=True)
    shutil.copyfile(whole, files["cut.mp4"])
    with files["cut.mp4"].open("r+b") as file:
        file.truncate(whole.stat().st_size // 2)
    return files


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("text.mp4", "rejected", "not_a_video"),
        ("empty.mp4", "rejected", "empty_file"),
        ("sound.mp4", "rejected", "no_video_stream"),
        ("cut.mp4", "ready_partial", "truncated"),
    ],
)
def test_a_broken_input_ends_with_its_reason(
    finished: KillsDuring,
    stack: LocalStack,
    services: Services,
    broken_inputs: dict[str, Path],
    name: str,
    status: str,
    reason: str,
) -> None:
    services.blobs.upload_file(stack.settings.container_videos, f"broken/{name}", broken_inputs[name])

    def ended() -> bool:
        found = [v for v in documents(services, VideoDocument) if v.name == name]
        return bool(found) and found[0].status in {"rejected", "ready", "ready_partial", "failed"}

    wait_until(ended, 240)
    video = the_video(services, name)
    assert (video.status, video.reason) == (status, reason), video.reason_detail
    if status == "ready_partial":
        assert video.gaps
    # The upload itself is kept, whatever became of it.
    assert services.blobs.exists(stack.settings.container_videos, f"broken/{name}")


def test_the_host_still_serves(finished: KillsDuring, stack: LocalStack, demo: Demo) -> None:
    stack.check()
    fan = Api(stack.info.api_url).fan(sorted(path.name for path in demo.fans.iterdir())[0])
    assert fan is not None
    assert fan["status"] == "ready"
