"""The clock of EventBridge Scheduler: fires due schedules, and any of them on request.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/what-is-scheduler.html
"""

import json
import logging
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from moto.scheduler.models import scheduler_backends

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.roles import Roles
from dynconfig_lab.aws.schedule_expressions import At, parse
from dynconfig_lab.aws.turns import turn

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0


class Callee(Protocol):
    """What schedules invoke."""

    def deliver(self, region: str, name: str, event: bytes) -> None:
        """Accept an event for a function."""


class Schedules:
    """Checks all schedules once a second."""

    def __init__(self, functions: Callee, roles: Roles, now: Callable[[], float]) -> None:
        """`now` is the wall-clock time in seconds since 1970."""
        self._functions = functions
        self._roles = roles
        self._now = now
        self._checked_at = now()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)
        self._thread.start()

    def fire(self, name: str) -> int:
        """Fire all schedules of this name now; return their number."""
        found = [(region, schedule) for region, schedule in _all() if schedule.name == name]
        for region, schedule in found:
            self._fire(region, schedule)
        return len(found)

    def tick(self) -> None:
        """Fire what has become due since the last check."""
        now = self._now()
        since, self._checked_at = self._checked_at, now
        for region, schedule in _all():
            try:
                self._fire_when_due(region, schedule, since, now)
            except Exception:  # the thread also serves all other schedules
                log.exception("The lab itself failed at the schedule %s", schedule.name)

    def stop(self) -> None:
        """Stop firing."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            self.tick()

    def _fire_when_due(self, region: str, schedule: Any, since: float, now: float) -> None:
        expression = parse(schedule.schedule_expression)
        zone = ZoneInfo(schedule.schedule_expression_timezone)
        began = float(schedule.last_modified_date)
        is_within = _epoch(schedule.start_date, 0.0) <= now <= _epoch(schedule.end_date, float("inf"))
        if not isinstance(expression, At) and not is_within:
            return
        if expression.fires(since, now, zone, began):
            self._fire(region, schedule)
            if isinstance(expression, At) and schedule.action_after_completion == "DELETE":
                _forget(region, schedule)

    def _fire(self, region: str, schedule: Any) -> None:
        target = schedule.target
        role, arn = target["RoleArn"], target["Arn"]
        if schedule.state != "ENABLED":
            return
        if ":lambda:" not in arn:
            log.warning("Schedules call functions only; %s of schedule %s gets nothing", arn, schedule.name)
            return
        may_call = self._roles.is_assumable(role, "scheduler") and self._roles.allows(
            role, "lambda:InvokeFunction", arn
        )
        if not may_call:
            log.warning("The role of schedule %s may not invoke %s; nothing is called", schedule.name, arn)
            return
        self._functions.deliver(region, arn, _input(region, schedule, self._now()))


def _all() -> list[tuple[str, Any]]:
    with turn("scheduler"):
        return [
            (region, schedule)
            for region, backend in list(scheduler_backends[accounts.current()].items())
            for group in backend.schedule_groups.values()
            for schedule in group.schedules.values()
        ]


def _forget(region: str, schedule: Any) -> None:
    with turn("scheduler"):
        scheduler_backends[accounts.current()][region].schedule_groups[schedule.group_name].schedules.pop(
            schedule.name, None
        )


def _epoch(value: Any, default: float) -> float:
    """A timestamp from the wire: seconds or text."""
    if value is None:
        return default
    return float(value) if isinstance(value, int | float) else datetime.fromisoformat(str(value)).timestamp()


def _input(region: str, schedule: Any, now: float) -> bytes:
    """The payload for the function: the input with its keywords replaced, or Scheduler's own event.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    """
    at, execution = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), str(uuid.uuid4())
    rendered: str = schedule.target.get("Input") or ""
    known = {"schedule-arn": schedule.arn, "scheduled-time": at, "execution-id": execution, "attempt-number": "1"}
    for name, value in known.items():
        rendered = rendered.replace(f"<aws.scheduler.{name}>", value)
    event = {
        "version": "0",
        "id": execution,
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": accounts.current(),
        "time": at,
        "region": region,
        "resources": [schedule.arn],
        "detail": "{}",
    }
    return (rendered or json.dumps(event)).encode()
