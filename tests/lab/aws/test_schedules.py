"""EventBridge Scheduler's control plane: errors, what an update resets, and repeated requests."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.functions.bench import Bench, trust

from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:f"
_numbers = itertools.count(1)


@pytest.fixture
def scheduler(aws: Callable[[str], Any]) -> Any:
    return aws("scheduler")


@pytest.fixture(scope="module")
def role(aws: Callable[[str], Any]) -> str:
    """A role that Scheduler can assume."""
    found = Bench(aws).role(service="scheduler")
    probe = wanted(found)

    def is_known() -> bool:
        try:
            aws("scheduler").create_schedule(**probe)
        except ClientError:
            return False
        aws("scheduler").delete_schedule(Name=probe["Name"])
        return True

    assert wait_until(is_known, 10)
    return found


def wanted(role: str, **more: Any) -> dict[str, Any]:
    return {
        "Name": f"schedule-{next(_numbers)}",
        "ScheduleExpression": "rate(5 minutes)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": FUNCTION, "RoleArn": role},
        **more,
    }


def refusal(call: Callable[[], Any]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def test_schedule_is_returned_with_its_defaults(scheduler: Any, role: str) -> None:
    request = wanted(role)
    arn = scheduler.create_schedule(**request)["ScheduleArn"]
    assert arn == f"arn:aws:scheduler:eu-west-1:123456789012:schedule/default/{request['Name']}"
    found = scheduler.get_schedule(Name=request["Name"])
    assert (found["Arn"], found["GroupName"], found["State"]) == (arn, "default", "ENABLED")
    assert found["ScheduleExpressionTimezone"] == "UTC"
    retries = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
    assert found["Target"] == {"Arn": FUNCTION, "RoleArn": role, "RetryPolicy": retries}
    assert "Description" not in found


def test_update_resets_omitted_fields(scheduler: Any, role: str) -> None:
    request = wanted(role, Description="keeps", State="DISABLED", ScheduleExpressionTimezone="Europe/Berlin")
    scheduler.create_schedule(**request)
    bare = {name: request[name] for name in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    scheduler.update_schedule(**bare)
    found = scheduler.get_schedule(Name=request["Name"])
    assert "Description" not in found
    assert (found["State"], found["ScheduleExpressionTimezone"]) == ("ENABLED", "UTC")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ScheduleExpression": "rate(10 seconds)"}, "Invalid Schedule Expression rate(10 seconds)."),
        ({"ScheduleExpression": "cron(0 8 * * *)"}, "Invalid Schedule Expression cron(0 8 * * *)."),
        ({"ScheduleExpression": "at(2021-12-31T00:00:00)"}, "Invalid Schedule Expression at(2021-12-31T00:00:00)."),
        ({"ScheduleExpressionTimezone": "Europe/Nowhere"}, "Invalid Schedule Expression Timezone Europe/Nowhere."),
        ({"ScheduleExpressionTimezone": "../../etc"}, "Invalid Schedule Expression Timezone"),
        ({"State": "PAUSED"}, "at 'state' failed to satisfy constraint"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "MaximumWindowInMinutes"),
        ({"FlexibleTimeWindow": {"Mode": "OFF", "MaximumWindowInMinutes": 5}}, "MaximumWindowInMinutes"),
        ({"Target": {"Arn": "function"}}, "Provided Arn is not in correct format"),
        (
            {"Target": {"RoleArn": "arn:aws:iam::123456789012:role/none"}},
            "must allow AWS EventBridge Scheduler to assume the role.",
        ),
    ],
)
@pytest.mark.parametrize("operation", ["create_schedule", "update_schedule"])
def test_invalid_schedule_is_rejected(
    scheduler: Any, role: str, operation: str, change: dict[str, Any], words: str
) -> None:
    request = wanted(role)
    if operation == "update_schedule":
        scheduler.create_schedule(**request)
    target = {**request["Target"], **change.get("Target", {})}
    found = refusal(lambda: getattr(scheduler, operation)(**{**request, **change, "Target": target}))
    assert found[:2] == ("ValidationException", 400)
    assert words in found[2]
    if operation == "update_schedule":
        assert scheduler.get_schedule(Name=request["Name"])["ScheduleExpression"] == "rate(5 minutes)"


def test_name_has_a_limited_character_set(scheduler: Any, role: str) -> None:
    found = refusal(lambda: scheduler.create_schedule(**wanted(role, Name="a b")))
    assert found[0] == "ValidationException"
    assert "at 'name' failed to satisfy constraint" in found[2]


def test_schedule_rejects_a_role_for_lambda(scheduler: Any, aws: Callable[[str], Any], role: str) -> None:
    other = Bench(aws).new_role()
    found = refusal(lambda: scheduler.create_schedule(**wanted(other)))
    words = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
    assert found == ("ValidationException", 400, words)


def test_scheduler_can_assume_a_new_role_after_a_delay(scheduler: Any, aws: Callable[[str], Any]) -> None:
    name = f"young-{next(_numbers)}"
    arn = aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust("scheduler"))["Role"]["Arn"]
    request = wanted(arn)
    assert "to assume the role" in refusal(lambda: scheduler.create_schedule(**request))[2]

    def is_taken() -> bool:
        try:
            return bool(scheduler.create_schedule(**request))
        except ClientError:
            return False

    assert wait_until(is_taken, 10)


def test_name_is_unique(scheduler: Any, role: str) -> None:
    request = wanted(role)
    scheduler.create_schedule(**request)
    found = refusal(lambda: scheduler.create_schedule(**request))
    assert found == ("ConflictException", 409, f"Schedule {request['Name']} already exists.")


def test_repeated_request_returns_the_same_response(scheduler: Any, role: str) -> None:
    request = wanted(role, ClientToken="token-1")
    first, second = (scheduler.create_schedule(**request)["ScheduleArn"] for _ in range(2))
    assert first == second
    changed = {**request, "ScheduleExpression": "rate(1 hour)"}
    assert refusal(lambda: scheduler.create_schedule(**changed))[:2] == ("ConflictException", 409)


@pytest.mark.parametrize("operation", ["get_schedule", "delete_schedule"])
def test_missing_schedule_is_named(scheduler: Any, operation: str) -> None:
    found = refusal(lambda: getattr(scheduler, operation)(Name="none"))
    assert found == ("ResourceNotFoundException", 404, "Schedule none does not exist.")


def test_missing_schedule_cannot_be_updated(scheduler: Any, role: str) -> None:
    found = refusal(lambda: scheduler.update_schedule(**wanted(role, Name="none")))
    assert found == ("ResourceNotFoundException", 404, "Schedule none does not exist.")


def test_groups_contain_schedules(scheduler: Any, role: str) -> None:
    found = refusal(lambda: scheduler.create_schedule(**wanted(role, GroupName="none")))
    assert found == ("ResourceNotFoundException", 404, "Schedule group none does not exist.")
    scheduler.create_schedule_group(Name="mine")
    request = wanted(role, GroupName="mine")
    scheduler.create_schedule(**request)
    assert scheduler.get_schedule(Name=request["Name"], GroupName="mine")["GroupName"] == "mine"
    assert refusal(lambda: scheduler.get_schedule(Name=request["Name"]))[0] == "ResourceNotFoundException"
    scheduler.delete_schedule_group(Name="mine")
    assert refusal(lambda: scheduler.delete_schedule_group(Name="default"))[0] == "ValidationException"
