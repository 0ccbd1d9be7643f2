"""Sound and picture of every clip of a montage within 40 ms, measured on the output (`benchmarks/sync.py`)."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from benchmarks.sync import HZ, LIMIT_MS, find_beep, is_in_sync, measure, plan_of
from benchmarks.sync_sources import FIRST_HZ, SOURCES, STEP_HZ, Planted

pytestmark = pytest.mark.integration

BY_NAME = {source.name: source for source in SOURCES}


@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("plain", "slow"),
        ("50 fps", "card"),
        ("no sound", "plain"),
        ("two sound tracks", "plain"),
        ("5.1 ac3", "plain"),
        ("variable rate", "plain"),
        ("transport stream from 1.4 s", "plain"),
        ("sound starts late", "plain"),
        ("edit list", "plain"),
        ("avi mp3", "plain"),
    ],
)
def test_every_clip_is_in_sync(tmp_path: Path, name: str, style: str) -> None:
    source = BY_NAME[name]
    marks = measure(source, tmp_path, style)
    assert {mark.clip for mark in marks} == {0, 1, 2}
    assert is_in_sync(source, marks), marks
    # A frame at 25 fps: the picture lies where the plan has it, too, not only beside its sound.
    assert all(mark.flash_s is not None and abs(mark.flash_s - mark.expected_s) < 0.041 for mark in marks), marks


def test_a_montage_out_of_sync_is_seen(tmp_path: Path) -> None:
    """The sound of this source lies 60 ms late in the file itself: whoever renders it faithfully is caught."""
    late = Planted(
        "late", ".mkv", (*BY_NAME["plain"].arguments[:4], "-itsoffset", "0.06", *BY_NAME["plain"].arguments[4:])
    )
    marks = measure(late, tmp_path)
    offsets = [mark.offset_ms for mark in marks if mark.offset_ms is not None]
    assert offsets == pytest.approx([60.0] * len(marks), abs=2.0)
    assert not is_in_sync(late, marks)


def test_a_beep_of_another_second_is_none_of_this_one() -> None:
    times = np.arange(2 * HZ) / HZ
    tone = FIRST_HZ + 4 * STEP_HZ
    sound = (0.5 * np.sin(2 * np.pi * tone * times) * (times >= 1) * (times < 1.1)).astype(np.float32)
    assert find_beep(sound, 1.1, 4) == pytest.approx(1.0, abs=0.002)
    assert [find_beep(sound, 1.1, second) for second in (3, 5)] == [None, None]


def test_there_are_twenty_odd_sources_and_marks_in_every_clip() -> None:
    assert len(BY_NAME) == len(SOURCES) >= 20
    assert LIMIT_MS == 40
    for style in ("plain", "card", "slow"):
        for clip in plan_of(style).clips:
            assert any(
                clip.start_ms / 1000 + 0.25 <= BY_NAME["29.97 fps"].mark_s(k) < clip.end_ms / 1000 - 0.35
                for k in range(10)
            )
    assert BY_NAME["29.97 fps"].mark_s(5) == float(Fraction(150 * 1001, 30_000))
