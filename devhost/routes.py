"""ASP.NET route templates, as HTTP triggers write them: ``items/{id:int}/{name?}``, ``files/{*path}``."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from devhost.errors import ConfigError

_PARAMETER = re.compile(r"\{(\*{0,2})([A-Za-z_]\w*)((?::(?:\{\{|\}\}|[^{}])*)?)(\?)?\}")
_ARGUMENT = re.compile(r"^(\w+)(?:\((.*)\))?$", re.DOTALL)
Check = Callable[[str], bool]


def _is_guid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _constraint(text: str, template: str) -> Check:
    """One inline constraint; raises :class:`ConfigError` when this host does not know it."""
    parsed = _ARGUMENT.match(text)
    name, argument = (parsed[1].lower(), parsed[2] or "") if parsed else (text, "")
    simple: dict[str, Check] = {
        "int": lambda value: re.fullmatch(r"[+-]?\d{1,10}", value) is not None,
        "long": lambda value: re.fullmatch(r"[+-]?\d{1,19}", value) is not None,
        "guid": _is_guid,
        "bool": lambda value: value.lower() in ("true", "false"),
        "alpha": lambda value: re.fullmatch(r"[A-Za-z]*", value) is not None,
        "decimal": _is_number,
        "double": _is_number,
        "float": _is_number,
        "required": bool,
        "datetime": lambda value: re.match(r"\d{4}-\d{2}-\d{2}", value) is not None,
    }
    if name in simple:
        return simple[name]
    if name == "regex":
        return lambda value: re.search(argument, value, re.IGNORECASE) is not None
    bounds = (
        [int(part) for part in argument.split(",")]
        if re.fullmatch(r"\s*-?\d+(\s*,\s*-?\d+)?\s*", argument)
        else []
    )
    low, high = (bounds[0], bounds[-1]) if bounds else (0, 0)
    sized: dict[str, Check] = {
        "min": lambda value: _is_number(value) and int(value) >= low,
        "max": lambda value: _is_number(value) and int(value) <= low,
        "range": lambda value: _is_number(value) and low <= int(value) <= high,
        "minlength": lambda value: len(value) >= low,
        "maxlength": lambda value: len(value) <= low,
        "length": lambda value: low <= len(value) <= high,
    }
    if name in sized and bounds:
        return sized[name]
    raise ConfigError(f"route {template!r}: unknown constraint {text!r}")


def _constraints(text: str, template: str) -> list[Check]:
    """Split ``:int:min(1)`` at colons outside parentheses."""
    parts, depth, current = list[str](), 0, ""
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == ":" and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    return [_constraint(part, template) for part in [*parts, current] if part]


@dataclass(frozen=True, slots=True)
class Route:
    """A compiled template. Routes sort by precedence: the more literal first."""

    template: str
    expression: re.Pattern[str]
    checks: dict[str, list[Check]]
    precedence: tuple[int, ...]

    def match(self, raw_path: str) -> dict[str, str] | None:
        """Route parameters when the still-encoded path (without leading slash) matches, else ``None``."""
        found = self.expression.fullmatch(raw_path.strip("/"))
        if found is None:
            return None
        values = {name: unquote(value) for name, value in found.groupdict().items() if value is not None}
        for name, checks in self.checks.items():
            if name in values and not all(check(values[name]) for check in checks):
                return None
        return values


def compile_route(template: str) -> Route:
    """Compile one template; raises :class:`ConfigError` when it is malformed."""
    checks: dict[str, list[Check]] = {}
    ranks: list[int] = []
    expression = ""
    for index, segment in enumerate(template.strip("/").split("/") if template.strip("/") else []):
        body, rank, optional = _compile_segment(segment, template, checks)
        slash = "/" if index else ""
        expression += f"(?:{slash}{body})?" if optional else slash + body
        ranks.append(rank)
    return Route(template, re.compile(expression, re.IGNORECASE), checks, tuple(ranks))


def _compile_segment(segment: str, template: str, checks: dict[str, list[Check]]) -> tuple[str, int, bool]:
    body, position, rank, optional = "", 0, 0, False
    for found in _PARAMETER.finditer(segment):
        body += re.escape(segment[position : found.start()])
        position = found.end()
        stars, name, constraint, question = found[1], found[2], found[3], found[4]
        if constraint.endswith("?"):
            constraint, question = constraint[:-1], "?"
        if name in checks:
            raise ConfigError(f"route {template!r}: parameter {name!r} is repeated")
        constraint = constraint.replace("{{", "{").replace("}}", "}")  # ASP.NET's escape inside a constraint
        checks[name] = _constraints(constraint.lstrip(":"), template)
        optional = optional or bool(stars or question)
        body += f"(?P<{name}>.*)" if stars else f"(?P<{name}>[^/]+)"
        rank = max(rank, 3 if stars else 1 if constraint else 2)
    rest = segment[position:]
    if "{" in rest or "}" in rest:
        raise ConfigError(f"route {template!r}: unpaired brace in {segment!r}")
    return body + re.escape(rest), rank, optional
