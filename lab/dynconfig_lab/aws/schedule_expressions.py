"""When a schedule fires: rate, cron and at expressions as EventBridge Scheduler takes them. Pure.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from dynconfig_lab.aws import cron

SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
_MINUTE = 60
# After a longer pause of the clock, as when a laptop sleeps, what was missed is left out.
_LOOK_BACK = 3600


class Expression(Protocol):
    """When a schedule fires."""

    def fires(self, since: float, until: float, zone: ZoneInfo, began: float) -> bool:
        """Whether it does after one moment and up to another, in seconds since 1970; `began` is when it was written."""


@dataclass(frozen=True)
class Rate:
    """Every so many seconds since it was written."""

    seconds: int

    def fires(self, since: float, until: float, zone: ZoneInfo, began: float) -> bool:  # noqa: ARG002 - one of three
        """Whether another interval is full."""
        return (until - began) // self.seconds > max(0.0, since - began) // self.seconds


@dataclass(frozen=True)
class At:
    """Once."""

    moment: datetime

    def fires(self, since: float, until: float, zone: ZoneInfo, began: float) -> bool:  # noqa: ARG002 - one of three
        """Whether its moment has come."""
        return since < self.stamp(zone) <= until

    def stamp(self, zone: ZoneInfo) -> float:
        """Its moment in seconds since 1970."""
        return self.moment.replace(tzinfo=zone).timestamp()


@dataclass(frozen=True)
class Recurring:
    """In each minute that a cron expression matches."""

    expression: cron.Cron

    def fires(self, since: float, until: float, zone: ZoneInfo, began: float) -> bool:  # noqa: ARG002 - one of three
        """Whether such a minute has begun."""
        first = int(max(since, until - _LOOK_BACK) // _MINUTE) + 1
        minutes = range(first * _MINUTE, int(until) + 1, _MINUTE)
        return any(self.expression.matches(datetime.fromtimestamp(minute, zone)) for minute in minutes)


def parse(expression: str) -> Expression:
    """Raises ValueError."""
    kind, _, rest = expression.partition("(")
    if not rest.endswith(")"):
        raise ValueError("an expression is rate(…), cron(…) or at(…)")
    inner = rest[:-1]
    if kind == "rate":
        return _rate(inner)
    if kind == "cron":
        return Recurring(cron.parse(inner))
    if kind == "at" and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", inner):
        return At(datetime.fromisoformat(inner))
    raise ValueError("an expression is rate(…), cron(…) or at(…)")


def _rate(inner: str) -> Rate:
    found = re.fullmatch(r"([1-9]\d*) (minute|hour|day)s?", inner)
    if found is None:
        raise ValueError("a rate is a number and one of minutes, hours, days")
    return Rate(int(found[1]) * SECONDS[found[2]])
