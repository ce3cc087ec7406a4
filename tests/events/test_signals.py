"""Parsing of AWS events in their documented formats."""

import json
from typing import Any

import pytest

from dynconfig.events.signals import EVERYWHERE, Signal, Unreadable, parse
from dynconfig.model.writes import DELETE, PUT

AT = 1495471488.0
ROLE = "arn:aws:sts::123456789012:assumed-role/admin/jane"


def event(kind: str, detail: dict[str, Any], **more: Any) -> str:
    about = {"version": "0", "id": "1", "detail-type": kind, "time": "2017-05-22T16:44:48Z", "region": "us-east-2"}
    return json.dumps({**about, "detail": detail, **more})


def parameter(operation: str, name: str = "/myapp/config/port") -> str:
    return event("Parameter Store Change", {"operation": operation, "name": name, "type": "String"})


def call(source: str, name: str, request: dict[str, Any] | None, **more: Any) -> str:
    detail = {
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "userAgent": "aws-cli/2",
        "userIdentity": {"type": "AssumedRole", "arn": ROLE},
        "requestParameters": request,
        **more,
    }
    return event("AWS API Call via CloudTrail", detail)


@pytest.mark.parametrize(("operation", "meaning"), [("Create", PUT), ("Update", PUT), ("Delete", DELETE)])
def test_parameter_change_event_has_the_name(operation: str, meaning: str) -> None:
    assert parse(parameter(operation)) == Signal("us-east-2", AT, meaning, parameters=("/myapp/config/port",))


def test_label_change_is_ignored() -> None:
    assert parse(parameter("LabelParameterVersion")) is None


def test_alarm_state_change_event_has_the_name() -> None:
    detail = {"alarmName": "dynconfig-shop-errors", "state": {"value": "ALARM"}, "previousState": {"value": "OK"}}
    signal = parse(event("CloudWatch Alarm State Change", detail))
    assert signal == Signal("us-east-2", AT, "ALARM", resources=("dynconfig-shop-errors",))


@pytest.mark.parametrize(
    ("source", "name", "request_", "resources"),
    [
        ("lambda", "UpdateFunctionConfiguration20150331v2", {"functionName": "f", "timeout": 3}, ("f",)),
        ("lambda", "DeleteFunction20150331", {"functionName": "arn:aws:lambda:r:1:function:f"}, ("f",)),
        ("events", "PutTargets", {"rule": "r", "targets": [{"id": "x"}]}, ("r",)),
        ("events", "TagResource", {"resourceARN": "arn:aws:events:r:1:rule/r"}, ("r",)),
        ("monitoring", "DeleteAlarms", {"alarmNames": ["a", "b"]}, ("a", "b")),
        ("monitoring", "TagResource", {"resourceARN": "arn:aws:cloudwatch:r:1:alarm:a"}, ("a",)),
        (
            "monitoring",
            "TagResource",
            {"resourceARN": "arn:aws:cloudwatch:r:1:alarm:dynconfig-f/E"},
            ("dynconfig-f/E",),
        ),
        ("apigateway", "UpdateStage", {"apiId": "a1b2c3", "stageName": "$default"}, ("a1b2c3", "$default")),
        ("apigateway", "TagResource", {"resourceArn": "arn:aws:apigateway:r::/apis/a1b2c3"}, ("a1b2c3",)),
    ],
)
def test_api_call_event_has_the_resource_and_the_author(
    source: str, name: str, request_: dict[str, Any], resources: tuple[str, ...]
) -> None:
    assert parse(call(source, name, request_)) == Signal("us-east-2", AT, name, resources=resources, actor=ROLE)


def test_iam_is_global() -> None:
    signal = parse(call("iam", "DeleteRolePolicy", {"roleName": "r", "policyName": "p"}))
    assert signal is not None
    assert (signal.region, signal.resources) == (EVERYWHERE, ("r", "p"))


@pytest.mark.parametrize("resource", ["/a/b", "arn:aws:ssm:us-east-2:1:parameter/a/b"])
def test_tag_of_a_parameter_is_a_change_of_the_parameter(resource: str) -> None:
    signal = parse(call("ssm", "AddTagsToResource", {"resourceType": "Parameter", "resourceId": resource}))
    assert signal is not None
    assert "/a/b" in signal.parameters
    assert signal.resources == ()


def test_failed_call_is_ignored() -> None:
    assert parse(call("lambda", "DeleteFunction", {"functionName": "f"}, errorCode="AccessDenied")) is None


def test_call_has_its_request_id() -> None:
    signal = parse(call("lambda", "DeleteFunction", {"functionName": "f"}, requestID="r-1"))
    assert signal is not None
    assert (signal.resources, signal.request) == (("f",), "r-1")


def test_call_with_minimal_fields() -> None:
    bare = call("lambda", "DeleteFunction", None, userIdentity={"type": "AWSService"}, userAgent=None)
    assert parse(bare) == Signal("us-east-2", AT, "DeleteFunction")


def test_other_events_are_ignored() -> None:
    assert parse(event("Tag Change on Resource", {})) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "7",
        "[" * 100_000,
        '{"detail-type": 3}',
        parameter("Create").replace("2017-05-22T16:44:48Z", "yesterday"),
        event("Parameter Store Change", {}),
        event("CloudWatch Alarm State Change", {"alarmName": "a", "state": "ALARM"}),
        event("AWS API Call via CloudTrail", {"eventName": "x"}),
        event("AWS API Call via CloudTrail", {"eventSource": "x", "eventName": "x", "requestParameters": "x"}),
    ],
    ids=lambda text: text[:20],
)
def test_malformed_message_is_unreadable_and_not_quoted(text: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(text)
    assert len(str(caught.value)) < 80
