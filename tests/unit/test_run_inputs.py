"""What `fanreel run` is given is checked before anything starts, and every mistake is one clear line."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanreel.errors import InputRejected
from fanreel.local.inputs import MAX_ID_LENGTH, read_inputs, safe_id

pytestmark = pytest.mark.unit


@pytest.fixture
def fans(tmp_path: Path) -> Path:
    folder = tmp_path / "fans" / "ana"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes(b"picture")
    return folder.parent


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "final.mp4"
    path.write_bytes(b"not looked into here")
    return path


def test_the_same_video_twice_is_taken_once(video: Path, fans: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(video.read_bytes())
    inputs = read_inputs([video, video, copy], fans, "cup")
    assert [each.name for each in inputs.videos] == ["final.mp4"]
    assert len(inputs.notes) == 2


def test_different_videos_of_one_name_stay_apart(video: Path, fans: Path, tmp_path: Path) -> None:
    other = tmp_path / "more" / "final.mp4"
    other.parent.mkdir()
    other.write_bytes(b"something else")
    inputs = read_inputs([video, other], fans, "cup")
    assert [each.name for each in inputs.videos] == ["final.mp4", "final-2.mp4"]
    assert len({each.video_id for each in inputs.videos}) == 2


def test_an_empty_video_is_uploaded_and_judged_by_the_flow(fans: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert read_inputs([empty], fans, "cup").videos[0].name == "empty.mp4"


def test_folder_names_become_ids_and_the_change_is_told(fans: Path, video: Path) -> None:
    (fans / "ana").rename(fans / "Zoë Müller")
    inputs = read_inputs([video], fans, "cup")
    assert inputs.fans[0].fan_id == "Zoe-Muller"
    assert "Zoë Müller" in inputs.notes[0]


def test_files_that_are_no_pictures_are_left_out(fans: Path, video: Path) -> None:
    (fans / "ana" / "notes.txt").write_text("x")
    (fans / ".hidden").mkdir()
    inputs = read_inputs([video], fans, "cup")
    assert [name for fan in inputs.fans for name, _ in fan.selfies] == ["1.jpg"]


def test_mistakes_have_codes(fans: Path, video: Path, tmp_path: Path) -> None:
    empty = tmp_path / "nobody"
    empty.mkdir()
    bare = tmp_path / "bare"
    (bare / "ana").mkdir(parents=True)
    odd = tmp_path / "odd"
    (odd / "???").mkdir(parents=True)
    cases = [
        ([tmp_path / "none.mp4"], fans, "cup", "no_such_file"),
        ([tmp_path], fans, "cup", "not_a_file"),
        ([video], tmp_path / "none", "cup", "no_such_directory"),
        ([video], video, "cup", "not_a_directory"),
        ([video], empty, "cup", "no_fans"),
        ([video], bare, "cup", "no_selfies"),
        ([video], odd, "cup", "bad_fan_id"),
        ([video], fans, "the cup", "bad_event"),
    ]
    for videos, directory, event, code in cases:
        with pytest.raises(InputRejected) as caught:
            read_inputs(videos, directory, event)
        assert caught.value.code == code
        assert "\n" not in caught.value.message


def test_two_folders_of_one_id_are_refused(fans: Path, video: Path) -> None:
    for name in ("bo b", "bo-b"):
        (fans / name).mkdir()
        (fans / name / "1.png").write_bytes(b"x")
    with pytest.raises(InputRejected, match="both mean fan 'bo-b'"):
        read_inputs([video], fans, "cup")


@given(st.text(max_size=200))
def test_ids_are_what_the_api_takes_and_stay_as_they_are(text: str) -> None:
    made = safe_id(text)
    assert len(made) <= MAX_ID_LENGTH
    assert all(c.isascii() and (c.isalnum() or c in "-_") for c in made)
    assert not made or made[0].isalnum()
    assert safe_id(made) == made


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing.mp4", "--fans", "FANS", "--out", "OUT"],
        ["VIDEO", "--fans", "VIDEO", "--out", "OUT"],
        ["VIDEO", "--fans", "FANS", "--out", "VIDEO"],
    ],
)
def test_a_bad_argument_ends_with_2_and_one_line(
    arguments: list[str], video: Path, fans: Path, tmp_path: Path
) -> None:
    places = {"VIDEO": str(video), "FANS": str(fans), "OUT": str(tmp_path / "out")}
    given = [places.get(each, each) for each in arguments]
    command = [sys.executable, "-m", "fanreel.cli", "run", *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
