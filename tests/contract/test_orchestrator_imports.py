"""Orchestrators import nothing that could do I/O or differ between replays.

import-linter holds our own modules apart but cannot tell one `azure.*` package from another.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.contract

ROOM = Path(__file__).resolve().parents[2] / "orchestrators"
ALLOWED = ("azure.durable_functions", "fanreel.contracts", "collections.abc", "datetime", "typing")


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def forbidden(source: str) -> list[str]:
    return [
        name for name in imported(source) if not any(name == ok or name.startswith(f"{ok}.") for ok in ALLOWED)
    ]


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda p: p.name)
def test_an_orchestrator_imports_contracts_and_the_durable_sdk_only(path: Path) -> None:
    assert forbidden(path.read_text()) == []


def test_the_rule_notices_a_storage_client() -> None:
    assert forbidden("from azure.storage.blob import BlobClient") == ["azure.storage.blob"]
