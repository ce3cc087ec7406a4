"""When a schedule fires: rate, cron and at expressions of EventBridge Scheduler. Pure.

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
# After a longer pause of the clock, as when a laptop sleeps, missed runs are skipped.
_LONGEST_CATCH_UP = 3600


class Expression(Protocol):
    """When a schedule fires."""

    def fires(self, since: float, until: float, zone: ZoneInfo, began: float) -> bool:
        """Whether it fires after one time and up to another, in seconds since 1970; `began` is when it was written."""


@dataclass(frozen=True)
class Rate:
    """Fires at a fixed interval since it was written."""

    seconds: int

    def fires(self, since: float, until: float, zone: ZoneInfo, began: float) -> bool:  # noqa: ARG002 - one of three
        """Whether another interval has passed."""
        return (until - began) // self.seconds > max(0.0, since - began) // self.seconds


@dataclass(frozen=True)
class At:
    """Fires once."""

    due: datetime

    def fires(self, since: float, until: float, zone: ZoneInfo, began: float) -> bool:  # noqa: ARG002 - one of three
        """Whether its time has come."""
        return since < self.stamp(zone) <= until

    def stamp(self, zone: ZoneInfo) -> float:
        """Its time in seconds since 1970."""
        return self.due.replace(tzinfo=zone).timestamp()


@dataclass(frozen=True)
class Recurring:
    """Fires in each minute that a cron expression matches."""

    expression: cron.Cron

    def fires(self, since: float, until: float, zone: ZoneInfo, began: float) -> bool:  # noqa: ARG002 - one of three
        """Whether such a minute has started."""
        first = int(max(since, until - _LONGEST_CATCH_UP) // _MINUTE) + 1
        minutes = range(first * _MINUTE, int(until) + 1, _MINUTE)
        return any(self.expression.matches(datetime.fromtimestamp(minute, zone)) for minute in minutes)


def parse(expression: str) -> Expression:
    """Parse an expression. Raises BadExpression."""
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
        return At(datetime.strptime(inner, "%Y-%m-%dT%H:%M:%S"))  # noqa: DTZ007 - the zone is a separate field
    except ValueError as error:
        raise BadExpression(str(error)) from None


_KINDS: dict[str, Callable[[str], Expression]] = {"rate": _rate, "cron": _recurring, "at": _at}
