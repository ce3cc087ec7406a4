"""Rules: pattern, targets, and calls that may fail partially."""

import json
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.rule import RULE, listed, rule_name
from tests.kinds.wire import answers, requests

from dynconfig.kinds.rule import Rule, pattern
from dynconfig.model.errors import Conflict
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab


def settle(harness: AwsHarness, errors: Any = None) -> Any:
    return harness.settle(harness.declare(RULE.base), harness.kinds(Rule), errors)


def targets(harness: AwsHarness) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = harness.aws("events").list_targets_by_rule(Rule=rule_name(harness))["Targets"]
    return found


def test_pattern_excludes_sibling_paths(harness: AwsHarness) -> None:
    settle(harness)
    found = json.loads(harness.aws("events").describe_rule(Name=rule_name(harness))["EventPattern"])
    assert found == pattern(harness.path)
    (condition,) = found["detail"]["name"]
    assert f"{harness.path}/database/host".startswith(condition["prefix"])
    assert not f"{harness.path}-other/host".startswith(condition["prefix"])
    assert found["source"] == ["aws.ssm"]
    assert found["detail-type"] == ["Parameter Store Change"]


def test_target_is_the_function_without_a_role(harness: AwsHarness) -> None:
    settle(harness)
    assert targets(harness) == [
        {"Id": "function", "Arn": f"arn:aws:lambda:eu-west-1:123456789012:function:{harness.name}"}
    ]


def test_external_changes_of_targets_are_corrected(harness: AwsHarness) -> None:
    settle(harness)
    (target,) = targets(harness)
    theirs = {"Id": "theirs", "Arn": "arn:aws:sqs:eu-west-1:123456789012:theirs"}
    for changed in ([{**target, "InputPath": "$.detail"}], [theirs]):
        harness.aws("events").put_targets(Rule=rule_name(harness), Targets=changed)
        outcome = settle(harness)
        assert [because.field for step in outcome.applied for because in step.because] == ["targets"]
        assert targets(harness) == [target]


@pytest.mark.parametrize("operation", ["PutTargets", "RemoveTargets"])
def test_failed_target_entry_is_retried(harness: AwsHarness, operation: str) -> None:
    failures = [{"TargetId": "function", "ErrorCode": "ConcurrentModificationException", "ErrorMessage": "busy"}]

    def fail(answer: dict[str, Any]) -> None:
        if failures:
            answer.update(FailedEntryCount=1, FailedEntries=[failures.pop()])

    errors: list[Any] = []
    with answers(harness, "events", operation, fail):
        settle(harness, errors)
        harness.settle(harness.deletion(RULE.base), harness.kinds(Rule), errors)
    assert [type(error) for error in errors] == [Conflict]
    assert "target function was refused: busy" in str(errors[0])
    assert listed(harness) == set()


def test_rule_with_targets_being_removed_is_retried(harness: AwsHarness) -> None:
    settle(harness)
    words = "Rule can't be deleted since it has targets."
    harness.lab.faults(Faults(errors={"events.DeleteRule": Injected("ValidationException", words, 1)}))
    errors: list[Any] = []
    harness.settle(harness.deletion(RULE.base), harness.kinds(Rule), errors)
    assert [type(error) for error in errors] == [Conflict]
    assert listed(harness) == set()


def test_foreign_targets_do_not_block_rule_deletion(harness: AwsHarness) -> None:
    settle(harness)
    theirs = {"Id": "theirs", "Arn": "arn:aws:sqs:eu-west-1:123456789012:theirs"}
    harness.aws("events").put_targets(Rule=rule_name(harness), Targets=[theirs])
    assert harness.settle(harness.deletion(RULE.base), harness.kinds(Rule)).is_complete
    assert listed(harness) == set()


def test_tag_change_updates_neither_rule_nor_targets(harness: AwsHarness) -> None:
    settle(harness)
    with requests(harness, "events", "PutRule", "PutTargets", "TagResource", "UntagResource") as made:
        harness.settle(harness.declare(RULE.edits["tags"], generation=2), harness.kinds(Rule))
    assert [operation for operation, _request in made] == ["TagResource", "UntagResource"]
