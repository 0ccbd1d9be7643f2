"""What is written as an edit list is read by the CMX adapter as the same cuts, whatever the montage."""

import re
from fractions import Fraction
from typing import Any

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanreel.adapters.exports.cmx3600 import write_edl
from fanreel.adapters.exports.edit import Source, edl_text, montage_stretches, otio_edit
from fanreel.adapters.exports.timecode import hour_frames
from fanreel.contracts import MontageClip
from fanreel.domain.montage import Timeline, place_clips
from fanreel.domain.montage.timeline import STANDARD_RATES
from tests.unit.montage_material import bare_plan as plan

pytestmark = pytest.mark.unit

NTSC = Fraction(30_000, 1_001)
BORDERS_MS = (0, 60_030, 120_090, 599_970, 660_030, 3_599_960)
"""Just before minutes and tenths of minutes of drop-frame time code begin."""
EVENT = re.compile(r"(\d{3,})  (\S+) +(\S+) +([CD]) +(\d{3})? *(\S{11}) (\S{11}) (\S{11}) (\S{11})")


def clip(start_ms: int, end_ms: int, video_id: str = "v", **more) -> MontageClip:
    told: dict[str, Any] = {"score": 0.5, "reason": "", "appearance_id": "a", **more}
    return MontageClip(video_id=video_id, start_ms=start_ms, end_ms=end_ms, **told)


@st.composite
def clips(draw) -> MontageClip:
    start_ms = draw(st.sampled_from(BORDERS_MS)) + draw(st.integers(0, 70))
    length_ms = draw(st.integers(1_200, 9_000) | st.integers(55_000, 65_000) | st.integers(599_000, 602_000))
    more = {}
    if draw(st.booleans()):
        # Often up to the clip's end, where the next one's crossfade takes a part of what is slow.
        slow_ms = draw(st.integers(300, 1_200))
        slow_to = start_ms + draw(st.just(length_ms) | st.integers(slow_ms, length_ms))
        slow_from = slow_to - slow_ms
        more = {"slow_from_ms": slow_from, "slow_to_ms": slow_to, "slow_factor": draw(st.integers(2, 4))}
    return clip(start_ms, start_ms + length_ms, draw(st.sampled_from(["v", "w", "v-1234567890abcdef"])), **more)


@st.composite
def timelines(draw) -> Timeline:
    made = plan(
        *draw(st.lists(clips(), min_size=1, max_size=6)),
        crossfade_ms=draw(st.sampled_from([0, 40, 200, 400])),
        title=draw(st.sampled_from(["", "Home 2:1 Away"])),
        intro_ms=draw(st.sampled_from([0, 100, 2_000])),
        end_text=draw(st.sampled_from(["", "Thank you"])),
        outro_ms=draw(st.sampled_from([0, 1_500])),
    )
    return place_clips(made, draw(st.sampled_from(STANDARD_RATES)))


def edl(timeline: Timeline, listed: dict[str, Source], *, drop_frame: bool | None = None) -> str:
    return edl_text(montage_stretches(timeline), timeline.rate, "m-1", listed, drop_frame=drop_frame)


def otio_timeline(timeline: Timeline):
    return otio_edit(montage_stretches(timeline), timeline.rate, "m-1", sources())


def sources(*, has_sound: bool = True) -> dict[str, Source]:
    return {name: Source(f"{name}.mp4", 7_200_000, has_sound) for name in ("v", "w", "v-1234567890abcdef")}


def read(text: str, rate: Fraction):
    """Every track of a list as the adapter reads it: (record frame, clip, frames dissolved into it)."""
    edit = otio.adapters.read_from_string(text, "cmx_3600", rate=float(rate))
    tracks = []
    for track in edit.tracks:
        rows, fade = [], 0
        for child in track:
            if isinstance(child, otio.schema.Transition):
                fade = child.out_offset.to_frames()
                continue
            assert isinstance(child, otio.schema.Clip), "a gap in the record"
            rows.append((track.range_of_child(child).start_time.to_frames(), child, fade))
            fade = 0
        tracks.append((track, rows))
    return tracks


def shown(timeline: Timeline, frame: int) -> tuple[str, int] | None:
    """The video and its frame that belong to an output frame, dissolves counted to what comes in; none: a card."""
    if frame < timeline.clips[0].start_frame or frame >= timeline.frames - timeline.outro_frames:
        return None
    placed = next(one for one in reversed(timeline.clips) if frame >= one.start_frame)
    return placed.clip.video_id, round(timeline.source_ms(placed, frame) * timeline.rate / 1000)


