"""What is particular about rules: the pattern, targets, and calls of which a part may fail."""

import json
from typing import Any

import pytest
from tests.kinds.cases.rule import RULE, listed, rule_name
from tests.kinds.wire import answers, requests
from tests.kinds.workshop import Workshop

from dynconfig.engine.errors import Conflict
from dynconfig.kinds.rule import Rule, pattern
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab


def settle(workshop: Workshop, errors: Any = None) -> Any:
    return workshop.settle(workshop.declare(RULE.base), workshop.kinds(Rule), errors)


def targets(workshop: Workshop) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = workshop.aws("events").list_targets_by_rule(Rule=rule_name(workshop))["Targets"]
    return found


def test_the_pattern_ends_with_a_slash_so_that_a_neighbouring_path_is_not_heard(workshop: Workshop) -> None:
    settle(workshop)
    found = json.loads(workshop.aws("events").describe_rule(Name=rule_name(workshop))["EventPattern"])
    assert found == pattern(workshop.path)
    (condition,) = found["detail"]["name"]
    assert f"{workshop.path}/database/host".startswith(condition["prefix"])
    assert not f"{workshop.path}-other/host".startswith(condition["prefix"])
    assert found["source"] == ["aws.ssm"]
    assert found["detail-type"] == ["Parameter Store Change"]


def test_the_target_is_the_function_without_a_role(workshop: Workshop) -> None:
    settle(workshop)
    assert targets(workshop) == [
        {"Id": "function", "Arn": f"arn:aws:lambda:eu-west-1:123456789012:function:{workshop.name}"}
    ]


def test_what_somebody_adds_to_the_target_or_beside_it_is_undone(workshop: Workshop) -> None:
    settle(workshop)
    (target,) = targets(workshop)
    theirs = {"Id": "theirs", "Arn": "arn:aws:sqs:eu-west-1:123456789012:theirs"}
    for changed in ([{**target, "InputPath": "$.detail"}], [theirs]):
        workshop.aws("events").put_targets(Rule=rule_name(workshop), Targets=changed)
        outcome = settle(workshop)
        assert [because.field for step in outcome.applied for because in step.because] == ["targets"]
        assert targets(workshop) == [target]


@pytest.mark.parametrize("operation", ["PutTargets", "RemoveTargets"])
def test_a_target_that_fails_in_a_call_that_succeeds_is_tried_again(workshop: Workshop, operation: str) -> None:
    failures = [{"TargetId": "function", "ErrorCode": "ConcurrentModificationException", "ErrorMessage": "busy"}]

    def fail(answer: dict[str, Any]) -> None:
        if failures:
            answer.update(FailedEntryCount=1, FailedEntries=[failures.pop()])

    errors: list[Any] = []
    with answers(workshop, "events", operation, fail):
        settle(workshop, errors)
        workshop.settle(workshop.goodbye(RULE.base), workshop.kinds(Rule), errors)
    assert [type(error) for error in errors] == [Conflict]
    assert "target function was refused: busy" in str(errors[0])
    assert listed(workshop) == set()


def test_a_rule_whose_targets_are_still_going_is_deleted_a_moment_later(workshop: Workshop) -> None:
    settle(workshop)
    words = "Rule can't be deleted since it has targets."
    workshop.lab.faults(Faults(errors={"events.DeleteRule": Injected("ValidationException", words, 1)}))
    errors: list[Any] = []
    workshop.settle(workshop.goodbye(RULE.base), workshop.kinds(Rule), errors)
    assert [type(error) for error in errors] == [Conflict]
    assert listed(workshop) == set()


def test_targets_of_others_on_our_rule_do_not_keep_it(workshop: Workshop) -> None:
    settle(workshop)
    theirs = {"Id": "theirs", "Arn": "arn:aws:sqs:eu-west-1:123456789012:theirs"}
    workshop.aws("events").put_targets(Rule=rule_name(workshop), Targets=[theirs])
    assert workshop.settle(workshop.goodbye(RULE.base), workshop.kinds(Rule)).is_complete
    assert listed(workshop) == set()


def test_a_changed_tag_replaces_neither_rule_nor_targets(workshop: Workshop) -> None:
    settle(workshop)
    with requests(workshop, "events", "PutRule", "PutTargets", "TagResource", "UntagResource") as made:
        workshop.settle(workshop.declare(RULE.edits["tags"], generation=2), workshop.kinds(Rule))
    assert [operation for operation, _request in made] == ["TagResource", "UntagResource"]
