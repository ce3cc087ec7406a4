"""Evaluation of policy documents: who may assume a role, what is allowed, who may invoke."""

import json
from typing import Any

import pytest

from dynconfig_lab.aws import conditions, policies

ACCOUNT = "123456789012"
RULE = f"arn:aws:events:eu-west-1:{ACCOUNT}:rule/mine"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(**more: Any) -> dict[str, Any]:
    service = {"Service": "scheduler.amazonaws.com"}
    return {"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole", **more}


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("arn:aws:ssm:*:*:parameter/a/*", "arn:aws:ssm:eu-west-1:1:parameter/a/b/c", True),
        ("arn:aws:ssm:*:*:parameter/a/*", "arn:aws:ssm:eu-west-1:1:parameter/b", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("a[b]c", "abc", False),
        ("a.c", "abc", False),
        ("$default", "$default", True),
    ],
)
def test_only_stars_and_question_marks_are_wildcards(pattern: str, text: str, expected: bool) -> None:
    assert conditions.matches(pattern, text) is expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (trust(), True),
        (trust(Action=["sts:TagSession", "sts:AssumeRole"]), True),
        (trust(Principal={"Service": ["lambda.amazonaws.com", "scheduler.amazonaws.com"]}), True),
        (trust(Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}}), True),
        (trust(Condition={"StringEquals": {"aws:SourceAccount": "999999999999"}}), False),
        (trust(Condition={"StringEquals": {"aws:PrincipalTag/a": "b"}}), False),
        (trust(Principal={"Service": "lambda.amazonaws.com"}), False),
        (trust(Principal={"AWS": "*"}), False),
        (trust(Action="sts:TagSession"), False),
        (trust(Effect="Deny"), False),
    ],
)
def test_named_service_is_trusted(statement: dict[str, Any], expected: bool) -> None:
    assert policies.trusts(document(statement), "scheduler.amazonaws.com", ACCOUNT) is expected


@pytest.mark.parametrize("text", ["", "{nope", "[]", "3", '{"Statement": "x"}', '{"Statement": [3]}'])
def test_invalid_policy_trusts_and_allows_nothing(text: str) -> None:
    assert not policies.trusts(text, "lambda.amazonaws.com", ACCOUNT)
    assert not policies.allows([text], "s3:GetObject", "arn")


def allow(**more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "ssm:GetParameter*", "Resource": "arn:aws:ssm:*:*:parameter/a/*", **more}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], False),
        ([allow()], True),
        ([allow(Action="*", Resource="*")], True),
        ([allow(Action="SSM:getparameter")], True),
        ([allow(Action="ssm:PutParameter")], False),
        ([allow(Resource="arn:aws:ssm:*:*:parameter/b/*")], False),
        ([allow(), allow(Effect="Deny", Resource="*")], False),
        ([allow(), allow(Effect="Deny", Resource="arn:aws:ssm:*:*:parameter/b")], True),
        ([{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}], False),
    ],
)
def test_action_is_allowed_unless_it_is_denied(statements: list[dict[str, Any]], expected: bool) -> None:
    resource = "arn:aws:ssm:eu-west-1:123456789012:parameter/a/b"
    assert policies.allows([document(*statements)], "ssm:GetParameter", resource) is expected
    assert policies.allows([document(one) for one in statements], "ssm:GetParameter", resource) is expected


def call(**more: Any) -> dict[str, Any]:
    service = {"Service": "events.amazonaws.com"}
    condition = {"ArnLike": {"AWS:SourceArn": RULE}}
    return {"Effect": "Allow", "Principal": service, "Action": "lambda:InvokeFunction", "Condition": condition, **more}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (call(), True),
        (call(Condition={}), True),
        (call(Principal="*"), True),
        (call(Action="lambda:*"), True),
        (call(Condition={"ArnLike": {"AWS:SourceArn": f"{RULE[:-1]}*"}}), True),
        (call(Condition={"StringEquals": {"AWS:SourceArn": f"{RULE[:-1]}*"}}), False),
        (call(Condition={"StringEquals": {"AWS:SourceAccount": ACCOUNT}}), True),
        (call(Condition={"StringEquals": {"AWS:SourceAccount": "999999999999"}}), False),
        (call(Condition={"ArnLike": {"AWS:SourceArn": f"{RULE}s"}}), False),
        (call(Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), False),
        (call(Action="lambda:GetFunction"), False),
        (call(Principal={"Service": "sns.amazonaws.com"}), False),
        (call(Principal={"AWS": "arn:aws:iam::123456789012:root"}), False),
    ],
)
def test_function_is_invoked_only_by_allowed_sources(statement: dict[str, Any], expected: bool) -> None:
    assert policies.lets_call(statement, "events.amazonaws.com", RULE, ACCOUNT) is expected