def check_same_cuts(timeline: Timeline, text: str) -> None:
    (track, rows), *others = read(text, timeline.rate)
    assert len({one.name for one, _ in ((track, rows), *others)}) == 1 + len(others)
    ends = [one.start_frame for one in timeline.clips[1:]] + [timeline.frames - timeline.outro_frames]
    cuts = {0, timeline.frames - timeline.outro_frames} - {timeline.frames}
    cuts |= {
        piece.start_frame
        for placed, end in zip(timeline.clips, ends, strict=True)
        for piece in placed.pieces
        if piece.start_frame < end
    }
    assert [at for at, _, _ in rows] == sorted(cuts)
    reels: dict[str, set[str]] = {}
    for at, one, fade in rows:
        frames = one.source_range.duration.to_frames()
        speed = one.effects[0].time_scalar if one.effects else 1.0
        reel = one.metadata["cmx_3600"]["reel"]
        assert len(reel) <= 8
        assert fade <= frames
        for offset in {0, frames // 2, frames - 1}:
            wanted = shown(timeline, at + offset)
            if wanted is None:
                assert reel == "BL"
                continue
            video_id, source_frame = wanted
            reels.setdefault(video_id, set()).add(reel)
            # M2 has one decimal: 0.05 frames a second more or less.
            slack = 1 + 0.05 / timeline.rate * offset if one.effects else 0.5
            assert one.source_range.start_time.to_frames() + int(offset * speed + 1e-6) == pytest.approx(
                source_frame, abs=slack
            )
    assert sum(one.source_range.duration.to_frames() for _, one, _ in rows) == timeline.frames
    names = [*reels.values()]
    assert all(len(each) == 1 for each in names)
    assert len(set[str]().union(*names)) == len(names), "one reel, one video"
    wanted_fades = [one.fade_frames for one in timeline.clips if one.start_frame > 0]
    fades = {at: fade for at, _, fade in rows}
    firsts = {one.start_frame: one.pieces[0].frames for one in timeline.clips if one.start_frame > 0}
    assert [fades[at] for at in firsts] == [
        min(fade, frames) for fade, frames in zip(wanted_fades, firsts.values(), strict=True)
    ]
    for _, other in others:
        assert [(at, fade) for at, _, fade in other] == [(at, fade) for at, _, fade in rows]
        assert all(one.is_equivalent_to(same) for (_, one, _), (_, same, _) in zip(rows, other, strict=True))


@settings(max_examples=80, deadline=None)
@given(timelines(), st.booleans(), st.sampled_from([None, True, False]))
def test_the_adapter_reads_the_same_cuts(timeline, has_sound, drop_frame):
    text = edl(timeline, sources(has_sound=has_sound), drop_frame=drop_frame)
    check_same_cuts(timeline, text)
    drops = timeline.rate == NTSC and drop_frame is not False
    assert ("FCM: DROP FRAME" in text) == drops
    assert ("FCM: NON-DROP FRAME" in text) != drops
    assert {row[3] for row in EVENT.findall(text)} <= {"C", "D"}
    assert {row[2] for row in EVENT.findall(text)} == {"AA/V" if has_sound else "V"}
    start = otio.opentime.from_timecode(EVENT.findall(text)[0][7], float(timeline.rate))
    assert start.to_frames() == hour_frames(timeline.rate, drop_frame=drops)
    assert "somebody" not in text


@settings(max_examples=40, deadline=None)
@given(timelines(), st.booleans())
def test_source_and_record_of_every_event_fit_its_speed(timeline, drop_frame):
    text = edl(timeline, sources(), drop_frame=drop_frame)
    factors = [piece.factor for placed in timeline.clips for piece in placed.pieces]
    speeds = {f"{float(timeline.rate) / factor:05.1f}" for factor in factors if factor > 1}
    assert set(re.findall(r"^M2   \S+ +(\S+) ", text, re.M)) <= speeds
    found = []
    for row in EVENT.findall(text):
        source_in, source_out, record_in, record_out = (
            otio.opentime.from_timecode(each, float(timeline.rate)).to_frames() for each in row[5:]
        )
        if record_out > record_in and row[1] != "BL":
            found.append((record_out - record_in, source_out - source_in))
    ends = [one.start_frame for one in timeline.clips[1:]] + [timeline.frames - timeline.outro_frames]
    assert found == [
        (frames, -(-frames // piece.factor))
        for placed, end in zip(timeline.clips, ends, strict=True)
        for piece in placed.pieces
        if (frames := min(piece.end_frame, end) - piece.start_frame) > 0
    ]


def test_a_list_reads_as_an_editor_knows_it():
    made = plan(
        clip(59_900, 62_000, caption="A fan jumps up, José beside her", reason="excitement 0.9"),
        clip(599_000, 602_000, "w", slow_from_ms=600_000, slow_to_ms=601_000, slow_factor=2),
        title="Final",
        intro_ms=2_000,
    )
    assert edl(place_clips(made, NTSC), sources()) == (
        "TITLE: m-1\n"
        "FCM: DROP FRAME\n"
        "001  BL       AA/V  C        00:00:00;00 00:00:01;24 01:00:00;00 01:00:01;24\n"
        "* FROM CLIP NAME:  Title card\n"
        "002  BL       AA/V  C        00:00:01;24 00:00:01;24 01:00:01;24 01:00:01;24\n"
        "002  FR001    AA/V  D    006 00:00:59;25 00:01:01;24 01:00:01;24 01:00:03;21\n"
        "* FROM CLIP NAME:  Title card\n"
        "* TO CLIP NAME:  v.mp4\n"
        "* COMMENT: A fan jumps up, Jose beside her\n"
        "* COMMENT: excitement 0.9\n"
        "003  FR001    AA/V  C        00:01:01;24 00:01:01;24 01:00:03;21 01:00:03;21\n"
        "003  FR002    AA/V  D    006 00:09:59;00 00:10:00;00 01:00:03;21 01:00:04;21\n"
        "* FROM CLIP NAME:  v.mp4\n"
        "* TO CLIP NAME:  w.mp4\n"
        "004  FR002    AA/V  C        00:10:00;00 00:10:01;00 01:00:04;21 01:00:06;21\n"
        "M2   FR002          015.0                00:10:00:00\n"
        "* FROM CLIP NAME:  w.mp4\n"
        "005  FR002    AA/V  C        00:10:01;00 00:10:02;00 01:00:06;21 01:00:07;21\n"
        "* FROM CLIP NAME:  w.mp4\n"
    )


def test_tracks_that_differ_keep_their_own_events():
    rate = Fraction(25)

    def item(name: str, start: int, frames: int):
        time = otio.opentime.TimeRange(
            otio.opentime.RationalTime(start, 25), otio.opentime.RationalTime(frames, 25)
        )
        return otio.schema.Clip(name=name, source_range=time, metadata={"cmx_3600": {"reel": name}})

    edit = otio.schema.Timeline("split")
    edit.tracks.append(otio.schema.Track("V", [item("ONE", 10, 50), item("TWO", 0, 25)]))
    edit.tracks.append(otio.schema.Track("A1", [item("ONE", 10, 75)], kind="Audio"))
    edit.tracks.append(otio.schema.Track("A2", [item("ONE", 10, 75)], kind="Audio"))
    text = write_edl(edit, rate=rate, drop_frame=False)
    assert [row[2] for row in EVENT.findall(text)] == ["V", "AA", "V"]
    again = otio.adapters.read_from_string(text, "cmx_3600", rate=25)
    assert [[one.name for one in track] for track in again.tracks] == [["ONE", "TWO"], ["ONE"], ["ONE"]]


# --- OpenTimelineIO --------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(timelines())
def test_otio_says_the_same_in_picture_and_sound_and_survives_its_own_file(timeline):
    edit = otio_timeline(timeline)
    again = otio.adapters.read_from_string(otio.adapters.write_to_string(edit, "otio_json"), "otio_json")
    assert again.is_equivalent_to(edit)
    picture, heard = again.tracks
    assert (picture.kind, heard.kind) == ("Video", "Audio")
    assert picture.duration().to_frames() == heard.duration().to_frames() == timeline.frames
    rows = [one for one in picture if not isinstance(one, otio.schema.Transition)]
    for one in rows:
        at, frames = picture.range_of_child(one).start_time.to_frames(), one.duration().to_frames()
        factor = round(1 / one.effects[0].time_scalar) if one.effects else 1
        for offset in {0, frames - 1}:
            wanted = shown(timeline, at + offset)
            if wanted is None:
                assert one.media_reference.generator_kind == "black"
            else:
                assert one.media_reference.target_url == f"{wanted[0]}.mp4"
                assert one.source_range.start_time.to_frames() + offset // factor == wanted[1]
    assert [type(one) for one in heard if isinstance(one, otio.schema.Gap)] == [
        otio.schema.Gap for one in rows if isinstance(one.media_reference, otio.schema.GeneratorReference)
    ]


def test_otio_markers_say_why_a_clip_is_in():
    made = plan(
        clip(0, 2_000, kind="opener", reason="wide shot before the first moment"),
        clip(9_000, 12_000, caption="A fan cheers", reason="crowd 0.9", scores={"crowd": 0.9, "size": 0.2}),
    )
    edit = otio_timeline(place_clips(made, Fraction(25)))
    markers = [one.markers for one in edit.tracks[0].find_clips()]
    assert [[marker.name for marker in each] for each in markers] == [
        ["wide shot before the first moment"],
        ["A fan cheers"],
    ]
    told = markers[1][0].metadata["fanreel"]
    assert (told["kind"], told["reason"], told["caption"], told["score"]) == (
        "moment", "crowd 0.9", "A fan cheers", 0.5,
    )  # fmt: skip
    assert dict(told["scores"]) == {"crowd": 0.9, "size": 0.2}
    assert markers[1][0].marked_range.start_time.to_frames() == 225
    assert "somebody" not in edit.to_json_string()
