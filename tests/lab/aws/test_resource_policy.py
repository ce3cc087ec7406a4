"""A queue receives events of a rule only if its policy allows it."""

import json
from typing import Any

import pytest

from dynconfig_lab.aws.resource_policy import allows

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:mail"
RULE = "arn:aws:events:eu-west-1:123456789012:rule/changes"
SERVICE = {"Service": "events.amazonaws.com"}


def statement(**more: Any) -> dict[str, Any]:
    usual = {"Effect": "Allow", "Principal": SERVICE, "Action": "sqs:SendMessage", "Resource": QUEUE}
    return {**usual, "Condition": {"ArnEquals": {"aws:SourceArn": RULE}}, **more}


def may(*statements: dict[str, Any]) -> bool:
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return allows(policy, QUEUE, "events.amazonaws.com", RULE)


@pytest.mark.parametrize(
    "allowing",
    [
        statement(),
        statement(Principal="*"),
        statement(Principal={"AWS": "*"}),
        statement(Principal={"Service": ["sns.amazonaws.com", "events.amazonaws.com"]}),
        statement(Action="SQS:SendMessage"),
        statement(Action=["sqs:ReceiveMessage", "sqs:Send*"]),
        statement(Action="*"),
        statement(Resource="*"),
        statement(Condition={}),
        statement(Condition={"ArnLike": {"AWS:SourceArn": "arn:aws:events:*:123456789012:rule/*"}}),
        statement(Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}}),
        statement(Condition={"ArnEquals": {"aws:SourceArn": ["arn:aws:events:eu-west-1:123456789012:rule/x", RULE]}}),
    ],
    ids=json.dumps,
)
def test_policy_that_names_the_rule_allows_it(allowing: dict[str, Any]) -> None:
    assert may(allowing)


@pytest.mark.parametrize(
    "useless",
    [
        statement(Effect="Deny"),
        statement(Principal={"Service": "sns.amazonaws.com"}),
        statement(Principal={"AWS": "123456789012"}),
        statement(Action="sqs:ReceiveMessage"),
        statement(Resource=f"{QUEUE}-other"),
        statement(Condition={"ArnEquals": {"aws:SourceArn": f"{RULE}-other"}}),
        statement(Condition={"StringEquals": {"aws:SourceArn": "arn:aws:events:*"}}),
        statement(Condition={"StringEquals": {"aws:SourceAccount": "210987654321"}}),
        statement(Condition={"ArnEquals": {"aws:SourceArn": RULE}, "Bool": {"aws:SecureTransport": "true"}}),
        statement(Condition={"ArnEquals": {"aws:PrincipalArn": RULE}}),
    ],
    ids=json.dumps,
)
def test_any_other_policy_does_not(useless: dict[str, Any]) -> None:
    assert not may(useless)


def test_denial_overrides_an_allow() -> None:
    assert not may(statement(), statement(Effect="Deny", Principal="*", Condition={}))


def test_nothing_is_allowed_without_a_policy() -> None:
    assert not allows("", QUEUE, "events.amazonaws.com", RULE)
    assert not may()


def test_single_statement_needs_no_list() -> None:
    assert allows(json.dumps({"Statement": statement()}), QUEUE, "events.amazonaws.com", RULE)
