"""Load ``function_app.py`` through the SDK and check it as the Python worker would."""

import importlib
import importlib.util
import inspect
import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import azure.functions as func
from azure.functions import meta

from devhost.errors import AppError

DURABLE_TRIGGERS = frozenset({"orchestrationTrigger", "activityTrigger", "entityTrigger"})


@dataclass(frozen=True, slots=True)
class BindingSpec:
    """One binding of one function, as function.json would carry it."""

    type: str
    name: str
    is_output: bool
    data: dict[str, Any]

    def text(self, key: str, default: str = "") -> str:
        """A string field, ``default`` when absent."""
        value = self.data.get(key)
        return default if value is None else str(value)


@dataclass(frozen=True, slots=True)
class LoadedFunction:
    """One function of the app, ready to be called."""

    name: str
    call: Callable[..., Any]
    trigger: BindingSpec
    bindings: tuple[BindingSpec, ...]
    parameters: frozenset[str]
    annotations: dict[str, Any] = field(default_factory=dict[str, Any])
    is_async: bool = False
    retry_policy: dict[str, Any] | None = None

    @property
    def function_id(self) -> str:
        """The id storage receipts and Event Grid subscriptions use."""
        return f"Host.Functions.{self.name}"

    @property
    def durable_name(self) -> str:
        """The name orchestrations know it by: the decorator's, else the function's."""
        key = {"orchestrationTrigger": "orchestration", "activityTrigger": "activity"}.get(self.trigger.type)
        return (self.trigger.text(key) if key else "") or self.name

    def outputs(self) -> tuple[BindingSpec, ...]:
        """Output bindings, ``$return`` included."""
        return tuple(binding for binding in self.bindings if binding.is_output)


def load_app(app_dir: Path) -> list[LoadedFunction]:
    """Import ``function_app.py`` from ``app_dir`` and index its functions, in declaration order.

    Raises:
        AppError: no such file, it raises on import, it holds no app (or several), or a function's
            declaration contradicts its signature.
    """
    script = app_dir / "function_app.py"
    if not script.is_file():
        raise AppError(f"no function_app.py in {app_dir}")
    sys.path.insert(0, str(app_dir))
    try:
        spec = importlib.util.spec_from_file_location("function_app", script)
        if spec is None or spec.loader is None:
            raise AppError(f"{script} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules["function_app"] = module
        spec.loader.exec_module(module)
    except AppError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        detail = traceback.format_exc().rstrip()
        raise AppError(f"function_app.py failed to load: {type(error).__name__}: {error}\n{detail}") from error
    apps = {id(value): value for value in vars(module).values() if isinstance(value, func.FunctionRegister)}
    if len(apps) != 1:
        found = "no FunctionApp" if not apps else f"{len(apps)} FunctionApps"
        raise AppError(f"function_app.py must define exactly one FunctionApp or DFApp, found {found}")
    return index_app(next(iter(apps.values())))


def index_app(app: func.FunctionRegister) -> list[LoadedFunction]:
    """Read every function of ``app``; call it once per app object, the SDK refuses a second time."""
    try:
        functions = app.get_functions()
    except (ValueError, TypeError) as error:
        raise AppError(f"the app's functions cannot be indexed: {error}") from error
    loaded = [load_function(function) for function in functions]
    problems = [problem for function in loaded for problem in parameter_problems(function)]
    if problems:
        raise AppError("; ".join(problems))
    return loaded


def load_function(function: Any) -> LoadedFunction:
    """Read one SDK ``Function``; raises :class:`AppError` unless it has exactly one trigger."""
    name = str(function.get_function_name())
    bindings: list[BindingSpec] = []
    for raw in function.get_raw_bindings():
        data: dict[str, Any] = json.loads(raw)
        direction = str(data.get("direction", "IN")).upper()
        bindings.append(BindingSpec(str(data["type"]), str(data["name"]), direction == "OUT", data))
    triggers = [binding for binding in bindings if binding.type.endswith("Trigger")]
    if len(triggers) != 1:
        raise AppError(f"function {name!r} must have exactly one trigger, it has {len(triggers)}")
    call = function.get_user_function()
    signature = inspect.signature(call)
    return LoadedFunction(
        name=name,
        call=call,
        trigger=triggers[0],
        bindings=tuple(bindings),
        parameters=frozenset(signature.parameters),
        annotations=_annotations(call),
        is_async=inspect.iscoroutinefunction(call),
        retry_policy=function.get_settings_dict("retry_policy"),
    )


def _annotations(call: Callable[..., Any]) -> dict[str, Any]:
    try:
        return inspect.get_annotations(inspect.unwrap(call), eval_str=True)
    except (NameError, SyntaxError, TypeError):
        return dict(getattr(call, "__annotations__", {}))


def _annotation_problems(function: LoadedFunction) -> list[str]:
    """Classes the worker would not convert a binding's value to."""
    problems: list[str] = []
    for binding in function.bindings:
        annotation = function.annotations.get(binding.name)
        if binding.is_output or not inspect.isclass(annotation) or sdk_type(annotation) is not None:
            continue
        converter: Any = meta.get_binding_registry().get(binding.type)
        if converter is not None and not converter.check_input_type_annotation(annotation):
            problems.append(
                f"function {function.name!r}: the {binding.type} {binding.name!r} "
                f"cannot be annotated {annotation.__name__!r}"
            )
    return problems


def sdk_type(annotation: Any) -> Any:
    """``annotation`` when it is a deferred-binding (SDK) type, else ``None``."""
    if not inspect.isclass(annotation):
        return None
    try:
        from azurefunctions.extensions.base import SdkType
    except ImportError:
        return None
    return annotation if issubclass(annotation, SdkType) else None


def parameter_problems(function: LoadedFunction) -> list[str]:
    """Every contradiction between the function's parameters and its bindings, as the worker reports them."""
    if function.trigger.type in ("orchestrationTrigger", "entityTrigger"):
        return []  # the SDK wraps these: their signature is the wrapper's
    declared = {binding.name for binding in function.bindings} - {"$return"}
    parameters = set(function.parameters)
    if "context" not in declared:
        parameters.discard("context")
    problems = _annotation_problems(function)
    if missing := sorted(declared - parameters):
        problems.append(f"function {function.name!r} declares {missing} in its bindings but not as parameters")
    if extra := sorted(parameters - declared):
        problems.append(f"function {function.name!r} has parameters {extra} without a binding")
    if any(b.type == "durableClient" for b in function.bindings):
        target = getattr(function.call, "client_function", function.call)
        if not inspect.iscoroutinefunction(target):
            problems.append(f"function {function.name!r} has a durable client and must be `async def`")
    return problems
