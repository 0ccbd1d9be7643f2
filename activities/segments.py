"""One segment: to the GPU pool and back, and its sound (DESIGN §2, steps 5 and 7)."""

import re

from fanreel.adapters.media.sound import Heard, hear
from fanreel.adapters.services import Services
from fanreel.adapters.telemetry import current_traceparent
from fanreel.contracts import (
    SegmentDone,
    SegmentJob,
    SegmentOutcome,
    SegmentWork,
    VideoDocument,
)
from fanreel.domain import naming
from fanreel.errors import InputRejected

from .base import activity, log
from .videos import load_plan

WAITING = "waiting"
"""Reason of a pending segment that needs no new attempt: it still waits for a worker, or one is at it."""


@activity
def dispatch_segment(services: Services, work: SegmentWork) -> None:
    """Queue one attempt of a segment; one that an earlier run already analysed is reported at once."""
    video, segment = work.video, naming.segment_id(work.segment_index)
    if finished_attempt(services, video.video_id, segment) is not None:
        services.segment_results.send(
            SegmentDone(
                video_id=video.video_id,
                segment_id=segment,
                attempt=work.attempt,
                instance_id=work.instance_id,
                event_name=work.event_name,
                outcome="done",
            )
        )
        return
    services.segments.send(
        SegmentJob(
            video_id=video.video_id,
            segment_id=segment,
            segment_index=work.segment_index,
            attempt=work.attempt,
            container=services.settings.container_videos,
            blob_name=video.blob_name,
            blob_etag=video.blob_etag,
            plan_blob=naming.plan_blob(video.video_id),
            result_blob=naming.result_blob(video.video_id, segment, work.attempt),
            instance_id=work.instance_id,
            event_name=work.event_name,
            traceparent=current_traceparent(),
        )
    )


@activity
def collect_segment(services: Services, work: SegmentWork) -> SegmentOutcome:
    """Read from storage what became of a segment and note it in the `videos` document.

    `done` when any attempt has a result; `failed` when this attempt cannot have one, or none are left; else
    `pending`, with reason `waiting` while another attempt would only be the same work twice. A failure that
    an earlier upload's job recorded (its file was overwritten) says nothing about this one.
    """
    video_id, segment = work.video.video_id, naming.segment_id(work.segment_index)
    done = finished_attempt(services, video_id, segment)
    if done is not None:
        return _noted(services, work, SegmentOutcome(segment_index=work.segment_index, state="done", attempt=done))
    failure = services.blobs.get_json(
        services.settings.container_results,
        naming.failure_blob(video_id, segment, work.attempt),
        SegmentDone,
    )
    if failure is not None and failure.instance_id == work.instance_id:
        reason = failure.reason or f"segment_{failure.outcome}"
        return _noted(services, work, _failed(work, reason))
    if _is_waiting(services, work):
        return SegmentOutcome(
            segment_index=work.segment_index, state="pending", attempt=work.attempt, reason=WAITING
        )
    if work.attempt >= work.max_attempts:
        return _noted(services, work, _failed(work, "segment_timeout"))
    return SegmentOutcome(segment_index=work.segment_index, state="pending", attempt=work.attempt)


@activity
def abandon_segment(services: Services, work: SegmentWork) -> SegmentOutcome:
    """Give a segment up that no worker ever took, or whose steps broke."""
    return _noted(services, work, _failed(work, "segment_abandoned"))


@activity
def measure_sound(services: Services, work: SegmentWork) -> None:
    """Measure what a segment sounds like; needs no GPU. A fault fails this step only (`hear_segment`)."""
    settings = services.settings
    video_id, segment_id = work.video.video_id, naming.segment_id(work.segment_index)
    blob = naming.sound_blob(video_id, segment_id)
    if services.blobs.exists(settings.container_results, blob):
        return
    plan = load_plan(services, video_id)
    segment = plan.segments[work.segment_index]
    source = services.blobs.source(settings.container_videos, work.video.blob_name, work.video.blob_etag)
    try:
        heard = hear(source, plan.media, segment.start_ms, segment.end_ms)
    except InputRejected as rejected:
        log.warning("sound.unreadable", reason=rejected.code)
        heard = Heard(reason="audio_undecodable")
    services.blobs.put_json(settings.container_results, blob, heard.result(video_id, segment_id))


def finished_attempt(services: Services, video_id: str, segment: str) -> int | None:
    """Return the lowest attempt of a segment that has a result; None when there is none."""
    prefix = f"{video_id}/{segment}."
    attempts = [
        int(found[1])
        for name in services.blobs.list_names(services.settings.container_results, prefix)
        if (found := re.fullmatch(r"(\d+)", name.removeprefix(prefix)))
    ]
    return min(attempts, default=None)


def _is_waiting(services: Services, work: SegmentWork) -> bool:
    """Say whether the job is still queued, or a worker at it gave a sign of life within the timeout.

    A queued job is not lost, storage keeps it: queueing it again would only lengthen a long queue.
    """
    lease = naming.lease_blob(work.video.video_id, naming.segment_id(work.segment_index), work.attempt)
    age = services.blobs.age_seconds(services.settings.container_results, lease)
    return age is None or age < work.timeout_s


def _failed(work: SegmentWork, reason: str) -> SegmentOutcome:
    return SegmentOutcome(segment_index=work.segment_index, state="failed", attempt=work.attempt, reason=reason)


def _noted(services: Services, work: SegmentWork, outcome: SegmentOutcome) -> SegmentOutcome:
    segment = naming.segment_id(work.segment_index)
    video_id = work.video.video_id
    services.documents.patch(VideoDocument, video_id, video_id, {f"/segmentStates/{segment}": outcome.state})
    log.info("segment.collected", state=outcome.state, attempt=outcome.attempt, reason=outcome.reason)
    return outcome
