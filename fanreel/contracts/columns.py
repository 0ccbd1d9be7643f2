"""Long lists of spans as they are stored: a column per field instead of a record per row.

Names of fields are most of what a short record takes, and Cosmos DB takes no document above 2 MB: twelve hours in
shots of five seconds are 1.8 MB of records and 0.4 MB of columns. A row begins so long after the one before ended
(`afterMs`, mostly 0) and lasts `lengthMs`; its other times count from its start; words are numbered (`names`,
`rows`); a field that has its default in every row is left out. Nothing is rounded.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from .base import Wire

START, END, TIME = "startMs", "endMs", "Ms"
AFTER, LENGTH = "afterMs", "lengthMs"
NAMES, ROWS = "names", "rows"


def to_columns(rows: Sequence[Wire]) -> dict[str, Any]:
    """Return the JSON-ready columns of records that have `start_ms` and `end_ms`."""
    wires = [row.to_wire() for row in rows]
    starts, ends = [wire.pop(START) for wire in wires], [wire.pop(END) for wire in wires]
    columns: dict[str, Any] = {
        AFTER: [*starts[:1], *(start - end for end, start in zip(ends, starts[1:], strict=False))],
        LENGTH: [end - start for start, end in zip(starts, ends, strict=True)],
    }
    defaults = {field.alias: field.default for field in type(rows[0]).model_fields.values()} if rows else {}
    for name in wires[0] if wires else ():
        values: list[Any] = [wire[name] for wire in wires]
        if all(value == defaults[name] for value in values):
            continue
        if name.endswith(TIME):
            values = [None if at is None else at - start for at, start in zip(values, starts, strict=True)]
        columns[name] = _numbered(values) if isinstance(values[0], str) else values
    return columns


def from_columns(stored: object) -> object:
    """Return the records, JSON-ready, of what `to_columns` wrote; anything else is returned as it is.

    Raises ValueError where the columns do not fit one another.
    """
    if not isinstance(stored, Mapping):
        return stored
    try:
        return _records(cast(Mapping[str, Any], stored))
    except (KeyError, IndexError, TypeError) as wrong:
        raise ValueError("The columns are not what a list of spans is stored as.") from wrong


def _records(stored: Mapping[str, Any]) -> list[dict[str, Any]]:
    columns = {name: _spelt(values) if isinstance(values, Mapping) else values for name, values in stored.items()}
    after, lengths = columns.pop(AFTER), columns.pop(LENGTH)
    records: list[dict[str, Any]] = []
    end = 0
    for gap, length, *others in zip(after, lengths, *columns.values(), strict=True):
        start, end = end + gap, end + gap + length
        record = {START: start, END: end}
        for name, value in zip(columns, others, strict=True):
            record[name] = value + start if name.endswith(TIME) and value is not None else value
        records.append(record)
    return records


def _numbered(values: Sequence[str | None]) -> dict[str, Any]:
    number = {name: index for index, name in enumerate(dict.fromkeys(values))}
    return {NAMES: list(number), ROWS: [number[value] for value in values]}


def _spelt(stored: Mapping[str, Any]) -> list[str]:
    return [stored[NAMES][row] for row in stored[ROWS]]
