"""Commands end with 0 only when everything asked for is done; what is not, is one clear line."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from fanreel.errors import ModelFault
from fanreel.inference.networks import load_networks
from fanreel.local.processes import free_ports
from fanreel.local.stack import StackInfo
from fanreel.settings import Settings

from .made_media import ffmpeg

pytestmark = pytest.mark.integration


def fanreel(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fanreel.cli", *(str(each) for each in arguments)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_an_analysis_with_a_gap_names_it_and_does_not_end_well(tmp_path: Path) -> None:
    try:
        load_networks(Settings())
    except ModelFault as fault:
        pytest.skip(f"needs the baseline networks: {fault.message}")
    video, out = tmp_path / "half.mp4", tmp_path / "half.json"
    source = "testsrc2=size=320x180:rate=25:duration=8"
    ffmpeg("-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-y", video)
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    done = fanreel("analyze", video, "--out", out)
    assert done.returncode == 1, done.stderr
    named = [line for line in done.stderr.splitlines() if "not analysed" in line]
    assert len(named) == 1
    assert named[0].startswith("half.mp4: not analysed: ")
    assert "truncated" in named[0]
    # What could be analysed is there all the same.
    assert [gap["reason"] for gap in json.loads(out.read_text("utf-8"))["gaps"]]


@pytest.mark.parametrize("place", ["", "file/out.json"])
def test_an_unwritable_out_is_told_before_anything_is_looked_at(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    # Neither this video nor these networks could be opened: the place for the result is looked at first.
    done = fanreel("analyze", tmp_path / "none.mp4", "--out", tmp_path / place, FANREEL_MODEL_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "out_unwritable" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_looking_at_the_place_for_the_result_leaves_it_as_it_was(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "deep" / "new.json"
    old.write_text("earlier")
    for out in (old, new):
        assert fanreel("analyze", tmp_path / "none.mp4", "--out", out).returncode == 1
    assert old.read_text() == "earlier"
    assert not new.exists()


def test_the_status_of_a_dying_stack_is_one_clear_line(tmp_path: Path) -> None:
    storage, cosmos = free_ports(2)  # nobody listens there any more
    with socket.create_server(("127.0.0.1", 0)) as host:
        info = StackInfo(
            pid=os.getpid(),
            api_url=f"http://127.0.0.1:{host.getsockname()[1]}/api",
            storage_connection=(
                "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=a2V5;"
                f"BlobEndpoint=http://127.0.0.1:{storage}/devstoreaccount1;"
                f"QueueEndpoint=http://127.0.0.1:{storage}/devstoreaccount1;"
            ),
            cosmos_endpoint=f"http://127.0.0.1:{cosmos}",
            cosmos_key="a2V5",
            directory=str(tmp_path),
            started_at="2026-01-01T00:00:00+00:00",
            shared=True,
        )
        (tmp_path / "current.json").write_text(json.dumps(asdict(info)))
        done = fanreel("status", FANREEL_RUN_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "service_unreachable" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
