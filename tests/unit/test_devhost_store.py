"""The durable store: errors keep their cause, lists are right and cost what they show."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devhost.durable.store import ACTIVE, FINAL, InstanceRow, Store

pytestmark = pytest.mark.unit


class Recording(sqlite3.Connection):
    """A connection that remembers the last statement it was asked to run."""

    last: tuple[str, Any] = ("", ())

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        Recording.last = (sql, parameters)
        return super().execute(sql, parameters)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    connect = sqlite3.connect
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda path, **options: connect(path, factory=Recording, **options))
        made = Store(tmp_path / "durable.db")
    yield made
    made.close()


def instance(number: int) -> InstanceRow:
    states = (*FINAL, *ACTIVE)
    created = f"2026-01-01T00:{number // 3 // 60:02d}:{number // 3 % 60:02d}.000000Z"  # three share a moment
    return InstanceRow(
        id=f"{'ab'[number % 2]}-{number}", execution_id="e", name="n", version="", input=None,
        status=states[number % len(states)], custom_status=None, output=None, parent_id=None,
        parent_execution_id=None, parent_task_id=None, created=created, updated=created,
    )  # fmt: skip


def test_an_error_that_ends_the_transaction_by_itself_keeps_its_cause(store: Store, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "durable.db")
    # Rolls back as SQLite does by itself when the disk is full.
    other.execute(
        "CREATE TRIGGER full BEFORE INSERT ON inbox WHEN new.instance_id = 'big' "
        "BEGIN SELECT RAISE(ROLLBACK, 'disk is full'); END"
    )
    other.close()

    def write_both() -> None:
        with store.transaction():
            store.post("small", {"EventType": 15})
            store.post("big", {"EventType": 15})

    with pytest.raises(sqlite3.Error, match="disk is full"):
        write_both()
    assert store.inbox("small") == []
    with store.transaction():
        store.post("small", {"EventType": 15})
    assert len(store.inbox("small")) == 1


@pytest.mark.parametrize("statuses", [(), ("Completed",), ("Running", "Failed", "Running"), ("NoSuchState",)])
@pytest.mark.parametrize("id_prefix", ["", "a-", "a-1"])
@pytest.mark.parametrize("period", [(None, None), ("2026-01-01T00:00:05.000000Z", "2026-01-01T00:00:30.000000Z")])
def test_lists_show_what_was_asked_for_page_by_page(
    store: Store, statuses: tuple[str, ...], id_prefix: str, period: tuple[str | None, str | None]
) -> None:
    rows = [instance(number) for number in range(120)]
    for row in rows:
        store.put_instance(row)
    low, high = period[0] or "", period[1] or "9"
    expected = [
        row.id
        for row in sorted(rows, key=lambda row: (row.created, row.id))
        if (not statuses or row.status in statuses) and row.id.startswith(id_prefix) and low <= row.created <= high
    ]
    shown: list[str] = []
    after: tuple[str, str] | None = None
    while page := store.query_instances(
        statuses=statuses, created_from=period[0], created_to=period[1], id_prefix=id_prefix, after=after, limit=7
    ):
        shown += [row.id for row in page]
        after = (page[-1].created, page[-1].id)
    assert shown == expected


@pytest.mark.parametrize(
    ("asked", "sorts"),
    [
        ({}, False),
        ({"statuses": ["Completed"]}, False),
        ({"statuses": ["Completed", "Failed"]}, False),
        ({"statuses": ["Completed"], "created_from": "2026"}, False),
        ({"statuses": ["Completed"], "after": ("2026", "a")}, False),
        ({"id_prefix": "a-"}, True),
        ({"id_prefix": "a-", "statuses": ["Completed", "Failed"], "created_from": "2026"}, True),
    ],
)
def test_lists_do_not_read_or_sort_every_finished_instance(
    store: Store, tmp_path: Path, asked: dict[str, Any], sorts: bool
) -> None:
    store.query_instances(**asked, limit=10)
    query, values = Recording.last
    other = sqlite3.connect(tmp_path / "durable.db")
    plan = [str(row[3]) for row in other.execute(f"EXPLAIN QUERY PLAN {query}", values)]
    other.close()
    reads = [step for step in plan if "instances" in step]
    by_key = "SEARCH instances USING PRIMARY KEY (id>? AND id<?)"
    assert reads
    # A scan along an index that has the order ends with the page.
    assert all(" USING INDEX instances_" in step or step == by_key for step in reads), plan
    assert any("TEMP B-TREE" in step for step in plan) is sorts, plan
