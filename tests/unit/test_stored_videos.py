"""The document of a long video is small enough for the store, and reads back as it was."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.merging import TOLD_GAPS, told_gaps
from fanreel.contracts import Gap, ScoreSpan, Shot, SoundEvent, SoundKind, SoundSpan, VideoDocument
from fanreel.contracts.columns import from_columns, to_columns
from fanreel.domain.fitting import MOST_BYTES, STRONGEST_SOUNDS, fitted, wire_bytes

pytestmark = pytest.mark.unit

STORE_LIMIT_BYTES = 2_000_000
HOUR_MS = 3_600_000
KINDS, TYPES = ("play", "people", "crowd", "unknown"), ("wide", "medium_close_up", "extreme_close_up", "none")


def shots_of(duration_ms: int, shot_ms: int, rng: np.random.Generator) -> tuple[Shot, ...]:
    """Shots of about that length, measured in every way, every tenth a replay."""
    jitter = rng.integers(-shot_ms // 3, shot_ms // 3, duration_ms // shot_ms)
    edges = [0, *(np.arange(1, len(jitter) + 1) * shot_ms + jitter).tolist(), duration_ms]
    values = np.round(rng.random((len(edges), 3)), 3).tolist()
    return tuple(
        Shot(
            start_ms=start,
            end_ms=end,
            quality=values[index][0],
            clear_from_ms=start + index % 3 * 40,
            clear_to_ms=end - index % 2 * 40,
            kind=KINDS[index % 4],
            fan_probability=values[index][1],
            shot_type=TYPES[index // 2 % 4],
            replay_of=index - 9 if index % 10 == 9 else None,
            highest_face=values[index][2],
        )
        for index, (start, end) in enumerate(pairwise(edges))
        if start < end
    )


def spans_of(seconds: int, every_s: int, rng: np.random.Generator) -> tuple[SoundSpan, ...]:
    levels = np.round(rng.uniform(0.6, 1.0, seconds), 3).tolist()
    return tuple(
        SoundSpan(start_ms=1000 * at, end_ms=1000 * (at + every_s // 2), confidence=levels[at])
        for at in range(0, seconds - every_s, every_s)
    )


def long_video(hours: int, shot_ms: int) -> VideoDocument:
    """A video with everything known of it, and commentary that pauses every six seconds."""
    rng = np.random.default_rng(3)
    seconds = hours * 3600
    curves = np.round(rng.random((2, seconds)), 3).tolist()
    often: dict[SoundKind, int] = {
        "speech": 6,
        "cheer": 60,
        "applause": 60,
        "whistle": 30,
        "music": 120,
        "loud": 60,
    }
    sounds = tuple(SoundEvent(kind=kind, instances=spans_of(seconds, s, rng)) for kind, s in often.items())
    return VideoDocument(
        id="v-1",
        video_id="v-1",
        event_id="final",
        name="match.mp4",
        blob_name="final/match.mp4",
        blob_etag="0x1",
        instance_id="video-1",
        status="matching",
        segment_states={f"{index:05d}": "done" for index in range(seconds // 45)},
        shots=shots_of(hours * HOUR_MS, shot_ms, rng),
        excitement=tuple(curves[0]),
        crowd=tuple(curves[1]),
        sounds=sounds,
        scores=tuple(ScoreSpan(start_ms=at, end_ms=at + 60_000, score="2–1") for at in range(0, HOUR_MS, 60_000)),
        gaps=(Gap(start_ms=5, end_ms=10, reason="damaged"), Gap(start_ms=9, end_ms=12, reason="truncated")),
    )


@pytest.fixture(scope="module")
def half_a_day() -> VideoDocument:
    return long_video(12, 5_000)


def test_twelve_hours_in_shots_of_five_seconds_are_stored_whole(half_a_day: VideoDocument) -> None:
    assert wire_bytes(half_a_day) < 1_300_000
    assert fitted(half_a_day) == fitted(half_a_day, STORE_LIMIT_BYTES)
    assert fitted(half_a_day).left_out == ()


def test_a_stored_video_reads_back_equal(half_a_day: VideoDocument) -> None:
    assert VideoDocument.from_wire(json.dumps(half_a_day.to_wire())) == half_a_day


def test_a_video_stored_as_records_is_still_read(half_a_day: VideoDocument) -> None:
    before = half_a_day.to_wire() | {"loudnessDb": [-30.0]}
    for name in ("shots", "scores", "gaps", "sounds"):
        before[name] = [row.to_wire() for row in getattr(half_a_day, name)]
    assert isinstance(before["shots"][0], dict)
    assert VideoDocument.from_wire(json.dumps(before)) == half_a_day


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            Shot,
            start_ms=st.integers(0, 10**8),
            end_ms=st.integers(0, 10**8),
            quality=st.floats(0, 1),
            clear_from_ms=st.none() | st.integers(0, 10**8),
            clear_to_ms=st.none() | st.integers(0, 10**8),
            kind=st.sampled_from(KINDS),
            fan_probability=st.none() | st.floats(0, 1),
            replay_of=st.none() | st.integers(0, 99),
        ),
        max_size=6,
    )
)
def test_columns_hold_any_list_of_spans(shots: list[Shot]) -> None:
    stored = json.loads(json.dumps(to_columns(shots)))
    records: Any = from_columns(stored)
    assert [Shot.from_wire(record) for record in records] == shots


def test_a_field_that_nothing_is_known_of_takes_no_place() -> None:
    assert to_columns([Shot(start_ms=0, end_ms=5), Shot(start_ms=5, end_ms=9)]) == {
        "afterMs": [0, 0],
        "lengthMs": [5, 4],
    }


@pytest.mark.parametrize(
    "stored",
    [
        {"afterMs": [0], "lengthMs": [1, 2]},
        {"afterMs": [0]},
        {"afterMs": ["a"], "lengthMs": [1]},
        {"afterMs": [0], "lengthMs": [1], "kind": {"names": ["play"], "rows": [1]}},
        {"afterMs": [0], "lengthMs": [1], "kind": ["play", "play"]},
        {"afterMs": [0], "lengthMs": [1], "quality": ["good"]},
        {"afterMs": 0, "lengthMs": 1},
    ],
)
def test_columns_that_do_not_fit_one_another_are_refused(half_a_day: VideoDocument, stored: object) -> None:
    wire = half_a_day.model_copy(update={"shots": (), "sounds": (), "crowd": (), "excitement": ()}).to_wire()
    with pytest.raises(ValueError, match="validation error"):
        VideoDocument.from_wire(wire | {"shots": stored})


def test_what_is_missed_least_is_left_out_first(half_a_day: VideoDocument) -> None:
    whole = wire_bytes(half_a_day)
    assert fitted(half_a_day, whole).left_out == ()
    without_one = fitted(half_a_day, whole - 1)
    assert without_one.left_out == ("excitement",)
    assert without_one.video == half_a_day.model_copy(update={"excitement": ()})
    lighter = fitted(half_a_day, wire_bytes(without_one.video) - 1)
    assert lighter.left_out == ("excitement", "weak_sounds")
    for before, after in zip(half_a_day.sounds, lighter.video.sounds, strict=True):
        assert len(after.instances) == min(len(before.instances), STRONGEST_SOUNDS)
        assert set(after.instances) <= set(before.instances)
        assert list(after.instances) == sorted(after.instances, key=lambda span: span.start_ms)
        dropped = {span.confidence for span in set(before.instances) - set(after.instances)}
        assert max(dropped, default=0.0) <= min(span.confidence for span in after.instances)


def test_with_two_cuts_a_second_twelve_hours_fit_and_keep_what_protects_strangers() -> None:
    video, most_bytes = long_video(3, 500), MOST_BYTES // 4  # a quarter of each, for the test's time
    assert wire_bytes(video) > STORE_LIMIT_BYTES // 4
    found = fitted(video, most_bytes)
    assert found.left_out == ("excitement", "weak_sounds", "sounds", "crowd", "shot_measures")
    assert wire_bytes(found.video) <= most_bytes
    kept = ("start_ms", "end_ms", "clear_from_ms", "clear_to_ms", "replay_of", "kind")
    for before, after in zip(video.shots, found.video.shots, strict=True):
        assert all(getattr(before, name) == getattr(after, name) for name in kept)
        assert after.highest_face is None, "not looked: no opener"


def test_a_damaged_file_with_a_gap_a_second_is_told_of_briefly() -> None:
    gaps = [Gap(start_ms=at, end_ms=at + 500, reason="damaged") for at in range(0, 12 * HOUR_MS, 1000)]
    assert told_gaps(gaps[:2]) == "Not analysed: 0-500 ms (damaged), 1000-1500 ms (damaged)."
    told = told_gaps(gaps)
    assert told is not None
    assert told.endswith(f" and {len(gaps) - TOLD_GAPS} more.")
    assert len(told) < 3_000
    assert told_gaps([]) is None
