"""Calling user code: thread pool or event loop, the ``context`` parameter, outputs, one log line each."""

import asyncio
import contextvars
import functools
import logging
import threading
import time
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import azure.functions as func

from devhost.errors import FunctionFailedError
from devhost.loader import LoadedFunction

log = logging.getLogger("devhost.function")


class Out(func.Out[Any]):
    """The ``func.Out`` handed to user code; remembers the last value set."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        """Set the output value."""
        self._value = val

    def get(self) -> Any:
        """The value set, ``None`` when none was."""
        return self._value


@dataclass(frozen=True, slots=True)
class RetryState:
    """What ``context.retry_context`` shows: zero-based attempt and the policy's limit."""

    retry_count: int = 0
    max_retry_count: int = 0
    exception: Any = None


@dataclass(frozen=True, slots=True)
class TraceState:
    """What ``context.trace_context`` shows."""

    Traceparent: str = ""
    Tracestate: str = ""
    attributes: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def trace_parent(self) -> str:
        """W3C traceparent of the request that caused the call."""
        return self.Traceparent

    @property
    def trace_state(self) -> str:
        """W3C tracestate of the request that caused the call."""
        return self.Tracestate


class InvocationContext(func.Context):
    """The ``context`` parameter of a function."""

    def __init__(self, name: str, directory: Path, trace: TraceState, retry: RetryState) -> None:
        self._name, self._directory, self._trace, self._retry = name, directory, trace, retry
        self._invocation_id = str(uuid.uuid4())
        self._local = threading.local()

    @property
    def invocation_id(self) -> str:
        """Unique id of this call."""
        return self._invocation_id

    @property
    def thread_local_storage(self) -> Any:
        """Storage in which user threads may put the invocation id."""
        return self._local

    @property
    def function_name(self) -> str:
        """Name of the function."""
        return self._name

    @property
    def function_directory(self) -> str:
        """Folder of the app."""
        return str(self._directory)

    @property
    def trace_context(self) -> Any:
        """Distributed tracing headers."""
        return self._trace

    @property
    def retry_context(self) -> Any:
        """Attempt counters of the retry policy."""
        return self._retry


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call gave: its return value and the value of each named output that was set."""

    result: Any
    outputs: dict[str, Any]


class Invoker:
    """Runs functions of one app.

    Args:
        app_dir: shown to user code as ``context.function_directory``.
        threads: size of the pool that runs synchronous functions other than activities.
        activity_threads: size of the pool that runs synchronous activities. They have their own, so that
            long activities never keep an HTTP function waiting for a thread.
    """

    def __init__(self, app_dir: Path, threads: int, activity_threads: int) -> None:
        self._app_dir = app_dir
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="function")
        self._activity_pool = ThreadPoolExecutor(activity_threads, thread_name_prefix="activity")
        self.running = 0

    async def call(
        self,
        function: LoadedFunction,
        arguments: dict[str, Any],
        *,
        reason: str,
        trace: TraceState | None = None,
        retry: RetryState | None = None,
    ) -> Outcome:
        """Call ``function``; ``arguments`` are its input bindings by parameter name.

        Raises:
            FunctionFailedError: user code raised (anything, ``SystemExit`` included), or it returned a
                value although it declares no return binding.
        """
        context = InvocationContext(function.name, self._app_dir, trace or TraceState(), retry or RetryState())
        outs = {b.name: Out() for b in function.outputs() if b.name in function.parameters}
        arguments = {**arguments, **outs}
        if "context" in function.parameters and "context" not in arguments:
            arguments["context"] = context
        started = time.perf_counter()
        log.debug("Executing 'Functions.%s' (Reason='%s', Id=%s)", function.name, reason, context.invocation_id)
        self.running += 1
        try:
            result = await self._run(function, arguments)
            _check_return(function, result)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            log.error(
                "Executed 'Functions.%s' (Failed, Reason='%s', Id=%s, Duration=%dms): %s: %s%s",
                function.name, reason, context.invocation_id, _elapsed_ms(started),
                type(error).__name__, error, _where(error),
                exc_info=error if log.isEnabledFor(logging.DEBUG) else None,
            )  # fmt: skip
            raise FunctionFailedError(error) from error
        finally:
            self.running -= 1
        log.info(
            "Executed 'Functions.%s' (Succeeded, Reason='%s', Id=%s, Duration=%dms)",
            function.name, reason, context.invocation_id, _elapsed_ms(started),
        )  # fmt: skip
        return Outcome(result, {name: out.get() for name, out in outs.items() if out.get() is not None})

    async def _run(self, function: LoadedFunction, arguments: dict[str, Any]) -> Any:
        if function.is_async:
            return await function.call(**arguments)
        pool = self._activity_pool if function.trigger.type == "activityTrigger" else self._pool
        scope = contextvars.copy_context()  # the caller's context variables reach the thread
        work = functools.partial(scope.run, function.call, **arguments)
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    def close(self) -> None:
        """Take no more work; calls in progress are not waited for."""
        for pool in (self._pool, self._activity_pool):
            pool.shutdown(wait=False, cancel_futures=True)


def _where(error: BaseException) -> str:
    """`` (file.py:12 in name)`` of the innermost frame; the whole traceback is for ``--log-level debug``."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name})" if frames else ""


def _elapsed_ms(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)


def _check_return(function: LoadedFunction, result: Any) -> None:
    implicit = function.trigger.type in ("activityTrigger", "orchestrationTrigger", "entityTrigger")
    if result is None or implicit or any(b.name == "$return" for b in function.outputs()):
        return
    raise TypeError(f"function {function.name!r} without a $return binding returned a non-None value")
