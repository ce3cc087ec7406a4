"""The schedule of EventBridge Scheduler."""

from typing import Any

from tests.kinds.cases.case import Case
from tests.kinds.workshop import Workshop

from dynconfig.kinds.schedule import Schedule

TRIGGERS = {"schedule": "rate(5 minutes)"}
THEIRS: dict[str, Any] = {
    "ScheduleExpression": "rate(1 hour)",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": {"Arn": "arn:aws:sqs:eu-west-1:123456789012:theirs", "RoleArn": "arn:aws:iam::123456789012:role/theirs"},
}
_KEPT = ("Name", "Description", "ScheduleExpression", "FlexibleTimeWindow", "State", "Target")


def change(workshop: Workshop, **changes: Any) -> None:
    """Change what is given and keep the rest, as the console does."""
    scheduler = workshop.aws("scheduler")
    found = scheduler.get_schedule(Name=workshop.name)
    kept = {name: found[name] for name in _KEPT}
    target = {**kept["Target"], **changes.pop("Target", {})}
    scheduler.update_schedule(**{**kept, "Target": target, **changes})


def listed(workshop: Workshop) -> set[str]:
    found = workshop.aws("scheduler").list_schedules(NamePrefix=workshop.name)
    return {schedule["Name"] for schedule in found["Schedules"] if schedule["Name"].startswith(workshop.name)}


SCHEDULE = Case(
    value=Schedule,
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
    neighbour=lambda workshop: workshop.aws("scheduler").create_schedule(Name=f"{workshop.name}-theirs", **THEIRS),
    stranger=lambda workshop: workshop.aws("scheduler").create_schedule(Name=workshop.name, **THEIRS),
    writes=("scheduler.CreateSchedule", "scheduler.UpdateSchedule", "scheduler.DeleteSchedule"),
    busy="ConflictException",
    fixed=frozenset({"state", "target", "role", "input", "options"}),
)
