"""The evaluator against the rules in the IAM User Guide.

File names are those of https://docs.aws.amazon.com/IAM/latest/UserGuide/.
"""

from typing import Any

import pytest
from tests.security.iam.evaluator import Context, Decision, Request, decide

ALLOWED, IMPLICIT, EXPLICIT = Decision.ALLOWED, Decision.IMPLICIT_DENY, Decision.EXPLICIT_DENY
ROLE = "arn:aws:iam::123456789012:role/dynconfig/a"


def allow(**about: Any) -> dict[str, Any]:
    return {"Effect": "Allow", **about}


def deny(**about: Any) -> dict[str, Any]:
    return {"Effect": "Deny", **about}


EVERYTHING = allow(Action="*", Resource="*")
ABOUT_ROLES = {"Action": "iam:*", "Resource": ROLE}


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        # reference_policies_evaluation-logic_policy-eval-denyallow.html: default, allow, explicit deny, across
        # policies.
        ([[]], IMPLICIT),
        ([[EVERYTHING]], ALLOWED),
        ([[EVERYTHING, deny(**ABOUT_ROLES)]], EXPLICIT),
        ([[EVERYTHING], [deny(**ABOUT_ROLES)]], EXPLICIT),
        ([[deny(**ABOUT_ROLES)]], EXPLICIT),
        ([[EVERYTHING, deny(Action="iam:*", Resource=f"{ROLE}b")]], ALLOWED),
        # reference_policies_elements_notaction.html, _notresource.html
        ([[allow(NotAction="iam:*", Resource="*")]], IMPLICIT),
        ([[allow(NotAction=["s3:*", "ec2:*"], Resource="*")]], ALLOWED),
        ([[allow(Action="*", NotResource=[ROLE])]], IMPLICIT),
        ([[allow(Action="*", NotResource="arn:aws:iam::123456789012:role/other")]], ALLOWED),
    ],
)
def test_effects(policies: list[list[dict[str, Any]]], expected: Decision) -> None:
    assert decide([{"Statement": statements} for statements in policies], Request("iam:GetRole", ROLE)) is expected


@pytest.mark.parametrize(
    ("pattern", "action", "expected"),
    [
        # reference_policies_elements_action.html: wildcards, case-insensitive.
        ("iam:*AccessKey*", "iam:CreateAccessKey", True),
        ("iam:*AccessKey*", "iam:ListAccessKeys", True),
        ("IAM:getrole", "iam:GetRole", True),
        ("s3:Get?bject", "s3:GetObject", True),
        ("s3:GetObject", "s3:GetObjectAcl", False),
        ("s3:*", "sqs:SendMessage", False),
    ],
)
def test_actions(pattern: str, action: str, expected: bool) -> None:
    found = decide([{"Statement": [allow(Action=pattern, Resource="*")]}], Request(action, ROLE))
    assert (found is ALLOWED) is expected


@pytest.mark.parametrize(
    ("pattern", "arn", "expected"),
    [
        # reference_policies_elements_resource.html: wildcards in a segment span slashes, and never colons before the
        # last.
        ("arn:aws:iam::123456789012:user/Development/*", "arn:aws:iam::123456789012:user/Development/product_1234/a", True),
        ("arn:aws:s3:::amzn-s3-demo-bucket/*/test/*", "arn:aws:s3:::amzn-s3-demo-bucket/1/2/test/3/object.jpg", True),
        ("arn:aws:s3:::amzn-s3-demo-bucket/*/test/*", "arn:aws:s3:::amzn-s3-demo-bucket/1/2/3.jpg", False),
        ("arn:aws:iam::*:role/a", "arn:aws:iam::1:2:role/a", False),
        ("arn:aws:sqs", "arn:aws:sqs:eu-west-1:123456789012:q", True),
        ("arn:aws:logs:eu-west-1:1:log-group:a*", "arn:aws:logs:eu-west-1:1:log-group:ab:*", True),
        ("arn:aws:iam::1:role/A", "arn:aws:iam::1:role/a", False),
        ("arn:aws:iam::1:role/a", "arn:aws:iam::1:role/ab", False),
        ("*", "*", True),
        ("arn:aws:iam::1:role/a", "*", False),
    ],
)  # fmt: skip
def test_resources(pattern: str, arn: str, expected: bool) -> None:
    found = decide([{"Statement": [allow(Action="*", Resource=[pattern])]}], Request("x:Y", arn))
    assert (found is ALLOWED) is expected


