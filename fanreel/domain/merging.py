"""The merge: what workers saw of segments → what the video shows. Pure; in any order, however often repeated."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fanreel.contracts import (
    AppearanceDocument,
    CrowdSound,
    Gap,
    Highlight,
    Instance,
    ModelContract,
    PersonDocument,
    ReadText,
    SegmentPlanDocument,
    SegmentResult,
    Shot,
    SoundEvent,
    SoundResult,
    Vectors,
)
from fanreel.domain import naming
from fanreel.domain.appearances import (
    Appearance,
    best_face,
    boxes_of,
    build_appearances,
    described,
    with_highest_faces,
)
from fanreel.domain.attributes import vote
from fanreel.domain.crowd_sound import describe_sound, sound_events
from fanreel.domain.excitement import F64, at_seconds, baseline, face_excitement, with_crowd
from fanreel.domain.highlights import Match, MatchFlow, find_highlights
from fanreel.domain.people import MIN_FACE_PX, MIN_QUALITY, cluster_people, union_of_spans
from fanreel.domain.replays import Looks, find_replays, mark_replays
from fanreel.domain.shot_description import describe_shots
from fanreel.domain.shot_kinds import KindModel, worth_searching
from fanreel.domain.stitching import one_per_segment, stitch
from fanreel.domain.timeline import build_timeline, join_loudness, sample_times
from fanreel.errors import ContractBroken


@dataclass(frozen=True, slots=True)
class MergedVideo:
    """Everything known about one video. `loudness_db`, `excitement`, `action`, `unusual`: per second from 0."""

    shots: tuple[Shot, ...]
    appearances: tuple[AppearanceDocument, ...]
    people: tuple[PersonDocument, ...]
    loudness_db: tuple[float, ...]
    sound: CrowdSound
    sounds: tuple[SoundEvent, ...]
    excitement: tuple[float, ...]
    highlights: tuple[Highlight, ...]
    action: tuple[float, ...]
    unusual: tuple[float, ...]
    gaps: tuple[Gap, ...]
    texts: tuple[ReadText, ...]
    seconds: dict[str, float]


def merge_segments(
    plan: SegmentPlanDocument,
    results: Sequence[SegmentResult],
    sounds: Sequence[SoundResult],
    *,
    event_id: str,
    kinds: KindModel | None = None,
) -> MergedVideo:
    """Merge a video's segment results and sounds; segments without a result become gaps.

    `kinds` judges what shots show, where the video's profile brings a model of its own.
    Raises ContractBroken (`foreign_result`, `mixed_model_contracts`) when results belong to another video or were
    embedded by different networks.
    """
    chosen = _of_plan(plan, results)
    contract = _common_contract(chosen)
    timeline = build_timeline(plan, chosen)
    tracks = stitch(chosen)
    height_px = max((result.frame_height for result in chosen), default=1)
    looks_ms = sample_times(chosen)
    described_shots = describe_shots(timeline.shots, chosen, tracks, kinds)
    shots = with_highest_faces(described_shots, tracks, looks_ms, height_px)
    appearances = [
        _searched_or_not(appearance, shots[appearance.shot_index], height_px)
        for appearance in build_appearances(tracks, timeline.shots, looks_ms)
    ]
    persons = _persons(appearances)
    loudness = join_loudness(plan.media.duration_ms, sounds)
    channels = plan.media.audio[0].channels if plan.media.audio else 1
    sound = describe_sound(plan.media.duration_ms, sounds, loudness, channels)
    crowd = np.array(sound.crowd)
    faces = _face_curves(appearances, persons)
    curves = [
        with_crowd(curve, at_seconds(a.track.pts_ms, crowd)) for a, curve in zip(appearances, faces, strict=True)
    ]
    names = _person_names(plan.video_id, appearances, persons)
    documents = tuple(
        _document(plan.video_id, event_id, index, appearance, names.get(persons[index]), curve, contract)
        for index, (appearance, curve) in enumerate(zip(appearances, curves, strict=True))
    )
    face = _most_excited_face(plan.media.duration_ms, appearances, faces)
    replays = find_replays(shots, Looks.of(result.picture for result in chosen))
    interesting = find_highlights(
        Match(
            duration_ms=plan.media.duration_ms,
            shots=shots,
            replays=replays,
            flow=MatchFlow.of(result.picture for result in chosen),
            faces=tuple(face.tolist()),
            sound=sound,
        )
    )
    return MergedVideo(
        shots=mark_replays(shots, replays),
        appearances=documents,
        people=_people(plan.video_id, event_id, documents, names),
        loudness_db=loudness,
        sound=sound,
        sounds=sound_events(sound),
        excitement=_excitement(face, crowd),
        highlights=interesting.highlights,
        action=interesting.action,
        unusual=interesting.unusual,
        gaps=timeline.gaps,
        texts=tuple(text for result in chosen for text in result.texts),
        seconds=_total_seconds(chosen),
    )


def _searched_or_not(appearance: Appearance, shot: Shot, height_px: int) -> Appearance:
    """Return the appearance without its faces where no fan is: no template, no person, no search for it."""
    if appearance.faces is None:
        return appearance
    share = float(appearance.faces.height_px.max()) / height_px
    if worth_searching(shot.fan_probability, share):
        return appearance
    return replace(appearance, faces=None, pooled=None)


def _of_plan(plan: SegmentPlanDocument, results: Sequence[SegmentResult]) -> list[SegmentResult]:
    """Keep one result of every planned segment, in order."""
    for result in results:
        if result.video_id != plan.video_id:
            raise ContractBroken(
                "foreign_result",
                "A result belongs to another video.",
                video_id=result.video_id,
                plan=plan.video_id,
            )
    chosen = {result.segment_id: result for result in one_per_segment(results)}
    return [chosen[s.segment_id] for s in plan.segments if s.segment_id in chosen]


def _common_contract(results: Sequence[SegmentResult]) -> ModelContract | None:
    contracts = {(c.model_id, c.sha256, c.preprocessing): c for c in (r.model_contract for r in results)}
    if len(contracts) > 1:
        raise ContractBroken(
            "mixed_model_contracts",
            "Segments of one video were embedded by different networks; analyse the video again with one pack.",
            contracts=sorted(contracts),
        )
    return next(iter(contracts.values()), None)


def _persons(appearances: Sequence[Appearance]) -> list[int | None]:
    """Return the cluster of each appearance; none for those too small or poor to be compared."""
    persons: list[int | None] = [None] * len(appearances)
    rows = [i for i, a in enumerate(appearances) if _comparable(a)]
    pooled = [p for i in rows if (p := appearances[i].pooled) is not None]
    if rows:
        templates = np.array([p.template for p in pooled], np.float32)
        spans = [(appearances[i].start_ms, appearances[i].end_ms) for i in rows]
        labels = cluster_people(templates, np.array([p.cohesion for p in pooled]), spans)
        for row, label in zip(rows, labels.tolist(), strict=True):
            persons[row] = int(label)
    return persons


def _comparable(appearance: Appearance) -> bool:
    faces = appearance.supporting
    if faces is None:
        return False
    return float(np.median(faces.height_px)) >= MIN_FACE_PX and float(faces.quality.mean()) >= MIN_QUALITY


def _face_curves(appearances: Sequence[Appearance], persons: Sequence[int | None]) -> list[F64]:
    """Return each appearance's face excitement, against its person's baseline over the whole video."""
    keys = [(-1 - row if person is None else person) for row, person in enumerate(persons)]
    levels: dict[int, list[F64]] = {}
    for key, appearance in zip(keys, appearances, strict=True):
        if appearance.levels is not None:
            levels.setdefault(key, []).append(appearance.levels)
    usual = {key: baseline(np.concatenate(parts)) for key, parts in levels.items()}
    return [
        face_excitement(a.levels, usual[key]) if a.levels is not None else np.zeros(len(a.track))
        for key, a in zip(keys, appearances, strict=True)
    ]


def _person_names(
    video_id: str, appearances: Sequence[Appearance], persons: Sequence[int | None]
) -> dict[int | None, str]:
    """Number people by screen time, longest first; then by who appeared first."""
    spans: dict[int, list[tuple[int, int]]] = {}
    first: dict[int, int] = {}
    for index, (person, appearance) in enumerate(zip(persons, appearances, strict=True)):
        if person is not None:
            spans.setdefault(person, []).append((appearance.start_ms, appearance.end_ms))
            first.setdefault(person, index)
    time = {person: sum(end - start for start, end in union_of_spans(own)) for person, own in spans.items()}
    ordered = sorted(spans, key=lambda person: (-time[person], first[person]))
    return {person: naming.person_id(video_id, index) for index, person in enumerate(ordered)}


def _document(
    video_id: str,
    event_id: str,
    index: int,
    appearance: Appearance,
    person_id: str | None,
    curve: F64,
    contract: ModelContract | None,
) -> AppearanceDocument:
    track, faces, pooled = appearance.track, appearance.supporting, appearance.pooled
    common = AppearanceDocument(
        id=naming.appearance_id(video_id, index),
        video_id=video_id,
        event_id=event_id,
        person_id=person_id,
        start_ms=appearance.start_ms,
        end_ms=appearance.end_ms,
        shot_index=appearance.shot_index,
        pts_ms=tuple(track.pts_ms.tolist()),
        boxes=boxes_of(track),
        quality=round(float(track.quality.max()), 4),
        face_height_px=round(float(np.median(track.boxes[:, 3] - track.boxes[:, 1])), 1),
        excitement=round(float(curve.max()), 4),
        excitement_curve=tuple(round(value, 3) for value in curve.tolist()),
        best_face=best_face(track),
    ).model_copy(update=described(appearance))
    if faces is None or pooled is None:
        return common
    return common.model_copy(
        update={
            "supporting_faces": len(faces),
            "quality": round(vote(faces.quality, faces.quality), 4),
            "face_height_px": round(float(np.median(faces.height_px)), 1),
            "sharpness": round(float(np.median(faces.sharpness)), 2),
            "spread": round(pooled.spread, 4),
            "template": Vectors.pack(pooled.template[None, :], "float16"),
            "model_contract": contract,
        }
    )


def _people(
    video_id: str, event_id: str, appearances: Sequence[AppearanceDocument], names: dict[int | None, str]
) -> tuple[PersonDocument, ...]:
    of_person: dict[str, list[AppearanceDocument]] = {person_id: [] for person_id in names.values()}
    for appearance in appearances:
        if appearance.person_id is not None:
            of_person[appearance.person_id].append(appearance)
    documents: list[PersonDocument] = []
    for person_id, own in of_person.items():
        spans = union_of_spans([(a.start_ms, a.end_ms) for a in own])
        faces = [a.best_face for a in own if a.best_face is not None]
        documents.append(
            PersonDocument(
                id=person_id,
                video_id=video_id,
                event_id=event_id,
                appearance_ids=tuple(a.id for a in own),
                instances=tuple(Instance(start_ms=start, end_ms=end) for start, end in spans),
                screen_time_ms=sum(end - start for start, end in spans),
                best_face=max(faces, key=lambda face: face.quality, default=None),
            )
        )
    return tuple(documents)


def _most_excited_face(duration_ms: int, appearances: Sequence[Appearance], faces: Sequence[F64]) -> F64:
    """Return the excitement of each second's most excited face, 0..1."""
    seconds = math.ceil(duration_ms / 1000)
    face = np.zeros(seconds)
    for appearance, curve in zip(appearances, faces, strict=True):
        second = appearance.track.pts_ms // 1000
        inside = second < seconds
        np.maximum.at(face, second[inside], curve[inside])
    return face


def _excitement(face: F64, crowd: F64) -> tuple[float, ...]:
    """Return 0..1 per second from the most excited face and the crowd, which counts alone too."""
    return tuple(round(v, 3) for v in with_crowd(face, at_seconds(np.arange(len(face)) * 1000, crowd)).tolist())


def _total_seconds(results: Sequence[SegmentResult]) -> dict[str, float]:
    total: dict[str, float] = {}
    for result in results:
        for stage, seconds in result.seconds.items():
            total[stage] = total.get(stage, 0.0) + seconds
    return {stage: round(seconds, 3) for stage, seconds in total.items()}
