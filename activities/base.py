"""What every activity has in common: typed in, typed out, one trace, one log line, the process's services.

An activity is written as `def name(services, work: Contract) -> Contract` and registered with `@activity`.
The orchestration sees its input and output as JSON; the function itself stays callable for tests.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

import azure.durable_functions as df
import structlog

from fanreel.adapters.services import Services, get_services
from fanreel.adapters.telemetry import in_trace
from fanreel.contracts import Wire

log = structlog.get_logger()

blueprint = df.Blueprint()

_W = TypeVar("_W", bound=Wire)
_R = TypeVar("_R", bound=Wire | None)


def activity(function: Callable[[Services, _W], _R]) -> Callable[[Services, _W], _R]:
    """Register `function` as the activity of its own name; returns it unchanged."""
    kind: type[Wire] = get_type_hints(function)["work"]

    def run(work: dict[str, Any]) -> dict[str, Any] | None:
        return run_activity(function, kind, work)

    # The Functions worker takes the name and the parameters of what it is given.
    run.__name__ = run.__qualname__ = function.__name__
    run.__module__ = function.__module__
    run.__doc__ = function.__doc__
    blueprint.activity_trigger(input_name="work", activity=function.__name__)(run)
    return function


def run_activity(
    function: Callable[[Services, Any], Wire | None], kind: type[Wire], payload: dict[str, Any]
) -> dict[str, Any] | None:
    """Run an activity on its JSON input inside the trace of the video or fan it works on."""
    work = kind.from_wire(payload)
    names = _names(work)
    subject = names.get("video_id") or names.get("fan_id", "")
    started = time.perf_counter()
    with (
        in_trace(subject=subject),
        structlog.contextvars.bound_contextvars(activity=function.__name__, **names),
    ):
        try:
            outcome = function(get_services(), work)
        except Exception as fault:
            log.warning("activity.failed", error=type(fault).__name__, reason=str(fault)[:500])
            raise
        log.info("activity.done", seconds=round(time.perf_counter() - started, 3))
    return None if outcome is None else outcome.to_wire()


def _names(work: Wire) -> dict[str, str]:
    """Return the ids a log line should carry."""
    video = getattr(work, "video", work)
    video_id = getattr(video, "video_id", "")
    fan_id = getattr(work, "fan_id", "")
    names: dict[str, str] = {}
    if video_id:
        names["video_id"] = video_id
    if fan_id:
        names["fan_id"] = fan_id
    index = getattr(work, "segment_index", None)
    if index is not None:
        names["segment"] = f"{index:05d}"
    return names
