"""What all orchestrators share. Deterministic: no I/O, no clock but the context's, no randomness, no logging.

Orchestrations that are under way survive a deployment only if the yields of a live name keep their order:
a changed workflow gets a new name (`analyze_video_v2`), and the old one stays until it has drained.
"""

from collections.abc import Callable, Generator
from typing import Any, TypeAlias

import azure.durable_functions as df
from azure.durable_functions.models.Task import TaskBase

from fanreel.contracts import Wire

blueprint = df.Blueprint()

Steps: TypeAlias = Generator[TaskBase, Any, Any]

# Transient faults of storage or network, beyond the SDKs' own retries. An unusable input is no fault: the
# activities answer it as an outcome.
_RETRY_FIRST_MS = 2_000
_RETRY_ATTEMPTS = 4

# A step that ends something has nothing behind it that could say so: it outlasts an outage of ten minutes.
_CLOSING_FIRST_MS = 10_000
_CLOSING_ATTEMPTS = 60


def orchestrator(function: Callable[[df.DurableOrchestrationContext], Steps]) -> Callable[..., Steps]:
    """Register `function` as the orchestrator of its own name; returns it unchanged."""
    blueprint.orchestration_trigger(context_name="context", orchestration=function.__name__)(function)
    return function


def step(context: df.DurableOrchestrationContext, name: str, work: Wire) -> TaskBase:
    """Return the task of an activity, retried on faults."""
    retry = df.RetryOptions(_RETRY_FIRST_MS, _RETRY_ATTEMPTS)
    return context.call_activity_with_retry(name, retry, work.to_wire())


def closing_step(context: df.DurableOrchestrationContext, name: str, work: Wire) -> TaskBase:
    """Return the task of an activity without which somebody would wait for ever."""
    retry = df.RetryOptions(_CLOSING_FIRST_MS, _CLOSING_ATTEMPTS)
    return context.call_activity_with_retry(name, retry, work.to_wire())
