"""EventBridge's rules and targets: limits, errors, and a repeated PutRule."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.lab

PATTERN = json.dumps({"source": ["aws.ssm"]})
_numbers = itertools.count(1)


@pytest.fixture
def events(aws: Callable[[str], Any]) -> Any:
    return aws("events")


@pytest.fixture
def rule(events: Any) -> Iterator[str]:
    """An existing rule that matches no event."""
    name = f"rule-of-test-{next(_numbers)}"
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["nowhere"]}), Description="keeps")
    yield name
    present = [target["Id"] for target in events.list_targets_by_rule(Rule=name)["Targets"]]
    if present:
        events.remove_targets(Rule=name, Ids=present)
    events.delete_rule(Name=name)


def refusal(call: Callable[[], Any]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def targets(count: int, start: int = 0) -> list[dict[str, str]]:
    arn = "arn:aws:sqs:eu-west-1:123456789012:queue"
    return [{"Id": f"target-{number}", "Arn": f"{arn}-{number}"} for number in range(start, start + count)]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Name": "a b"}, "ValidationException"),
        ({"EventPattern": '{"source": [{"nope": 1}]}'}, "InvalidEventPatternException"),
        ({"EventPattern": json.dumps({"source": ["x" * 2100]})}, "InvalidEventPatternException"),
        ({"EventPattern": "", "ScheduleExpression": "cron(INVALID)"}, "ValidationException"),
        ({"EventPattern": "", "ScheduleExpression": "rate(5)"}, "ValidationException"),
        ({"EventPattern": "", "ScheduleExpression": "rate(1 minutes)"}, "ValidationException"),
        ({"EventPattern": "", "ScheduleExpression": "rate(5 minute)"}, "ValidationException"),
        ({"EventPattern": "", "ScheduleExpression": "at(2099-01-01T00:00:00)"}, "ValidationException"),
        ({"EventPattern": ""}, "ValidationException"),
    ],
)
def test_invalid_rule_is_rejected(events: Any, change: dict[str, str], code: str) -> None:
    wanted = {name: value for name, value in {"Name": "refused", "EventPattern": PATTERN, **change}.items() if value}
    assert refusal(lambda: events.put_rule(**wanted))[:2] == (code, 400)


@pytest.mark.parametrize("expression", ["rate(1 minute)", "rate(5 minutes)", "rate(1 day)", "cron(0 8 ? * MON-FRI *)"])
def test_rule_can_have_a_schedule(events: Any, expression: str) -> None:
    events.put_rule(Name="by-schedule", ScheduleExpression=expression)
    assert events.describe_rule(Name="by-schedule")["ScheduleExpression"] == expression
    events.delete_rule(Name="by-schedule")


def test_tags_apply_to_a_new_rule_only(events: Any) -> None:
    name = "tagged-rule"
    arn = events.put_rule(Name=name, EventPattern=PATTERN, Tags=[{"Key": "team", "Value": "shop"}])["RuleArn"]
    events.put_rule(
        Name=name, EventPattern=PATTERN, Tags=[{"Key": "team", "Value": "other"}, {"Key": "a", "Value": "b"}]
    )
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "shop"}]
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "b"}])
    assert len(events.list_tags_for_resource(ResourceARN=arn)["Tags"]) == 2
    events.delete_rule(Name=name)
    events.put_rule(Name=name, EventPattern=PATTERN)
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == []
    events.delete_rule(Name=name)


def test_second_put_replaces_all_but_the_targets(events: Any, rule: str) -> None:
    events.put_targets(Rule=rule, Targets=targets(1))
    events.put_rule(Name=rule, EventPattern=PATTERN, State="DISABLED")
    found = events.describe_rule(Name=rule)
    assert "Description" not in found
    assert (found["State"], json.loads(found["EventPattern"])) == ("DISABLED", json.loads(PATTERN))
    assert len(events.list_targets_by_rule(Rule=rule)["Targets"]) == 1
    events.put_rule(Name=rule, EventPattern=PATTERN)
    assert events.describe_rule(Name=rule)["State"] == "ENABLED"


def test_rule_has_at_most_five_targets(events: Any, rule: str) -> None:
    events.put_targets(Rule=rule, Targets=targets(4))
    events.put_targets(Rule=rule, Targets=targets(5))
    found = refusal(lambda: events.put_targets(Rule=rule, Targets=targets(1, start=5)))
    assert found == ("LimitExceededException", 400, "The requested resource exceeds the maximum number allowed.")
    assert len(events.list_targets_by_rule(Rule=rule)["Targets"]) == 5


def test_call_has_at_most_ten_entries(events: Any, rule: str) -> None:
    assert refusal(lambda: events.put_targets(Rule=rule, Targets=targets(11)))[0] == "ValidationException"
    ids = [target["Id"] for target in targets(11)]
    assert refusal(lambda: events.remove_targets(Rule=rule, Ids=ids))[0] == "ValidationException"
    assert events.remove_targets(Rule=rule, Ids=ids[:10])["FailedEntryCount"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"Id": "a b"},
        {"Arn": "queue"},
        {"Input": "{}", "InputPath": "$.detail"},
        {"InputTransformer": {"InputPathsMap": {"a": "$.detail"}, "InputTemplate": '"<a> <b>"'}},
    ],
)
def test_invalid_target_is_rejected(events: Any, rule: str, change: dict[str, Any]) -> None:
    target = {**targets(1)[0], **change}
    assert refusal(lambda: events.put_targets(Rule=rule, Targets=[target]))[:2] == ("ValidationException", 400)
    assert events.list_targets_by_rule(Rule=rule)["Targets"] == []


def test_rule_with_targets_cannot_be_deleted(events: Any, rule: str) -> None:
    events.put_targets(Rule=rule, Targets=targets(1))
    found = refusal(lambda: events.delete_rule(Name=rule))
    assert found == ("ValidationException", 400, "Rule can't be deleted since it has targets.")


def test_deleting_a_missing_rule_succeeds(events: Any) -> None:
    events.delete_rule(Name="none")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("describe_rule", {"Name": "none"}),
        ("list_targets_by_rule", {"Rule": "none"}),
        ("put_targets", {"Rule": "none", "Targets": targets(1)}),
        ("remove_targets", {"Rule": "none", "Ids": ["a"]}),
        ("list_tags_for_resource", {"ResourceARN": "arn:aws:events:eu-west-1:123456789012:rule/none"}),
    ],
)
def test_missing_rule_is_named(events: Any, operation: str, arguments: dict[str, Any]) -> None:
    found = refusal(lambda: getattr(events, operation)(**arguments))
    assert found[0] == "ResourceNotFoundException"
    assert "none" in found[2]


def test_pattern_can_be_tested(events: Any) -> None:
    event = json.dumps({"source": "aws.ssm", "detail": {"name": "/a/b"}})
    for prefix, expected in (("/a/", True), ("/b/", False)):
        pattern = json.dumps({"detail": {"name": [{"prefix": prefix}]}})
        assert events.test_event_pattern(EventPattern=pattern, Event=event)["Result"] is expected
    assert refusal(lambda: events.test_event_pattern(EventPattern=PATTERN, Event="{nope"))[0] == "ValidationException"
