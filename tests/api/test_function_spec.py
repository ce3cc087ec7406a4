"""Validation of the function in local files; each error names its field."""

import re
from typing import Any

import pytest

from dynconfig.api.function import FunctionSpec
from dynconfig.validation.declare import faults


def wrong(function: dict[str, Any]) -> tuple[str, ...]:
    document = {"metadata": {}, "spec": {"path": "/myapp/config", "function": function}}
    return faults(document, lambda _source: None)


@pytest.mark.parametrize(
    ("function", "field"),
    [
        ({"runtime": "python2.7"}, "spec.function.runtime"),
        ({"runtime": "python3.9"}, "spec.function.runtime"),
        ({"runtime": "nodejs22.x"}, "spec.function.runtime"),
        ({"architecture": "riscv64"}, "spec.function.architecture"),
        ({"memoryMiB": 127}, "spec.function.memoryMiB"),
        ({"memoryMiB": 10241}, "spec.function.memoryMiB"),
        ({"timeoutSeconds": 0}, "spec.function.timeoutSeconds"),
        ({"timeoutSeconds": 901}, "spec.function.timeoutSeconds"),
        ({"logRetentionDays": 8}, "spec.function.logRetentionDays"),
        ({"name": "x" * 65}, "spec.function.name"),
        ({"name": "my function"}, "spec.function.name"),
        ({"name": "a/b"}, "spec.function.name"),
        ({"roleName": "x" * 65}, "spec.function.roleName"),
        ({"roleName": "a/b"}, "spec.function.roleName"),
        ({"environment": {"KEY": "x" * 2049}}, "spec.function.environment.KEY"),
        ({"environment": {"K" * 129: "x"}}, f"spec.function.environment.{'K' * 129}"),
        ({"extension": {"layerArn": "layer:1"}}, "spec.function.extension.layerArn"),
        ({"extension": {"maxConnections": 0}}, "spec.function.extension.maxConnections"),
        ({"onFailure": "my-queue"}, "spec.function.onFailure"),
        ({"triggers": {"schedule": "rate(10 seconds)"}}, "spec.function.triggers.schedule"),
        ({"triggers": {"schedule": "rate(5)"}}, "spec.function.triggers.schedule"),
        ({"triggers": {"schedule": "rate( 5 minutes )"}}, "spec.function.triggers.schedule"),
        ({"triggers": {"schedule": "cron(0 8 * * *)"}}, "spec.function.triggers.schedule"),
        ({"triggers": {"schedule": "at(2021-12-31)"}}, "spec.function.triggers.schedule"),
        ({"triggers": {"schedule": "every day"}}, "spec.function.triggers.schedule"),
        ({"triggers": {"httpApi": {"authorization": "OPEN"}}}, "spec.function.triggers.httpApi.authorization"),
        ({"mode": "Borrow"}, "spec.function.mode"),
        ({"colour": "red"}, "spec.function.colour"),
    ],
)
def test_invalid_function_is_rejected_with_its_field(function: dict[str, Any], field: str) -> None:
    (rejection,) = wrong(function)
    assert rejection.startswith(f"{field}: ")


@pytest.mark.parametrize(
    "name",
    [
        "AWS_REGION",
        "LAMBDA_TASK_ROOT",
        "DYNCONFIG_TTL",
        "SSM_PARAMETER_STORE_TTL",
        "_HANDLER",
        "1ST",
        "A-B",
        "X",
        "path",
    ],
)
def test_reserved_and_invalid_environment_names_are_rejected(name: str) -> None:
    (rejection,) = wrong({"environment": {"LOG_LEVEL": "debug", name: "1"}})
    assert re.match(
        rf"spec\.function\.environment\.{name}: is (reserved, because|not a valid name: use at least two letters)",
        rejection,
    )


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ({"mode": "Attach"}, "mode Attach requires the name of an existing function"),
        (
            {"mode": "Attach", "name": "f", "triggers": {"schedule": "rate(5 minutes)"}},
            "triggers require mode: Managed",
        ),
        ({"mode": "Attach", "name": "f", "environment": {"LOG_LEVEL": "INFO"}}, "environment, onFailure and roleName"),
        ({"mode": "Attach", "name": "f", "roleName": "r"}, "environment, onFailure and roleName require mode: Managed"),
    ],
)
def test_fields_that_require_managed_are_rejected_for_attach(function: dict[str, Any], message: str) -> None:
    (rejection,) = wrong(function)
    assert message in rejection


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:s3:::failed-events",
        "arn:aws:kafka:eu-west-1:123456789012:cluster/c/1",
        "arn:aws:dynamodb:eu-west-1:123456789012:table/t",
    ],
)
def test_on_failure_only_accepts_destinations_of_the_role(arn: str) -> None:
    (rejection,) = wrong({"onFailure": arn})
    assert "onFailure must be the ARN of an SQS queue, an SNS topic, a function or an event bus" in rejection


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-iso-b", "aws-eusc"])
@pytest.mark.parametrize("resource", ["sqs:r:1:q", "sns:r:1:t", "lambda:r:1:function:f", "events:r:1:event-bus/b"])
def test_destinations_are_valid_in_all_partitions(partition: str, resource: str) -> None:
    assert wrong({"onFailure": f"arn:{partition}:{resource}"}) == ()


@pytest.mark.parametrize(
    "function",
    [
        {},
        {"name": "x" * 64, "roleName": "team+role=1,a.b@c"},
        {"memoryMiB": 128, "timeoutSeconds": 900, "architecture": "x86_64", "runtime": "python3.14"},
        {"triggers": {"schedule": "rate(1 minute)"}},
        {"triggers": {"schedule": "cron(0 8 ? * MON-FRI *)"}},
        {"triggers": {"schedule": "at(2027-01-01T00:00:00)"}},
        {"environment": {"LOG_LEVEL": "DEBUG", "MY_AWS_THING": "1"}},
        {"mode": "Attach", "name": "f"},
        {"onFailure": "arn:aws:sqs:eu-west-1:123456789012:failed"},
    ],
)
def test_valid_functions_are_accepted(function: dict[str, Any]) -> None:
    assert wrong(function) == ()


def test_http_api_requires_iam_by_default() -> None:
    http_api = FunctionSpec.model_validate({"triggers": {"httpApi": {}}}).triggers.http_api
    assert http_api is not None
    assert http_api.authorization == "AWS_IAM"
