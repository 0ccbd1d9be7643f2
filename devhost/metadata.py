"""Published rules for function metadata, checked without running anything.

Each check returns sentences, one per violation, empty when all is well: a contract test asserts on ``[]``.
The rules of the two configuration files are in ``file_rules`` and offered here as well.

Sources: Azure/azure-functions-host Utility.cs (name expressions; binding names may hold underscores since
4.1038, PR #10764); the public schema function.json of SchemaStore.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import azure.functions as func

from devhost.errors import ConfigError
from devhost.file_rules import validate_host_json, validate_local_settings
from devhost.loader import LoadedFunction, load_function, parameter_problems
from devhost.ncrontab import parse_schedule
from devhost.patterns import parse_pattern
from devhost.routes import compile_route

__all__ = ["validate_function_metadata", "validate_functions", "validate_host_json", "validate_local_settings"]

FUNCTION_NAME = re.compile(r"^[a-z][a-z0-9_\-]{0,127}$", re.IGNORECASE)
BINDING_NAME = re.compile(r"^(?!.*__)([a-zA-Z_][a-zA-Z0-9_]{0,127}|\$return)$")
QUEUE_NAME = re.compile(r"^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")
CONTAINER_NAME = re.compile(r"^(\$root|\$web|(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9])$")
HTTP_METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "PATCH", "PUT", "OPTIONS", "TRACE"})
AUTH_LEVELS = frozenset({"ANONYMOUS", "FUNCTION", "ADMIN"})
RESERVED_ROUTES = ("admin", "runtime")
_SETTING_NAME = re.compile(r"%[^%]+%")

# The directions and fields a binding type must have in function.json.
_REQUIRED: dict[str, tuple[str, tuple[str, ...]]] = {
    "httpTrigger": ("IN", ("authLevel",)),
    "http": ("OUT", ()),
    "queueTrigger": ("IN", ("queueName", "connection")),
    "queue": ("OUT", ("queueName", "connection")),
    "blobTrigger": ("IN", ("path", "connection")),
    "blob": ("", ("path", "connection")),
    "timerTrigger": ("IN", ("schedule",)),
    "orchestrationTrigger": ("IN", ()),
    "activityTrigger": ("IN", ()),
    "entityTrigger": ("IN", ()),
    "durableClient": ("IN", ()),
}


def validate_functions(app: func.FunctionRegister) -> list[str]:
    """Check every function of ``app`` as the Functions host and the Python worker would on start.

    Unlike ``app.get_functions()`` this may be called on an app that was indexed before.
    """
    app.functions_bindings = {}  # the SDK refuses to index twice because of this memory only
    try:
        functions = app.get_functions()
    except (ValueError, TypeError) as error:
        return [str(error)]
    if not functions:
        return ["the app declares no functions"]
    problems: list[str] = []
    seen: set[str] = set()
    for function in functions:
        name = str(function.get_function_name())
        if name.lower() in seen:
            problems.append(f"{name}: another function has this name (case does not count)")
        seen.add(name.lower())
        metadata: dict[str, Any] = json.loads(function.get_function_json())
        problems += [f"{name}: {problem}" for problem in validate_function_metadata(name, metadata)]
        problems += [f"{name}: {problem}" for problem in _signature_problems(function)]
    return problems


def validate_function_metadata(name: str, metadata: Mapping[str, Any]) -> list[str]:
    """Check the function.json of one function."""
    problems: list[str] = []
    if not FUNCTION_NAME.match(name) or name.lower() == "host":
        problems.append("the function name must match [A-Za-z][A-Za-z0-9_-]{0,127} and not be 'host'")
    if not metadata.get("scriptFile"):
        problems.append("scriptFile is missing")
    bindings: list[dict[str, Any]] = list(metadata.get("bindings") or [])
    triggers = [b for b in bindings if str(b.get("type", "")).endswith("Trigger")]
    if len(triggers) != 1:
        problems.append(f"exactly one trigger is needed, there are {len(triggers)}")
    names = [str(binding.get("name")) for binding in bindings]
    problems += [f"two bindings are called {n!r}" for n in sorted({n for n in names if names.count(n) > 1})]
    for binding in bindings:
        problems += _binding_problems(binding)
    return problems


def _binding_problems(binding: Mapping[str, Any]) -> list[str]:
    kind, name = str(binding.get("type") or ""), str(binding.get("name") or "")
    direction = str(binding.get("direction") or "").upper()
    problems: list[str] = []
    if not BINDING_NAME.match(name):
        problems.append(f"the binding name {name!r} is not valid")
    if direction not in ("IN", "OUT", "INOUT"):
        problems.append(f"binding {name!r}: direction must be in, out or inout, not {binding.get('direction')!r}")
    if kind not in _REQUIRED:
        return [*problems, f"binding {name!r}: type {kind!r} is not one this host knows"]
    wanted, fields = _REQUIRED[kind]
    if wanted and direction != wanted:
        problems.append(f"binding {name!r}: a {kind} must have direction {wanted.lower()}")
    problems += [f"binding {name!r}: {field} is missing" for field in fields if not binding.get(field)]
    check = _CHECKS.get(kind)
    return problems + (check(binding, name) if check else [])


def _http_problems(binding: Mapping[str, Any], name: str) -> list[str]:
    problems: list[str] = []
    if str(binding.get("authLevel", "FUNCTION")).upper() not in AUTH_LEVELS:
        problems.append(f"binding {name!r}: authLevel must be anonymous, function or admin")
    methods: list[Any] = binding.get("methods") or []
    if unknown := [m for m in methods if str(m).upper() not in HTTP_METHODS]:
        problems.append(f"binding {name!r}: unknown HTTP methods {unknown}")
    route = str(binding.get("route") or "")
    if route.startswith("/"):
        problems.append(f"binding {name!r}: a route must not start with '/'")
    if route.split("/", 1)[0].lower() in RESERVED_ROUTES:
        problems.append(f"binding {name!r}: routes below {RESERVED_ROUTES} belong to the host")
    return problems + _attempt(lambda: compile_route(route), name)


def _queue_problems(binding: Mapping[str, Any], name: str) -> list[str]:
    queue = str(binding.get("queueName") or "")
    if _SETTING_NAME.search(queue) or "{" in queue or QUEUE_NAME.match(queue):
        return []
    return [f"binding {name!r}: {queue!r} is not a queue name (3-63 lower-case letters, digits, single hyphens)"]


def _blob_problems(binding: Mapping[str, Any], name: str) -> list[str]:
    path = str(binding.get("path") or "")
    container = path.strip("/").partition("/")[0]
    problems: list[str] = []
    if not (_SETTING_NAME.search(container) or "{" in container or CONTAINER_NAME.match(container)):
        problems.append(f"binding {name!r}: {container!r} is not a container name")
    if binding.get("type") == "blobTrigger":
        problems += _attempt(lambda: parse_pattern(path), name)
        if binding.get("source") not in (None, "EventGrid", "LogsAndContainerScan"):
            problems.append(f"binding {name!r}: source must be EventGrid or LogsAndContainerScan")
    return problems


def _timer_problems(binding: Mapping[str, Any], name: str) -> list[str]:
    schedule = str(binding.get("schedule") or "")
    return [] if _SETTING_NAME.search(schedule) else _attempt(lambda: parse_schedule(schedule), name)


def _orchestration_problems(_: Mapping[str, Any], name: str) -> list[str]:
    # The SDK's wrapper has a parameter of this name and the worker compares the two.
    return [] if name == "context" else [f"the orchestration trigger must be called 'context', not {name!r}"]


_CHECKS: dict[str, Callable[[Mapping[str, Any], str], list[str]]] = {
    "httpTrigger": _http_problems,
    "queueTrigger": _queue_problems,
    "queue": _queue_problems,
    "blobTrigger": _blob_problems,
    "blob": _blob_problems,
    "timerTrigger": _timer_problems,
    "orchestrationTrigger": _orchestration_problems,
}


def _attempt(parse: Callable[[], object], name: str) -> list[str]:
    try:
        parse()
    except ConfigError as error:
        return [f"binding {name!r}: {error}"]
    return []


def _signature_problems(function: Any) -> list[str]:
    try:
        loaded: LoadedFunction = load_function(function)
    except Exception as error:
        return [str(error)]
    return parameter_problems(loaded)
