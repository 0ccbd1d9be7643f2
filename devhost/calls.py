"""One complete call of a function: its inputs read, the function run, its outputs written."""

import logging
from collections.abc import Callable
from typing import Any

from azure.core.exceptions import AzureError

from devhost.bindings import BindingIO
from devhost.errors import ConfigError, FunctionFailedError
from devhost.invoke import Invoker, Outcome, RetryState, TraceState
from devhost.loader import LoadedFunction

log = logging.getLogger("devhost.host")


class FunctionRunner:
    """Calls functions for every kind of trigger.

    Args:
        invoker: runs user code.
        bindings: reads inputs, writes outputs.
        client_binding: the JSON a durable client parameter is made from.
    """

    def __init__(self, invoker: Invoker, bindings: BindingIO, client_binding: Callable[[], str]) -> None:
        self._invoker, self._bindings, self._client_binding = invoker, bindings, client_binding

    async def run(
        self, function: LoadedFunction, value: Any, data: dict[str, Any], reason: str,
        trace: TraceState | None = None, retry: RetryState | None = None,
    ) -> Outcome:  # fmt: skip
        """Call ``function`` with its trigger's ``value``; ``data`` fills the paths of its other bindings.

        Raises:
            FunctionFailedError: user code raised, or storage refused an input or output of the function.
        """
        try:
            inputs = await self._bindings.read_inputs(function, data)
        except (AzureError, ConfigError) as error:
            raise FunctionFailedError(error) from error
        arguments = {function.trigger.name: value, **inputs}
        for binding in function.bindings:
            if binding.type == "durableClient":
                arguments[binding.name] = self._client_binding()
        outcome = await self._invoker.call(function, arguments, reason=reason, trace=trace, retry=retry)
        try:
            await self._bindings.write_outputs(function, outcome, data)
        except (AzureError, ConfigError, TypeError, RuntimeError) as error:
            log.error("Function '%s': its output cannot be written: %s", function.name, error)
            raise FunctionFailedError(error) from error
        return outcome

    async def run_http(
        self, function: LoadedFunction, value: Any, data: dict[str, Any], trace: TraceState
    ) -> Outcome:
        """Call an HTTP function."""
        return await self.run(function, value, data, "This function was called over HTTP.", trace)

    async def run_activity(self, function: LoadedFunction, value: Any) -> Any:
        """Call an activity and return its result."""
        data: dict[str, Any] = value if isinstance(value, dict) else {}
        return (await self.run(function, value, data, "(null)")).result

    async def run_timer(self, function: LoadedFunction, value: Any, retry: RetryState) -> Outcome:
        """Call a timer function."""
        return await self.run(function, value, {}, "Timer fired", retry=retry)
