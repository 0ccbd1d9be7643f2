"""Which encoder a montage is written with: NVENC only where it has really encoded."""

import stat
from fractions import Fraction
from pathlib import Path

import pytest

from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.adapters.media.render_encoder import choose_encoder, has_nvenc, picture_encoding

pytestmark = pytest.mark.unit


def binary(folder: Path, script: str) -> str:
    """A stand-in for ffmpeg on a machine with another GPU; it notes each call."""
    path = folder / "ffmpeg"
    path.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n{script}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def calls(folder: Path) -> list[str]:
    file = folder / "calls"
    return file.read_text().splitlines() if file.exists() else []


def test_nvenc_is_used_where_a_trial_works_and_is_tried_once(tmp_path):
    works = binary(tmp_path, "exit 0")
    assert [choose_encoder("auto", works) for _ in range(3)] == ["h264_nvenc"] * 3
    (call,) = calls(tmp_path)
    assert "-c:v h264_nvenc" in call


def test_a_binary_that_lists_nvenc_but_cannot_use_it_means_libx264(tmp_path):
    assert choose_encoder("auto", binary(tmp_path, "exit 218")) == "libx264"
    assert choose_encoder("auto", str(tmp_path / "missing")) == "libx264"


def test_a_choice_is_not_questioned(tmp_path):
    fails = binary(tmp_path, "exit 1")
    assert choose_encoder("libx264", fails) == "libx264"
    assert choose_encoder("h264_nvenc", fails) == "h264_nvenc"
    assert calls(tmp_path) == []


def test_the_real_binary_answers():
    assert has_nvenc(ffmpeg_binary()) in {True, False}


@pytest.mark.parametrize("encoder", ["libx264", "h264_nvenc"])
def test_every_encoder_writes_high_profile_with_a_keyframe_every_two_seconds(encoder):
    options = picture_encoding(encoder, Fraction(30000, 1001))
    assert (options["c:v"], options["profile:v"], options["pix_fmt"]) == (encoder, "high", "yuv420p")
    assert (options["g"], options["r"]) == (60, "30000/1001")
