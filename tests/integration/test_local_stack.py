"""The local stack comes up whole, survives the loss of a part, and goes without leaving anything."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from fanreel.commands.doctor import findings
from fanreel.errors import InputRejected, TransientFault
from fanreel.local.processes import accepts, free_ports, tail
from fanreel.local.stack import LocalStack, StackInfo, current_stack

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with LocalStack(directory=tmp_path_factory.mktemp("stack"), port=0, publish=False) as running:
        yield running


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.is_file() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def _answers(stack: LocalStack) -> bool:
    try:
        with urllib.request.urlopen(f"{stack.info.api_url}/events/none/videos", timeout=10) as response:
            return response.status == 200
    except OSError:
        return False


def _watch(stack: LocalStack, seconds: float) -> None:
    """Check until something is wrong; the threads of a killed process take a moment to be gone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stack.check()
        time.sleep(0.05)


def test_every_part_runs_and_the_api_answers(stack: LocalStack) -> None:
    stack.check()
    assert _answers(stack)
    assert stack.settings.blob_source == "polling"
    assert "Host started" in tail(stack.logs["host"], 200)


def test_a_killed_host_comes_back_on_its_port(stack: LocalStack) -> None:
    url, pid = stack.info.api_url, stack.pid("host")
    stack.kill("host")
    assert not _answers(stack)
    # A part that we took down ourselves is no accident.
    stack.check()
    stack.restart("host")
    assert stack.info.api_url == url
    assert stack.pid("host") != pid
    assert _answers(stack)


def test_a_worker_that_dies_is_noticed_with_its_log(stack: LocalStack) -> None:
    pid = stack.pid("worker")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(TransientFault, match="worker ended") as caught:
        _watch(stack, seconds=10)
    assert str(stack.logs["worker"]) in caught.value.message
    stack.restart("worker")
    stack.check()


def test_a_taken_port_is_one_clear_line(stack: LocalStack, tmp_path: Path) -> None:
    port = int(stack.info.api_url.rsplit(":", 1)[1].split("/")[0])
    other = LocalStack(directory=tmp_path, port=port, publish=False)
    with pytest.raises(InputRejected, match=f"port {port} is in use"):
        other.start()
    # What had been started by then is gone again.
    pids = [other.pid("azurite"), other.pid("cosmos")]
    assert not any(_alive(pid) for pid in pids if pid is not None)


def test_up_publishes_the_stack_and_stops_clean(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    env = {**os.environ, "FANREEL_RUN_DIR": str(tmp_path)}
    log = tmp_path / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "fanreel.cli", "up", "--port", str(port)],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=env,
        )
    with process:
        current = tmp_path / "current.json"
        deadline = time.monotonic() + 120
        while "Ctrl-C" not in log.read_text() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        info = StackInfo(**json.loads(current.read_text()))
        assert info.alive()
        assert info.shared
        done = subprocess.run(
            [sys.executable, "-m", "fanreel.cli", "status"], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "segment-results" in done.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()
    assert "stopped" in log.read_text()
    assert not current.exists()
    assert not accepts(port)


def test_no_stack_is_found_where_none_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FANREEL_RUN_DIR", str(tmp_path))
    assert current_stack() is None
    gone = StackInfo(1, "http://127.0.0.1:1/api", "", "", "", str(tmp_path), "", True)
    (tmp_path / "current.json").write_text(json.dumps(asdict(gone)))
    assert current_stack() is None


def test_doctor_tells_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = {finding.name: finding for finding in findings()}
    assert named["Python"].verdict == "ok"
    assert named["Node.js"].verdict == "ok"
    assert named["ffmpeg"].found.startswith("ffmpeg version")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("FANREEL_FFMPEG", "no-such-ffmpeg")
    named = {finding.name: finding for finding in findings()}
    assert named["Node.js"].verdict == "missing"
    assert "install Node.js" in named["Node.js"].remedy
    assert named["ffmpeg"].verdict == "missing"
