"""Replaying the real SDK's actions against history: decisions, completion rules, determinism."""

import json
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.durable_functions as df
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devhost.durable.episode import EpisodeInput, EpisodeResult, KnownFunctions, LiveInstance, run_episode
from devhost.durable.history import Event, EventType, execution_started, iso, stamped

pytestmark = [
    pytest.mark.unit,
    # The SDK warns of every late timer and every early event it puts aside; both are part of these stories.
    pytest.mark.filterwarnings("ignore:Potential duplicate Task completion"),
    pytest.mark.filterwarnings("ignore:azure.functions df_loads was called without expected_type"),
]

KNOWN = KnownFunctions(frozenset({"work", "after"}), frozenset({"child"}))
Orchestrator = Callable[[df.DurableOrchestrationContext], Generator[Any, Any, Any]]


class World:
    """One instance driven by hand, as the engine drives it but without database or clock."""

    def __init__(self, code: Orchestrator, value: Any = None, *, quiet: bool = True) -> None:
        self.handle = df.Orchestrator.create(code)
        self.raw = None if value is None else json.dumps(json.dumps(value))
        self.live = LiveInstance("e1")
        self.quiet = quiet
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.open: dict[int, Event] = {}
        self.all_decisions: dict[int, tuple[int, Any]] = {}
        self.result = EpisodeResult()
        self.sdk_calls = 0

    def step(self, *messages: Event, seconds: float = 1.0) -> EpisodeResult:
        self.now += timedelta(seconds=seconds)
        stamp = iso(self.now)
        fresh = [stamped({"EventType": EventType.ORCHESTRATOR_STARTED}, stamp)]
        if not self.live.events:
            fresh.append(stamped(execution_started("main", "", self.raw, "i1", "e1"), stamp))
        fresh += [stamped(dict(message), stamp) for message in messages]
        if self.quiet and self.live.absorb(fresh):
            self.result = EpisodeResult(replay=self.live.replay)
        else:
            self.sdk_calls += 1
            self.result = run_episode(
                EpisodeInput("main", "i1", None, self.raw, self.live, fresh), self.handle, KNOWN
            )
        decided = [stamped(event, stamp, task_id) for task_id, event in self.result.decisions.items()]
        for event in decided:
            self.open[event["EventId"]] = event
            self.all_decisions[event["EventId"]] = (event["EventType"], event.get("Name"))
        decided.append(stamped({"EventType": EventType.ORCHESTRATOR_COMPLETED}, stamp))
        self.live.extend([*fresh, *decided])
        self.live.settle(self.result.replay, decided)
        return self.result

    def ended(self, task_id: int, value: Any = None, error: str | None = None) -> Event:
        """The message that ends an open task."""
        event = self.open.pop(task_id)
        kind = event["EventType"]
        if kind == EventType.TIMER_CREATED:
            fire_at = datetime.fromisoformat(event["FireAt"])
            self.now = max(self.now, fire_at)
            return {"EventType": EventType.TIMER_FIRED, "TimerId": task_id, "FireAt": event["FireAt"]}
        failed = error is not None
        if kind == EventType.TASK_SCHEDULED:
            number = EventType.TASK_FAILED if failed else EventType.TASK_COMPLETED
        else:
            number = EventType.SUB_ORCHESTRATION_FAILED if failed else EventType.SUB_ORCHESTRATION_COMPLETED
        facts = {"Reason": error, "Details": ""} if failed else {"Result": json.dumps(value)}
        return {"EventType": number, "TaskScheduledId": task_id, **facts}


def raised(name: str, value: Any) -> Event:
    return {"EventType": EventType.EVENT_RAISED, "Name": name, "Input": json.dumps(value)}


def fan_out(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    count: Any = context.get_input()
    tasks = [context.call_activity("work", n) for n in range(count)]
    tasks += [context.call_sub_orchestrator("child", n) for n in range(count)]
    results = yield context.task_all(tasks)
    last = yield context.call_activity("after", sum(results))
    return [results, last]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.data())
def test_order_and_batching_of_completions_never_change_a_fan_out(count: int, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(2 * count)))
    cuts = sorted(data.draw(st.sets(st.integers(1, 2 * count - 1), max_size=2 * count - 1)))
    batches = [order[a:b] for a, b in zip([0, *cuts], [*cuts, 2 * count], strict=True)]
    world = World(fan_out, count)
    world.step()
    for batch in batches:
        assert world.result.final_status is None
        world.step(*(world.ended(task_id, 10 * task_id) for task_id in batch))
    world.step(world.ended(2 * count, "done"))
    assert world.result.final_status == "Completed"
    assert json.loads(world.result.output or "") == [[10 * n for n in range(2 * count)], "done"]
    # The recorded decisions are the same too, and most batches did not need the SDK at all.
    assert sorted(world.all_decisions) == list(range(2 * count + 1))
    assert world.sdk_calls == 3


