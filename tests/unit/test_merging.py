"""The merge: wherever a video was cut and in whatever order results come, the same video is described."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanreel.contracts import (
    EmbeddedFaces,
    MediaInfo,
    ModelContract,
    Rational,
    Segment,
    SegmentPlanDocument,
    SegmentResult,
    Shot,
    ShotMeasure,
    SoundResult,
    TrackResult,
    Vectors,
)
from fanreel.domain import merging
from fanreel.domain.media import plan_segments
from fanreel.domain.merging import MergedVideo, merge_segments
from fanreel.domain.montage import MontageStyle, shows_nobody
from fanreel.domain.people import union_of_spans
from fanreel.domain.templates import choose_faces
from fanreel.domain.tracks import Track, Tracker, longest_gap_ms
from fanreel.errors import ContractBroken
from tests.plain_media import plain_media

from .montage_material import video

pytestmark = pytest.mark.unit

VIDEO = "v-1"
CONTRACT = ModelContract(model_id="m", sha256="0" * 64, preprocessing="p")
FRAME_MS = 40
SAMPLE_MS = 200


@dataclass(frozen=True)
class Person:
    """Somebody in the picture from start to end, drifting sideways; `who` decides their face."""

    who: int
    start_ms: int
    end_ms: int
    x: int
    speed: int  # px per second
    size: int = 80
    worse: float = 0.0  # of their faces' quality

    def box(self, pts_ms: int) -> tuple[int, int, int, int]:
        x = self.x + self.speed * (pts_ms - self.start_ms) // 1000
        return (x, 100, x + self.size, 100 + self.size)

    def quality(self, pts_ms: int) -> float:
        return 0.5 + 0.4 * ((self.who * 31 + pts_ms // SAMPLE_MS * 17) % 100) / 100 - 0.5 * self.worse

    def vector(self, pts_ms: int) -> np.ndarray:
        centre = np.random.default_rng(self.who).normal(size=64)
        noise = np.random.default_rng(self.who * 100_003 + pts_ms).normal(size=64) * 0.15
        return (centre + noise) / np.linalg.norm(centre + noise)


def media(duration_ms: int) -> MediaInfo:
    return plain_media(duration_ms, keyframes_ms=tuple(range(0, duration_ms, 1000)))


def plan(duration_ms: int, target_ms: int) -> SegmentPlanDocument:
    info = media(duration_ms)
    return SegmentPlanDocument(
        video_id=VIDEO, media=info, segments=plan_segments(info, target_ms=target_ms, overlap_ms=1000)
    )


def look_at(
    segment: Segment, people: list[Person], cuts: list[int], duration_ms: int, hole: tuple[int, int] = (0, 0)
) -> SegmentResult:
    """What a worker with perfect eyes and the real tracker reports of one segment."""
    frames = [p for p in range(0, duration_ms, FRAME_MS) if segment.start_ms <= p < segment.decode_end_ms]
    frames = [p for p in frames if not hole[0] <= p < hole[1]]
    looks = [p for p in frames if p % SAMPLE_MS == 0]
    tracker, tracks, before = Tracker(max_gap_ms=longest_gap_ms(SAMPLE_MS)), list[Track](), -1
    for sample, pts in enumerate(looks):
        if any(before < cut <= pts for cut in cuts):
            tracks += tracker.cut()
        before = pts
        seen = [p for p in people if p.start_ms <= pts < p.end_ms]
        found = np.array([p.box(pts) for p in seen], np.float32).reshape(-1, 4)
        tracks += tracker.step(sample, pts, found, np.ones(len(seen), np.float32))[1]
    tracks += tracker.cut()
    return SegmentResult(
        video_id=VIDEO,
        segment_id=segment.segment_id,
        attempt=1,
        start_ms=segment.start_ms,
        end_ms=segment.end_ms,
        model_contract=CONTRACT,
        detector="synthetic",
        frame_width=1280,
        frame_height=720,
        frames_decoded=len(frames),
        frames_sampled=len(looks),
        frames_corrupt=0,
        last_pts_ms=frames[-1] if frames else -1,
        cuts_ms=tuple(c for c in sorted(cuts) if segment.owned_from_ms <= c < segment.owned_to_ms),
        tracks=tuple(_wire(i, t, people) for i, t in enumerate(tracks)),
        picture=ShotMeasure(
            pts_ms=tuple(looks),
            sharpness=(200.0,) * len(looks),
            luma=(100.0,) * len(looks),
            motion=(1.0,) * len(looks),
        ),
        seconds={"detect": 0.5},
    )


def _wire(track_id: int, track: Track, people: list[Person]) -> TrackResult:
    owners = [
        next(p for p in people if p.start_ms <= pts < p.end_ms and tuple(int(v) for v in box) == p.box(pts))
        for pts, box in zip(track.pts_ms, track.boxes, strict=True)
    ]
    quality = [p.quality(pts) for p, pts in zip(owners, track.pts_ms, strict=True)]
    best = choose_faces(np.array(track.pts_ms), np.array(quality)).tolist()
    return TrackResult(
        track_id=track_id,
        pts_ms=tuple(track.pts_ms),
        boxes=tuple(p.box(pts) for p, pts in zip(owners, track.pts_ms, strict=True)),
        scores=tuple(track.scores),
        quality=tuple(quality),
        valence=tuple(0.5 for _ in owners),
        arousal=tuple(0.4 for _ in owners),
        mouth_open=tuple(0.1 for _ in owners),
        expression=tuple("happy" for _ in owners),
        embedded=EmbeddedFaces(
            pts_ms=tuple(track.pts_ms[row] for row in best),
            quality=tuple(quality[row] for row in best),
            sharpness=tuple(0.9 for _ in best),
            height_px=tuple(float(owners[row].size) for row in best),
            female_probability=tuple(0.97 if owners[row].who % 2 else 0.02 for row in best),
            age_years=tuple(30.0 for _ in best),
            vectors=Vectors.pack(np.stack([owners[row].vector(track.pts_ms[row]) for row in best])),
        ),
    )


def without(result: SegmentResult, from_ms: int, to_ms: int) -> SegmentResult:
    """The same segment had nothing been decoded in this range, its tracks joined across it."""

    def kept(columns: ShotMeasure | TrackResult, names: tuple[str, ...]) -> dict[str, tuple[object, ...]]:
        rows = [row for row, pts in enumerate(columns.pts_ms) if not from_ms <= pts < to_ms]
        return {name: tuple(getattr(columns, name)[row] for row in rows) for name in names}

    picture = kept(result.picture, ("pts_ms", "sharpness", "luma", "motion"))
    sightings = ("pts_ms", "boxes", "scores", "quality", "valence", "arousal", "mouth_open", "expression")
    tracks = tuple(t.model_copy(update=kept(t, sightings)) for t in result.tracks)
    return result.model_copy(
        update={
            "picture": result.picture.model_copy(update=picture),
            "tracks": tracks,
            "frames_sampled": len(picture["pts_ms"]),
            "frames_decoded": result.frames_decoded - (to_ms - from_ms) // FRAME_MS,
        }
    )


def merged(duration_ms: int, target_ms: int, people: list[Person], cuts: list[int]) -> MergedVideo:
    document = plan(duration_ms, target_ms)
    results = [look_at(s, people, cuts, duration_ms) for s in document.segments]
    return merge_segments(document, results, sounds(document), event_id="e")


def assert_claimed(video: MergedVideo, truth: list[tuple[int, int]]) -> None:
    """What is somebody's lies inside the truth and misses at most half a second of it at either end."""
    spans = [(a.start_ms, a.end_ms) for a in video.appearances if a.template is not None]
    assert len(spans) == len(truth)
    for (start, end), (true_start, true_end) in zip(spans, truth, strict=True):
        assert true_start <= start <= true_start + 500
        assert true_end - 500 <= end <= true_end


