"""Queue messages and what orchestrations hand to their steps: ids and blob names only."""

from typing import Literal

from .base import Message, Wire


class VideoWork(Message):
    """Input of `analyze_video`."""

    video_id: str
    event_id: str
    blob_name: str
    blob_etag: str


class ProbeOutcome(Wire):
    """Answer of `probe_video`; when rejected, the `videos` document already says why."""

    accepted: bool
    reason: str | None = None


class PlanOutcome(Wire):
    """Answer of `plan_segments`: enough to fan out without reading the plan."""

    segment_count: int
    batch_size: int
    timeout_s: int
    max_attempts: int


class BatchWork(Message):
    """Input of `segment_batch`: segments first … first + count - 1."""

    video: VideoWork
    first: int
    count: int
    timeout_s: int
    max_attempts: int


class SegmentWork(Message):
    """Input of `analyze_segment` and of the activities for one segment and attempt."""

    video: VideoWork
    segment_index: int
    attempt: int = 1
    timeout_s: int = 900
    max_attempts: int = 3
    instance_id: str = ""
    """The orchestration to wake; set by the orchestrator before dispatch."""
    event_name: str = ""


class SegmentOutcome(Wire):
    """What became of a segment. `pending`: no result blob yet."""

    segment_index: int
    state: Literal["done", "failed", "pending"]
    attempt: int
    reason: str | None = None


class SegmentJob(Message):
    """Queue `segments`: one segment to be analysed by a worker. Everything else is read from the plan blob."""

    video_id: str
    segment_id: str
    segment_index: int
    attempt: int
    container: str
    blob_name: str
    blob_etag: str
    plan_blob: str
    result_blob: str
    instance_id: str
    event_name: str
    traceparent: str | None = None


class SegmentDone(Message):
    """Queue `segment-results`: a worker has finished with a job. The result blob is the truth, not this."""

    video_id: str
    segment_id: str
    attempt: int
    instance_id: str
    event_name: str
    outcome: Literal["done", "rejected", "poisoned"]
    reason: str | None = None
    traceparent: str | None = None


class MatchOutcome(Wire):
    """Answer of `match_video`: matched fans wait in `pages` blobs of at most 50 ids each."""

    fans: int
    pages: int


class FanPage(Wire):
    """Input of the activity that reads one page of matched fans."""

    video: VideoWork
    page: int


class FanPageOutcome(Wire):
    """One page of fan ids."""

    fan_ids: tuple[str, ...]


class MontageWork(Message):
    """Input of `make_montage`."""

    fan_id: str
    event_id: str
    montage_id: str = ""
    """Set once planned."""
    resumes: int = 0
    """The cancellation this run lifts (`MontageDocument.cancels`); 0: none, a cancelled montage stays so."""


class MontagePlanned(Wire):
    """Answer of `plan_montage`; nothing to do when there is no material or the same plan is already out."""

    montage_id: str
    needed: bool
    reason: str | None = None


class RenderOutcome(Wire):
    """Answer of `render_montage`: a stable reason code when the sources cannot be rendered."""

    rendered: bool
    reason: str | None = None


class FinishWork(Message):
    """Input of `finish_video`."""

    video: VideoWork
    failed_segments: int
    status: Literal["ready", "failed"] = "ready"
    reason: str | None = None


class SelfieWork(Message):
    """Input of `enroll_fan`."""

    fan_id: str
    blob_name: str
    blob_etag: str
    search_round: int = 0
    """Which of the fan's searches without a new selfie this is; 0 when the selfie is new."""


class SelfieOutcome(Wire):
    """Answer of `embed_selfie`. `event_ids` are the events to search when the gallery changed."""

    accepted: bool
    reason: str | None = None
    event_ids: tuple[str, ...] = ()


class FanSearch(Message):
    """Input of `search_fan`: look for one fan in everything already analysed of one event."""

    fan_id: str
    event_id: str
    video_id: str = ""
    """Only in this video, as after a review; empty: in all."""
