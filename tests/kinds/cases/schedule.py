"""The schedule of EventBridge Scheduler."""

from typing import Any

from tests.kinds.cases.case import Case
from tests.kinds.cases.role import TRUST
from tests.kinds.functions import until
from tests.kinds.workshop import Workshop

from dynconfig.kinds.role import Role
from dynconfig.kinds.schedule import Schedule

TRIGGERS = {"schedule": "rate(5 minutes)"}
ROLE_NAME = "kinds-tests-schedule"
THEIRS: dict[str, Any] = {
    "ScheduleExpression": "rate(1 hour)",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": {
        "Arn": "arn:aws:sqs:eu-west-1:123456789012:theirs",
        "RoleArn": f"arn:aws:iam::123456789012:role/{ROLE_NAME}",
    },
}
_KEPT = ("Name", "Description", "ScheduleExpression", "FlexibleTimeWindow", "State", "Target")


def prepare(workshop: Workshop) -> None:
    """A role that Scheduler may assume, as soon as it has heard of it; it stays for all tests."""
    iam = workshop.aws("iam")
    known = {role["RoleName"] for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]}
    if ROLE_NAME not in known:
        trust = TRUST.replace("lambda", "scheduler")
        iam.create_role(RoleName=ROLE_NAME, AssumeRolePolicyDocument=trust)


def write(workshop: Workshop, verb: str, **request: Any) -> None:
    """A call of Scheduler by hand, made again until it has heard of the role."""
    scheduler = workshop.aws("scheduler")

    def is_written() -> bool:
        try:
            getattr(scheduler, verb)(**request)
        except scheduler.exceptions.ValidationException as error:
            if "must allow AWS EventBridge Scheduler" in str(error):
                return False
            raise
        return True

    until(is_written)


def change(workshop: Workshop, **changes: Any) -> None:
    """Change what is given and keep the rest, as the console does."""
    found = workshop.aws("scheduler").get_schedule(Name=workshop.name)
    kept = {name: found[name] for name in _KEPT}
    target = {**kept["Target"], **changes.pop("Target", {})}
    write(workshop, "update_schedule", **{**kept, "Target": target, **changes})


def listed(workshop: Workshop) -> set[str]:
    found = workshop.aws("scheduler").list_schedules(NamePrefix=workshop.name)
    return {schedule["Name"] for schedule in found["Schedules"] if schedule["Name"].startswith(workshop.name)}


SCHEDULE = Case(
    value=Schedule,
    needs=(Role,),
    prepare=prepare,
    base={"function": {"triggers": TRIGGERS}},
    edits={"expression": {"function": {"triggers": {"schedule": "cron(0 8 * * ? *)"}}}},
    tampers={
        "expression": lambda workshop: change(workshop, ScheduleExpression="rate(1 hour)"),
        "state": lambda workshop: change(workshop, State="DISABLED"),
        "target": lambda workshop: change(workshop, Target={"Arn": THEIRS["Target"]["Arn"]}),
        "role": lambda workshop: change(workshop, Target={"RoleArn": THEIRS["Target"]["RoleArn"]}),
        "input": lambda workshop: change(workshop, Target={"Input": "{}"}),
        "options": lambda workshop: change(workshop, ScheduleExpressionTimezone="Europe/Vienna"),
    },
    listed=listed,
    neighbour=lambda workshop: write(workshop, "create_schedule", Name=f"{workshop.name}-theirs", **THEIRS),
    stranger=lambda workshop: write(workshop, "create_schedule", Name=workshop.name, **THEIRS),
    writes=("scheduler.CreateSchedule", "scheduler.UpdateSchedule", "scheduler.DeleteSchedule"),
    busy="ConflictException",
    fixed=frozenset({"state", "target", "role", "input", "options"}),
)
