"""Replaying the SDK's action list against history, as the extension's out-of-process shim does.

On every episode the SDK returns the *whole* list of actions since the start of the execution. The extension
re-plays that list through DurableTask: it invokes an action, waits for it, goes to the next. Decisions that have
no matching event in history yet are new and become work. This module is that machine, without any I/O.

Sources: Azure/azure-functions-durable-extension OutOfProcOrchestrationShim.cs (ProcessAsyncActionsV2),
Azure/durabletask TaskOrchestrationContext.cs and RetryInterceptor.cs. The quirks kept on purpose:
``WhenAll`` waits for every child even after a failure; the last failed retry schedules one more timer that
fires at once; event names are matched without regard to case, latest waiter first.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from devhost.durable.history import COMPLETIONS, FAILURES, SCHEDULING, Event, EventType, dumps, iso, parse_iso
from devhost.errors import NonDeterminismError, UnsupportedActionError

Action = dict[str, Any]

CALL_ACTIVITY, CALL_ACTIVITY_RETRY, CALL_SUB, CALL_SUB_RETRY, CONTINUE_AS_NEW, TIMER, WAIT_EVENT = range(7)
WHEN_ANY, WHEN_ALL = 11, 12
_UNSUPPORTED = {
    7: "durable entities (call_entity)",
    8: "durable HTTP (call_http)",
    9: "durable entities (signal_entity)",
    10: "durable entities (scheduled signal)",
}


class Wait:
    """A task the replay may be waiting for: open, or ended well or badly."""

    __slots__ = ("_callbacks", "done", "succeeded")

    def __init__(self) -> None:
        self.done = False
        self.succeeded = True
        self._callbacks: list[Callable[[Wait], None]] = []

    def then(self, callback: Callable[["Wait"], None]) -> None:
        """Call ``callback`` when the task ends; at once when it has."""
        if self.done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def complete(self, succeeded: bool = True) -> None:
        """End the task; later calls change nothing."""
        if self.done:
            return
        self.done, self.succeeded = True, succeeded
        for callback in self._callbacks:
            callback(self)


class Replay:
    """One pass of an action list over a history.

    Feed every history event in order; afterwards ``decisions`` holds the new work by task id, ``finished`` tells
    whether every action was passed, and ``open_tasks`` what still keeps the instance running.

    Attributes:
        decisions: task id → scheduling event (without id and timestamp) that history does not have yet.
        open_tasks: task id → the activity, sub-orchestration or uncancelled timer not yet ended.
        cancelled_timers: task ids of timers the orchestrator cancelled.
        continue_input: input text of the new execution once ``continue_as_new`` was passed.
        carried_events: external events that came after ``continue_as_new`` and belong to the new execution.
    """

    def __init__(self, actions: Sequence[Action]) -> None:
        self._actions = actions
        self._last_is_calls = bool(actions) and _only_calls(actions[-1])
        self._position = 0
        self._current: Wait | None = None
        self._next_id = 0
        self._started = False
        self._now = datetime.min.replace(tzinfo=UTC)
        self._waiters: defaultdict[str, list[Wait]] = defaultdict(list)
        self._early_events: defaultdict[str, deque[None]] = defaultdict(deque)
        self.decisions: dict[int, Event] = {}
        self.open_tasks: dict[int, Wait] = {}
        self.cancelled_timers: set[int] = set()
        self.continue_input: str | None = None
        self.continued = False
        self.carried_events: list[Event] = []

    @property
    def waits_for_all(self) -> bool:
        """Whether the last action is open and ends only when every call in it has ended.

        While that is so, the success of one call cannot let the orchestrator's code go on.
        """
        return self._current is not None and self._position == len(self._actions) - 1 and self._last_is_calls

    @property
    def finished(self) -> bool:
        """Whether every action of the list has been passed."""
        return self._started and self._position >= len(self._actions)

    def feed(self, event: Event) -> None:
        """Take the next history event.

        Raises:
            NonDeterminismError: a recorded decision is not the one the actions make.
            UnsupportedActionError: the actions ask for entities or durable HTTP.
        """
        kind = event["EventType"]
        if kind == EventType.ORCHESTRATOR_STARTED:
            self._now = parse_iso(event["Timestamp"])
            return
        if kind == EventType.EXECUTION_STARTED:
            self._started = True
        elif kind in SCHEDULING:
            self._confirm(event)
        elif kind in COMPLETIONS:
            wait = self.open_tasks.pop(event[COMPLETIONS[kind]], None)
            if wait is not None:  # else a duplicate, or a timer that was cancelled
                wait.complete(kind not in FAILURES)
        elif kind == EventType.EVENT_RAISED:
            if self.continued:
                self.carried_events.append(event)
            else:
                self._deliver(str(event["Name"]).lower())
        self._advance()

    def _confirm(self, event: Event) -> None:
        task_id, kind = event["EventId"], event["EventType"]
        decision = self.decisions.pop(task_id, None)
        if decision is None:
            raise NonDeterminismError(
                f"history has {EventType(kind).name} #{task_id} {event.get('Name') or ''} "
                "which the orchestrator no longer asks for"
            )
        made = (decision["EventType"], str(decision.get("Name") or "").lower())
        recorded = (kind, str(event.get("Name") or "").lower())
        if made != recorded:
            raise NonDeterminismError(
                f"task #{task_id} was {EventType(kind).name} {event.get('Name') or ''}, "
                f"now it is {EventType(made[0]).name} {decision.get('Name') or ''}"
            )

    def _advance(self) -> None:
        while self._started and self._position < len(self._actions):
            if self._current is None:
                self._current = self._invoke(self._actions[self._position])
            if not self._current.done:
                return
            self._position += 1
            self._current = None

    def _invoke(self, action: Action) -> Wait:
        kind = action["actionType"]
        if kind == CALL_ACTIVITY:
            return self._activity(action)
        if kind == CALL_SUB:
            return self._sub_orchestration(action)
        if kind in (CALL_ACTIVITY_RETRY, CALL_SUB_RETRY):
            return self._with_retry(
                action, self._activity if kind == CALL_ACTIVITY_RETRY else self._sub_orchestration
            )
        if kind == TIMER:
            return self._timer(parse_iso(action["fireAt"]), cancelled=bool(action["isCanceled"]))
        if kind == WAIT_EVENT:
            return self._external_event(str(action["externalEventName"]).lower())
        if kind in (WHEN_ANY, WHEN_ALL):
            return self._compound(action["compoundActions"], any if kind == WHEN_ANY else all)
        if kind == CONTINUE_AS_NEW:
            self.continued, self.continue_input = True, action["input"]
            return _ended()
        feature = _UNSUPPORTED.get(kind, f"action type {kind}")
        raise UnsupportedActionError(f"{feature} is not offered by this local host; use Core Tools for it")

    def _decide(self, event: Event, *, keep_open: bool = True) -> tuple[int, Wait]:
        task_id, self._next_id = self._next_id, self._next_id + 1
        self.decisions[task_id] = event
        wait = Wait()
        if keep_open:
            self.open_tasks[task_id] = wait
        return task_id, wait

    def _activity(self, action: Action) -> Wait:
        return self._decide(
            {
                "EventType": EventType.TASK_SCHEDULED,
                "Name": action["functionName"],
                "Version": "",
                "Input": dumps([action["input"]]),
            }
        )[1]

    def _sub_orchestration(self, action: Action) -> Wait:
        return self._decide(
            {
                "EventType": EventType.SUB_ORCHESTRATION_CREATED,
                "Name": action["functionName"],
                "Version": action.get("version") or "",
                "InstanceId": action.get("instanceId"),
                "Input": dumps(action["input"]),
            }
        )[1]

    def _timer(self, fire_at: datetime, *, cancelled: bool = False) -> Wait:
        event = {"EventType": EventType.TIMER_CREATED, "FireAt": iso(fire_at)}
        task_id, wait = self._decide(event, keep_open=not cancelled)
        if cancelled:
            self.cancelled_timers.add(task_id)
            wait.complete(False)
        return wait

    def _external_event(self, name: str) -> Wait:
        wait = Wait()
        self._waiters[name].append(wait)
        if self._early_events[name]:
            self._early_events[name].popleft()
            self._deliver(name)
        return wait

    def _deliver(self, name: str) -> None:
        if self._waiters[name]:
            self._waiters[name].pop().complete()
        else:
            self._early_events[name].append(None)

    def _compound(self, actions: Sequence[Action], rule: Callable[[list[bool]], bool]) -> Wait:
        result = Wait()
        children = [self._invoke(action) for action in actions]
        pending = sum(not child.done for child in children)

        def child_ended(_: Wait) -> None:
            nonlocal pending
            pending -= 1
            if pending == 0 or rule is any:
                result.complete()

        if not children or pending == 0 or (rule is any and pending < len(children)):
            result.complete()
        for child in children:
            if not child.done:
                child.then(child_ended)
        return result

    def _with_retry(self, action: Action, attempt_once: Callable[[Action], Wait]) -> Wait:
        result = Wait()
        options = action["retryOptions"]
        interval = timedelta(milliseconds=options["firstRetryIntervalInMilliseconds"])
        failures = 0

        def attempt(_: Wait | None = None) -> None:
            attempt_once(action).then(ended)

        def ended(wait: Wait) -> None:
            nonlocal failures
            if wait.succeeded:
                result.complete()
                return
            failures += 1
            if failures >= options["maxNumberOfAttempts"]:
                # DurableTask schedules one more timer after the last attempt and the SDK waits for it.
                self._timer(self._now).then(lambda _: result.complete(False))
            else:
                self._timer(self._now + interval).then(attempt)

        attempt()
        return result


def _only_calls(action: Action) -> bool:
    if action["actionType"] == WHEN_ALL:
        return all(_only_calls(child) for child in action["compoundActions"])
    return action["actionType"] in (CALL_ACTIVITY, CALL_ACTIVITY_RETRY, CALL_SUB, CALL_SUB_RETRY)


def _ended() -> Wait:
    wait = Wait()
    wait.complete()
    return wait
