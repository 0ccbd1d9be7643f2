"""The worker KEDA scales: leases segment jobs until there are none. `python -m gpu_workers.worker`.

Exit codes: 0 idle, recycled or told to stop; 3 a network or its device is broken, 4 a job hangs (both: the job
goes back to the queue); 5 storage refuses this identity; anything else is a bug. Networks are loaded and warmed
up before the first lease.
"""

import functools
import os
import signal
import sys
import time
from collections.abc import Callable
from threading import Event, Thread
from types import FrameType

import structlog
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from fanreel.adapters.blobs import BlobStore
from fanreel.adapters.queues import JobQueue, Lease
from fanreel.adapters.telemetry import configure_telemetry
from fanreel.errors import ModelFault, NotAllowed
from fanreel.inference.networks import load_networks
from fanreel.settings import Settings, get_settings

from .jobs import Analyze, JobRunner
from .pipeline.segment import analyze_segment

log = structlog.get_logger()

EXIT_MODEL_FAULT = 3
EXIT_HUNG = 4
EXIT_DENIED = 5

HUNG_AFTER_TIMEOUTS = 3
"""Segment timeouts after which a job in work counts as hung: 45 min by default, sixty times a segment's length.
Only the end of the process frees a decoder or a device that never answers, and with it the lease."""

POLL_FIRST_SECONDS = 0.2
POLL_LONGEST_SECONDS = 5.0
"""An empty queue is asked less and less often: one request per 5 s costs nothing and is quick enough."""

STORAGE_WAIT_SECONDS = 2.0


class Worker:
    """Leases jobs one after another, each in a thread of its own so that a stop need not wait for it."""

    def __init__(self, settings: Settings, jobs: JobQueue, runner: JobRunner) -> None:
        self._settings = settings
        self._jobs = jobs
        self._runner = runner
        self._stop = Event()
        self._fault: BaseException | None = None

    def stop(self) -> None:
        """Lease nothing more; the current job may finish within the grace time."""
        self._stop.set()

    def run(self) -> int:
        """Work until idle, recycled or stopped; returns the exit code."""
        finished, wait, idle_since = 0, POLL_FIRST_SECONDS, time.monotonic()
        while not self._stop.is_set():
            lease = self._lease()
            if lease is None:
                idle = time.monotonic() - idle_since
                if self._settings.idle_exit_seconds and idle >= self._settings.idle_exit_seconds:
                    log.info("worker.idle_exit", jobs=finished)
                    return 0
                self._stop.wait(wait)
                wait = min(wait * 2, POLL_LONGEST_SECONDS)
                continue
            code = self._do(lease)
            if code is not None:
                return code
            finished, wait, idle_since = finished + 1, POLL_FIRST_SECONDS, time.monotonic()
            if self._settings.recycle_after_jobs and finished >= self._settings.recycle_after_jobs:
                log.info("worker.recycled", jobs=finished)
                return 0
        log.info("worker.stopped", jobs=finished)
        return 0

    def _lease(self) -> Lease | None:
        try:
            return self._jobs.lease(self._settings.lease_seconds)
        except AzureError as fault:
            log.warning("worker.storage_unreachable", error=type(fault).__name__)
            self._stop.wait(STORAGE_WAIT_SECONDS)
            return None

    def _do(self, lease: Lease) -> int | None:
        """Do one job; returns the exit code if the worker must end with it."""
        thread = Thread(target=self._job, args=(lease,), name="job", daemon=True)
        hung_at = time.monotonic() + HUNG_AFTER_TIMEOUTS * self._settings.segment_timeout_s
        thread.start()
        while thread.is_alive():
            thread.join(0.2)
            if self._stop.is_set():
                thread.join(self._settings.shutdown_grace_seconds)
                if thread.is_alive():
                    return self._hand_back(lease, 0)
            elif time.monotonic() > hung_at:
                log.critical("worker.job_hung", message_id=lease.message_id)
                return self._hand_back(lease, EXIT_HUNG)
        return None if self._fault is None else EXIT_MODEL_FAULT

    def _job(self, lease: Lease) -> None:
        try:
            self._runner.run(lease)
        except ModelFault as fault:
            self._fault = fault
        except Exception:
            # Reporting or deleting failed: the lease runs out and the job is delivered again.
            log.exception("worker.job_not_ended", message_id=lease.message_id)

    def _hand_back(self, lease: Lease, code: int) -> int:
        try:
            self._jobs.hand_back(lease)
        except AzureError as fault:  # the lease runs out by itself, once this process has ended
            log.warning("worker.not_handed_back", message_id=lease.message_id, error=type(fault).__name__)
        else:
            log.warning("worker.handed_back", message_id=lease.message_id)
        return code


def wait_for_storage(blobs: BlobStore, queues: tuple[JobQueue, ...], stopped: Callable[[], bool]) -> bool:
    """Wait until storage answers; False when told to stop meanwhile.

    Raises NotAllowed `storage_denied` when it answers that this identity may not: waiting does not help.
    """
    while not stopped():
        try:
            blobs.ensure()
            for queue in queues:
                queue.ensure()
                queue.depth()
        except AzureError as fault:
            if _is_denied(fault):
                raise NotAllowed(
                    "storage_denied", "Storage refuses this worker: give its identity the roles, or fix the key."
                ) from fault
            log.warning("worker.storage_unreachable", error=type(fault).__name__)
            time.sleep(STORAGE_WAIT_SECONDS)
            continue
        return True
    return False


def _is_denied(fault: AzureError) -> bool:
    status = fault.status_code if isinstance(fault, HttpResponseError) else None
    return isinstance(fault, ClientAuthenticationError) or status in (401, 403)


def main() -> int:
    """Run one worker of this process's settings."""
    settings = get_settings()
    configure_telemetry(settings)
    stopped = Event()
    worker: Worker | None = None

    def on_signal(number: int, _frame: FrameType | None) -> None:
        log.info("worker.signal", signal=signal.Signals(number).name)
        stopped.set()
        if worker is not None:
            worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    try:
        networks = load_networks(settings)
        networks.warm_up()
    except ModelFault as fault:
        log.critical("worker.model_fault", reason=fault.code, message=fault.message)
        return EXIT_MODEL_FAULT
    blobs = BlobStore(settings)
    jobs = JobQueue(settings, settings.queue_segments)
    reports = JobQueue(settings, settings.queue_segment_results)
    try:
        if not wait_for_storage(blobs, (jobs, reports), stopped.is_set):
            return 0
    except NotAllowed as denied:
        log.critical("worker.storage_denied", reason=denied.code, message=denied.message)
        return EXIT_DENIED
    analyze: Analyze = functools.partial(analyze_segment, networks=networks, settings=settings)
    worker = Worker(settings, jobs, JobRunner(settings, blobs, jobs, reports, analyze))
    log.info("worker.ready", provider=settings.execution_provider, pack=settings.model_pack)
    if stopped.is_set():
        worker.stop()
    return worker.run()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # A job that did not end in time is still inside native code; leaving now is what handing it back means.
    os._exit(code)
