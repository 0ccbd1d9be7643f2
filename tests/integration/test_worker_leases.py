"""The worker's promises on a real queue: at least once, written once, poison after N, nothing lost on a stop.

Only the vision is faked here (to fail on command); queue, blobs and the worker's loop are the real ones.
"""

import base64
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient
from pydantic import SecretStr

from fanreel.adapters.blobs import BlobStore
from fanreel.adapters.media.source import MediaSource
from fanreel.adapters.queues import JobQueue
from fanreel.adapters.services import Services
from fanreel.contracts import (
    MediaInfo,
    ModelContract,
    Segment,
    SegmentDone,
    SegmentJob,
    SegmentPlanDocument,
    SegmentResult,
    ShotMeasure,
)
from fanreel.domain import naming
from fanreel.domain.media import plan_segments
from fanreel.domain.profiles import PictureProfile
from fanreel.errors import InputRejected, ModelFault, NotAllowed
from fanreel.local.servers import Azurite, CosmosEmulator
from gpu_workers.jobs import JobRunner
from gpu_workers.lease import renewed
from gpu_workers.worker import EXIT_HUNG, EXIT_MODEL_FAULT, Worker, wait_for_storage
from tests.plain_media import plain_media

from .flow_services import services_on

pytestmark = pytest.mark.integration

MEDIA = plain_media(90_000)


def a_result(segment: Segment, video_id: str, attempt: int) -> SegmentResult:
    return SegmentResult(
        video_id=video_id,
        segment_id=segment.segment_id,
        attempt=attempt,
        start_ms=segment.start_ms,
        end_ms=segment.end_ms,
        model_contract=ModelContract(model_id="m", sha256="0", preprocessing="p"),
        detector="d",
        frame_width=320,
        frame_height=180,
        frames_decoded=1,
        frames_sampled=1,
        frames_corrupt=0,
        last_pts_ms=segment.end_ms,
        cuts_ms=(),
        tracks=(),
        picture=ShotMeasure(pts_ms=(), sharpness=(), luma=(), motion=()),
        seconds={},
    )


class Pool:
    """One worker on real storage with a vision that does what a test says."""

    def __init__(self, services: Services, see: Callable[[int], None] = lambda _call: None) -> None:
        self.services = services
        self.calls = 0
        self._see = see
        runner = JobRunner(
            services.settings, services.blobs, services.segments, services.segment_results, self._analyze
        )
        self.runner = runner
        self.worker = Worker(services.settings, services.segments, runner)

    def _analyze(
        self,
        source: MediaSource,
        media: MediaInfo,
        segment: Segment,
        *,
        video_id: str,
        attempt: int,
        profile: PictureProfile,
    ) -> SegmentResult:
        self.calls += 1
        self._see(self.calls)
        assert media == MEDIA
        assert profile == PictureProfile()
        return a_result(segment, video_id, attempt)

    def reports(self) -> list[SegmentDone]:
        found: list[SegmentDone] = []
        while (lease := self.services.segment_results.lease(60)) is not None:
            found.append(SegmentDone.from_wire(lease.content))
        return found


@pytest.fixture
def services(azurite: Azurite, cosmos: CosmosEmulator) -> Iterator[Services]:
    with services_on(
        azurite,
        cosmos,
        lease_seconds=5,
        segment_timeout_s=5,
        idle_exit_seconds=1,
        max_dequeue=2,
        shutdown_grace_seconds=1,
    ) as connected:
        segments = plan_segments(MEDIA, target_ms=45_000, overlap_ms=1_000)
        plan = SegmentPlanDocument(video_id="v-1", media=MEDIA, segments=segments)
        connected.blobs.put_json(connected.settings.container_results, naming.plan_blob("v-1"), plan)
        connected.blobs.client(connected.settings.container_videos, "final/a.mp4").upload_blob(b"film")
        yield connected


