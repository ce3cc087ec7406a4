"""SNS topics in the lab: creation is idempotent within limits, and topics are in the tag index."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.lab

TAGS = [{"Key": "team", "Value": "shop"}]


@pytest.fixture
def sns(aws: Callable[[str], Any]) -> Any:
    return aws("sns")


@pytest.fixture
def name() -> str:
    return f"topic-{uuid.uuid4()}"


def policy(service: str) -> dict[str, str]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sns:Publish", "Resource": "*"}
    return {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error: Any = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_creation_of_an_equal_topic_returns_it(sns: Any, name: str) -> None:
    request = {"Name": name, "Tags": TAGS, "Attributes": policy("cloudwatch.amazonaws.com")}
    assert sns.create_topic(**request)["TopicArn"] == sns.create_topic(**request)["TopicArn"]
    assert sns.create_topic(Name=name)["TopicArn"]


def test_creation_with_other_tags_is_rejected(sns: Any, name: str) -> None:
    sns.create_topic(Name=name)
    code, text = refusal(lambda: sns.create_topic(Name=name, Tags=TAGS))
    assert (code, text) == (
        "InvalidParameter",
        "Invalid parameter: Tags Reason: Topic already exists with different tags",
    )


def test_creation_with_another_policy_is_rejected(sns: Any, name: str) -> None:
    sns.create_topic(Name=name, Attributes=policy("cloudwatch.amazonaws.com"))
    code, text = refusal(lambda: sns.create_topic(Name=name, Attributes=policy("events.amazonaws.com")))
    assert code == "InvalidParameter"
    assert text == "Invalid parameter: Attributes Reason: Topic already exists with different attributes"


def test_missing_topic_can_be_deleted_and_not_read(sns: Any, name: str) -> None:
    arn = f"arn:aws:sns:eu-west-1:123456789012:{name}"
    sns.delete_topic(TopicArn=arn)
    assert refusal(lambda: sns.get_topic_attributes(TopicArn=arn))[0] == "NotFound"
    assert refusal(lambda: sns.list_tags_for_resource(ResourceArn=arn))[0] == "ResourceNotFound"


def test_topics_are_in_the_tag_index(aws: Callable[[str], Any], sns: Any, name: str) -> None:
    key = f"key-{name}"
    arn = sns.create_topic(Name=name, Tags=[{"Key": key, "Value": "v"}])["TopicArn"]

    def found(**filters: Any) -> list[str]:
        tagging = aws("resourcegroupstaggingapi")
        return [item["ResourceARN"] for item in tagging.get_resources(**filters)["ResourceTagMappingList"]]

    assert found(TagFilters=[{"Key": key}], ResourceTypeFilters=["lambda:function", "sns:topic"]) == [arn]
    assert found(TagFilters=[{"Key": key, "Values": ["v"]}]) == [arn]
    assert found(TagFilters=[{"Key": key, "Values": ["other"]}]) == []
    assert found(TagFilters=[{"Key": key}], ResourceTypeFilters=["lambda:function"]) == []
