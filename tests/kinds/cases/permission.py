"""The permissions to invoke the function: the rule and the HTTP API."""

import json
from typing import Any

from tests.kinds import functions
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.case import Case, Spec

from dynconfig.kinds.function.value import Function
from dynconfig.kinds.http_api import HttpApi
from dynconfig.kinds.permission import Permission
from dynconfig.model.errors import NotFound

BY_RULE = "dynconfig-parameters"
THEIRS: dict[str, Any] = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}


def spec(**more: Any) -> Spec:
    triggers = {"parameterChange": True, "httpApi": {}}
    return {"function": {"roleName": functions.ROLE, "triggers": triggers, **more}}


def statements(harness: AwsHarness, name: str) -> dict[str, dict[str, Any]]:
    client = harness.session.client("lambda", "eu-west-1")
    try:
        policy = client.get_policy(FunctionName=name)["Policy"]
    except NotFound:
        return {}
    return {statement["Sid"]: statement for statement in json.loads(policy)["Statement"]}


def replace(harness: AwsHarness, **changes: str) -> None:
    """Replace the statement with another one."""
    statement = statements(harness, harness.name)[BY_RULE]
    request = {
        "Action": statement["Action"],
        "Principal": statement["Principal"]["Service"],
        "SourceArn": next(iter(statement["Condition"].values()))["AWS:SourceArn"],
        **changes,
    }
    client, about = harness.aws("lambda"), {"FunctionName": harness.name, "StatementId": BY_RULE}
    client.remove_permission(**about)
    client.add_permission(**about, **request)


def create_similar(harness: AwsHarness) -> None:
    name = f"{harness.name}-theirs"
    functions.create(harness, name)
    harness.aws("lambda").add_permission(FunctionName=name, StatementId=BY_RULE, **THEIRS)


def listed(harness: AwsHarness) -> set[str]:
    return {f"{name} {sid}" for name in functions.listed(harness) for sid in statements(harness, name)}


PERMISSION = Case(
    value=Permission,
    needs=(Function, HttpApi),
    base=spec(),
    feature={"function": {"triggers": {"parameterChange": True, "httpApi": {}}}},
    edits={"function": spec(name="kinds-permission-one"), "source": spec(name="kinds-permission-two")},
    tampers={
        "principal": lambda harness: replace(harness, Principal="s3.amazonaws.com"),
        "action": lambda harness: replace(harness, Action="lambda:GetFunction"),
        "source": lambda harness: replace(harness, SourceArn="arn:aws:events:eu-west-1:123456789012:rule/theirs"),
    },
    list_names=listed,
    create_similar=create_similar,
    create_foreign=None,
    writes=("lambda.AddPermission", "lambda.RemovePermission"),
    busy="ResourceConflictException",
    prepare=functions.roles,
    not_editable=frozenset({"principal", "action"}),
    not_tamperable=frozenset({"function"}),
    is_marked=False,
)
