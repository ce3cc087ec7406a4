"""The schedule by which EventBridge Scheduler invokes the function. Schedules have no tags: the description names the owner.

https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from dynconfig.api.function import Mode
from dynconfig.api.names import OWNER_TAG
from dynconfig.kinds._shared.context import Context
from dynconfig.kinds._shared.tags import Pairs
from dynconfig.model.allowed import NAMED, Grant
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import AlreadyExists, Conflict, NotFound, NotPossible, Refused
from dynconfig.model.facts import EventSource, Facts
from dynconfig.model.naming import named_after
from dynconfig.model.resource import Resource, Scope
from dynconfig.validation import schedules

if TYPE_CHECKING:
    from mypy_boto3_scheduler.client import EventBridgeSchedulerClient

_MARK = f"{OWNER_TAG}: "
# https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html
RETRIES, AGE = 185, 86400
_USUAL = {
    "timezone": "UTC",
    "window": "OFF",
    "start": "",
    "end": "",
    "after": "NONE",
    "failures": "",
    "retries": RETRIES,
    "age": AGE,
}
# The payload by which the function recognises a scheduled invocation.
INPUT = json.dumps({"source": "aws.scheduler", "detail-type": "Scheduled Event"}, sort_keys=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Resource):
    """A schedule in the default group."""

    kind: ClassVar[str] = "Schedule"
    declared_in: ClassVar[str] = "spec.function.name"
    arn: str = field(default="", metadata={"compare": False})
    expression: str
    state: str = "ENABLED"
    target: str
    role: str
    input: str = INPUT
    options: Pairs = ()
    """Settings that the operator does not use; an update resets them, since it resets omitted members."""


class Schedules:
    """Manage the schedules of one place."""

    value = Schedule
    needs = ("Function", "Role")
    is_independent = True

    def __init__(self, context: Context) -> None:
        self._scheduler: EventBridgeSchedulerClient = context.client("scheduler")
        self._arns = context.arns

    def desired(self, declaration: Declaration) -> Iterable[Schedule]:
        """Return the schedule of a managed function, if one is declared."""
        function = declaration.function
        if function is None or function.mode is Mode.ATTACH or function.triggers.schedule is None:
            return
        names = declaration.names
        yield Schedule(
            name=names.schedule,
            owner=declaration.owner.tag,
            arn=self._arns.schedule(names.schedule),
            expression=function.triggers.schedule,
            target=self._arns.function(names.function),
            role=self._arns.role(names.scheduler_role),
        )

    def observe(self, scope: Scope, desired: Sequence[Schedule]) -> Iterator[Schedule]:
        """Return each schedule that is desired, reported or named after the owner."""
        for name in scope.where(Schedule.kind, desired, *(names.schedule for names in scope.names.versions)):
            try:
                answer = self._scheduler.get_schedule(Name=name)
            except NotFound:
                continue
            target = answer["Target"]
            yield Schedule(
                name=name,
                owner=_owner(answer.get("Description", "")),
                arn=answer["Arn"],
                expression=answer["ScheduleExpression"],
                state=answer.get("State", "ENABLED"),
                target=target["Arn"],
                role=target["RoleArn"],
                input=target.get("Input", ""),
                options=_options(answer),
            )

    def refuse(self, desired: Schedule, observed: Schedule | None) -> None:
        """Raise NotPossible for an invalid expression, unless Scheduler has already accepted it."""
        fault = schedules.fault(desired.expression)
        if fault and (observed is None or observed.expression != desired.expression):
            raise NotPossible(f"spec.function.triggers.schedule: {fault}")

    def put(self, desired: Schedule, observed: Schedule | None) -> Schedule:
        """Create or update the schedule; an update resets omitted members."""
        write = self._scheduler.create_schedule if observed is None else self._scheduler.update_schedule
        try:
            write(**_request(desired, desired.owner))
        except AlreadyExists:
            # Scheduler returns the same error for an existing name and for concurrent writes.
            raise Conflict(f"schedule {desired.name} was written concurrently; retrying", delay=0.5) from None
        except Refused as error:
            raise Refused(f"spec.function.triggers.schedule: {error}", code=error.code) from None
        return desired

    def delete(self, observed: Sequence[Schedule]) -> None:
        """Delete the schedules."""
        for schedule in observed:
            try:
                self._scheduler.delete_schedule(Name=schedule.name)
            except NotFound:
                continue

    def release(self, observed: Schedule) -> None:
        """Remove the owner from the description."""
        self._scheduler.update_schedule(**_request(observed, ""))


def _request(schedule: Schedule, owner: str) -> dict[str, Any]:
    return {
        "Name": schedule.name,
        "Description": f"{_MARK}{owner}" if owner else "",
        "ScheduleExpression": schedule.expression,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": schedule.state,
        "Target": {"Arn": schedule.target, "RoleArn": schedule.role, "Input": schedule.input},
    }


def _options(answer: Mapping[str, Any]) -> Pairs:
    target = answer["Target"]
    found = {
        "timezone": answer.get("ScheduleExpressionTimezone") or "UTC",
        "window": answer.get("FlexibleTimeWindow", {}).get("Mode", "OFF"),
        "start": answer.get("StartDate") or "",
        "end": answer.get("EndDate") or "",
        "after": answer.get("ActionAfterCompletion") or "NONE",
        "failures": target.get("DeadLetterConfig", {}).get("Arn", ""),
        "retries": target.get("RetryPolicy", {}).get("MaximumRetryAttempts", RETRIES),
        "age": target.get("RetryPolicy", {}).get("MaximumEventAgeInSeconds", AGE),
    }
    return tuple(sorted((name, str(value)) for name, value in found.items() if value != _USUAL[name]))


def _owner(description: str) -> str:
    return description.removeprefix(_MARK) if description.startswith(_MARK) else ""


def owner_tags(scheduler: "EventBridgeSchedulerClient") -> Iterator[tuple[str, str]]:
    """Yield ARN and owner of the schedules in the default group that are named after the function they invoke.

    https://docs.aws.amazon.com/scheduler/latest/APIReference/API_ListSchedules.html
    """
    pages = scheduler.get_paginator("list_schedules").paginate(GroupName="default")
    for found in (item for page in pages for item in page["Schedules"]):
        function = found["Target"]["Arn"].rpartition(":function:")[2]
        if found["Name"] not in named_after(function):
            continue
        with suppress(NotFound):
            yield found["Arn"], _owner(scheduler.get_schedule(Name=found["Name"]).get("Description", ""))


FACTS = Facts(
    kind=Schedule.kind,
    service="scheduler",
    noun="schedule",
    named_by=("Name",),
    event_source=EventSource("scheduler"),
    grants=(
        # Schedules have no tags, so they are limited by their names only.
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html
        Grant(
            statement=NAMED,
            rank=1,
            actions=(
                "scheduler:CreateSchedule",
                "scheduler:DeleteSchedule",
                "scheduler:GetSchedule",
                "scheduler:UpdateSchedule",
            ),
            resources=lambda allowed, arns: [arns.schedule(name) for name in (*allowed.functions, *allowed.reserved)],
        ),
    ),
)

build = Schedules
