"""When a schedule fires: rate, cron and at expressions as EventBridge Scheduler takes them. Pure.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from dynconfig_lab.aws import cron
from dynconfig_lab.aws.cron import BadExpression

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
    """Raises BadExpression."""
    kind, _, rest = expression.partition("(")
    if not rest.endswith(")") or kind not in _KINDS:
        raise BadExpression("an expression is rate(…), cron(…) or at(…)")
    return _KINDS[kind](rest[:-1])


def _rate(inner: str) -> Rate:
    found = re.fullmatch(r"([1-9]\d*) (minute|hour|day)s?", inner)
    if found is None:
        raise BadExpression("a rate is a number and one of minutes, hours, days")
    return Rate(int(found[1]) * SECONDS[found[2]])


def _recurring(inner: str) -> Recurring:
    return Recurring(cron.parse(inner))


def _at(inner: str) -> At:
    try:
        return At(datetime.strptime(inner, "%Y-%m-%dT%H:%M:%S"))  # noqa: DTZ007 - the zone stands beside it
    except ValueError as error:
        raise BadExpression(str(error)) from None


_KINDS: dict[str, Callable[[str], Expression]] = {"rate": _rate, "cron": _recurring, "at": _at}
