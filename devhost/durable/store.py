"""Durable state in SQLite: instances, history, inbox, outstanding activities and timers.

Every episode is one transaction, so a killed host finds either all of an episode or none of it. WAL with
``synchronous=NORMAL`` survives the death of the process at any moment; after a power cut the last moments may be
lost, never torn.
"""

import json
import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devhost.durable.history import Event, dumps

ACTIVE = ("Pending", "Running", "ContinuedAsNew", "Suspended")
FINAL = ("Completed", "Failed", "Terminated", "Canceled")
SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS instances (
    id TEXT PRIMARY KEY, execution_id TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    input TEXT, status TEXT NOT NULL, custom_status TEXT, output TEXT,
    parent_id TEXT, parent_execution_id TEXT, parent_task_id INTEGER,
    created TEXT NOT NULL, updated TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS instances_created ON instances (created, id);
DROP INDEX IF EXISTS instances_status;
CREATE INDEX IF NOT EXISTS instances_status_created ON instances (status, created, id);
CREATE TABLE IF NOT EXISTS history (
    instance_id TEXT NOT NULL, seq INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (instance_id, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, instance_id TEXT NOT NULL, event TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS inbox_instance ON inbox (instance_id, seq);
CREATE TABLE IF NOT EXISTS activities (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, instance_id TEXT NOT NULL, execution_id TEXT NOT NULL,
    task_id INTEGER NOT NULL, name TEXT NOT NULL, input TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS activities_instance ON activities (instance_id);
CREATE TABLE IF NOT EXISTS timers (
    instance_id TEXT NOT NULL, execution_id TEXT NOT NULL, task_id INTEGER NOT NULL, fire_at TEXT NOT NULL,
    PRIMARY KEY (instance_id, execution_id, task_id)
) WITHOUT ROWID;
"""


@dataclass(slots=True)
class InstanceRow:
    """One orchestration instance as stored. ``input`` and ``custom_status`` are JSON text."""

    id: str
    execution_id: str
    name: str
    version: str
    input: str | None
    status: str
    custom_status: str | None
    output: str | None
    parent_id: str | None
    parent_execution_id: str | None
    parent_task_id: int | None
    created: str
    updated: str

    @property
    def is_active(self) -> bool:
        """Whether the instance can still change by itself."""
        return self.status in ACTIVE


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """An activity that must still run; ``seq`` names it."""

    seq: int
    instance_id: str
    execution_id: str
    task_id: int
    name: str
    input: str


@dataclass(frozen=True, slots=True)
class TimerRow:
    """A timer that must still fire at ``fire_at`` (ISO UTC)."""

    instance_id: str
    execution_id: str
    task_id: int
    fire_at: str


_INSTANCE_COLUMNS = ", ".join(InstanceRow.__slots__)
_INSTANCE_MARKS = ", ".join("?" for _ in InstanceRow.__slots__)
_SELECT = f"SELECT {_INSTANCE_COLUMNS} FROM instances "  # noqa: S608 -- column names of the class above
_UPSERT = f"INSERT OR REPLACE INTO instances ({_INSTANCE_COLUMNS}) VALUES ({_INSTANCE_MARKS})"  # noqa: S608


_LAST_CHARACTER = "\U0010ffff"


class Store:
    """The database of one task hub. Used from one thread only.

    Every method may raise ``sqlite3.Error``: disk full, file locked. What is written then is all or nothing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA busy_timeout=5000")
        self._db.executescript(_SCHEMA)
        self.set_meta_default("schema_version", str(SCHEMA_VERSION))

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A full disk can end the transaction by itself; a refused COMMIT leaves it open.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # --- meta -------------------------------------------------------------------------------------------------
    def set_meta_default(self, key: str, value: str) -> str:
        """Store ``value`` under ``key`` unless there is one; returns what is stored."""
        self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, value))
        return self.meta(key) or value

    def meta(self, key: str) -> str | None:
        """The value under ``key``."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Store ``value`` under ``key``."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    # --- instances --------------------------------------------------------------------------------------------
    def instance(self, instance_id: str) -> InstanceRow | None:
        """The instance, ``None`` when there is none."""
        row = self._db.execute(_SELECT + "WHERE id = ?", (instance_id,)).fetchone()
        return None if row is None else InstanceRow(*row)

    def put_instance(self, row: InstanceRow) -> None:
        """Insert or replace one instance."""
        values = [getattr(row, column) for column in InstanceRow.__slots__]
        self._db.execute(_UPSERT, values)

    def query_instances(
        self,
        *,
        statuses: Sequence[str] = (),
        created_from: str | None = None,
        created_to: str | None = None,
        id_prefix: str = "",
        after: tuple[str, str] | None = None,
        limit: int = -1,
    ) -> list[InstanceRow]:
        """Instances by creation time then id; ``after`` continues behind that (created, id).

        A page costs what it holds, not what the table holds: by prefix through the key, else through an index
        that has the order already, one arm per status.
        """
        wanted = [status for status in (*ACTIVE, *FINAL) if status in statuses]
        if statuses and not wanted:
            return []
        clauses, values = ["1 = 1"], list[Any]()
        plus = "+" if id_prefix else ""  # a unary plus keeps SQLite from choosing an index on that column
        if id_prefix:
            clauses += ["id >= ?", "id < ?"]
            values += [id_prefix, id_prefix + _LAST_CHARACTER]
        for clause, value in (("created >= ?", created_from), ("created <= ?", created_to)):
            if value is not None:
                clauses.append(plus + clause)
                values.append(value)
        if after is not None:
            clauses.append(f"({plus}created, id) > (?, ?)")
            values += after
        arm = _SELECT + "WHERE " + " AND ".join(clauses)  # constants; every value is bound
        if id_prefix and wanted:
            query, values = f"{arm} AND +status IN ({', '.join('?' for _ in wanted)})", [*values, *wanted]
        elif wanted:
            query = " UNION ALL ".join(f"{arm} AND status = ?" for _ in wanted)
            values = [value for status in wanted for value in (*values, status)]
        else:
            query = arm
        rows = self._db.execute(f"{query} ORDER BY created, id LIMIT ?", [*values, limit])
        return [InstanceRow(*row) for row in rows]

    def delete_instance(self, instance_id: str) -> None:
        """Forget an instance and everything that belongs to it."""
        for table in ("history", "inbox", "activities", "timers"):
            self._db.execute(f"DELETE FROM {table} WHERE instance_id = ?", (instance_id,))  # noqa: S608 -- constants
        self._db.execute("DELETE FROM instances WHERE id = ?", (instance_id,))

    def busy_instances(self) -> list[str]:
        """Ids of active instances that have never run or have something in their inbox."""
        rows = self._db.execute(
            "SELECT id FROM instances WHERE status = 'Pending' OR "
            "(status IN ('Running', 'ContinuedAsNew', 'Suspended') AND "
            "(id IN (SELECT instance_id FROM inbox) OR id NOT IN (SELECT instance_id FROM history)))"
        )
        return [str(row[0]) for row in rows]

    # --- history ----------------------------------------------------------------------------------------------
    def history(self, instance_id: str) -> list[Event]:
        """Every event of the current execution, in order."""
        rows = self._db.execute("SELECT event FROM history WHERE instance_id = ? ORDER BY seq", (instance_id,))
        return [json.loads(row[0]) for row in rows]

    def append_history(self, instance_id: str, first_seq: int, events: Iterable[Event]) -> None:
        """Append ``events``, numbered from ``first_seq``."""
        self._db.executemany(
            "INSERT INTO history (instance_id, seq, event) VALUES (?, ?, ?)",
            [(instance_id, first_seq + offset, dumps(event)) for offset, event in enumerate(events)],
        )

    def clear_history(self, instance_id: str) -> None:
        """Drop the history and timers of an execution that is over."""
        self._db.execute("DELETE FROM history WHERE instance_id = ?", (instance_id,))
        self.clear_timers(instance_id)

    # --- inbox ------------------------------------------------------------------------------------------------
    def post(self, instance_id: str, event: Event) -> None:
        """Put a message into an instance's inbox."""
        self._db.execute("INSERT INTO inbox (instance_id, event) VALUES (?, ?)", (instance_id, dumps(event)))

    def inbox(self, instance_id: str) -> list[tuple[int, Event]]:
        """Waiting messages in order of arrival."""
        rows = self._db.execute("SELECT seq, event FROM inbox WHERE instance_id = ? ORDER BY seq", (instance_id,))
        return [(int(row[0]), json.loads(row[1])) for row in rows]

    def take_inbox(self, seqs: Iterable[int]) -> None:
        """Remove the messages with these numbers."""
        self._db.executemany("DELETE FROM inbox WHERE seq = ?", [(seq,) for seq in seqs])

    # --- activities and timers --------------------------------------------------------------------------------
    def add_activity(self, instance_id: str, execution_id: str, task_id: int, event: Event) -> ActivityRow:
        """Record an activity to run, from its TaskScheduled event."""
        cursor = self._db.execute(
            "INSERT INTO activities (instance_id, execution_id, task_id, name, input) VALUES (?, ?, ?, ?, ?)",
            (instance_id, execution_id, task_id, event["Name"], event["Input"]),
        )
        seq = int(cursor.lastrowid or 0)
        return ActivityRow(seq, instance_id, execution_id, task_id, event["Name"], event["Input"])

    def finish_activity(self, seq: int) -> bool:
        """Forget an activity that has run; ``False`` when it was already forgotten."""
        return self._db.execute("DELETE FROM activities WHERE seq = ?", (seq,)).rowcount == 1

    def activities(self) -> list[ActivityRow]:
        """Every activity still to run, oldest first."""
        rows = self._db.execute(
            "SELECT seq, instance_id, execution_id, task_id, name, input FROM activities ORDER BY seq"
        )
        return [ActivityRow(*row) for row in rows]

    def add_timer(self, timer: TimerRow) -> None:
        """Record a timer to fire."""
        self._db.execute(
            "INSERT OR REPLACE INTO timers VALUES (?, ?, ?, ?)",
            (timer.instance_id, timer.execution_id, timer.task_id, timer.fire_at),
        )

    def finish_timer(self, instance_id: str, execution_id: str, task_id: int) -> bool:
        """Forget a timer that fired or was cancelled; ``False`` when it was already forgotten."""
        cursor = self._db.execute(
            "DELETE FROM timers WHERE instance_id = ? AND execution_id = ? AND task_id = ?",
            (instance_id, execution_id, task_id),
        )
        return cursor.rowcount == 1

    def clear_timers(self, instance_id: str) -> None:
        """Forget every timer of an instance that is over."""
        self._db.execute("DELETE FROM timers WHERE instance_id = ?", (instance_id,))

    def timers(self) -> list[TimerRow]:
        """Every timer still to fire."""
        rows = self._db.execute("SELECT instance_id, execution_id, task_id, fire_at FROM timers")
        return [TimerRow(*row) for row in rows]
