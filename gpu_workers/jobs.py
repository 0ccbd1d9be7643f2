"""One leased message, from delivery to deletion: at least once, and the result written exactly once."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import structlog
from pydantic import ValidationError

from fanreel.adapters.blobs import BlobStore
from fanreel.adapters.media.source import MediaSource
from fanreel.adapters.queues import JobQueue, Lease
from fanreel.adapters.telemetry import current_traceparent, in_trace
from fanreel.contracts import MediaInfo, Segment, SegmentDone, SegmentJob, SegmentPlanDocument, SegmentResult
from fanreel.domain import naming
from fanreel.domain.profiles import PictureProfile
from fanreel.errors import ContractBroken, InputRejected, ModelFault
from fanreel.profiles import profile_or_default
from fanreel.settings import Settings

from .lease import renewed

log = structlog.get_logger()

RETRY_DELAY_SECONDS = 5
"""Wait per delivery before a job that failed is tried again: a dependency gets time to recover."""


class Analyze(Protocol):
    """The vision pipeline: one segment in, its result out."""

    def __call__(
        self,
        source: MediaSource,
        media: MediaInfo,
        segment: Segment,
        *,
        video_id: str,
        attempt: int,
        profile: PictureProfile,
    ) -> SegmentResult:
        """Return what is seen in `segment`. Raises InputRejected, ModelFault or anything unexpected."""
        ...


class JobRunner:
    """Does the jobs of one queue, one at a time."""

    def __init__(
        self,
        settings: Settings,
        blobs: BlobStore,
        jobs: JobQueue,
        reports: JobQueue,
        analyze: Analyze,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._settings = settings
        self._blobs = blobs
        self._jobs = jobs
        self._reports = reports
        self._analyze = analyze
        self._clock = clock

    def run(self, lease: Lease) -> bool:
        """Do one leased job; says whether it is finished (else it was handed back for another try).

        Raises ModelFault, with the message not deleted: the job is fine, this worker is not.
        """
        try:
            job = SegmentJob.from_wire(lease.content)
        except ValidationError:
            log.exception("job.unreadable", message_id=lease.message_id)
            self._jobs.move_to_poison(lease)
            return True
        names = {"video_id": job.video_id, "segment": job.segment_id, "attempt": job.attempt}
        with (
            in_trace(subject=job.video_id, traceparent=job.traceparent),
            structlog.contextvars.bound_contextvars(**names),
        ):
            if lease.dequeue_count > self._settings.max_dequeue:
                self._give_up(lease, job)
                return True
            with self._held(lease, job):
                finished = self._attempt(lease, job)
            if finished:
                self._jobs.delete(lease)
            else:
                self._jobs.hand_back(lease, RETRY_DELAY_SECONDS * lease.dequeue_count)
            return finished

    def _attempt(self, lease: Lease, job: SegmentJob) -> bool:
        started = self._clock()
        try:
            if not self._is_done(job):
                self._mark(job)
                written = self._blobs.put_json(
                    self._settings.container_results, job.result_blob, self._result(job)
                )
                log.info("segment.done", seconds=round(self._clock() - started, 2), written=written)
            self._report(job, "done")
        except InputRejected as rejected:
            log.warning("segment.rejected", reason=rejected.code)
            self._fail(job, "rejected", rejected.code)
        except ModelFault as fault:
            log.critical("segment.model_fault", reason=fault.code, message=fault.message)
            raise
        except Exception:
            log.exception("segment.crashed", delivery=lease.dequeue_count)
            return False
        return True

    def _held(self, lease: Lease, job: SegmentJob) -> AbstractContextManager[None]:
        """Keep the lease, and the marker fresh: one older than the timeout means that nobody is at the job."""
        seconds = self._settings.lease_seconds
        pause = min(seconds, self._settings.segment_timeout_s) / 2
        return renewed(self._jobs, lease, seconds, every_seconds=pause, beat=lambda: self._mark(job))

    def _mark(self, job: SegmentJob) -> None:
        marker = naming.lease_blob(job.video_id, job.segment_id, job.attempt)
        self._blobs.put_marker(self._settings.container_results, marker)

    def _result(self, job: SegmentJob) -> SegmentResult:
        plan = self._blobs.require_json(self._settings.container_results, job.plan_blob, SegmentPlanDocument)
        if not 0 <= job.segment_index < len(plan.segments):
            raise ContractBroken("segment_unknown", "The plan has no such segment.", segment=job.segment_id)
        source = self._blobs.source(job.container, job.blob_name, job.blob_etag)
        segment = plan.segments[job.segment_index]
        profile = profile_or_default(plan.profile, self._settings.profile_dir).picture
        return self._analyze(
            source, plan.media, segment, video_id=job.video_id, attempt=job.attempt, profile=profile
        )

    def _is_done(self, job: SegmentJob) -> bool:
        """Say whether this job's result is there already (delivered again, or attempted in parallel)."""
        return any(
            self._blobs.exists(
                self._settings.container_results, naming.result_blob(job.video_id, job.segment_id, attempt)
            )
            for attempt in range(1, job.attempt + 1)
        )

    def _give_up(self, lease: Lease, job: SegmentJob) -> None:
        log.error("segment.poisoned", deliveries=lease.dequeue_count - 1)
        if self._is_done(job):
            self._report(job, "done")
        else:
            self._fail(job, "poisoned", "segment_poisoned")
        self._jobs.move_to_poison(lease)

    def _fail(self, job: SegmentJob, outcome: str, reason: str) -> None:
        """Record that this attempt has no result, where the orchestration will look, then report."""
        done = _done(job, outcome, reason)
        self._blobs.put_json(
            self._settings.container_results,
            naming.failure_blob(job.video_id, job.segment_id, job.attempt),
            done,
            overwrite=True,
        )
        self._reports.send(done)

    def _report(self, job: SegmentJob, outcome: str) -> None:
        self._reports.send(_done(job, outcome, None))


def _done(job: SegmentJob, outcome: str, reason: str | None) -> SegmentDone:
    return SegmentDone.model_validate(
        {
            "video_id": job.video_id,
            "segment_id": job.segment_id,
            "attempt": job.attempt,
            "instance_id": job.instance_id,
            "event_name": job.event_name,
            "outcome": outcome,
            "reason": reason,
            "traceparent": current_traceparent(),
        }
    )
