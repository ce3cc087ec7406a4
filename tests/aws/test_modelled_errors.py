"""The error table contains each error that botocore's models list for an operation that the operator calls."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from dynconfig.aws.errors import translated
from dynconfig.aws.permissions import operator_policy
from dynconfig.model import errors
from dynconfig.model.allowed import Allowed

SOURCES = Path(__file__).parents[2] / "operator" / "dynconfig"
# By IAM's prefix; API Gateway's actions are verbs, so its operations are found in the sources.
SERVICES = {"tag": "resourcegroupstaggingapi"}
KEY = "arn:aws:kms:eu-west-1:123456789012:key/k"


@cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def operations() -> Iterator[tuple[str, str]]:
    allowed = Allowed(paths=["/a"], account="123456789012", region="eu-west-1", keys=[KEY], attached_roles=["r"])
    for statement in operator_policy(allowed)["Statement"]:
        for action in statement["Action"]:
            prefix, _, operation = action.partition(":")
            service = SERVICES.get(prefix, prefix)
            if service not in ("apigateway", "ec2", "kms") and operation in model(service).operation_names:
                yield service, operation
    sources = "\n".join(path.read_text() for path in SOURCES.rglob("*.py"))
    for service in ("apigatewayv2", "sts", "sqs"):
        for operation in model(service).operation_names:
            if re.search(rf"\.{xform_name(operation)}\b|\"{xform_name(operation)}\"", sources):
                yield service, operation


def modelled() -> list[Any]:
    found = {
        (shape.metadata.get("error", {}).get("code", shape.name), service): operation
        for service, operation in operations()
        for shape in model(service).operation_model(operation).error_shapes
    }
    return [pytest.param(operation, code, id=f"{service}.{code}") for (code, service), operation in found.items()]


def test_operations_are_found() -> None:
    found = set(operations())
    assert {("ssm", "PutParameter"), ("lambda", "TagResource"), ("apigatewayv2", "CreateApi")} <= found
    assert {("resourcegroupstaggingapi", "GetResources"), ("sts", "GetCallerIdentity")} <= found


@pytest.mark.parametrize(("operation", "code"), modelled())
def test_no_modelled_error_is_reported_as_operator_bug(operation: str, code: str) -> None:
    response: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    assert not isinstance(translated(ClientError(response, operation), operation, ""), errors.Unexpected)


@pytest.mark.parametrize("code", ["InvalidNextToken", "PaginationTokenExpiredException"])
def test_expired_page_token_is_retried_soon(code: str) -> None:
    response: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    found = translated(ClientError(response, "DescribeParameters"), "DescribeParameters", "")
    assert isinstance(found, errors.Conflict)
    assert found.delay == 1.0
