"""A match's highlights as files: ranked tables, edit lists in the order of play, chapters that do not overlap."""

import csv
import io
import json
from fractions import Fraction

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanreel.adapters.exports.edit import Source
from fanreel.adapters.exports.highlights import HIGHLIGHT_FORMATS, highlights_text
from fanreel.contracts import Highlight

pytestmark = pytest.mark.unit

NTSC = Fraction(30_000, 1_001)
MATCH = Source("cup/final, 1st half.mp4", 5_400_000, True)


def highlight(rank: int, start_ms: int, end_ms: int, *reasons: str, unusual: bool = False) -> Highlight:
    return Highlight(
        rank=rank,
        start_ms=start_ms,
        end_ms=end_ms,
        peak_ms=(start_ms + end_ms) // 2,
        score=1 / rank,
        reasons=reasons,
        parts={"crowd": 0.9, "cuts": 0.25},
        unusual=unusual,
    )


FOUND = (
    highlight(2, 60_000, 72_500, "the crowd roars", "seen again in a replay"),
    highlight(1, 600_000, 610_000, 'a "goal" & <more>', unusual=True),
    highlight(3, 70_000, 80_000),
)


def text(kind, found=FOUND, rate=NTSC, **more) -> str:
    return highlights_text(kind, found, "v-1", MATCH, rate, **more)


@st.composite
def many(draw):
    spans = draw(st.lists(st.tuples(st.integers(0, 5_000_000), st.integers(1, 30_000)), min_size=1, max_size=12))
    return tuple(highlight(rank, start, start + length, "x") for rank, (start, length) in enumerate(spans, 1))


@settings(max_examples=60, deadline=None)
@given(many(), st.sampled_from([Fraction(24_000, 1_001), Fraction(25), NTSC]), st.sampled_from([None, False]))
def test_the_edit_list_of_a_match_reads_back_as_its_highlights_in_order(found, rate, drop_frame):
    edit = otio.adapters.read_from_string(
        text("edl", found, rate, drop_frame=drop_frame), "cmx_3600", rate=float(rate)
    )
    edit_otio = otio.adapters.read_from_string(text("otio", found, rate), "otio_json")
    ordered = sorted(found, key=lambda one: (one.start_ms, one.end_ms))
    wanted = [(round(one.start_ms * rate / 1000), round(one.end_ms * rate / 1000)) for one in ordered]
    wanted = [(start, max(end, start + 1)) for start, end in wanted]
    for again in (edit, edit_otio):
        ranges = [one.source_range for one in again.tracks[0].find_clips()]
        got = [(one.start_time.to_frames(), one.end_time_exclusive().to_frames()) for one in ranges]
        assert got == wanted
    borders = [edit.tracks[0].range_of_child(one).start_time.to_frames() for one in edit.tracks[0]]
    assert borders == [sum(end - start for start, end in wanted[:number]) for number in range(len(wanted))]


def test_the_edit_list_names_rank_score_and_reasons():
    listed = text("edl")
    assert "TITLE: Highlights of cup/final, 1st half.mp4\nFCM: DROP FRAME\n" in listed
    assert listed.index("RANK 2") < listed.index("RANK 3") < listed.index("RANK 1")
    assert "* COMMENT: RANK 1 SCORE 1.000 UNUSUAL\n" in listed
    assert "* COMMENT: the crowd roars\n* COMMENT: seen again in a replay\n" in listed


def test_otio_marks_the_peak_with_the_reasons():
    (track, _) = otio.adapters.read_from_string(text("otio"), "otio_json").tracks
    marker = track[0].markers[0]
    assert marker.name == "2. the crowd roars; seen again in a replay"
    assert marker.marked_range.start_time.to_frames() == round(66_250 * NTSC / 1000)
    assert marker.metadata["fanreel"]["rank"] == 2
    assert track[1].markers[0].name == "Highlight 3"


def test_tables_are_in_the_order_of_rank():
    told = json.loads(text("json"))
    assert [one["rank"] for one in told["highlights"]] == [1, 2, 3]
    assert (told["videoId"], told["name"], told["durationMs"]) == ("v-1", MATCH.name, 5_400_000)
    rows = list(csv.DictReader(io.StringIO(text("csv"))))
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert rows[0] == {
        "rank": "1",
        "startMs": "600000",
        "endMs": "610000",
        "peakMs": "605000",
        "start": "00:10:00.000",
        "end": "00:10:10.000",
        "score": "1.000",
        "unusual": "yes",
        "reasons": 'a "goal" & <more>',
        "parts": "crowd 0.90; cuts 0.25",
    }


def test_chapters_end_where_the_next_begins():
    assert text("vtt") == (
        "WEBVTT\n\n"
        "highlight-2\n00:01:00.000 --> 00:01:10.000\n2. the crowd roars; seen again in a replay\n\n"
        "highlight-3\n00:01:10.000 --> 00:01:20.000\nHighlight 3\n\n"
        'highlight-1\n00:10:00.000 --> 00:10:10.000\n1. a "goal" &amp; &lt;more&gt;\n'
    )


@pytest.mark.parametrize("kind", HIGHLIGHT_FORMATS)
def test_the_same_highlights_are_the_same_file(kind):
    assert text(kind) == text(kind, tuple(reversed(FOUND)))
