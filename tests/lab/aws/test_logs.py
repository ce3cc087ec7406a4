"""CloudWatch Logs groups in the lab: names, retention, tags."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.lab

_numbers = itertools.count(1)


@pytest.fixture
def logs(aws: Callable[[str], Any]) -> Any:
    return aws("logs")


@pytest.fixture
def group(logs: Any) -> str:
    """An existing log group."""
    name = f"/aws/lambda/group-{next(_numbers)}"
    logs.create_log_group(logGroupName=name, tags={"team": "shop"})
    return name


def refusal(call: Callable[[], Any]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def arn_of(group: str) -> str:
    return f"arn:aws:logs:eu-west-1:123456789012:log-group:{group}"


@pytest.mark.parametrize("name", ["a b", "a:b", "grün", "x" * 513])
def test_invalid_name_is_rejected(logs: Any, name: str) -> None:
    found = refusal(lambda: logs.create_log_group(logGroupName=name))
    assert found[:2] == ("InvalidParameterException", 400)
    assert "'logGroupName' failed to satisfy constraint" in found[2]


def test_group_is_unique(logs: Any, group: str) -> None:
    found = refusal(lambda: logs.create_log_group(logGroupName=group))
    assert found == ("ResourceAlreadyExistsException", 400, "The specified log group already exists")


@pytest.mark.parametrize("days", [0, 2, 8, 15, 366, 4000])
def test_retention_is_one_of_a_list(logs: Any, group: str, days: int) -> None:
    found = refusal(lambda: logs.put_retention_policy(logGroupName=group, retentionInDays=days))
    assert found[:2] == ("InvalidParameterException", 400)
    assert "Member must satisfy enum value set: [1, 3, 5, 7, 14, " in found[2]


def test_retention_is_returned_until_it_is_removed(logs: Any, group: str) -> None:
    logs.put_retention_policy(logGroupName=group, retentionInDays=14)
    assert described(logs, group)["retentionInDays"] == 14
    logs.delete_retention_policy(logGroupName=group)
    assert "retentionInDays" not in described(logs, group)


def described(logs: Any, group: str) -> dict[str, Any]:
    found: dict[str, Any] = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]
    assert found["logGroupName"] == group
    return found


def test_tags_use_the_arn(logs: Any, group: str) -> None:
    arn = arn_of(group)
    logs.tag_resource(resourceArn=arn, tags={"stage": "dev"})
    logs.untag_resource(resourceArn=arn, tagKeys=["team"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"stage": "dev"}


@pytest.mark.parametrize(
    ("operation", "more"),
    [("list_tags_for_resource", {}), ("tag_resource", {"tags": {"a": "b"}}), ("untag_resource", {"tagKeys": ["a"]})],
)
def test_missing_group_has_no_tags(logs: Any, operation: str, more: dict[str, Any]) -> None:
    found = refusal(lambda: getattr(logs, operation)(resourceArn=arn_of("/none"), **more))
    assert found == ("ResourceNotFoundException", 400, "The specified log group does not exist.")


def test_more_than_fifty_tags_are_rejected(logs: Any, group: str) -> None:
    logs.tag_resource(resourceArn=arn_of(group), tags={f"key-{number}": "" for number in range(49)})
    found = refusal(lambda: logs.tag_resource(resourceArn=arn_of(group), tags={"more": ""}))
    assert found[0] == "TooManyTagsException"


def test_new_group_has_no_tags_of_a_deleted_one(logs: Any, group: str) -> None:
    logs.delete_log_group(logGroupName=group)
    logs.create_log_group(logGroupName=group)
    assert logs.list_tags_for_resource(resourceArn=arn_of(group))["tags"] == {}


@pytest.mark.parametrize("operation", ["delete_log_group", "delete_retention_policy"])
def test_missing_group_is_reported(logs: Any, operation: str) -> None:
    found = refusal(lambda: getattr(logs, operation)(logGroupName="/none"))
    assert found == ("ResourceNotFoundException", 400, "The specified log group does not exist.")
