"""AWS's cron expressions: six fields; one of the two day fields is a question mark. Pure.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based
"""

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
_ITEM = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?")

Test = Callable[[datetime], bool]


class BadExpression(ValueError):
    """A text is not a valid schedule expression."""


@dataclass(frozen=True)
class Cron:
    """One predicate for each field."""

    tests: tuple[Test, ...]

    def matches(self, minute: datetime) -> bool:
        """Whether it fires in this minute, which is in the time zone of the schedule."""
        return all(test(minute) for test in self.tests)


def parse(fields: str) -> Cron:
    """Parse the expression between the parentheses. Raises BadExpression."""
    try:
        return Cron(_tests(fields))
    except ValueError as error:
        raise BadExpression(str(error)) from None


def _tests(fields: str) -> tuple[Test, ...]:
    parts = fields.split(" ")
    if len(parts) != 6:
        raise ValueError("a cron expression has six fields")
    minutes, hours, day, month, weekday, year = parts
    if (day == "?") == (weekday == "?"):
        raise ValueError("exactly one of day-of-month and day-of-week is a question mark")
    minute_set, hour_set = _numbers(minutes, 0, 59), _numbers(hours, 0, 23)
    month_set, years = _numbers(month, 1, 12, _MONTHS), _numbers(year, 1970, 2199)
    return (
        lambda at: at.minute in minute_set,
        lambda at: at.hour in hour_set,
        lambda at: at.month in month_set,
        lambda at: at.year in years,
        _weekday(weekday) if day == "?" else _day(day),
    )


def _numbers(field: str, lowest: int, highest: int, names: dict[str, int] | None = None) -> frozenset[int]:
    found: set[int] = set()
    for item in field.split(","):
        parts = _ITEM.fullmatch(item)
        if parts is None:
            raise ValueError(f"{field} is no field of a cron expression")
        first = lowest if parts["first"] == "*" else _number(parts["first"], names)
        last = _number(parts["last"], names) if parts["last"] else highest if _is_open(parts) else first
        step = int(parts["step"] or 1)
        if not lowest <= first <= last <= highest or step < 1:
            raise ValueError(f"{field} is not within {lowest} to {highest}")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _is_open(parts: re.Match[str]) -> bool:
    """Whether an item extends to the highest value, as * and 5/10 do."""
    return parts["first"] == "*" or parts["step"] is not None


def _number(text: str, names: dict[str, int] | None) -> int:
    found = (names or {}).get(text.upper())
    return int(text) if found is None else found


def _day(field: str) -> Test:
    if field == "L":
        return lambda at: at.day == _length(at)
    nearest = re.fullmatch(r"(\d{1,2})W", field)
    if nearest is not None:
        wanted = int(nearest[1])
        if not 1 <= wanted <= 31:
            raise ValueError(f"{field} is no day of a month")
        return lambda at: wanted <= _length(at) and at.day == _working_day(at, wanted)
    days = _numbers(field, 1, 31)
    return lambda at: at.day in days


def _weekday(field: str) -> Test:
    found = re.fullmatch(r"(?P<day>\w{1,3})(?:#(?P<number>[1-5])|(?P<last>L))", field)
    if found is not None:
        day = next(iter(_numbers(found["day"], 1, 7, _DAYS)))
        if found["last"]:
            return lambda at: _sunday_first(at) == day and at.day + 7 > _length(at)
        number = int(found["number"])
        return lambda at: _sunday_first(at) == day and (at.day - 1) // 7 + 1 == number
    days = frozenset({7}) if field == "L" else _numbers(field, 1, 7, _DAYS)
    return lambda at: _sunday_first(at) in days


def _sunday_first(at: datetime) -> int:
    return at.isoweekday() % 7 + 1


def _length(at: datetime) -> int:
    return calendar.monthrange(at.year, at.month)[1]


def _working_day(at: datetime, wanted: int) -> int:
    """The working day nearest to a day of the month, within the month."""
    weekday = at.replace(day=wanted).isoweekday()
    if weekday == 6:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == 7:
        return wanted + 1 if wanted < _length(at) else wanted - 2
    return wanted
