"""Without YuNet every command that will look at faces says, before it starts, that a slower detector serves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fanreel.commands.detector import fallback_note
from fanreel.inference.catalogue import catalogue
from fanreel.settings import Settings

pytestmark = pytest.mark.unit


def test_the_note_names_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    note = fallback_note(Settings(model_dir=tmp_path))
    assert note is not None
    assert all(part in note for part in ("tiled SSD", "yunet", "`fanreel models pull`", "slower"))
    assert "\n" not in note


def test_a_damaged_yunet_is_not_called_absent(tmp_path: Path) -> None:
    # Loading it fails with a message of its own; nothing falls back.
    (tmp_path / catalogue().entry("yunet").file).write_bytes(b"damaged")
    assert fallback_note(Settings(model_dir=tmp_path)) is None


@pytest.mark.parametrize("command", ["run", "up", "analyze"])
def test_commands_say_it_once_before_they_start(command: str, tmp_path: Path) -> None:
    video, fan = tmp_path / "final.mp4", tmp_path / "fans" / "ana"
    fan.mkdir(parents=True)
    video.write_bytes(b"not looked into here")
    (fan / "1.jpg").write_bytes(b"picture")
    arguments = {
        "run": [str(video), "--fans", str(fan.parent), "--out", str(tmp_path / "out")],
        "up": ["--port", "1"],
        "analyze": [str(video), "--out", str(tmp_path / "out.json")],
    }
    # Neither networks nor Node.js here: every one of them stops right after the note.
    env = {**os.environ, "PATH": str(tmp_path), "FANREEL_MODEL_DIR": str(tmp_path)}
    env["FANREEL_RUN_DIR"] = str(tmp_path / "run")
    done = subprocess.run(
        [sys.executable, "-m", "fanreel.cli", command, *arguments[command]],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert (done.stdout + done.stderr).count("face detector: tiled SSD") == 1
    assert "Traceback" not in done.stderr