def assert_seen(video: MergedVideo, truth: list[tuple[int, int]]) -> None:
    """Somebody, known or not, is seen exactly then."""
    assert list(union_of_spans([(a.start_ms, a.end_ms) for a in video.appearances])) == truth


def sounds(document: SegmentPlanDocument) -> list[SoundResult]:
    return [
        SoundResult(
            video_id=VIDEO,
            segment_id=s.segment_id,
            second_ms=tuple(range(-(-s.start_ms // 1000) * 1000, s.end_ms, 1000)),
            loudness_db=tuple(-30.0 - s % 7 for s in range(-(-s.start_ms // 1000), -(-s.end_ms // 1000))),
        )
        for s in document.segments
    ]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[int, list[Person], list[int]]:
    """Up to six people, each in a lane of their own, coming and going, and up to five cuts."""
    duration = draw(st.integers(12_000, 40_000))
    people: list[Person] = []
    for lane in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, duration - 500))
        length = draw(st.integers(250, duration))
        people.append(
            Person(lane + 1, start, min(start + length, duration), x=1000 * lane, speed=draw(st.integers(-15, 15)))
        )
    frames = st.integers(1, duration // FRAME_MS - 1).map(lambda n: n * FRAME_MS)
    return duration, people, draw(st.lists(frames, unique=True, max_size=5).map(sorted))


@settings(max_examples=25, deadline=None)
@given(scenes(), st.integers(5_000, 12_000))
def test_segments_merge_to_what_the_whole_video_shows(
    scene: tuple[int, list[Person], list[int]], target: int
) -> None:
    duration, people, cuts = scene
    whole = merged(duration, 120_000, people, cuts)
    parts = merged(duration, target, people, cuts)
    assert parts.shots == whole.shots
    assert parts.appearances == whole.appearances
    assert parts.people == whole.people
    assert (parts.gaps, parts.loudness_db, parts.excitement) == ((), whole.loudness_db, whole.excitement)


@settings(max_examples=25, deadline=None)
@given(scenes(), st.randoms())
def test_order_and_repetition_of_results_change_nothing(
    scene: tuple[int, list[Person], list[int]], random
) -> None:
    duration, people, cuts = scene
    document = plan(duration, 6_000)
    results = [look_at(s, people, cuts, duration) for s in document.segments]
    again = [r.model_copy(update={"attempt": 2, "tracks": ()}) for r in results]
    shuffled = [*results, *again, *results]
    random.shuffle(shuffled)
    first = merge_segments(document, results, sounds(document), event_id="e")
    second = merge_segments(document, shuffled, sounds(document)[::-1], event_id="e")
    assert second == first


@settings(max_examples=25, deadline=None)
@given(scenes(), st.sets(st.integers(0, 6)))
def test_whatever_is_missing_times_stay_inside_the_video_and_shots_and_gaps_tile_it(
    scene: tuple[int, list[Person], list[int]], lost: set[int]
) -> None:
    duration, people, cuts = scene
    document = plan(duration, 6_000)
    results = [look_at(s, people, cuts, duration) for s in document.segments if s.index not in lost]
    video = merge_segments(document, results, [], event_id="e")
    spans = sorted([(s.start_ms, s.end_ms) for s in video.shots] + [(g.start_ms, g.end_ms) for g in video.gaps])
    assert spans[0][0] == 0
    assert spans[-1][1] == duration
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    for appearance in video.appearances:
        shot = video.shots[appearance.shot_index]
        assert shot.start_ms <= appearance.start_ms < appearance.end_ms <= shot.end_ms
        assert list(appearance.pts_ms) == sorted(set(appearance.pts_ms))
        assert len(appearance.boxes) == len(appearance.excitement_curve) == len(appearance.pts_ms)
        assert 0.0 <= appearance.excitement <= 1.0
    for person in video.people:
        assert 0 < person.screen_time_ms <= duration
    assert [a.id for a in video.appearances] == sorted(a.id for a in video.appearances)


def test_one_person_over_three_segments_is_one_appearance_with_one_template() -> None:
    video = merged(18_000, 6_000, [Person(1, 0, 18_000, x=100, speed=10)], [])
    assert_claimed(video, [(0, 18_000)])
    assert_seen(video, [(0, 18_000)])
    (appearance,) = [a for a in video.appearances if a.template is not None]
    assert appearance.supporting_faces >= 4
    assert appearance.template is not None
    assert appearance.apparent_gender == "female"
    assert video.people[0].appearance_ids == (appearance.id,)
    assert video.seconds == {"detect": 1.5}


def test_an_appearance_lasts_until_the_next_look_but_not_beyond_its_shot() -> None:
    people = [Person(1, 1000, 2001, x=100, speed=0), Person(2, 4000, 9000, x=600, speed=0)]
    video = merged(12_000, 120_000, people, [5480])
    spans = [(a.start_ms, a.end_ms) for a in video.appearances]
    assert spans == [(1000, 2200), (4000, 5480), (5600, 9000)]


def test_the_same_face_before_and_after_a_cut_is_two_appearances_of_one_person() -> None:
    video = merged(12_000, 120_000, [Person(1, 0, 12_000, x=100, speed=0)], [6000])
    assert [(a.start_ms, a.end_ms) for a in video.appearances] == [(0, 6000), (6000, 12_000)]
    assert len(video.people) == 1
    assert video.people[0].screen_time_ms == 12_000
    assert [(i.start_ms, i.end_ms) for i in video.people[0].instances] == [(0, 12_000)]


def test_a_track_that_turns_into_somebody_else_is_split_and_neither_gets_a_moment_of_the_other() -> None:
    people = [Person(1, 0, 3000, x=100, speed=0), Person(2, 3000, 6000, x=110, speed=0)]
    video = merged(6000, 120_000, people, [])
    first, second = [a for a in video.appearances if a.template is not None]
    assert first.start_ms == 0
    assert 2400 < first.end_ms <= 3000 <= second.start_ms < 3600
    assert second.end_ms == 6000
    assert len(video.people) == 2


def test_a_pan_that_brings_somebody_else_into_the_same_box_gives_them_no_second_of_the_first() -> None:
    """Their faces are the worse ones, so the twelve best of the track are all the first one's."""
    people = [Person(1, 0, 15_000, x=100, speed=0), Person(2, 15_000, 25_000, x=100, speed=0, worse=0.4)]
    for target_ms in (120_000, 6_000):
        video = merged(25_000, target_ms, people, [])
        first, second = [a for a in video.appearances if a.template is not None]
        assert 14_000 < first.end_ms <= 15_000 <= second.start_ms < 16_000
        assert first.start_ms <= 500
        assert second.end_ms >= 24_500
        assert_seen(video, [(0, 25_000)])
        assert first.person_id != second.person_id


def test_nobody_is_claimed_to_be_seen_through_a_hole_inside_a_segment() -> None:
    document = plan(24_000, 24_000)
    people = [Person(1, 0, 24_000, x=100, speed=0)]
    result = look_at(document.segments[0], people, [], 24_000, hole=(4_000, 20_000))
    video = merge_segments(document, [result], [], event_id="e")
    assert_claimed(video, [(0, 4_000), (20_000, 24_000)])
    assert_seen(video, [(0, 4_000), (20_000, 24_000)])
    assert [(g.start_ms, g.end_ms, g.reason) for g in video.gaps] == [(4_000, 20_000, "undecodable")]
    assert [(s.start_ms, s.end_ms) for s in video.shots] == [(0, 4_000), (20_000, 24_000)]


@pytest.mark.parametrize(("low", "high"), [(5_000, 7_600), (6_000, 8_000), (4_000, 6_000), (3_000, 15_000)])
def test_a_hole_across_a_border_of_segments_is_one_gap(low: int, high: int) -> None:
    document = plan(24_000, 6_000)
    results = [look_at(s, [], [], 24_000, hole=(low, high)) for s in document.segments]
    video = merge_segments(document, results, [], event_id="e")
    assert [(g.start_ms, g.end_ms, g.reason) for g in video.gaps] == [(low, high, "undecodable")]


def test_where_nothing_is_missing_by_count_a_still_screen_is_no_gap() -> None:
    document = plan(24_000, 24_000)
    result = without(look_at(document.segments[0], [], [], 24_000), 4_000, 8_000)
    assert merge_segments(document, [result], [], event_id="e").gaps != ()
    rare = document.media.model_copy(update={"frame_rate": Rational(num=result.frames_decoded, den=24)})
    still = document.model_copy(update={"media": rare})
    assert merge_segments(still, [result], [], event_id="e").gaps == ()
    broken = result.model_copy(update={"frames_corrupt": 1})
    assert [g.reason for g in merge_segments(still, [broken], [], event_id="e").gaps] == ["undecodable"]


def test_a_video_of_one_frame_a_second_has_no_holes() -> None:
    document = plan(24_000, 24_000)
    slow = document.media.model_copy(update={"frame_rate": Rational(num=1, den=1)})
    seconds = tuple(range(0, 24_000, 1_000))
    result = look_at(document.segments[0], [], [], 24_000)
    picture = ShotMeasure(pts_ms=seconds, sharpness=(9.0,) * 24, luma=(9.0,) * 24, motion=(0.0,) * 24)
    result = result.model_copy(update={"picture": picture, "frames_decoded": 24, "last_pts_ms": 23_000})
    assert merge_segments(document.model_copy(update={"media": slow}), [result], [], event_id="e").gaps == ()


def test_a_lost_segment_is_a_gap_and_nothing_is_claimed_inside_it() -> None:
    document = plan(18_000, 6_000)
    people = [Person(1, 0, 18_000, x=100, speed=0)]
    results = [look_at(s, people, [], 18_000) for s in document.segments if s.index != 1]
    video = merge_segments(document, results, [], event_id="e")
    (gap,) = video.gaps
    lost = document.segments[1]
    assert (gap.start_ms, gap.end_ms, gap.reason) == (lost.start_ms, lost.end_ms, "segment_failed")
    assert all(a.end_ms <= gap.start_ms or a.start_ms >= gap.end_ms for a in video.appearances)
    assert_claimed(video, [(0, lost.start_ms), (lost.end_ms, 18_000)])


def test_data_that_ends_early_is_a_truncated_gap_to_the_end() -> None:
    document = plan(24_000, 6_000)
    results = [look_at(s, [], [], 9_000) for s in document.segments]
    video = merge_segments(document, results, [], event_id="e")
    assert [(g.start_ms, g.end_ms, g.reason) for g in video.gaps] == [(9_000, 24_000, "truncated")]


def test_a_hole_in_the_middle_is_undecodable_not_truncated() -> None:
    document = plan(24_000, 6_000)
    results = [look_at(s, [], [], 24_000) for s in document.segments]
    results[1] = results[1].model_copy(update={"frames_decoded": 0, "last_pts_ms": -1})
    video = merge_segments(document, results, [], event_id="e")
    assert [g.reason for g in video.gaps] == ["undecodable"]


def test_nothing_analysed_is_one_gap_and_no_shot() -> None:
    video = merge_segments(plan(24_000, 6_000), [], [], event_id="e")
    assert (video.shots, video.appearances, video.people) == ((), (), ())
    assert [(g.start_ms, g.end_ms) for g in video.gaps] == [(0, 24_000)]
    assert len(video.excitement) == 24


def test_results_of_two_networks_are_never_mixed() -> None:
    document = plan(12_000, 5_000)
    results = [look_at(s, [], [], 12_000) for s in document.segments]
    results[0] = results[0].model_copy(update={"model_contract": CONTRACT.model_copy(update={"sha256": "1" * 64})})
    with pytest.raises(ContractBroken, match="mixed_model_contracts"):
        merge_segments(document, results, [], event_id="e")


def test_a_result_of_another_video_is_refused() -> None:
    document = plan(12_000, 120_000)
    result = look_at(document.segments[0], [], [], 12_000).model_copy(update={"video_id": "v-2"})
    with pytest.raises(ContractBroken, match="foreign_result"):
        merge_segments(document, [result], [], event_id="e")


@pytest.mark.parametrize(
    ("fans", "height_px", "searched"), [(0.01, 8_000, False), (0.01, 500, True), (0.5, 8_000, True)]
)
def test_small_faces_of_a_shot_that_surely_shows_no_fans_are_not_searched_for(
    monkeypatch: pytest.MonkeyPatch, fans: float, height_px: int, searched: bool
) -> None:
    def judged(shots: tuple[Shot, ...], *_: object) -> tuple[Shot, ...]:
        return tuple(shot.model_copy(update={"fan_probability": fans}) for shot in shots)

    monkeypatch.setattr(merging, "describe_shots", judged)
    document = plan(6_000, 6_000)
    results = [
        look_at(s, [Person(1, 0, 6_000, x=0, speed=0)], [], 6_000).model_copy(update={"frame_height": height_px})
        for s in document.segments
    ]
    video = merge_segments(document, results, sounds(document), event_id="e")
    assert video.appearances
    assert any(one.template is not None for one in video.appearances) == searched
    assert len(video.people) == searched


def unrecognised(result: SegmentResult) -> SegmentResult:
    """The same, had no face been good enough to be embedded."""
    return result.model_copy(
        update={"tracks": tuple(track.model_copy(update={"embedded": None}) for track in result.tracks)}
    )


@pytest.mark.parametrize(("size", "opens"), [(0, True), (21, True), (22, False), (400, False)])
def test_a_high_face_at_a_single_look_is_no_appearance_but_keeps_its_shot_from_opening(
    size: int, opens: bool
) -> None:
    once = [Person(1, 2_000, 2_100, x=300, speed=0, size=size)] if size else []
    document = plan(6_000, 6_000)
    results = [unrecognised(look_at(s, once, [], 6_000)) for s in document.segments]
    merged_video = merge_segments(document, results, sounds(document), event_id="e")
    assert merged_video.appearances == ()
    (shot,) = merged_video.shots
    assert shot.highest_face == pytest.approx(size / 720, abs=1e-5)
    wide = shot.model_copy(update={"kind": "play", "shot_type": "wide"})
    held = video(shots=(wide,), frame_width=1280, frame_height=720)
    assert shows_nobody((1_000, 4_000), 0, held, (), MontageStyle()) == opens


@settings(max_examples=25, deadline=None)
@given(scenes(), st.integers(5_000, 12_000), st.booleans())
def test_the_highest_face_of_every_shot_is_known_whoever_it_belongs_to(
    scene: tuple[int, list[Person], list[int]], target: int, poor: bool
) -> None:
    duration, people, cuts = scene
    people = [replace(person, size=40 + 60 * person.who) for person in people]
    document = plan(duration, target)
    results = [look_at(s, people, cuts, duration) for s in document.segments]
    results = [unrecognised(result) for result in results] if poor else results
    for shot in merge_segments(document, results, [], event_id="e").shots:
        looks = range(-(-shot.start_ms // SAMPLE_MS) * SAMPLE_MS, shot.end_ms, SAMPLE_MS)
        heights = [p.size for look in looks for p in people if p.start_ms <= look < p.end_ms]
        if looks:
            assert shot.highest_face == pytest.approx(max(heights, default=0) / 720, abs=1e-5)
        else:
            assert shot.highest_face is None
