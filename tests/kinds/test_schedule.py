"""Schedules: no tags, updates that reset omitted members, expressions that only AWS can validate."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.schedule import SCHEDULE, change, prepare
from tests.kinds.wire import requests

from dynconfig.kinds.role import Role
from dynconfig.kinds.schedule import Schedule
from dynconfig.model.errors import NotOwned, NotPossible, Refused, RoleNotReady

pytestmark = pytest.mark.lab


@pytest.fixture(autouse=True)
def known_role(harness: AwsHarness) -> None:
    prepare(harness)


def settle(harness: AwsHarness, spec: Any = SCHEDULE.base, errors: Any = None, **about: Any) -> Any:
    return harness.settle(harness.declare(spec, **about), harness.kinds(Role, Schedule), errors)


def found(harness: AwsHarness) -> dict[str, Any]:
    answer: dict[str, Any] = harness.aws("scheduler").get_schedule(Name=harness.name)
    return answer


def test_schedule_invokes_the_function_with_its_own_role(harness: AwsHarness) -> None:
    settle(harness)
    target = found(harness)["Target"]
    assert target["Arn"] == f"arn:aws:lambda:eu-west-1:123456789012:function:{harness.name}"
    assert target["RoleArn"] == f"arn:aws:iam::123456789012:role/dynconfig/{harness.name}-eu-west-1-schedule"
    assert json.loads(target["Input"]) == {"source": "aws.scheduler", "detail-type": "Scheduled Event"}


def test_update_sends_all_members(harness: AwsHarness) -> None:
    settle(harness)
    with requests(harness, "scheduler", "CreateSchedule", "UpdateSchedule") as made:
        settle(harness, SCHEDULE.edits["expression"], generation=2)
    ((operation, request),) = made
    assert operation == "UpdateSchedule"
    assert request["State"] == "ENABLED"
    assert request["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert request["Target"].keys() == {"Arn", "RoleArn", "Input"}
    assert request["Description"] == f"dynconfig.dev/owner: {harness.owner().tag}"


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
def test_external_settings_of_a_schedule_are_reset(harness: AwsHarness, changes: dict[str, Any]) -> None:
    settle(harness)
    change(harness, **changes)
    outcome = settle(harness)
    assert [because.field for step in outcome.applied for because in step.because] == ["options"]
    assert settle(harness).plan.is_empty


def test_rejected_expression_is_reported_with_the_field(harness: AwsHarness) -> None:
    settle(harness)
    # Not documented as valid or invalid.
    bad = {"function": {"triggers": {"schedule": "cron(0 8 LW * ? *)"}}}
    with pytest.raises(
        Refused, match=r"^spec\.function\.triggers\.schedule: .*Invalid Schedule Expression cron\(0 8 LW"
    ):
        settle(harness, bad, generation=2)
    assert found(harness)["ScheduleExpression"] == "rate(5 minutes)"
    assert settle(harness, generation=3).plan.is_empty


def test_invalid_expression_is_rejected_before_the_call(harness: AwsHarness) -> None:
    bad = {"function": {"triggers": {"schedule": "cron(99 8 * * ? *)"}}}
    rejected = pytest.raises(NotPossible, match=r"^spec\.function\.triggers\.schedule: minutes 99 is invalid")
    with requests(harness, "scheduler", "CreateSchedule") as made, rejected:
        settle(harness, bad)
    assert not made


def test_role_not_yet_visible_to_scheduler_is_retried(harness: AwsHarness) -> None:
    errors: list[Any] = []
    settle(harness, errors=errors)
    assert {type(error) for error in errors} == {RoleNotReady}


def test_schedule_without_owner_in_its_description_is_foreign(harness: AwsHarness) -> None:
    settle(harness)
    change(harness, Description="another owner")
    with pytest.raises(NotOwned, match=r"^spec\.function\.name: schedule .* has no owner"):
        settle(harness)


def test_schedule_is_deleted_before_its_role(harness: AwsHarness) -> None:
    kinds = harness.kinds(Role, Schedule)
    status = harness.status(harness.settle(harness.declare(SCHEDULE.base), kinds))
    outcome = harness.settle(harness.declare({"function": {}}, generation=2, status=status), kinds)
    assert [step.resource.title for step in outcome.applied] == [
        f"Schedule {harness.name}",
        f"Role {harness.name}-eu-west-1-schedule",
    ]
