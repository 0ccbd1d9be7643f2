"""Published rules for host.json and local.settings.json.

Each check returns sentences, one per violation, empty when all is well.

Sources: Azure/azure-functions-host ScriptConstants.cs (bundle id, default range); the public schema host.json of
SchemaStore; MicrosoftDocs functions-host-json.md and functions-host-json-durabletask.md.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from devhost.config import parse_timespan
from devhost.errors import ConfigError

HUB_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9]{2,44}$")
BUNDLE_ID = "Microsoft.Azure.Functions.ExtensionBundle"
_BUNDLE_RANGE = re.compile(r"^\[(\d+)\.(?:\*|\d+\.\d+),\s*(\d+)\.0\.0\)$")
_SETTING_NAME = re.compile(r"%[^%]+%")
MIN_BUNDLE_MAJOR = 4  # bundles 2 and 3 are out of support
LOG_LEVELS = frozenset({"Trace", "Debug", "Information", "Warning", "Error", "Critical", "None"})


def validate_host_json(document: Mapping[str, Any]) -> list[str]:
    """Check a host.json document."""
    problems: list[str] = []
    if document.get("version") != "2.0":
        problems.append('version must be "2.0"')
    problems += _bundle_problems(document.get("extensionBundle"))
    timeout = document.get("functionTimeout")
    if timeout is not None and timeout != "-1":
        problems += _span(timeout, "functionTimeout", low=1.0)
    levels: Mapping[str, Any] = _section(document, "logging", "logLevel")
    problems += [f"logging.logLevel.{k}: {v!r} is not a level" for k, v in levels.items() if v not in LOG_LEVELS]
    extensions = _section(document, "extensions")
    if unknown := sorted(set(document) - _TOP_LEVEL):
        problems.append(f"unknown top-level keys {unknown}")
    for name, rules in _EXTENSIONS.items():
        section = _section(extensions, name)
        for key, value in section.items():
            rule = rules.get(key)
            problems += (
                [f"extensions.{name}: unknown key {key!r}"] if rule is None else rule(value, f"{name}.{key}")
            )
    provider = _section(extensions, "durableTask", "storageProvider")
    for key, value in provider.items():
        rule = _STORAGE_PROVIDER.get(key)
        label = f"durableTask.storageProvider.{key}"
        problems += [f"{label}: unknown key"] if rule is None else rule(value, label)
    return problems


def _bundle_problems(bundle: Any) -> list[str]:
    if not isinstance(bundle, Mapping):
        return ["extensionBundle is missing: Python apps get their triggers from it"]
    given = cast("Mapping[str, Any]", bundle)
    if given.get("id") != BUNDLE_ID:
        return [f"extensionBundle.id must be {BUNDLE_ID}"]
    match = _BUNDLE_RANGE.match(str(given.get("version", "")))
    if match is None or int(match[2]) <= int(match[1]):
        return [f"extensionBundle.version must be a range such as [4.*, 5.0.0), not {given.get('version')!r}"]
    if int(match[1]) < MIN_BUNDLE_MAJOR:
        return [f"extensionBundle.version: bundle {match[1]} is out of support"]
    return []


def validate_local_settings(document: Mapping[str, Any]) -> list[str]:
    """Check a local.settings.json document."""
    problems: list[str] = []
    if document.get("IsEncrypted") not in (None, False):
        problems.append("IsEncrypted must be false in a file that is kept in a repository")
    values = document.get("Values")
    if not isinstance(values, Mapping):
        return [*problems, "Values is missing"]
    given = cast("Mapping[str, Any]", values)
    problems += [f"Values.{k} must be a string" for k, v in given.items() if not isinstance(v, str)]
    problems += [f"Values.{k}: the name may not hold ':'" for k in given if ":" in k]
    if given.get("FUNCTIONS_WORKER_RUNTIME") != "python":
        problems.append('Values.FUNCTIONS_WORKER_RUNTIME must be "python"')
    if not any(k == "AzureWebJobsStorage" or k.startswith("AzureWebJobsStorage__") for k in given):
        problems.append("Values.AzureWebJobsStorage is missing")
    port = _section(document, "Host").get("LocalHttpPort", 7071)
    if not isinstance(port, int) or not 0 < port < 65536:
        problems.append("Host.LocalHttpPort must be a port number")
    if unknown := sorted(set(document) - {"IsEncrypted", "Values", "Host", "ConnectionStrings"}):
        problems.append(f"unknown top-level keys {unknown}")
    return problems


Rule = Callable[[Any, str], list[str]]


def _section(document: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    node: Any = document
    for key in path:
        node = cast("Mapping[str, Any]", node).get(key) if isinstance(node, Mapping) else None
    return cast("Mapping[str, Any]", node) if isinstance(node, Mapping) else {}


def _number(low: int, high: int | None = None) -> Rule:
    def check(value: Any, label: str) -> list[str]:
        in_range = isinstance(value, int) and not isinstance(value, bool)
        if in_range and value >= low and (high is None or value <= high):
            return []
        return [f"{label} must be a whole number from {low}" + (f" to {high}" if high is not None else "")]

    return check


def _span(value: Any, label: str, *, low: float = 0.0, high: float | None = None) -> list[str]:
    try:
        seconds = parse_timespan(str(value))
    except ConfigError as error:
        return [f"{label}: {error}"]
    if seconds < low or (high is not None and seconds > high):
        return [f"{label}: {value} is out of range"]
    return []


def _timespan(low: float = 0.0, high: float | None = None) -> Rule:
    return lambda value, label: _span(value, label, low=low, high=high)


def _one_of(*allowed: Any) -> Rule:
    return lambda value, label: [] if value in allowed else [f"{label} must be one of {list(allowed)}"]


def _text(value: Any, label: str) -> list[str]:
    return [] if isinstance(value, str) else [f"{label} must be a string"]


def _anything(_value: Any, _label: str) -> list[str]:
    return []


def _hub(value: Any, label: str) -> list[str]:
    if isinstance(value, str) and (HUB_NAME.match(value) or _SETTING_NAME.fullmatch(value)):
        return []
    return [f"{label} must start with a letter and hold 3 to 45 letters and digits"]


_flag = _one_of(True, False)
_TOP_LEVEL = frozenset(
    {"version", "extensionBundle", "extensions", "functionTimeout", "logging", "aggregator", "concurrency",
     "customHandler", "healthMonitor", "managedDependency", "retry", "singleton", "telemetryMode",
     "watchDirectories", "watchFiles", "functions", "$schema"}
)  # fmt: skip
_EXTENSIONS: dict[str, dict[str, Rule]] = {
    "http": {
        "routePrefix": _text,
        "maxOutstandingRequests": _number(-1),
        "maxConcurrentRequests": _number(-1),
        "dynamicThrottlesEnabled": _flag,
        "hsts": _anything,
        "customHeaders": _anything,
    },
    "queues": {
        "batchSize": _number(1, 32),
        "newBatchThreshold": _number(0),
        "maxDequeueCount": _number(1),
        "visibilityTimeout": _timespan(0.0, 7 * 86400.0),
        "maxPollingInterval": _timespan(0.1),
        "messageEncoding": _one_of("base64", "none"),
    },
    "blobs": {"maxDegreeOfParallelism": _number(1), "poisonBlobThreshold": _number(1)},
    "durableTask": {
        "hubName": _hub,
        "storageProvider": _anything,
        "maxConcurrentActivityFunctions": _number(1),
        "maxConcurrentOrchestratorFunctions": _number(1),
        "maxConcurrentEntityFunctions": _number(1),
        "maxOrchestrationActions": _number(1),
        "maxEntityOperationBatchSize": _number(1),
        "storeInputsInOrchestrationHistory": _flag,
        # The extension forces this off for every language but .NET; asking for it is a mistake.
        "extendedSessionsEnabled": _one_of(False),
        "extendedSessionIdleTimeoutInSeconds": _number(0),
        "useAppLease": _flag,
        "useGracefulShutdown": _flag,
        "overridableExistingInstanceStates": _one_of("AnyState", "NonRunningStates"),
        "rollbackEntityOperationsOnExceptions": _flag,
        "entityMessageReorderWindowInMinutes": _number(0),
        "defaultVersion": _text,
        "versionMatchStrategy": _one_of("None", "Strict", "CurrentOrOlder"),
        "versionFailureStrategy": _one_of("Reject", "Fail"),
        "tracing": _anything,
        "httpSettings": _anything,
        "notifications": _anything,
        "grpcEnabled": _flag,
        "maxGrpcMessageSizeInBytes": _number(1),
    },
}
_STORAGE_PROVIDER: dict[str, Rule] = {
    "type": _one_of("AzureStorage", "azureStorage", "azureManaged", "mssql", "Netherite"),
    "connectionName": _text,
    "connectionStringName": _text,
    "partitionCount": _number(1, 16),
    "controlQueueBatchSize": _number(1, 32),
    "controlQueueBufferThreshold": _number(1, 1000),
    "controlQueueVisibilityTimeout": _timespan(1.0, 7 * 86400.0),
    "workItemQueueVisibilityTimeout": _timespan(1.0, 7 * 86400.0),
    "maxQueuePollingInterval": _timespan(0.1),
    "fetchLargeMessagesAutomatically": _flag,
    "useTablePartitionManagement": _flag,
    "useLegacyPartitionManagement": _flag,
    "trackingStoreConnectionName": _text,
    "trackingStoreConnectionStringName": _text,
    "trackingStoreNamePrefix": _text,
    "QueueClientMessageEncoding": _one_of("UTF8", "Base64"),
    "queueClientMessageEncoding": _one_of("UTF8", "Base64"),
}
