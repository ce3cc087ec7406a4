"""The schedule of EventBridge Scheduler."""

from typing import Any

from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.case import Case
from tests.kinds.cases.role import TRUST
from tests.kinds.functions import until

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


def prepare(harness: AwsHarness) -> None:
    """A role that Scheduler may assume once it is visible; shared by all tests."""
    iam = harness.aws("iam")
    known = {role["RoleName"] for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]}
    if ROLE_NAME not in known:
        trust = TRUST.replace("lambda", "scheduler")
        iam.create_role(RoleName=ROLE_NAME, AssumeRolePolicyDocument=trust)


def write(harness: AwsHarness, verb: str, **request: Any) -> None:
    """A call to Scheduler, retried until the role is visible."""
    scheduler = harness.aws("scheduler")

    def is_written() -> bool:
        try:
            getattr(scheduler, verb)(**request)
        except scheduler.exceptions.ValidationException as error:
            if "must allow AWS EventBridge Scheduler" in str(error):
                return False
            raise
        return True

    until(is_written)


def change(harness: AwsHarness, **changes: Any) -> None:
    """Change the given members and keep the rest, like the console."""
    found = harness.aws("scheduler").get_schedule(Name=harness.name)
    kept = {name: found[name] for name in _KEPT}
    target = {**kept["Target"], **changes.pop("Target", {})}
    write(harness, "update_schedule", **{**kept, "Target": target, **changes})


def listed(harness: AwsHarness) -> set[str]:
    found = harness.aws("scheduler").list_schedules(NamePrefix=harness.name)
    return {schedule["Name"] for schedule in found["Schedules"] if schedule["Name"].startswith(harness.name)}


SCHEDULE = Case(
    value=Schedule,
    needs=(Role,),
    prepare=prepare,
    base={"function": {"triggers": TRIGGERS}},
    feature={"function": {"triggers": TRIGGERS}},
    edits={"expression": {"function": {"triggers": {"schedule": "cron(0 8 * * ? *)"}}}},
    tampers={
        "expression": lambda harness: change(harness, ScheduleExpression="rate(1 hour)"),
        "state": lambda harness: change(harness, State="DISABLED"),
        "target": lambda harness: change(harness, Target={"Arn": THEIRS["Target"]["Arn"]}),
        "role": lambda harness: change(harness, Target={"RoleArn": THEIRS["Target"]["RoleArn"]}),
        "input": lambda harness: change(harness, Target={"Input": "{}"}),
        "options": lambda harness: change(harness, ScheduleExpressionTimezone="Europe/Vienna"),
    },
    list_names=listed,
    create_similar=lambda harness: write(harness, "create_schedule", Name=f"{harness.name}-theirs", **THEIRS),
    create_foreign=lambda harness: write(harness, "create_schedule", Name=harness.name, **THEIRS),
    writes=("scheduler.CreateSchedule", "scheduler.UpdateSchedule", "scheduler.DeleteSchedule"),
    busy="ConflictException",
    not_editable=frozenset({"state", "target", "role", "input", "options"}),
)