ANY, ALL = "ForAnyValue:StringLike", "ForAllValues:StringLike"


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        # reference_policies_condition-logic-multiple-context-keys-or-values.html: AND of operators and keys, OR of values.
        ({"StringEquals": {"k": ["a", "b"]}}, {"k": "b"}, True),
        ({"StringEquals": {"k": "a", "l": "b"}}, {"k": "a"}, False),
        ({"StringEquals": {"k": "a"}, "StringLike": {"l": "b*"}}, {"k": "a", "l": "bc"}, True),
        ({"StringEquals": {"k": "a"}, "StringLike": {"l": "b*"}}, {"k": "a", "l": "c"}, False),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "b"}, False),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "c"}, True),
        # reference_policies_elements_condition.html: key names are case-insensitive, values are not.
        ({"StringEquals": {"aws:ResourceTag/Team": "a"}}, {"aws:resourcetag/team": "a"}, True),
        ({"StringEquals": {"k": "A"}}, {"k": "a"}, False),
        ({"StringEqualsIgnoreCase": {"k": "A"}}, {"k": "a"}, True),
        # reference_policies_elements_condition_operators.html: no pattern in StringEquals, * and ? in StringLike.
        ({"StringEquals": {"k": "a*"}}, {"k": "ab"}, False),
        ({"StringLike": {"k": "a?c/*"}}, {"k": "abc/d/e"}, True),
        ({"StringLike": {"k": "*/*/*/*"}}, {"k": "cluster/ns/name"}, False),
        ({"StringLike": {"k": "*/*/*/*"}}, {"k": "cluster/ns/name/uid"}, True),
        # A missing key: matches a negated operator, otherwise not.
        ({"StringEquals": {"k": "a"}}, {}, False),
        ({"StringNotEquals": {"k": "a"}}, {}, True),
        ({"StringNotLike": {"k": "a"}}, {}, True),
        ({"ArnNotLike": {"k": "a"}}, {}, True),
        # ...IfExists
        ({"StringLikeIfExists": {"k": "a"}}, {}, True),
        ({"StringLikeIfExists": {"k": "a"}}, {"k": "b"}, False),
        # Null
        ({"Null": {"k": "true"}}, {}, True),
        ({"Null": {"k": True}}, {"k": "a"}, False),
        ({"Null": {"k": "false"}}, {"k": "a"}, True),
        ({"Null": {"k": "false"}}, {}, False),
        # Arn: each of the six segments separately; ArnEquals and ArnLike are equal.
        ({"ArnLike": {"k": "arn:aws:sns:*:123456789012:t*"}}, {"k": "arn:aws:sns:eu-west-1:123456789012:topic"}, True),
        ({"ArnEquals": {"k": "arn:aws:sns:*:123456789012:t*"}}, {"k": "arn:aws:sns:a:b:123456789012:t"}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, {"aws:SecureTransport": "true"}, True),
        # reference_policies_condition-single-vs-multi-valued-context-keys.html
        ({ANY: {"k": ["a", "b"]}}, {"k": ("a", "c")}, True),
        ({ANY: {"k": ["a", "b"]}}, {"k": ("c",)}, False),
        ({ANY: {"k": "a"}}, {}, False),
        ({ALL: {"k": ["a", "b"]}}, {"k": ("a", "c")}, False),
        ({ALL: {"k": ["a", "b"]}}, {"k": ("a", "b")}, True),
        ({ALL: {"k": "a"}}, {}, True),
    ],
)
def test_conditions(condition: dict[str, Any], context: Context, expected: bool) -> None:
    policy = {"Statement": [allow(Action="*", Resource="*", Condition=condition)]}
    assert (decide([policy], Request("x:Y", ROLE, context)) is ALLOWED) is expected


@pytest.mark.parametrize(
    ("condition", "context"),
    [
        ({"NumericLessThan": {"k": "1"}}, {"k": "1"}),
        ({"StringEquals": {"k": "${aws:username}"}}, {"k": "a"}),
        ({"StringEquals": {"k": "a"}}, {"k": ("a", "b")}),
    ],
)
def test_unknown_element_is_an_error_and_not_a_decision(condition: dict[str, Any], context: Context) -> None:
    with pytest.raises(NotImplementedError):
        decide([{"Statement": [allow(Action="*", Resource="*", Condition=condition)]}], Request("x:Y", ROLE, context))
