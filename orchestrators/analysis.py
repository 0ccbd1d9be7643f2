"""A broadcast's way from upload to montages (DESIGN §2).

analyze_video ─ probe ─ plan ─┬ segment_batch ─┬ analyze_segment (GPU job; event or timer)
                              │                └ hear_segment (measure_sound)
                              └ … then merge ─ match ─ make_montage per matched fan ─ finish
"""

from datetime import timedelta
from typing import cast

import azure.durable_functions as df
from azure.durable_functions.models.Task import TaskBase, TimerTask

from fanreel.contracts import (
    BatchWork,
    FanPage,
    FanPageOutcome,
    FinishWork,
    MatchOutcome,
    PlanOutcome,
    ProbeOutcome,
    SegmentOutcome,
    SegmentWork,
    VideoWork,
)

from .base import Steps, closing_step, orchestrator, step
from .montages import make_montages

MAX_WAITS = 200
"""Timeouts a segment may wait in all its attempts together: two days at 15 minutes, far beyond any backlog."""


@orchestrator
def analyze_video(context: df.DurableOrchestrationContext) -> Steps:
    """Analyse one uploaded video and publish a montage for every fan in it; answers the video's id and status."""
    video = VideoWork.from_wire(context.get_input())
    try:
        return (yield from _analyze(context, video))
    except Exception:
        # Whatever went wrong, nobody may wait for this video for ever.
        yield closing_step(context, "finish_video", FinishWork(video=video, failed_segments=0, status="failed"))
        raise


def _analyze(context: df.DurableOrchestrationContext, video: VideoWork) -> Steps:
    context.set_custom_status({"stage": "probing"})
    probed = ProbeOutcome.from_wire((yield step(context, "probe_video", video)))
    if not probed.accepted:
        return {"videoId": video.video_id, "status": "rejected", "reason": probed.reason}
    plan = PlanOutcome.from_wire((yield step(context, "plan_segments", video)))

    context.set_custom_status({"stage": "analyzing", "segments": plan.segment_count})
    failed = yield from _fan_out(context, video, plan)
    if failed == plan.segment_count:
        finish = FinishWork(video=video, failed_segments=failed, status="failed", reason="no_segment_analyzed")
        yield closing_step(context, "finish_video", finish)
        return {"videoId": video.video_id, "status": "failed", "reason": finish.reason}

    context.set_custom_status({"stage": "merging", "segments": plan.segment_count, "failed": failed})
    yield step(context, "merge_video", video)
    matched = MatchOutcome.from_wire((yield step(context, "match_video", video)))

    for page in range(matched.pages):
        context.set_custom_status({"stage": "rendering", "fans": matched.fans, "page": page})
        fans = FanPageOutcome.from_wire((yield step(context, "load_fan_page", FanPage(video=video, page=page))))
        yield from make_montages(context, fans.fan_ids, video.event_id, f"m{page}")

    yield closing_step(context, "finish_video", FinishWork(video=video, failed_segments=failed))
    context.set_custom_status({"stage": "finished", "fans": matched.fans})
    return {"videoId": video.video_id, "status": "finished", "fans": matched.fans}


def _fan_out(context: df.DurableOrchestrationContext, video: VideoWork, plan: PlanOutcome) -> Steps:
    """Start every batch at once; returns how many segments failed."""
    batches = [
        context.call_sub_orchestrator(
            "segment_batch",
            BatchWork(
                video=video,
                first=first,
                count=min(plan.batch_size, plan.segment_count - first),
                timeout_s=plan.timeout_s,
                max_attempts=plan.max_attempts,
            ).to_wire(),
            instance_id=f"{context.instance_id}-b{first}",
        )
        for first in range(0, plan.segment_count, plan.batch_size)
    ]
    answers = yield context.task_all(batches)
    return sum(int(answer["failed"]) for answer in answers)


@orchestrator
def segment_batch(context: df.DurableOrchestrationContext) -> Steps:
    """Analyse up to 50 segments, picture and sound side by side; answers how many failed."""
    batch = BatchWork.from_wire(context.get_input())
    works = [
        SegmentWork(
            video=batch.video, segment_index=index, timeout_s=batch.timeout_s, max_attempts=batch.max_attempts
        )
        for index in range(batch.first, batch.first + batch.count)
    ]
    pictures = [
        context.call_sub_orchestrator(
            "analyze_segment", work.to_wire(), instance_id=f"{context.instance_id}-s{work.segment_index:05d}"
        )
        for work in works
    ]
    sounds = [
        context.call_sub_orchestrator(
            "hear_segment", work.to_wire(), instance_id=f"{context.instance_id}-a{work.segment_index:05d}"
        )
        for work in works
    ]
    answers = yield context.task_all(pictures + sounds)
    outcomes = [SegmentOutcome.from_wire(answer) for answer in answers[: len(works)]]
    return {"failed": sum(outcome.state == "failed" for outcome in outcomes)}


@orchestrator
def analyze_segment(context: df.DurableOrchestrationContext) -> Steps:
    """Have one segment analysed by the GPU pool; answers its outcome, `done` or `failed`.

    The worker's event only wakes this up; what counts is the result blob. It fails nothing else: a segment
    whose steps break is one that was not analysed.
    """
    work = SegmentWork.from_wire(context.get_input())
    try:
        outcome = yield from _attempts(context, work)
    except Exception:
        outcome = None
    if outcome is None:
        return (yield closing_step(context, "abandon_segment", work))
    return outcome.to_wire()


@orchestrator
def hear_segment(context: df.DurableOrchestrationContext) -> Steps:
    """Measure one segment's sound; answers whether it could. One that breaks leaves the segment without sound.

    An orchestration of its own, because a failed task among a batch's would fail the batch.
    """
    work = SegmentWork.from_wire(context.get_input())
    try:
        yield step(context, "measure_sound", work)
    except Exception:
        return {"heard": False}
    return {"heard": True}


def _attempts(context: df.DurableOrchestrationContext, work: SegmentWork) -> Steps:
    """Queue attempt after attempt and wait; returns the outcome, None when nobody ever took the segment.

    An attempt that only waits for a free worker is waited for again instead of queued again.
    """
    event: TaskBase | None = None
    attempt = 0
    for _ in range(MAX_WAITS):
        if event is None:
            attempt += 1
            work = _numbered(context, work, attempt)
            yield step(context, "dispatch_segment", work)
            event = context.wait_for_external_event(work.event_name)
        deadline = context.current_utc_datetime + timedelta(seconds=work.timeout_s)
        timer = cast(TimerTask, context.create_timer(deadline))
        winner = yield context.task_any([event, timer])
        if winner is event:
            timer.cancel()  # an open timer would keep this instance running until it fires
        outcome = SegmentOutcome.from_wire((yield step(context, "collect_segment", work)))
        if outcome.state != "pending":
            return outcome
        if winner is event or outcome.reason is None:
            if attempt == work.max_attempts:
                return None
            event = None
    return None


def _numbered(context: df.DurableOrchestrationContext, work: SegmentWork, attempt: int) -> SegmentWork:
    return work.model_copy(
        update={
            "attempt": attempt,
            "instance_id": context.instance_id,
            "event_name": f"segment-done:{work.segment_index:05d}:{attempt}",
        }
    )
