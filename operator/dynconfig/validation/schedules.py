"""Validate schedule expressions of EventBridge Scheduler, with readable messages. Pure.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

import re
from dataclasses import dataclass
from datetime import datetime

from dynconfig.model.counting import counted

EXAMPLES = "use rate(5 minutes), cron(0 8 * * ? *) or at(2030-01-31T08:00:00)"
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_ITEM = re.compile(r"(?P<first>\*|[0-9A-Za-z]+)(?:-(?P<last>[0-9A-Za-z]+))?(?:/(?P<step>[0-9]+))?")


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a cron expression."""

    title: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()
    special: str = ""
    """Regular expression of special values, in addition to numbers, names, ranges and steps."""

    def fault(self, text: str) -> str | None:
        """Return what is wrong with the text of the field, or None."""
        if self.special and re.fullmatch(self.special, text, re.IGNORECASE):
            return None
        wrong = next((item for item in text.split(",") if not self._is_item(item)), None)
        if wrong is None:
            return None
        named = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
        return f"{self.title} {text} is invalid: use {self.lowest} to {self.highest}{named}"

    def _is_item(self, item: str) -> bool:
        found = _ITEM.fullmatch(item)
        if found is None:
            return False
        first = self.lowest if found["first"] == "*" else self._number(found["first"])
        last = self.highest if found["last"] is None else self._number(found["last"])
        is_range = found["last"] is None or found["first"] != "*"
        is_step = found["step"] is None or int(found["step"]) > 0
        return is_range and is_step and self.lowest <= first <= last <= self.highest

    def _number(self, text: str) -> int:
        """Return the number; -1, which is out of range, for anything but a number or name."""
        if text.upper() in self.names:
            return self.lowest + self.names.index(text.upper())
        return int(text) if text.isascii() and text.isdecimal() and len(text) <= 4 else -1


_FIELDS = (
    _Field("minutes", 0, 59),
    _Field("hours", 0, 23),
    _Field("day-of-month", 1, 31, special=r"\?|L|LW|(0?[1-9]|[12][0-9]|3[01])W"),
    _Field("month", 1, 12, _MONTHS),
    _Field("day-of-week", 1, 7, _DAYS, special=rf"\?|L|([1-7]|{'|'.join(_DAYS)})(#[1-5]|L)"),
    _Field("year", 1970, 2199),
)


def fault(expression: str) -> str | None:
    """Return why AWS would reject a schedule expression, to be appended to its field; None if it is valid."""
    found = re.fullmatch(r"(rate|cron|at)\((.*)\)", expression, re.DOTALL)
    if found is None:
        is_cron = len(expression.split()) in (5, 6)
        hint = "; unlike in Kubernetes, cron in AWS has six fields, one of them ?" if is_cron else ""
        return f"is not a valid schedule: {EXAMPLES}{hint}"
    return {"rate": _rate_fault, "cron": _cron_fault, "at": _at_fault}[found[1]](found[2])


def advice(expression: str) -> str | None:
    """Return a warning about an expression that AWS may reject; None if there is none."""
    found = re.fullmatch(r"rate\(([0-9]+) (minute|hour|day)(s?)\)", expression)
    # EventBridge rules reject it; whether Scheduler does is not documented.
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html#eb-rate-expressions
    if found is None or (found[1] == "1") == (found[3] == ""):
        return None
    return f"use rate({found[1]} {found[2]}{'' if found[1] == '1' else 's'}); AWS may reject any other form"


def _rate_fault(text: str) -> str | None:
    if re.fullmatch(r"[1-9][0-9]* (minute|hour|day)s?", text):
        return None
    return "is not a valid rate: use a whole number and minutes, hours or days, for example rate(5 minutes)"


def _cron_fault(text: str) -> str | None:
    parts = text.split(" ")
    if len(parts) != len(_FIELDS):
        return (
            f"has {counted(len(parts), 'field')} instead of six: minutes, hours, day-of-month, month, day-of-week, "
            "year, for example cron(0 8 * * ? *)"
        )
    wrong = next((error for field, part in zip(_FIELDS, parts, strict=True) if (error := field.fault(part))), None)
    if wrong is None and (parts[2] == "?") == (parts[4] == "?"):
        return "requires ? in exactly one of day-of-month and day-of-week, for example cron(0 8 * * ? *)"
    return wrong


def _at_fault(text: str) -> str | None:
    is_form = re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}", text)
    if is_form and _is_time(text):
        return None
    return "is not a valid time: use for example at(2030-01-31T08:00:00), without a time zone"


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
