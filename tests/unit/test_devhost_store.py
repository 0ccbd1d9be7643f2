"""The durable store: errors keep their cause, transactions are all or nothing."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from devhost.durable.store import Store

pytestmark = pytest.mark.unit


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "durable.db")
    yield made
    made.close()


def test_an_error_that_ends_the_transaction_by_itself_keeps_its_cause(store: Store, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "durable.db")
    # Rolls back as SQLite does by itself when the disk is full.
    other.execute(
        "CREATE TRIGGER full BEFORE INSERT ON inbox WHEN new.instance_id = 'big' "
        "BEGIN SELECT RAISE(ROLLBACK, 'disk is full'); END"
    )
    other.close()
    with pytest.raises(sqlite3.Error, match="disk is full"), store.transaction():
        store.post("small", {"EventType": 15})
        store.post("big", {"EventType": 15})
    assert store.inbox("small") == []
    with store.transaction():
        store.post("small", {"EventType": 15})
    assert len(store.inbox("small")) == 1
