"""Host configuration: host.json, local.settings.json, environment overrides and connections."""

import json
import logging
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from devhost.errors import ConfigError

log = logging.getLogger("devhost.host")

ENV_PREFIX = "AzureFunctionsJobHost__"
HOST_STORAGE = "AzureWebJobsStorage"
_TIMESPAN = re.compile(
    r"^(?P<sign>-)?(?:(?P<d>\d+)\.)?(?P<h>\d{1,2}):(?P<m>\d{1,2})(?::(?P<s>\d{1,2}(?:\.\d+)?))?$"
)
_SETTING = re.compile(r"%([^%]+)%")


def parse_timespan(text: str) -> float:
    """Seconds of a .NET TimeSpan ``[d.]hh:mm[:ss[.fff]]``; raises :class:`ConfigError` on anything else."""
    match = _TIMESPAN.match(text.strip())
    if match is None:
        raise ConfigError(f"{text!r} is not a time span (expected hh:mm:ss)")
    days, hours, minutes = (int(match[name] or 0) for name in ("d", "h", "m"))
    seconds = days * 86400 + hours * 3600 + minutes * 60 + float(match["s"] or 0)
    return -seconds if match["sign"] else seconds


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """``extensions.queues``. ``retry_delay_s`` is host.json's ``visibilityTimeout``."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    retry_delay_s: float = 0.0
    max_polling_s: float = 2.0
    base64: bool = True


@dataclass(frozen=True, slots=True)
class DurableOptions:
    """``extensions.durableTask``."""

    hub_name: str = "TestHubName"
    max_activities: int = 10
    max_orchestrators: int = 10


@dataclass(frozen=True, slots=True)
class HostConfig:
    """Everything host.json says that this host obeys."""

    app_dir: Path
    route_prefix: str
    queues: QueueOptions
    blob_parallelism: int
    blob_max_dequeue_count: int
    durable: DurableOptions


class _Section:
    """Case-insensitive view of one host.json section, as .NET configuration reads it."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = {key.lower(): value for key, value in values.items()}

    def section(self, *path: str) -> "_Section":
        node = self
        for key in path:
            value = node._values.get(key.lower())
            node = _Section(cast("dict[str, Any]", value) if isinstance(value, dict) else {})
        return node

    def text(self, key: str, default: str) -> str:
        value = self._values.get(key.lower())
        return default if value is None else str(value)

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        value = self._values.get(key.lower())
        if value is None:
            return default
        try:
            number = int(value)
        except (TypeError, ValueError):
            raise ConfigError(f"host.json: {key} must be a whole number, not {value!r}") from None
        if not low <= number <= high:
            raise ConfigError(f"host.json: {key} must lie in {low}…{high}, not {number}")
        return number

    def seconds(self, key: str, default: float) -> float:
        value = self._values.get(key.lower())
        return default if value is None else parse_timespan(str(value))


def read_json_file(path: Path) -> dict[str, Any]:
    """A JSON object from ``path``; ``{}`` when the file is absent."""
    if not path.exists():
        return {}
    try:
        text = path.read_text("utf-8-sig").strip()
        value, end = json.JSONDecoder().raw_decode(text)
        if text[end:].strip():
            # One of Microsoft's own samples has a host.json like that.
            log.warning("%s: text after the first JSON object is ignored", path.name)
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path.name} must hold a JSON object")
    return cast("dict[str, Any]", value)


def apply_local_settings(app_dir: Path, environ: MutableMapping[str, str]) -> int:
    """Put local.settings.json ``Values`` into ``environ``; what is set already wins. Returns the number added."""
    settings = read_json_file(app_dir / "local.settings.json")
    if settings.get("IsEncrypted"):
        raise ConfigError("local.settings.json is encrypted; run `func settings decrypt` first")
    added = 0
    for key, value in dict[str, Any](settings.get("Values") or {}).items():
        if key not in environ and value is not None:
            environ[key] = value if isinstance(value, str) else json.dumps(value)
            added += 1
    return added


@dataclass(frozen=True, slots=True)
class LocalHost:
    """``Host`` of local.settings.json: the port and the origins browsers may call from (``*`` for any)."""

    port: int = 7071
    cors: tuple[str, ...] = ()


