"""One episode of one orchestration: ask the SDK, replay its actions, say what follows. No I/O."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import azure.functions as func

from devhost.durable.history import Event, EventType, context_json, dumps, played
from devhost.durable.replay import Replay
from devhost.errors import DurableError, UnknownFunctionError

OUT_OF_PROC_MARK = "\n\n$OutOfProcData$:"
_QUIET = frozenset(
    {EventType.ORCHESTRATOR_STARTED, EventType.TASK_COMPLETED, EventType.SUB_ORCHESTRATION_COMPLETED}
)
MAX_CUSTOM_STATUS_BYTES = 16 * 1024  # DurableOrchestrationContext.SetCustomStatus, counted in UTF-16


@dataclass(slots=True)
class LiveInstance:
    """The history of an active instance, kept in memory between its episodes.

    ``texts`` is the JSON of each event as already played, so that an episode costs one join instead of
    encoding the whole history again.
    ``replay`` stands where the last episode left it.
    """

    execution_id: str
    events: list[Event] = field(default_factory=list[Event])
    texts: list[str] = field(default_factory=list[str])
    replay: Replay | None = None

    def extend(self, events: Sequence[Event]) -> None:
        """Add events that are now history."""
        self.events.extend(events)
        self.texts.extend(played(event, True) for event in events)

    def settle(self, replay: Replay | None, decided: Sequence[Event]) -> None:
        """Keep the replay of the episode just committed, confirmed by the decisions now in history."""
        self.replay = replay
        if replay is not None:
            for event in decided:
                replay.feed(event)

    def absorb(self, fresh: Sequence[Event]) -> bool:
        """Take an episode's events without asking the SDK, when its answer could not differ.

        That is so when the orchestrator awaits many calls at once and these events are the success of some but
        not all of them. A fan-in of n children so costs n cheap episodes and a few replays, not n replays.
        After ``False`` the episode must be run in full; ``replay`` is void then.
        """
        replay, self.replay = self.replay, None
        if replay is None or not replay.waits_for_all:
            return False
        if any(event["EventType"] not in _QUIET for event in fresh):
            return False
        for event in fresh:
            replay.feed(event)
        if not replay.waits_for_all:
            return False
        self.replay = replay
        return True


@dataclass(frozen=True, slots=True)
class EpisodeInput:
    """What an episode starts from."""

    name: str
    instance_id: str
    parent_id: str | None
    raw_input: str | None
    live: LiveInstance
    fresh: list[Event]


@dataclass(slots=True)
class EpisodeResult:
    """What an episode decided.

    ``final_status`` is ``None`` while the instance goes on; ``continue_input`` counts only when ``continued``.
    ``custom_status`` and ``output`` are JSON text, ``output`` of a failure is plain text.
    """

    decisions: dict[int, Event] = field(default_factory=dict[int, Event])
    cancelled_timers: set[int] = field(default_factory=set[int])
    final_status: str | None = None
    output: str | None = None
    custom_status: str | None = None
    continued: bool = False
    continue_input: str | None = None
    carried_events: list[Event] = field(default_factory=list[Event])
    replay: Replay | None = None


@dataclass(frozen=True, slots=True)
class KnownFunctions:
    """Lower-cased names an orchestrator may call."""

    activities: frozenset[str]
    orchestrators: frozenset[str]

    def check(self, decisions: dict[int, Event]) -> None:
        """Raise :class:`UnknownFunctionError` for a decision that names a function the app does not have."""
        for event in decisions.values():
            if (
                event["EventType"] == EventType.TASK_SCHEDULED
                and str(event["Name"]).lower() not in self.activities
            ):
                raise UnknownFunctionError(unknown_function(str(event["Name"]), "activity", self.activities))
            if (
                event["EventType"] == EventType.SUB_ORCHESTRATION_CREATED
                and str(event["Name"]).lower() not in self.orchestrators
            ):
                raise UnknownFunctionError(
                    unknown_function(str(event["Name"]), "orchestrator", self.orchestrators)
                )


def unknown_function(name: str, kind: str, known: frozenset[str]) -> str:
    """The extension's message for a function that is not there."""
    article = "an" if kind[0] in "aeiou" else "a"
    listed = ", ".join(f"'{item}'" for item in sorted(known)) or "none"
    return (
        f"The function '{name}' doesn't exist, is disabled, or is not {article} {kind} function. "
        f"Additional info: The following are the known {kind} functions: {listed}."
    )


def run_episode(episode: EpisodeInput, orchestrator: Callable[[Any], str], known: KnownFunctions) -> EpisodeResult:
    """Call the SDK's orchestrator handle once and replay what it returned.

    Everything that goes wrong inside the orchestrator is an outcome (``final_status == "Failed"``), not an
    exception.
    """
    state, fatal = _ask_sdk(episode, orchestrator)
    if fatal is not None:
        return _failed(episode.name, fatal)
    try:
        return _interpret(episode, state, known)
    except DurableError as error:
        return _failed(episode.name, str(error))


def _ask_sdk(episode: EpisodeInput, orchestrator: Callable[[Any], str]) -> tuple[dict[str, Any], str | None]:
    """The orchestrator's state object, or the message of a failure that carries none."""
    body = context_json(
        episode.live.texts,
        [played(event, False) for event in episode.fresh],
        raw_input=episode.raw_input,
        instance_id=episode.instance_id,
        parent_id=episode.parent_id,
    )
    try:
        text = orchestrator(func.OrchestrationContext(body))
    except Exception as error:
        message = str(error)
        if OUT_OF_PROC_MARK not in message:
            return {}, f"{type(error).__name__}: {message}"
        text = message.split(OUT_OF_PROC_MARK, 1)[1]
    state = json.loads(text)
    actions = state.get("actions")
    if not isinstance(actions, list) or len(cast("list[Any]", actions)) != 1:
        return (
            {},
            "the Durable SDK answered with an action list this host cannot read (is azure-functions-durable 1.x?)",
        )
    return state, None


def _interpret(episode: EpisodeInput, state: dict[str, Any], known: KnownFunctions) -> EpisodeResult:
    replay = Replay(state["actions"][0])
    for event in episode.live.events:
        replay.feed(event)
    for event in episode.fresh:
        replay.feed(event)
    known.check(replay.decisions)
    result = EpisodeResult(
        decisions=dict(sorted(replay.decisions.items())),
        cancelled_timers=replay.cancelled_timers,
        custom_status=_custom_status(state.get("customStatus")),
    )
    error = state.get("error")
    if not (state.get("isDone") or error):
        result.replay = replay
    # An instance ends only when the SDK is done, every action was passed and no task is open any more.
    if not (state.get("isDone") or error) or not replay.finished or replay.open_tasks:
        return result
    if error:
        result.final_status, result.output = "Failed", failure_text(episode.name, error)
    elif replay.continued:
        result.continued = True
        result.continue_input = dumps(replay.continue_input)
        result.carried_events = replay.carried_events
    else:
        output = state.get("output")
        result.final_status = "Completed"
        result.output = None if output is None else dumps(output)
    return result


def _custom_status(value: Any) -> str | None:
    if value is None:
        return None
    text = dumps(value)
    if len(text) * 2 > MAX_CUSTOM_STATUS_BYTES:
        raise DurableError("The custom status is larger than 16 KB of UTF-16 JSON text")
    return text


def failure_text(name: str, message: str) -> str:
    """The output of a failed instance, as the extension words it."""
    return f"Orchestrator function '{name}' failed: {message}"


def _failed(name: str, message: str) -> EpisodeResult:
    return EpisodeResult(final_status="Failed", output=failure_text(name, message))
