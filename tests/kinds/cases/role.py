"""IAM roles: the function's and the schedule's."""

import json
from typing import Any

from tests.kinds.cases.case import Case
from tests.kinds.workshop import Workshop

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


def role_name(workshop: Workshop) -> str:
    return f"{workshop.name}-eu-west-1-function"


def create(workshop: Workshop, name: str, **more: Any) -> None:
    about = {"Path": "/dynconfig/", "RoleName": name, "AssumeRolePolicyDocument": TRUST, **more}
    workshop.aws("iam").create_role(**about)


def listed(workshop: Workshop) -> set[str]:
    pages = workshop.aws("iam").get_paginator("list_roles").paginate()
    names = (role["RoleName"] for page in pages for role in page["Roles"])
    return {name for name in names if name.startswith(workshop.name)}


def with_secret(function: dict[str, Any], **more: Any) -> dict[str, Any]:
    reference = {"secretKeyRef": {"name": "db", "key": "password"}}
    return {"function": function, "parameters": [{"name": "password", "valueFrom": reference}], **more}


FUNCTION: dict[str, Any] = {"triggers": {"schedule": "rate(5 minutes)"}}

ROLE = Case(
    value=Role,
    base={"function": FUNCTION, "tags": {"team": "shop"}},
    edits={
        "policy": with_secret(FUNCTION, tags={"team": "shop"}),
        "tags": {"function": FUNCTION, "tags": {"stage": "dev"}},
    },
    tampers={
        "trust": lambda workshop: workshop.aws("iam").update_assume_role_policy(
            RoleName=role_name(workshop), PolicyDocument=TRUST.replace("lambda", "ec2")
        ),
        "policy": lambda workshop: workshop.aws("iam").put_role_policy(
            RoleName=role_name(workshop), PolicyName="dynconfig", PolicyDocument=DENY
        ),
        "tags": lambda workshop: workshop.aws("iam").tag_role(
            RoleName=role_name(workshop), Tags=[{"Key": "team", "Value": "other"}]
        ),
    },
    listed=listed,
    neighbour=lambda workshop: create(workshop, f"{role_name(workshop)}-theirs"),
    stranger=lambda workshop: create(workshop, role_name(workshop)),
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
    fixed=frozenset({"trust", "boundary"}),
    out_of_reach=frozenset({"boundary"}),
    secrets={"db/password": "pw"},
)