def load_local_host(app_dir: Path) -> LocalHost:
    """Read ``Host`` of local.settings.json; defaults where it says nothing."""
    section = _Section(read_json_file(app_dir / "local.settings.json")).section("Host")
    origins = tuple(origin.strip().rstrip("/") for origin in section.text("CORS", "").split(",") if origin.strip())
    return LocalHost(section.integer("LocalHttpPort", 7071, 0, 65535), origins)


def _overlay(tree: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Apply ``AzureFunctionsJobHost__a__b=value`` over host.json, keys without regard to case."""
    result: dict[str, Any] = json.loads(json.dumps(tree))
    for name, value in environ.items():
        if not name.lower().startswith(ENV_PREFIX.lower()):
            continue
        path = name[len(ENV_PREFIX) :].split("__")
        node = result
        for depth, part in enumerate(path):
            key = next((known for known in node if known.lower() == part.lower()), part)
            if depth == len(path) - 1:
                node[key] = value
            else:
                child = node.setdefault(key, {})
                if not isinstance(child, dict):
                    child = node[key] = {}
                node = cast("dict[str, Any]", child)
    return result


def load_host_config(app_dir: Path, environ: Mapping[str, str]) -> HostConfig:
    """Read host.json with its environment overrides; raises :class:`ConfigError` with one clear line."""
    root = _Section(_overlay(read_json_file(app_dir / "host.json"), environ))
    extensions = root.section("extensions")
    queues, blobs, durable = (extensions.section(name) for name in ("queues", "blobs", "durableTask"))
    cores = os.cpu_count() or 1
    encoding = queues.text("messageEncoding", "base64").lower()
    if encoding not in ("base64", "none"):
        raise ConfigError(f"host.json: messageEncoding must be base64 or none, not {encoding!r}")
    batch = queues.integer("batchSize", 16, 1, 32)
    hub = durable.text("hubName", environ.get("WEBSITE_SITE_NAME") or "TestHubName")
    return HostConfig(
        app_dir=app_dir,
        route_prefix=extensions.section("http").text("routePrefix", "api").strip("/"),
        queues=QueueOptions(
            batch_size=batch,
            new_batch_threshold=queues.integer("newBatchThreshold", batch // 2 * cores, 0, 1000),
            max_dequeue_count=queues.integer("maxDequeueCount", 5, 1, 1_000_000),
            retry_delay_s=queues.seconds("visibilityTimeout", 0.0),
            max_polling_s=max(0.1, queues.seconds("maxPollingInterval", 2.0)),
            base64=encoding == "base64",
        ),
        blob_parallelism=blobs.integer("maxDegreeOfParallelism", 8 * cores, 1, 10_000),
        blob_max_dequeue_count=blobs.integer("poisonBlobThreshold", 5, 1, 1_000_000),
        durable=DurableOptions(
            hub_name=substitute_settings(hub, environ),
            max_activities=durable.integer("maxConcurrentActivityFunctions", 10 * cores, 1, 100_000),
            max_orchestrators=durable.integer("maxConcurrentOrchestratorFunctions", 10 * cores, 1, 100_000),
        ),
    )


def substitute_settings(text: str, environ: Mapping[str, str]) -> str:
    """Replace every ``%NAME%`` by the setting of that name; raises :class:`ConfigError` when it is not set."""

    def value_of(match: re.Match[str]) -> str:
        value = environ.get(match[1])
        if value is None:
            raise ConfigError(f"{text!r} names the setting {match[1]!r}, which is not set")
        return value

    return _SETTING.sub(value_of, text)


def connection_setting(name: str, environ: Mapping[str, str]) -> str:
    """The setting a binding's ``connection`` means: ``X``, else ``AzureWebJobsX``; identity forms count."""
    name = name or HOST_STORAGE
    candidates = (name, f"AzureWebJobs{name}")
    for candidate in candidates:
        if candidate in environ or any(key.startswith(f"{candidate}__") for key in environ):
            return candidate
    raise ConfigError(f"storage connection {name!r} is not set (looked for {' and '.join(candidates)})")