def retrying_mix(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    options = df.RetryOptions(1000, 2)
    tasks = [context.call_activity_with_retry("work", options, n) for n in range(2)]
    tasks.append(context.call_activity("work", 2))
    try:
        results = yield context.task_all(tasks)
    except Exception as error:
        yield context.call_activity("after", None)
        return f"failed: {str(error).split()[0]}"
    return results


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_absorbed_episodes_lead_where_full_replays_lead(data: st.DataObject) -> None:
    """The shortcut that spares SDK calls may change nothing: two worlds, one without it, stay equal."""
    worlds = [World(retrying_mix, quiet=True), World(retrying_mix, quiet=False)]
    for world in worlds:
        world.step()
    for _ in range(40):
        if worlds[0].result.final_status is not None:
            break
        choices = sorted(worlds[0].open)
        assert choices, "an instance that is not finished must wait for something"
        picked = data.draw(st.lists(st.sampled_from(choices), min_size=1, unique=True))
        fails = {task_id: data.draw(st.booleans()) for task_id in picked}
        for world in worlds:
            world.step(*(world.ended(t, t, "boom" if fails[t] else None) for t in picked))
        assert worlds[0].open == worlds[1].open
        assert worlds[0].all_decisions == worlds[1].all_decisions
    assert worlds[0].result.final_status == worlds[1].result.final_status
    assert worlds[0].result.final_status is not None, "it must come to an end"
    assert worlds[0].result.output == worlds[1].result.output
    assert worlds[0].sdk_calls <= worlds[1].sdk_calls


def test_history_that_contradicts_the_code_fails_the_instance() -> None:
    world = World(fan_out, 1)
    world.step()

    def changed(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
        return (yield context.call_activity("after", None))

    world.handle = df.Orchestrator.create(changed)
    world.quiet = False
    world.step(world.ended(0, 1))
    assert world.result.final_status == "Failed"
    assert "task #0 was TASK_SCHEDULED work, now it is TASK_SCHEDULED after" in (world.result.output or "")


def race(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    timer: Any = context.create_timer(context.current_utc_datetime + timedelta(minutes=5))
    event = context.wait_for_external_event("go")
    winner = yield context.task_any([event, timer])
    if winner == timer:
        return "late"
    if context.get_input() == "cancel":
        timer.cancel()
    return event.result


def test_an_event_beats_its_timer_and_the_cancelled_timer_keeps_nothing_open() -> None:
    world = World(race, "cancel")
    world.step()
    assert world.step(raised("GO", 1)).final_status is None, "the SDK matches names by case"
    world = World(race, "cancel")
    world.step()
    result = world.step(raised("go", {"by": "me"}))
    assert (result.final_status, result.output) == ("Completed", '{"by":"me"}')
    assert result.cancelled_timers == {0}


def test_an_uncancelled_timer_keeps_the_instance_running() -> None:
    world = World(race, "forget")
    world.step()
    assert world.step(raised("go", 1)).final_status is None
    assert world.step(world.ended(0)).output == "1"


def test_a_timer_wins_when_no_event_comes() -> None:
    world = World(race, "cancel")
    world.step()
    assert world.step(world.ended(0)).output == '"late"'


def test_the_last_failed_attempt_is_followed_by_one_more_timer() -> None:
    def once(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
        return (yield context.call_activity_with_retry("work", df.RetryOptions(5000, 2), None))

    world = World(once)
    world.step()
    world.step(world.ended(0, error="first"))
    assert datetime.fromisoformat(world.open[1]["FireAt"]) == world.now + timedelta(seconds=5)
    world.step(world.ended(1))
    world.step(world.ended(2, error="second"))
    assert world.result.final_status is None
    assert world.open[3]["EventType"] == EventType.TIMER_CREATED
    world.step(world.ended(3))
    assert world.result.final_status == "Failed"
    assert "second" in (world.result.output or "")


def test_a_failed_fan_out_is_settled_only_when_every_call_has_ended() -> None:
    def pair(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
        yield context.task_all([context.call_activity("work", n) for n in range(2)])

    world = World(pair)
    world.step()
    assert world.step(world.ended(0, error="boom")).final_status is None
    assert world.step(world.ended(1, 1)).final_status == "Failed"


def test_continue_as_new_starts_afresh_and_keeps_later_events() -> None:
    def again(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
        yield context.wait_for_external_event("next")
        context.continue_as_new({"round": 2})

    world = World(again)
    world.step()
    result = world.step(raised("next", 1), raised("next", 2))
    assert result.continued
    assert json.loads(json.loads(result.continue_input or "")) == {"round": 2}
    assert [event["Input"] for event in result.carried_events] == ["2"]


def test_long_timers_are_split_as_the_storage_provider_needs() -> None:
    def long(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
        yield context.create_timer(context.current_utc_datetime + timedelta(days=7))
        return "woken"

    world = World(long)
    world.step()
    start = world.now
    fired = 0
    while world.result.final_status is None and fired < 5:
        (task_id,) = world.open
        world.step(world.ended(task_id), seconds=0)
        fired += 1
    assert (world.result.output, fired) == ('"woken"', 2)
    assert world.now - start >= timedelta(days=7)


def test_what_this_host_does_not_offer_fails_with_its_name() -> None:
    def entity(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
        yield context.call_entity(df.EntityId("Counter", "one"), "get")

    def http(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
        yield context.call_http("GET", "http://example.org")

    def stranger(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
        yield context.call_activity("stranger", None)

    for code, words in (
        (entity, "durable entities"),
        (http, "durable HTTP"),
        (stranger, "'stranger' doesn't exist"),
    ):
        result = World(code).step()
        assert result.final_status == "Failed"
        assert words in (result.output or "")


def test_a_custom_status_is_kept_small() -> None:
    def status(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
        length: Any = context.get_input()
        context.set_custom_status("x" * length)
        yield context.call_activity("work", None)

    assert World(status, 100).step().custom_status == json.dumps("x" * 100)
    assert "custom status" in (World(status, 9000).step().output or "")
