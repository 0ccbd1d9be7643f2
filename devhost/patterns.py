"""Blob path patterns: matching a blob against a trigger path, filling a binding path from data.

Rules read from the WebJobs SDK (BindingTemplateToken): every ``{x}`` is greedy, the match is anchored
over the whole path, ``{name}.{ext}`` therefore splits at the last dot, ``{{`` and ``}}`` are literal braces,
and the container cannot hold a parameter in a trigger.
"""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from devhost.errors import ConfigError

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|([{}])")


@dataclass(frozen=True, slots=True)
class BlobPattern:
    """A trigger path such as ``uploads/{user}/{name}.mp4``."""

    container: str
    expression: re.Pattern[str]

    def match(self, blob_name: str) -> dict[str, str] | None:
        """The path parameters when ``blob_name`` (without container) matches, else ``None``."""
        found = self.expression.fullmatch(blob_name)
        return None if found is None else found.groupdict()


def parse_pattern(path: str) -> BlobPattern:
    """Compile a trigger path; raises :class:`ConfigError` on braces that do not pair or a bad container."""
    container, _, rest = path.strip().lstrip("/").partition("/")
    if not container or "{" in container:
        raise ConfigError(f"blob path {path!r}: the container must be named without parameters")
    pieces: list[str] = []
    names: set[str] = set()
    position = 0
    for token in _TOKEN.finditer(rest):
        pieces.append(re.escape(rest[position : token.start()]))
        position = token.end()
        if token[2]:
            raise ConfigError(f"blob path {path!r}: unpaired {token[2]!r}")
        if token[1] is None:
            pieces.append(re.escape(token[0][0]))
        elif not token[1].isidentifier() or token[1] in names:
            raise ConfigError(f"blob path {path!r}: parameter {token[1]!r} is repeated or not a name")
        else:
            names.add(token[1])
            pieces.append(f"(?P<{token[1]}>.*)")
    pieces.append(re.escape(rest[position:]))
    # A bare container means "every blob in it".
    return BlobPattern(container, re.compile("".join(pieces) if rest else ".*", re.DOTALL))


def fill_path(template: str, data: Mapping[str, Any]) -> str:
    """Resolve a binding path: ``{x}``, ``{a.b}``, ``{rand-guid}``, ``{DateTime}``, ``{sys.utcnow}``.

    Raises :class:`ConfigError` when ``data`` lacks a name the template uses.
    """

    def value_of(token: re.Match[str]) -> str:
        if token[1] is None:
            return token[0][0]
        name = token[1]
        lowered = name.lower()
        if lowered == "rand-guid":
            return str(uuid.uuid4())
        if lowered in ("datetime", "sys.utcnow"):
            return datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
        value: Any = data
        for part in name.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise ConfigError(f"binding path {template!r} needs {name!r}, which the trigger does not give")
            value = cast("Mapping[str, Any]", value)[part]
        return value if isinstance(value, str) else json.dumps(value)

    return _TOKEN.sub(value_of, template)
