"""What is particular about schedules: no tags, updates that forget, expressions that only AWS can judge."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.kinds.cases.schedule import SCHEDULE, change, prepare
from tests.kinds.wire import requests
from tests.kinds.workshop import Workshop

from dynconfig.engine.errors import NotOwned, NotPossible, Refused, RoleNotReady
from dynconfig.kinds.role import Role
from dynconfig.kinds.schedule import Schedule

pytestmark = pytest.mark.lab


@pytest.fixture(autouse=True)
def known_role(workshop: Workshop) -> None:
    prepare(workshop)


def settle(workshop: Workshop, spec: Any = SCHEDULE.base, errors: Any = None, **about: Any) -> Any:
    return workshop.settle(workshop.declare(spec, **about), workshop.kinds(Role, Schedule), errors)


def found(workshop: Workshop) -> dict[str, Any]:
    answer: dict[str, Any] = workshop.aws("scheduler").get_schedule(Name=workshop.name)
    return answer


def test_it_calls_the_function_by_its_own_role_and_says_that_it_is_a_tick(workshop: Workshop) -> None:
    settle(workshop)
    target = found(workshop)["Target"]
    assert target["Arn"] == f"arn:aws:lambda:eu-west-1:123456789012:function:{workshop.name}"
    assert target["RoleArn"] == f"arn:aws:iam::123456789012:role/dynconfig/{workshop.name}-eu-west-1-schedule"
    assert json.loads(target["Input"]) == {"source": "aws.scheduler", "detail-type": "Scheduled Event"}


def test_an_update_says_everything_since_aws_forgets_what_it_does_not_say(workshop: Workshop) -> None:
    settle(workshop)
    with requests(workshop, "scheduler", "CreateSchedule", "UpdateSchedule") as made:
        settle(workshop, SCHEDULE.edits["expression"], generation=2)
    ((operation, request),) = made
    assert operation == "UpdateSchedule"
    assert request["State"] == "ENABLED"
    assert request["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert request["Target"].keys() == {"Arn", "RoleArn", "Input"}
    assert request["Description"] == f"dynconfig.dev/owner: {workshop.owner().tag}"


@pytest.mark.parametrize(
    "changes",
    [
        {"ScheduleExpressionTimezone": "Europe/Vienna"},
        {"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 30}},
        {"EndDate": datetime.now(UTC) + timedelta(days=30)},
        {"Target": {"RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}}},
        {"Target": {"DeadLetterConfig": {"Arn": "arn:aws:sqs:eu-west-1:123456789012:theirs"}}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_somebody_sets_besides_is_seen_and_taken_away(workshop: Workshop, changes: dict[str, Any]) -> None:
    settle(workshop)
    change(workshop, **changes)
    outcome = settle(workshop)
    assert [because.field for step in outcome.applied for because in step.because] == ["options"]
    assert settle(workshop).plan.is_empty


def test_an_expression_that_aws_refuses_is_told_with_the_field_and_what_was_right_stays(workshop: Workshop) -> None:
    settle(workshop)
    # Nothing documents it as wrong or right.
    bad = {"function": {"triggers": {"schedule": "cron(0 8 LW * ? *)"}}}
    with pytest.raises(
        Refused, match=r"^spec\.function\.triggers\.schedule: .*Invalid Schedule Expression cron\(0 8 LW"
    ):
        settle(workshop, bad, generation=2)
    assert found(workshop)["ScheduleExpression"] == "rate(5 minutes)"
    assert settle(workshop, generation=3).plan.is_empty


def test_an_expression_that_is_known_to_be_wrong_is_refused_before_scheduler_is_asked(workshop: Workshop) -> None:
    bad = {"function": {"triggers": {"schedule": "cron(99 8 * * ? *)"}}}
    told = pytest.raises(NotPossible, match=r"^spec\.function\.triggers\.schedule: minutes 99 is invalid")
    with requests(workshop, "scheduler", "CreateSchedule") as made, told:
        settle(workshop, bad)
    assert not made


def test_a_role_that_scheduler_has_not_heard_of_is_waited_for(workshop: Workshop) -> None:
    errors: list[Any] = []
    settle(workshop, errors=errors)
    assert {type(error) for error in errors} == {RoleNotReady}


def test_the_owner_is_the_description_and_a_schedule_without_it_is_a_strangers(workshop: Workshop) -> None:
    settle(workshop)
    change(workshop, Description="mine now")
    with pytest.raises(NotOwned, match=r"^spec\.function\.name: schedule .* has no owner"):
        settle(workshop)


def test_a_schedule_that_is_no_longer_declared_goes_before_its_role(workshop: Workshop) -> None:
    kinds = workshop.kinds(Role, Schedule)
    status = workshop.status(workshop.settle(workshop.declare(SCHEDULE.base), kinds))
    outcome = workshop.settle(workshop.declare({"function": {}}, generation=2, status=status), kinds)
    assert [step.resource.title for step in outcome.applied] == [
        f"Schedule {workshop.name}",
        f"Role {workshop.name}-eu-west-1-schedule",
    ]
