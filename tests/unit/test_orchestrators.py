"""The workflows, step by step: what is asked for, in which order, and what happens when something fails."""

from datetime import timedelta
from typing import Any

import pytest

from fanreel.contracts import BatchWork, MontageWork, SegmentWork, SelfieWork, VideoWork
from orchestrators.analysis import MAX_WAITS, analyze_segment, analyze_video, hear_segment, segment_batch
from orchestrators.enrolment import enroll_fan
from orchestrators.montages import make_montage, make_montages

from .orchestration import START, FakeContext, FakeTask, Run, drive

pytestmark = pytest.mark.unit

VIDEO = VideoWork(video_id="v-1", event_id="final", blob_name="final/a.mp4", blob_etag="0x1")
SEGMENT = SegmentWork(video=VIDEO, segment_index=7, timeout_s=60, max_attempts=3)


def outcome(state: str, reason: str | None = None, attempt: int = 1) -> dict[str, Any]:
    return {"segmentIndex": 7, "state": state, "attempt": attempt, "reason": reason}


class Answers:
    """Answers by activity name; a list is used up one by one."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    def __call__(self, task: FakeTask) -> Any:
        if task.kind == "all":
            return [self(child) for child in task.children]
        found = self._answers.get(task.name)
        if isinstance(found, list):
            return found.pop(0)
        return found(task) if callable(found) else found


def run_segment(wake: list[str], collected: list[dict[str, Any]]) -> tuple[Run, FakeContext]:
    context = FakeContext(SEGMENT.to_wire(), "video-1-b0-s00007")

    def answer(task: FakeTask) -> Any:
        if task.kind == "any":
            event, timer = task.children
            if wake.pop(0) == "event":
                return event
            assert timer.fire_at is not None
            context.current_utc_datetime = timer.fire_at
            return timer
        return {"collect_segment": lambda: collected.pop(0)}.get(task.name, lambda: outcome("failed", "x"))()

    return drive(analyze_segment(context), answer), context


def test_a_segment_is_dispatched_awaited_and_collected() -> None:
    run, context = run_segment(["event"], [outcome("done")])
    assert run.names() == ["dispatch_segment", "any", "collect_segment"]
    assert run.result["state"] == "done"
    event, timer = run.asked[1].children
    assert event.name == "segment-done:00007:1"
    assert timer.fire_at == START + timedelta(seconds=60)
    job = run.asked[0].input
    assert (job["instanceId"], job["eventName"], job["attempt"]) == (context.instance_id, event.name, 1)


def test_the_losing_timer_is_cancelled() -> None:
    _, context = run_segment(["event"], [outcome("done")])
    assert [timer.cancelled for timer in context.timers] == [True]


def test_after_a_timeout_the_result_blob_is_looked_at_first() -> None:
    run, context = run_segment(["timer"], [outcome("done")])
    assert run.names() == ["dispatch_segment", "any", "collect_segment"]
    assert not context.timers[0].cancelled
    assert run.result["state"] == "done"


def test_a_lost_attempt_is_queued_again_under_a_new_event_name() -> None:
    run, _ = run_segment(["timer", "event"], [outcome("pending"), outcome("done", attempt=2)])
    assert run.names() == ["dispatch_segment", "any", "collect_segment"] * 2
    assert [run.asked[i].input["attempt"] for i in (0, 3)] == [1, 2]
    assert run.asked[4].children[0].name == "segment-done:00007:2"
    assert run.result["state"] == "done"


def test_a_job_that_waits_for_a_worker_is_not_queued_again() -> None:
    run, context = run_segment(
        ["timer", "timer", "event"], [outcome("pending", "waiting")] * 2 + [outcome("done")]
    )
    assert run.names().count("dispatch_segment") == 1
    assert [timer.cancelled for timer in context.timers] == [False, False, True]
    assert context.timers[2].fire_at == START + timedelta(seconds=180)
    waits = [task for task in run.asked if task.kind == "any"]
    assert len({id(task.children[0]) for task in waits}) == 1, "the event is awaited once, by one task"


def test_attempts_and_waits_are_bounded() -> None:
    run, _ = run_segment(["timer"] * 10_000, [outcome("pending", "waiting")] * 10_000)
    assert run.names().count("dispatch_segment") == 1
    assert run.names().count("any") == MAX_WAITS
    assert run.names()[-1] == "abandon_segment"
    assert run.result["state"] == "failed"
    run, _ = run_segment(["timer"] * 10_000, [outcome("pending")] * 10_000)
    assert run.names().count("dispatch_segment") == 3
    assert run.names()[-1] == "abandon_segment"


def test_waits_are_counted_over_all_attempts() -> None:
    first = [outcome("pending", "waiting")] * 50 + [outcome("pending")]
    run, _ = run_segment(["timer"] * 10_000, first + [outcome("pending", "waiting")] * 10_000)
    assert run.names().count("dispatch_segment") == 2
    assert run.names().count("any") == MAX_WAITS


@pytest.mark.parametrize("broken", ["dispatch_segment", "collect_segment"])
def test_a_segment_whose_steps_break_has_failed_and_fails_nothing_else(broken: str) -> None:
    def answer(task: FakeTask) -> Any:
        if task.kind == "any":
            return task.children[0]
        return {broken: RuntimeError("storage is gone"), "abandon_segment": outcome("failed", "x")}.get(task.name)

    run = drive(analyze_segment(FakeContext(SEGMENT.to_wire())), answer)
    assert run.error is None
    assert run.names()[-1] == "abandon_segment"
    assert run.result["state"] == "failed"


@pytest.mark.parametrize(("answer", "heard"), [(None, True), (RuntimeError("storage is gone"), False)])
def test_a_sound_that_cannot_be_measured_fails_nothing(answer: Any, heard: bool) -> None:
    run = drive(hear_segment(FakeContext(SEGMENT.to_wire())), Answers(measure_sound=answer))
    assert run.error is None
    assert run.asked[0].attempts == 4
    assert run.result == {"heard": heard}


def test_a_segment_that_cannot_have_a_result_is_not_tried_again() -> None:
    run, _ = run_segment(["event"], [outcome("failed", "no_decodable_frame")])
    assert run.names().count("dispatch_segment") == 1
    assert run.result["reason"] == "no_decodable_frame"


def test_an_event_without_a_result_leads_to_the_next_attempt() -> None:
    run, _ = run_segment(["event", "event"], [outcome("pending", "waiting"), outcome("done")])
    assert run.names().count("dispatch_segment") == 2


def test_a_batch_does_picture_and_sound_side_by_side() -> None:
    batch = BatchWork(video=VIDEO, first=50, count=3, timeout_s=60, max_attempts=3)
    context = FakeContext(batch.to_wire(), "video-1-b50")
    states = iter(["done", "failed", "done"])
    run = drive(segment_batch(context), Answers(analyze_segment=lambda _: outcome(next(states))))
    (everything,) = run.asked
    assert [task.name for task in everything.children] == ["analyze_segment"] * 3 + ["hear_segment"] * 3
    assert [task.instance_id for task in everything.children[:3]] == [
        f"video-1-b50-s000{index}" for index in (50, 51, 52)
    ]
    assert len({task.instance_id for task in everything.children}) == 6
    assert run.result == {"failed": 1}


PLAN = {"segmentCount": 120, "batchSize": 50, "timeoutS": 900, "maxAttempts": 3}


def answers_for_video(**changes: Any) -> Answers:
    return Answers(
        **{
            "probe_video": {"accepted": True},
            "plan_segments": PLAN,
            "segment_batch": {"failed": 0},
            "match_video": {"fans": 51, "pages": 2},
            "load_fan_page": [{"fanIds": [f"fan{i}" for i in range(50)]}, {"fanIds": ["fan50"]}],
            "make_montage": {"published": True},
            **changes,
        }
    )


def test_a_video_runs_from_probe_to_finish() -> None:
    context = FakeContext(VIDEO.to_wire(), "video-1")
    run = drive(analyze_video(context), answers_for_video())
    assert run.error is None
    assert run.names() == [
        "probe_video", "plan_segments", "all", "merge_video", "match_video",
        "load_fan_page", "all", "load_fan_page", "all", "finish_video",
    ]  # fmt: skip
    batches = run.asked[2].children
    assert [(task.input["first"], task.input["count"], task.instance_id) for task in batches] == [
        (0, 50, "video-1-b0"), (50, 50, "video-1-b50"), (100, 20, "video-1-b100"),
    ]  # fmt: skip
    assert run.asked[-1].input["status"] == "ready"
    assert run.result == {"videoId": "v-1", "status": "finished", "fans": 51}


def test_every_montage_of_a_video_has_its_own_instance() -> None:
    run = drive(analyze_video(FakeContext(VIDEO.to_wire(), "video-1")), answers_for_video())
    ids = [task.instance_id for one in run.asked if one.kind == "all" for task in one.children]
    assert len(ids) == len(set(ids)) == 3 + 51
    assert all(identifier and len(identifier) <= 100 for identifier in ids)


def test_a_rejected_video_goes_no_further() -> None:
    answers = answers_for_video(probe_video={"accepted": False, "reason": "empty_file"})
    run = drive(analyze_video(FakeContext(VIDEO.to_wire())), answers)
    assert run.names() == ["probe_video"]
    assert run.result["reason"] == "empty_file"


def test_failed_segments_are_reported_to_the_finish() -> None:
    answers = answers_for_video(segment_batch=[{"failed": 1}, {"failed": 0}, {"failed": 2}])
    run = drive(analyze_video(FakeContext(VIDEO.to_wire())), answers)
    assert run.asked[-1].input["failedSegments"] == 3


def test_a_video_without_any_segment_analysed_has_failed() -> None:
    answers = answers_for_video(segment_batch=[{"failed": 50}, {"failed": 50}, {"failed": 20}])
    run = drive(analyze_video(FakeContext(VIDEO.to_wire())), answers)
    assert run.names()[-1] == "finish_video"
    assert "merge_video" not in run.names()
    assert (run.asked[-1].input["status"], run.asked[-1].input["reason"]) == ("failed", "no_segment_analyzed")


@pytest.mark.parametrize("broken", ["probe_video", "plan_segments", "segment_batch", "merge_video", "match_video"])
def test_whatever_breaks_the_document_ends_as_failed(broken: str) -> None:
    def answer(task: FakeTask) -> Any:
        names = [task.name, *(child.name for child in task.children)]
        return RuntimeError("storage is gone") if broken in names else answers_for_video()(task)

    run = drive(analyze_video(FakeContext(VIDEO.to_wire())), answer)
    assert run.names()[-1] == "finish_video"
    assert run.asked[-1].input["status"] == "failed"
    assert isinstance(run.error, RuntimeError)


MONTAGE = MontageWork(fan_id="ada", event_id="final")


def test_a_montage_is_planned_rendered_and_published() -> None:
    answers = Answers(
        plan_montage={"montageId": "m-1", "needed": True},
        render_montage={"rendered": True},
        publish_montage={"montageId": "m-1", "needed": True},
    )
    run = drive(make_montage(FakeContext(MONTAGE.to_wire())), answers)
    assert run.names() == ["plan_montage", "render_montage", "publish_montage"]
    assert [task.input["montageId"] for task in run.asked] == ["", "m-1", "m-1"]
    assert run.result == {"published": True, "reason": None}


def test_an_unchanged_montage_is_not_rendered_again() -> None:
    answers = Answers(plan_montage={"montageId": "m-1", "needed": False, "reason": "unchanged"})
    run = drive(make_montage(FakeContext(MONTAGE.to_wire())), answers)
    assert run.names() == ["plan_montage"]


@pytest.mark.parametrize("broken", ["plan_montage", "render_montage", "publish_montage"])
def test_one_montage_that_cannot_be_made_fails_nothing_else(broken: str) -> None:
    answers: dict[str, Any] = {
        "plan_montage": {"montageId": "m-1", "needed": True},
        "render_montage": {"rendered": True},
        broken: RuntimeError("disk full"),
    }
    run = drive(make_montage(FakeContext(MONTAGE.to_wire())), Answers(**answers))
    assert run.names()[-2:] == [broken, "abandon_montage"]
    assert run.asked[-1].input["montageId"] == ("" if broken == "plan_montage" else "m-1")
    assert run.error is None
    assert run.result == {"published": False, "reason": "montage_failed"}


def test_a_montage_that_was_overtaken_is_planned_again_a_few_times_only() -> None:
    answers = Answers(
        plan_montage=[{"montageId": f"m-{i}", "needed": True} for i in range(9)],
        render_montage={"rendered": True},
        publish_montage=[
            {"montageId": "m", "needed": i > 0, "reason": "overtaken" if i < 1 else None} for i in range(9)
        ],
    )
    run = drive(make_montage(FakeContext(MONTAGE.to_wire())), answers)
    assert [task.input["montageId"] for task in run.asked] == ["", "m-0", "m-0", "", "m-1", "m-1"]
    assert run.result == {"published": True, "reason": None}
    answers = Answers(
        plan_montage={"montageId": "m-1", "needed": True},
        render_montage={"rendered": False, "reason": "overtaken"},
    )
    run = drive(make_montage(FakeContext(MONTAGE.to_wire())), answers)
    assert run.names() == ["plan_montage", "render_montage"] * 3


def test_montages_are_made_fifty_at_a_time() -> None:
    context: Any = FakeContext(None, "enroll-1")
    run = drive(make_montages(context, [f"f{i}" for i in range(120)], "final", "e0"), Answers())
    assert [len(task.children) for task in run.asked] == [50, 50, 20]
    assert len({child.instance_id for task in run.asked for child in task.children}) == 120


SELFIE = SelfieWork(fan_id="ada", blob_name="ada/1.jpg", blob_etag="0x1")


def test_a_selfie_searches_every_event_of_the_fan() -> None:
    answers = Answers(
        embed_selfie={"accepted": True, "eventIds": ["semi", "final"]},
        search_fan=[{"fanIds": ["ada"]}, {"fanIds": ["ada", "bob"]}],
    )
    run = drive(enroll_fan(FakeContext(SELFIE.to_wire(), "enroll-1")), answers)
    assert run.names() == ["embed_selfie", "search_fan", "all", "search_fan", "all", "finish_enrolment"]
    assert [child.input["fanId"] for child in run.asked[4].children] == ["ada", "bob"]


def test_a_refused_selfie_searches_nothing_but_is_finished() -> None:
    answers = Answers(embed_selfie={"accepted": False, "reason": "selfie_no_face"})
    run = drive(enroll_fan(FakeContext(SELFIE.to_wire())), answers)
    assert run.names() == ["embed_selfie", "finish_enrolment"]


def test_a_fan_never_waits_for_a_selfie_that_broke_something() -> None:
    run = drive(enroll_fan(FakeContext(SELFIE.to_wire())), Answers(embed_selfie=RuntimeError("no model")))
    assert run.names() == ["embed_selfie", "abandon_selfie"]
    answers = Answers(
        embed_selfie={"accepted": True, "eventIds": ["final"]},
        search_fan=RuntimeError("gone"),
        load_searched_fans=RuntimeError("gone"),
    )
    run = drive(enroll_fan(FakeContext(SELFIE.to_wire())), answers)
    assert run.names() == ["embed_selfie", "search_fan", "load_searched_fans", "abandon_search"]
    assert isinstance(run.error, RuntimeError)


def test_a_search_that_broke_leaves_no_montage_behind_that_it_has_changed() -> None:
    answers = Answers(
        embed_selfie={"accepted": True, "eventIds": ["semi", "final", "cup"]},
        search_fan=[{"fanIds": ["ada"]}, OSError("gone")],
        load_searched_fans={"fanIds": ["ada", "bob"]},
    )
    run = drive(enroll_fan(FakeContext(SELFIE.to_wire(), "enroll-1")), answers)
    assert run.names() == [
        "embed_selfie", "search_fan", "all", "search_fan", "load_searched_fans", "all", "abandon_search",
    ]  # fmt: skip
    assert run.asked[4].input == run.asked[3].input
    assert run.asked[4].attempts > run.asked[3].attempts, "what broke the search may last"
    made = [(child.input["fanId"], child.input["eventId"]) for child in run.asked[5].children]
    assert made == [("ada", "final"), ("bob", "final")]
    ids = [child.instance_id for one in run.asked if one.kind == "all" for child in one.children]
    assert len(set(ids)) == 3
    assert isinstance(run.error, OSError), "what broke the search, not what came after"


def test_a_step_is_retried_a_few_times_and_the_closing_one_through_an_outage() -> None:
    run = drive(analyze_video(FakeContext(VIDEO.to_wire())), answers_for_video())
    attempts = {task.name: task.attempts for task in run.asked if task.kind == "activity"}
    assert attempts.pop("finish_video") == 60
    assert set(attempts.values()) == {4}
