"""After the segments: one picture of the whole video (DESIGN §2, step 8), and its end."""

import json
from collections.abc import Sequence

from fanreel.adapters.services import Services
from fanreel.contracts import (
    AppearanceDocument,
    Document,
    FinishWork,
    Gap,
    InsightsDocument,
    PersonDocument,
    SegmentResult,
    SoundResult,
    VideoDocument,
    VideoWork,
)
from fanreel.domain import naming
from fanreel.domain.captions import score_spans
from fanreel.domain.fitting import fitted
from fanreel.domain.merging import merge_segments
from fanreel.domain.shot_kinds import KindModel, read_model
from fanreel.errors import InputRejected
from fanreel.profiles import DEFAULT, beside_profile, profile_or_default

from .base import activity, log
from .segments import finished_attempt
from .videos import advanced, is_overtaken, load_plan, update_video

TOLD_GAPS = 50
"""So many gaps are told of in words: a badly damaged file can have one a second."""


@activity
def merge_video(services: Services, work: VideoWork) -> None:
    """Join all segments' results into appearances, people, shots and curves in Cosmos.

    The ids are deterministic, so doing it again overwrites; what an earlier merge had more is deleted. An
    analysis whose file was overwritten merges nothing: it may lack what the new one has.
    """
    if is_overtaken(services, work):
        log.info("video.overtaken")
        return
    plan = load_plan(services, work.video_id)
    results: list[SegmentResult] = []
    sounds: list[SoundResult] = []
    container = services.settings.container_results
    for segment in plan.segments:
        attempt = finished_attempt(services, work.video_id, segment.segment_id)
        if attempt is not None:
            blob = naming.result_blob(work.video_id, segment.segment_id, attempt)
            results.append(services.blobs.require_json(container, blob, SegmentResult))
        sound = services.blobs.get_json(
            container, naming.sound_blob(work.video_id, segment.segment_id), SoundResult
        )
        if sound is not None:
            sounds.append(sound)
    merged = merge_segments(
        plan, results, sounds, event_id=work.event_id, kinds=brought_kinds(services, work.video_id)
    )
    _replace_all(services, work.video_id, AppearanceDocument, merged.appearances)
    _replace_all(services, work.video_id, PersonDocument, merged.people)
    insights = InsightsDocument(
        video_id=work.video_id,
        loudness_db=merged.loudness_db,
        sound=merged.sound,
        excitement=merged.excitement,
        action=merged.action,
        unusual=merged.unusual,
        texts=merged.texts,
    )
    services.blobs.put_json(container, naming.insights_blob(work.video_id), insights, overwrite=True)

    def described(document: VideoDocument) -> VideoDocument:
        whole = advanced(document, "matching").model_copy(
            update={
                "shots": merged.shots,
                "frame_width": max((result.frame_width for result in results), default=0),
                "frame_height": max((result.frame_height for result in results), default=0),
                "excitement": merged.excitement,
                "crowd": merged.sound.crowd,
                "sounds": merged.sounds,
                "highlights": merged.highlights,
                "scores": score_spans(merged.texts),
                "gaps": merged.gaps,
                "appearances": len(merged.appearances),
                "people": len(merged.people),
                "seconds": merged.seconds,
            }
        )
        fitting = fitted(whole)
        if fitting.left_out:
            log.warning("video.too_large_to_store_whole", left_out=fitting.left_out, shots=len(merged.shots))
        return fitting.video

    update_video(services, work, described)
    log.info("video.merged", appearances=len(merged.appearances), people=len(merged.people), gaps=len(merged.gaps))


@activity
def finish_video(services: Services, work: FinishWork) -> None:
    """Close the `videos` document: `ready`, `ready_partial` with the first gap's reason, or `failed`."""

    def finished(document: VideoDocument) -> VideoDocument:
        if work.status == "failed":
            return document.model_copy(update={"status": "failed", "reason": work.reason or "analysis_failed"})
        if not document.gaps and not work.failed_segments:
            return document.model_copy(update={"status": "ready", "reason": None})
        reason = document.gaps[0].reason if document.gaps else "segment_failed"
        return document.model_copy(
            update={"status": "ready_partial", "reason": reason, "reason_detail": told_gaps(document.gaps)}
        )

    document = update_video(services, work.video, finished)
    if document is not None:
        log.info("video.finished", status=document.status, reason=document.reason)


def told_gaps(gaps: Sequence[Gap]) -> str | None:
    """Return the gaps in words, the first `TOLD_GAPS` of them; None where there is none."""
    if not gaps:
        return None
    spans = ", ".join(f"{gap.start_ms}-{gap.end_ms} ms ({gap.reason})" for gap in gaps[:TOLD_GAPS])
    more = len(gaps) - TOLD_GAPS
    return f"Not analysed: {spans}{f' and {more} more' if more > 0 else ''}."


def brought_kinds(services: Services, video_id: str) -> KindModel | None:
    """Return the shot-kind model that the video's profile brings; None for ours, and where it cannot be used."""
    video = services.documents.get(VideoDocument, video_id, video_id)
    profile = profile_or_default(video.profile if video else DEFAULT, services.settings.profile_dir)
    file = profile.picture.fan_shot_model
    if file == DEFAULT:
        return None
    try:
        path = beside_profile(profile.name, file, services.settings.profile_dir)
        return read_model(json.loads(path.read_text("utf-8")))
    except (InputRejected, ValueError, KeyError) as wrong:
        log.warning("profile.shot_model_unusable", profile=profile.name, reason=str(wrong)[:200])
        return None


def _replace_all(services: Services, video_id: str, kind: type[Document], documents: Sequence[Document]) -> None:
    services.documents.upsert_many(documents)
    current = {document.id for document in documents}
    for row in services.documents.select(kind, ["id"], "", {}, partition=video_id):
        if row["id"] not in current:
            services.documents.delete(kind, row["id"], video_id)
