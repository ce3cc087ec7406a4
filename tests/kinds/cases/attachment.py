"""The attachment to a user's own function."""

import json
from typing import Any

from tests.kinds import functions
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.case import Case
from tests.kinds.cases.role import DENY, with_secret

from dynconfig.api.names import ATTACHED_TAG, ATTACHED_VARIABLES_TAG
from dynconfig.kinds.attachment.value import Attachment
from dynconfig.kinds.parameter.value import Parameter

POLICY = "theirs"


def spec(value: str = "1", cache: Any = None, **function: Any) -> dict[str, Any]:
    return {
        "function": {"mode": "Attach", "name": "attached", **function},
        "parameters": [{"name": "one", "value": value}],
        "cache": {"onChange": "Refresh", **(cache or {})},
    }


def prepare(harness: AwsHarness) -> None:
    client = harness.aws("lambda")
    for found in client.list_functions()["Functions"]:
        if found["FunctionName"].startswith("attached"):
            client.delete_function(FunctionName=found["FunctionName"])
    iam = harness.aws("iam")
    functions.roles(harness)
    for policy in iam.list_role_policies(RoleName=functions.ROLE)["PolicyNames"]:
        iam.delete_role_policy(RoleName=functions.ROLE, PolicyName=policy)
    iam.put_role_policy(RoleName=functions.ROLE, PolicyName=POLICY, PolicyDocument=DENY)
    environment = {"Variables": {"THEIRS": "1", "LOG_LEVEL": "INFO"}}
    functions.create(harness, "attached", Environment=environment, Tags={"team": "theirs"})


def our_policies(harness: AwsHarness, role: str = functions.ROLE) -> dict[str, Any]:
    iam = harness.aws("iam")
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return {
        name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names if name != POLICY
    }


def repolicy(harness: AwsHarness) -> None:
    (ours,) = our_policies(harness)
    harness.aws("iam").put_role_policy(RoleName=functions.ROLE, PolicyName=ours, PolicyDocument=DENY)


def state(harness: AwsHarness, name: str = "attached") -> dict[str, Any]:
    """All parts of the function and its role that might be changed."""
    about = functions.of(harness, name)
    role = about["Role"].rpartition("/")[2]
    tags = harness.aws("lambda").list_tags(Resource=functions.arn(name))["Tags"]
    return {
        "tags": dict(tags),
        "layers": [layer["Arn"] for layer in about.get("Layers", [])],
        "variables": dict(about.get("Environment", {}).get("Variables", {})),
        "policies": sorted(harness.aws("iam").list_role_policies(RoleName=role)["PolicyNames"]),
        "rest": [about[key] for key in ("Role", "Runtime", "Handler", "CodeSha256", "MemorySize", "Timeout")],
    }


def listed(harness: AwsHarness) -> set[str]:
    """The attached functions: a function without tags has no attachment."""
    found = {}
    for function in harness.aws("lambda").list_functions()["Functions"]:
        if function["FunctionName"].startswith("attached"):
            found[function["FunctionName"]] = state(harness, function["FunctionName"])
    return {json.dumps({name: attached}, sort_keys=True) for name, attached in found.items()}


def create_similar(harness: AwsHarness) -> None:
    """A similar function attached by another object, with the same role."""
    variables = {"DYNCONFIG_PREFIX": "/theirs"}
    functions.create(
        harness,
        "attached-theirs",
        Environment={"Variables": variables},
        Layers=[functions.OLD_ARM_LAYER],
        Tags={ATTACHED_TAG: harness.owner("other", "uid-9").tag},
    )


def create_foreign(harness: AwsHarness) -> None:
    harness.aws("lambda").tag_resource(
        Resource=functions.arn("attached"), Tags={ATTACHED_TAG: harness.owner("other", "uid-9").tag}
    )


ATTACHMENT = Case(
    value=Attachment,
    needs=(Parameter,),
    base=spec(),
    # An attached function has none of the other kinds.
    feature={},
    edits={
        "layer": spec(extension={"layerArn": functions.OLD_ARM_LAYER}),
        "environment": spec(cache={"size": 10}),
        "revision": spec("2"),
        "policy": with_secret(spec()["function"], cache=spec()["cache"]),
    },
    tampers={
        "layer": lambda harness: functions.configure(harness, "attached", Layers=[]),
        "environment": lambda harness: functions.set_variables(harness, "attached", DYNCONFIG_TTL="1"),
        "revision": lambda harness: functions.set_variables(harness, "attached", DYNCONFIG_REVISION="theirs"),
        "policy": repolicy,
        "is_remembered": lambda harness: harness.aws("lambda").untag_resource(
            Resource=functions.arn("attached"), TagKeys=[ATTACHED_VARIABLES_TAG]
        ),
    },
    not_editable=frozenset({"is_remembered"}),
    list_names=listed,
    create_similar=create_similar,
    create_foreign=create_foreign,
    writes=(
        "lambda.TagResource",
        "lambda.UntagResource",
        "lambda.UpdateFunctionConfiguration",
        "iam.PutRolePolicy",
        "iam.DeleteRolePolicy",
    ),
    busy="ResourceConflictException",
    prepare=prepare,
    remove_by_hand=lambda harness: harness.aws("lambda").delete_function(FunctionName="attached"),
    secrets={"db/password": "pw"},
)
