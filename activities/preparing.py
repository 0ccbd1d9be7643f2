"""Before the analysis: is it a video, and how is it cut (DESIGN §2, steps 3 and 4)."""

from fanreel.adapters.media.probe import probe
from fanreel.adapters.services import Services
from fanreel.contracts import (
    MediaInfo,
    PlanOutcome,
    ProbeOutcome,
    SegmentPlanDocument,
    VideoDocument,
    VideoWork,
)
from fanreel.domain import naming
from fanreel.domain.media import plan_segments as cut_into_segments
from fanreel.errors import InputRejected
from fanreel.profiles import DEFAULT

from .base import activity, log
from .videos import advanced, load_plan, update_video


@activity
def probe_video(services: Services, work: VideoWork) -> ProbeOutcome:
    """Look into the container; what is not a usable video is rejected with a stable reason code."""
    settings = services.settings
    source = services.blobs.source(settings.container_videos, work.blob_name, work.blob_etag)
    try:
        media = probe(source)
    except InputRejected as rejected:
        _reject(services, work, rejected)
        return ProbeOutcome(accepted=False, reason=rejected.code)
    _store_plan(services, work, media)
    update_video(
        services,
        work,
        lambda document: advanced(document, "analyzing").model_copy(update={"duration_ms": media.duration_ms}),
    )
    return ProbeOutcome(accepted=True)


@activity
def plan_segments(services: Services, work: VideoWork) -> PlanOutcome:
    """Announce the segments in the `videos` document and tell the orchestration how to fan out."""
    settings = services.settings
    plan = load_plan(services, work.video_id)

    def announced(document: VideoDocument) -> VideoDocument:
        states = {one.segment_id: document.segment_states.get(one.segment_id, "queued") for one in plan.segments}
        return document.model_copy(update={"segment_states": states})

    update_video(services, work, announced)
    return PlanOutcome(
        segment_count=len(plan.segments),
        batch_size=settings.segment_batch_size,
        timeout_s=settings.segment_timeout_s,
        max_attempts=settings.segment_max_attempts,
    )


def _store_plan(services: Services, work: VideoWork, media: MediaInfo) -> None:
    """Write the plan once: results already computed for it stay valid if settings change meanwhile."""
    settings = services.settings
    segments = cut_into_segments(
        media, target_ms=settings.segment_target_ms, overlap_ms=settings.segment_overlap_ms
    )
    video = services.documents.get(VideoDocument, work.video_id, work.video_id)
    profile = DEFAULT if video is None else video.profile
    plan = SegmentPlanDocument(video_id=work.video_id, media=media, segments=segments, profile=profile)
    written = services.blobs.put_json(settings.container_results, naming.plan_blob(work.video_id), plan)
    log.info("video.planned", segments=len(segments), duration_ms=media.duration_ms, first_time=written)


def _reject(services: Services, work: VideoWork, rejected: InputRejected) -> None:
    log.info("video.rejected", reason=rejected.code)
    update_video(
        services,
        work,
        lambda document: document.model_copy(
            update={"status": "rejected", "reason": rejected.code, "reason_detail": rejected.message}
        ),
    )
