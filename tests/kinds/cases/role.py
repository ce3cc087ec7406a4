"""IAM roles: the function's and the schedule's."""

import json
from typing import Any

from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.case import Case

from dynconfig.kinds.role import Role

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
DENY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})


def role_name(harness: AwsHarness) -> str:
    return f"{harness.name}-eu-west-1-function"


def create(harness: AwsHarness, name: str, **more: Any) -> None:
    about = {"Path": "/dynconfig/", "RoleName": name, "AssumeRolePolicyDocument": TRUST, **more}
    harness.aws("iam").create_role(**about)


def listed(harness: AwsHarness) -> set[str]:
    pages = harness.aws("iam").get_paginator("list_roles").paginate()
    names = (role["RoleName"] for page in pages for role in page["Roles"])
    return {name for name in names if name.startswith(harness.name)}


def with_secret(function: dict[str, Any], **more: Any) -> dict[str, Any]:
    reference = {"secretKeyRef": {"name": "db", "key": "password"}}
    return {"function": function, "parameters": [{"name": "password", "valueFrom": reference}], **more}


FUNCTION: dict[str, Any] = {"triggers": {"schedule": "rate(5 minutes)"}}

ROLE = Case(
    value=Role,
    base={"function": FUNCTION, "tags": {"team": "shop"}},
    feature={"function": {}},
    edits={
        "policy": with_secret(FUNCTION, tags={"team": "shop"}),
        "tags": {"function": FUNCTION, "tags": {"stage": "dev"}},
    },
    tampers={
        "trust": lambda harness: harness.aws("iam").update_assume_role_policy(
            RoleName=role_name(harness), PolicyDocument=TRUST.replace("lambda", "ec2")
        ),
        "policy": lambda harness: harness.aws("iam").put_role_policy(
            RoleName=role_name(harness), PolicyName="dynconfig", PolicyDocument=DENY
        ),
        "tags": lambda harness: harness.aws("iam").tag_role(
            RoleName=role_name(harness), Tags=[{"Key": "team", "Value": "other"}]
        ),
    },
    list_names=listed,
    create_similar=lambda harness: create(harness, f"{role_name(harness)}-theirs"),
    create_foreign=lambda harness: create(harness, role_name(harness)),
    writes=(
        "iam.CreateRole",
        "iam.PutRolePolicy",
        "iam.TagRole",
        "iam.UntagRole",
        "iam.UpdateAssumeRolePolicy",
        "iam.DetachRolePolicy",
        "iam.DeleteRolePolicy",
        "iam.DeleteRole",
    ),
    busy="ConcurrentModification",
    not_editable=frozenset({"trust", "boundary"}),
    not_tamperable=frozenset({"boundary"}),
    secrets={"db/password": "pw"},
)
