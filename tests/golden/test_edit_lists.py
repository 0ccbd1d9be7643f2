"""Edit lists other tools wrote: read, written by us and read again they are the same edit.

Not kept: the numbers of events (ours are 1, 2, 3 …), `AUD` lines (the adapter reads them as comments), the reel
that the first line of a dissolve names (the adapter drops it; ours names what is left), and how lines are spaced.
"""

import re
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from fanreel.adapters.exports.cmx3600 import write_edl

pytestmark = pytest.mark.golden

NAMES = (
    "dissolve_test",
    "dissolve_test_2",
    "dissolve_test_4",
    "multi_audio",
    "no_spaces_test",
    "nucoda_example",
    "screening_example",
    "speed_effects",
    "speed_effects_small",
    "wipe_test",
)
TIMES = re.compile(r"^\d+ .*?((?:\d\d:\d\d:\d\d:\d\d ?){4})\s*$", re.M)


def read(text: str, rate: int):
    return otio.adapters.read_from_string(text, "cmx_3600", rate=rate)


def frames(timecode: str) -> int:
    return otio.opentime.from_timecode(timecode, 24).to_frames()


@pytest.mark.parametrize("name", NAMES)
def test_a_list_of_another_tool_comes_back_the_same(name: str, shared_media: Path) -> None:
    text = (shared_media / "goldens" / "edl" / f"{name}.edl").read_text()
    edit = read(text, 24)
    written = write_edl(edit, rate=Fraction(24), drop_frame=False)
    assert read(written, 24).is_equivalent_to(edit)
    assert edit.tracks, "an empty edit is equal to anything"
    # Not only as the adapter understands them: the same source and record times stand in both.
    for ours, theirs in zip(TIMES.findall(written), TIMES.findall(text), strict=True):
        if ours.split() != theirs.split():
            assert "M2 " in text, "only a speed's one decimal may move where a clip ends in its source"
            (source_in, ours_out, *record), (other_in, theirs_out, *other) = ours.split(), theirs.split()
            assert (source_in, record) == (other_in, other)
            assert abs(frames(ours_out) - frames(theirs_out)) == 1


def test_every_golden_list_is_looked_at(shared_media: Path) -> None:
    assert sorted(path.stem for path in (shared_media / "goldens" / "edl").glob("*.edl")) == sorted(NAMES)


@pytest.mark.parametrize("name", ["dissolve_test", "dissolve_test_2", "wipe_test"])
def test_the_same_list_with_dropped_frames_names_the_same_frames(name: str, shared_media: Path) -> None:
    rate = Fraction(30_000, 1_001)
    text = (shared_media / "goldens" / "edl" / f"{name}.edl").read_text()
    edit = otio.adapters.read_from_string(text, "cmx_3600", rate=float(rate))
    written = write_edl(edit, rate=rate, drop_frame=True)
    assert "FCM: DROP FRAME" in written
    again = otio.adapters.read_from_string(written, "cmx_3600", rate=float(rate))
    assert again.is_equivalent_to(edit)
