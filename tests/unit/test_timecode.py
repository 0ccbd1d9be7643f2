"""Time code against known values, against the adapter's own counting, and as a counting at all."""

from fractions import Fraction

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanreel.adapters.exports.timecode import can_drop, hour_frames, timecode

pytestmark = pytest.mark.unit

NTSC, NTSC_60 = Fraction(30_000, 1_001), Fraction(60_000, 1_001)


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (0, "00:00:00;00"),
        (1_799, "00:00:59;29"),
        (1_800, "00:01:00;02"),
        (3_597, "00:01:59;29"),
        (3_598, "00:02:00;02"),
        (17_981, "00:09:59;29"),
        (17_982, "00:10:00;00"),
        (17_982 + 1_800, "00:11:00;02"),
        (107_892, "01:00:00;00"),
        (24 * 107_892, "00:00:00;00"),
    ],
)
def test_drop_frame_names_at_29_97(frame, name):
    assert timecode(frame, NTSC, drop_frame=True) == name


@pytest.mark.parametrize(
    ("frame", "rate", "drop_frame", "name"),
    [
        (1_800, NTSC, False, "00:01:00:00"),
        (3_600, NTSC_60, True, "00:01:00;04"),
        (35_964, NTSC_60, True, "00:10:00;00"),
        (90_000, Fraction(25), False, "01:00:00:00"),
        (86_399, Fraction(24_000, 1_001), False, "00:59:59:23"),
    ],
)
def test_names_at_other_rates(frame, rate, drop_frame, name):
    assert timecode(frame, rate, drop_frame=drop_frame) == name


def test_only_the_two_american_rates_drop():
    rates = [NTSC, NTSC_60, Fraction(30), Fraction(60), Fraction(24_000, 1_001), Fraction(25)]
    assert [can_drop(rate) for rate in rates] == [True, True, False, False, False, False]
    with pytest.raises(KeyError):
        timecode(0, Fraction(25), drop_frame=True)


@given(st.integers(0, 24 * 107_892 - 1), st.sampled_from([(NTSC, True), (NTSC, False), (NTSC_60, True)]))
def test_an_independent_reader_counts_back_to_the_same_frame(frame, kind):
    rate, drop_frame = kind
    read = otio.opentime.from_timecode(timecode(frame, rate, drop_frame=drop_frame), float(rate))
    assert read.to_frames() == frame


@given(st.integers(0, 24 * 107_892 - 1))
def test_drop_frame_stays_within_two_frames_of_the_clock_and_is_in_step_every_ten_minutes(frame):
    hours, minutes, seconds, frames = map(int, timecode(frame, NTSC, drop_frame=True).replace(";", ":").split(":"))
    named_s = hours * 3600 + minutes * 60 + seconds + Fraction(frames, 30)
    # 10 minutes of drop-frame are 17,982 frames: 0.6 ms more than 10 minutes of 29.97.
    assert abs(named_s - frame / NTSC) < Fraction(2, 30) + Fraction(1, 1000) * 144


def test_an_hour_is_what_its_name_says():
    for rate, drop_frame in ((NTSC, True), (NTSC, False), (NTSC_60, True), (Fraction(24), False)):
        name = timecode(hour_frames(rate, drop_frame=drop_frame), rate, drop_frame=drop_frame)
        assert name.replace(";", ":") == "01:00:00:00"
