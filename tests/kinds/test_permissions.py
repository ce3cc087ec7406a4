"""The IAM policy allows what the kinds call, and nothing else."""

import re
from pathlib import Path

import pytest
from tests.kinds.aws_harness import AwsHarness, Watch
from tests.kinds.cases.failure_destination import destinations
from tests.kinds.iam import action, actions, allowed

from dynconfig.kinds import http_api

SOURCES = Path(__file__).parents[2] / "operator" / "dynconfig"
# Not called directly: AWS requires them for another call.
ASKED_ON_BEHALF = {
    "ec2:DescribeImages",
    "iam:PassRole",
    "lambda:GetLayerVersion",
    "lambda:ListTags",
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    # Tags that come with a new queue, and messages that go several in a call.
    "sqs:TagQueue",
    "sqs:DeleteMessage",
}
EVERYTHING = {
    "function": {
        "roleName": "kinds-life",
        "onFailure": "arn:aws:sqs:eu-west-1:123456789012:failed",
        "triggers": {"parameterChange": True, "schedule": "rate(5 minutes)", "httpApi": {}},
    },
    "parameters": [{"name": "a", "value": "1"}],
    "alarms": {},
    "dashboard": True,
    "tags": {"team": "shop"},
}


@pytest.mark.lab
def test_lifecycle_makes_only_calls_that_the_iam_policy_allows(harness: AwsHarness) -> None:
    destinations(harness)
    harness.watch.calls, before = set(), harness.watch.calls
    whole = EVERYTHING
    harness.settle(harness.declare(whole), harness.kinds())
    edited = {**whole, "tags": {"stage": "dev"}, "parameters": [{"name": "a", "value": "2"}]}
    harness.settle(harness.declare(edited, generation=2), harness.kinds())
    harness.settle(harness.deletion(edited), harness.kinds())
    made = {action(call) for call in harness.watch.calls}
    harness.watch.calls |= before
    assert len(made) > 30
    assert made <= allowed()


@pytest.mark.lab
def test_alarms_and_dashboard_need_no_lambda_permissions(harness: AwsHarness) -> None:
    whole = {
        "parameters": EVERYTHING["parameters"],
        "alarms": {"defaults": False, "drift": True, "notify": ["arn:aws:sns:eu-west-1:123456789012:ops"]},
        "dashboard": True,
    }
    harness.watch.calls, before = set(), harness.watch.calls
    new = harness.declare(whole, metadata={"finalizers": []})
    status = harness.status(harness.settle(new, harness.kinds()))
    edited = {**whole, "alarms": {"defaults": False, "drift": True}, "dashboard": False, "tags": {"stage": "dev"}}
    harness.settle(harness.declare(edited, generation=2, status=status), harness.kinds())
    made = {action(call) for call in harness.watch.calls}
    harness.watch.calls |= before
    assert "cloudwatch:PutMetricAlarm" in made
    assert made <= allowed(functions=())


def test_every_allowed_action_is_used() -> None:
    code = "".join(
        path.read_text() for folder in ("kinds", "aws", "events") for path in (SOURCES / folder).rglob("*.py")
    )
    called = set(re.findall(r"\.([a-z_]+)\b", code)) | set(re.findall(r'get_paginator\("([a-z_]+)"\)', code))
    for name in allowed(boundary="arn:aws:iam::123456789012:policy/b") - ASKED_ON_BEHALF:
        if name.startswith("apigateway:"):
            continue
        method = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.partition(":")[2]).lower()
        assert method in called, name


def test_every_verb_of_api_gateway_is_used() -> None:
    code = (SOURCES / "kinds" / "http_api.py").read_text()
    verbs = {"create_api": "POST", "get_routes": "GET", "update_route": "PATCH", "delete_api": "DELETE"}
    assert all(f"_apis.{method}(" in code or f'_all("{method}"' in code for method in verbs)
    assert {f"apigateway:{verb}" for verb in verbs.values()} == actions(http_api.FACTS)


def test_recorder_records_calls(watch: Watch) -> None:
    watch("ssm", "PutParameter", "OK")
    assert action("ssm.PutParameter") == "ssm:PutParameter"
    assert action("apigatewayv2.CreateApi") == "apigateway:POST"
    assert action("resourcegroupstaggingapi.GetResources") == "tag:GetResources"