def send_job(services: Services, index: int = 0, attempt: int = 1) -> SegmentJob:
    segment = naming.segment_id(index)
    job = SegmentJob(
        video_id="v-1",
        segment_id=segment,
        segment_index=index,
        attempt=attempt,
        container=services.settings.container_videos,
        blob_name="final/a.mp4",
        blob_etag="0x1",
        plan_blob=naming.plan_blob("v-1"),
        result_blob=naming.result_blob("v-1", segment, attempt),
        instance_id="video-1-b0-s00000",
        event_name=f"segment-done:{segment}:{attempt}",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    services.segments.send(job)
    return job


def result_of(services: Services, job: SegmentJob) -> SegmentResult | None:
    return services.blobs.get_json(services.settings.container_results, job.result_blob, SegmentResult)


def lease_now(services: Services) -> bool:
    """Whether a job is to be had; puts it back."""
    lease = services.segments.lease(5)
    if lease is not None:
        services.segments.hand_back(lease)
    return lease is not None


def retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpu_workers.jobs.RETRY_DELAY_SECONDS", 0)


def test_jobs_are_done_reported_and_deleted_then_the_worker_ends(services: Services) -> None:
    jobs = [send_job(services, index) for index in (0, 1)]
    pool = Pool(services)
    assert pool.worker.run() == 0
    assert pool.calls == 2
    assert all(result_of(services, job) is not None for job in jobs)
    assert sorted(report.segment_id for report in pool.reports()) == ["00000", "00001"]
    assert services.segments.depth() == 0


def test_the_report_carries_the_trace_of_the_job(services: Services) -> None:
    send_job(services)
    pool = Pool(services)
    pool.worker.run()
    (report,) = pool.reports()
    assert report.outcome == "done"
    assert report.traceparent is not None
    assert report.traceparent.split("-")[1] == "0af7651916cd43dd8448eb211c80319c"


def test_a_job_delivered_again_is_not_analysed_again(services: Services) -> None:
    first = send_job(services)
    Pool(services).worker.run()
    before = result_of(services, first)
    send_job(services)
    send_job(services, attempt=2)
    pool = Pool(services)
    assert pool.worker.run() == 0
    assert pool.calls == 0
    assert result_of(services, first) == before
    assert len(pool.reports()) == 3


def test_a_crash_is_retried_and_then_poisoned(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    retry_at_once(monkeypatch)
    job = send_job(services)

    def crash(_call: int) -> None:
        raise RuntimeError("a bug")

    pool = Pool(services, crash)
    assert pool.worker.run() == 0
    assert pool.calls == services.settings.max_dequeue
    (report,) = pool.reports()
    assert (report.outcome, report.reason) == ("poisoned", "segment_poisoned")
    failure = services.blobs.get_json(
        services.settings.container_results, naming.failure_blob("v-1", job.segment_id, 1), SegmentDone
    )
    assert failure == report
    poison = JobQueue(services.settings, services.segments.poison_name)
    lease = poison.lease(5)
    poison.close()
    assert lease is not None
    assert SegmentJob.from_wire(lease.content) == job
    assert services.segments.depth() == 0


def test_a_crash_that_heals_costs_nothing(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    retry_at_once(monkeypatch)
    job = send_job(services)

    def crash_once(call: int) -> None:
        if call == 1:
            raise ConnectionResetError

    pool = Pool(services, crash_once)
    assert pool.worker.run() == 0
    assert result_of(services, job) is not None
    assert [report.outcome for report in pool.reports()] == ["done"]


def test_what_cannot_be_decoded_is_reported_and_never_retried(services: Services) -> None:
    job = send_job(services)

    def reject(_call: int) -> None:
        raise InputRejected("no_decodable_frame", "Nothing can be decoded.")

    pool = Pool(services, reject)
    assert pool.worker.run() == 0
    assert pool.calls == 1
    (report,) = pool.reports()
    assert (report.outcome, report.reason) == ("rejected", "no_decodable_frame")
    assert services.blobs.exists(
        services.settings.container_results, naming.failure_blob("v-1", job.segment_id, 1)
    )
    assert services.segments.depth() == 0


def test_a_sick_device_ends_the_worker_and_keeps_the_job(services: Services) -> None:
    send_job(services)

    def fault(_call: int) -> None:
        raise ModelFault("device_lost", "CUDA failure 719")

    pool = Pool(services, fault)
    assert pool.worker.run() == EXIT_MODEL_FAULT
    assert pool.reports() == []
    assert services.segments.depth() == 1


def test_a_text_nobody_understands_does_not_stop_the_worker(services: Services) -> None:
    connection = services.settings.storage_connection
    assert connection is not None
    with QueueClient.from_connection_string(connection.get_secret_value(), services.segments.name) as client:
        client.send_message(base64.b64encode(b'{"hello": 1}').decode())
        client.send_message("not base64 at all")
    job = send_job(services)
    pool = Pool(services)
    assert pool.worker.run() == 0
    assert result_of(services, job) is not None
    poison = JobQueue(services.settings, services.segments.poison_name)
    assert poison.depth() == 2
    poison.close()


def test_a_long_job_keeps_its_lease(services: Services) -> None:
    send_job(services)
    lease = services.segments.lease(2)
    assert lease is not None
    with renewed(services.segments, lease, 2):
        time.sleep(4.5)
        assert services.segments.lease(1) is None
    assert services.segments.delete(lease)


def test_a_long_job_keeps_saying_that_somebody_is_at_it(services: Services) -> None:
    """Longer than the timeout after which the orchestration would queue it again."""
    timeout_s = services.settings.segment_timeout_s
    send_job(services)
    pool = Pool(services, lambda _call: time.sleep(timeout_s + 1.5))
    thread = threading.Thread(target=pool.worker.run)
    thread.start()
    marker = naming.lease_blob("v-1", "00000", 1)
    ages: list[float] = []
    while thread.is_alive():
        age = services.blobs.age_seconds(services.settings.container_results, marker)
        ages.extend([] if age is None else [age])
        thread.join(0.5)
    assert ages
    assert max(ages) < timeout_s


def test_a_hung_job_ends_the_worker_and_goes_back(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpu_workers.worker.HUNG_AFTER_TIMEOUTS", 0.1)
    send_job(services)
    release = threading.Event()

    def hang(_call: int) -> None:
        release.wait(30)

    pool = Pool(services, hang)
    try:
        assert pool.worker.run() == EXIT_HUNG
        assert lease_now(services), "another worker takes it at once"
    finally:
        release.set()
        for left in [one for one in threading.enumerate() if one.name == "job"]:
            left.join(10)


def test_a_stop_lets_a_short_job_finish(services: Services) -> None:
    job = send_job(services)
    send_job(services, 1)
    started = threading.Event()

    def short(_call: int) -> None:
        started.set()
        time.sleep(0.5)

    pool = Pool(services, short)
    thread = threading.Thread(target=pool.worker.run)
    thread.start()
    assert started.wait(10)
    pool.worker.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert result_of(services, job) is not None
    assert pool.calls == 1
    assert services.segments.depth() == 1, "the other job was not taken"


def test_a_stop_hands_a_long_job_back(services: Services) -> None:
    send_job(services)
    started, release = threading.Event(), threading.Event()

    def long(_call: int) -> None:
        started.set()
        release.wait(20)

    pool = Pool(services, long)
    code: list[int] = []
    thread = threading.Thread(target=lambda: code.append(pool.worker.run()))
    thread.start()
    assert started.wait(10)
    pool.worker.stop()
    thread.join(10)
    try:
        assert code == [0]
        assert lease_now(services), "another worker takes it at once"
    finally:
        release.set()
        for left in [one for one in threading.enumerate() if one.name == "job"]:
            left.join(10)


def test_a_worker_is_recycled_after_its_jobs(services: Services) -> None:
    for index in (0, 1):
        send_job(services, index)
    pool = Pool(services)
    recycled = Worker(
        services.settings.model_copy(update={"recycle_after_jobs": 1}), services.segments, pool.runner
    )
    assert recycled.run() == 0
    assert pool.calls == 1
    assert services.segments.depth() == 1


def test_a_worker_that_comes_first_waits_for_storage(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.core.exceptions import ServiceRequestError

    monkeypatch.setattr("gpu_workers.worker.STORAGE_WAIT_SECONDS", 0.01)
    real, calls = services.blobs.ensure, [0]

    def not_yet() -> None:
        calls[0] += 1
        if calls[0] < 3:
            raise ServiceRequestError("connection refused")
        real()

    monkeypatch.setattr(services.blobs, "ensure", not_yet)
    assert wait_for_storage(services.blobs, (services.segments,), lambda: False)
    assert calls[0] == 3
    assert not wait_for_storage(services.blobs, (services.segments,), lambda: True)


def test_a_worker_that_storage_refuses_does_not_wait(services: Services) -> None:
    connection = services.settings.storage_connection
    assert connection is not None
    wrong = re.sub("AccountKey=[^;]+", "AccountKey=d3Jvbmc=", connection.get_secret_value())
    settings = services.settings.model_copy(update={"storage_connection": SecretStr(wrong)})
    tries = iter(range(3))
    with contextlib.closing(BlobStore(settings)) as blobs, pytest.raises(NotAllowed, match="storage_denied"):
        wait_for_storage(blobs, (services.segments,), lambda: next(tries, None) is None)


def test_a_killed_worker_loses_nothing(services: Services, tmp_path: Path) -> None:
    """A process of its own, ended with SIGKILL in the middle of a job; another one does the job."""
    job = send_job(services)
    mark = tmp_path / "started"
    script = tmp_path / "dying_worker.py"
    script.write_text(
        "import sys, time, pathlib\n"
        "from fanreel.settings import Settings\n"
        "from fanreel.adapters.blobs import BlobStore\n"
        "from fanreel.adapters.queues import JobQueue\n"
        "from gpu_workers.jobs import JobRunner\n"
        "from gpu_workers.worker import Worker\n"
        "settings = Settings()\n"
        "jobs = JobQueue(settings, settings.queue_segments)\n"
        "reports = JobQueue(settings, settings.queue_segment_results)\n"
        "def analyze(*a, **k):\n"
        "    pathlib.Path(sys.argv[1]).touch(); time.sleep(60)\n"
        "Worker(settings, jobs, JobRunner(settings, BlobStore(settings), jobs, reports, analyze)).run()\n"
    )
    settings = services.settings
    assert settings.storage_connection is not None
    env = {
        **os.environ,
        "FANREEL_STORAGE_CONNECTION": settings.storage_connection.get_secret_value(),
        "FANREEL_CONTAINER_RESULTS": settings.container_results,
        "FANREEL_QUEUE_SEGMENTS": settings.queue_segments,
        "FANREEL_QUEUE_SEGMENT_RESULTS": settings.queue_segment_results,
        "FANREEL_LEASE_SECONDS": "5",
    }
    process = subprocess.Popen([sys.executable, str(script), str(mark)], env=env, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not mark.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    survivor = Pool(services)
    deadline = time.monotonic() + 20
    while survivor.calls == 0:
        assert time.monotonic() < deadline
        survivor.worker.run()
    assert result_of(services, job) is not None
    assert [report.outcome for report in survivor.reports()] == ["done"]
