"""NCRONTAB: ``{second} {minute} {hour} {day} {month} {day-of-week}`` in UTC; five fields mean second 0."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from devhost.errors import ConfigError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_ITEM = re.compile(r"^(\*|\w+)(?:-(\w+))?(?:/(\d+))?$")
_SEARCH_YEARS = 30  # 29 February on a given weekday repeats within 28 years


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    first_name: int = 0

    def parse(self, text: str, expression: str) -> frozenset[int]:
        values: set[int] = set()
        for item in text.split(","):
            match = _ITEM.match(item)
            if match is None:
                raise ConfigError(f"schedule {expression!r}: bad {self.name} {item!r}")
            step = int(match[3] or 1)
            if match[1] == "*":
                start, end = self.low, self.high
            else:
                start = self._number(match[1], expression)
                end = self._number(match[2], expression) if match[2] else self.high if match[3] else start
            if step < 1 or start > end:
                raise ConfigError(f"schedule {expression!r}: bad {self.name} {item!r}")
            values.update(range(start, end + 1, step))
        return frozenset(values)

    def _number(self, text: str, expression: str) -> int:
        lowered = text.lower()[:3]
        number = int(text) if text.isdigit() else -1
        if number < 0 and lowered in self.names:
            number = self.names.index(lowered) + self.first_name
        if not self.low <= number <= self.high:
            raise ConfigError(f"schedule {expression!r}: {self.name} {text!r} is not in {self.low}…{self.high}")
        return number


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS, 1),
    _Field("day of week", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed expression."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence strictly later than ``moment`` (same time zone).

        Raises :class:`ConfigError` when there is none within 30 years (31 February).
        """
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        day = start.replace(hour=0, minute=0, second=0)
        limit = start.year + _SEARCH_YEARS
        while day.year <= limit:
            if day.month not in self.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            if day.day in self.days and day.isoweekday() % 7 in self.weekdays:
                found = self._first_in_day(day, start)
                if found is not None:
                    return found
            day += timedelta(days=1)
        raise ConfigError("the schedule never fires")

    def _first_in_day(self, day: datetime, start: datetime) -> datetime | None:
        for hour in self.hours:
            if day.replace(hour=hour, minute=59, second=59) < start:
                continue
            for minute in self.minutes:
                if day.replace(hour=hour, minute=minute, second=59) < start:
                    continue
                for second in self.seconds:
                    candidate = day.replace(hour=hour, minute=minute, second=second)
                    if candidate >= start:
                        return candidate
        return None


def parse_schedule(expression: str) -> Schedule:
    """Parse five or six fields; raises :class:`ConfigError` naming the field that is wrong."""
    parts = expression.split()
    if len(parts) == 5:
        parts = ["0", *parts]
    if len(parts) != len(_FIELDS):
        raise ConfigError(f"schedule {expression!r} must have six fields (or five, without seconds)")
    seconds, minutes, hours, days, months, weekdays = (
        spec.parse(part, expression) for spec, part in zip(_FIELDS, parts, strict=True)
    )
    return Schedule(
        tuple(sorted(seconds)),
        tuple(sorted(minutes)),
        tuple(sorted(hours)),
        days,
        months,
        frozenset(day % 7 for day in weekdays),
    )
