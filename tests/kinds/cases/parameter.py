"""Parameters in SSM."""

from typing import Any

from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.case import Case, Spec

from dynconfig.api.names import FROM_SECRET_TAG
from dynconfig.kinds.parameter.value import Parameter

SECRET: Spec = {"name": "password", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
PLAIN: Spec = {"name": "plain", "value": "text"}
FULL: Spec = {
    "name": "full",
    "value": "first",
    "description": "as declared",
    "tier": "Advanced",
    "allowedPattern": "^[a-z]+$",
    "tags": {"team": "shop"},
    "policies": [{"type": "NoChangeNotification", "attributes": {"After": "20", "Unit": "Days"}}],
}


def full(**changes: Any) -> Spec:
    return {"parameters": [{**FULL, **changes}, SECRET, PLAIN]}


def from_secret() -> Spec:
    """The same text, taken from a Secret."""
    reference = {"secretKeyRef": {"name": "db", "key": "first", "allowPlaintext": True}}
    declared = {name: value for name, value in FULL.items() if name != "value"}
    return {"parameters": [{**declared, "type": "String", "valueFrom": reference}, SECRET, PLAIN]}


def secret(**changes: Any) -> Spec:
    return {"parameters": [FULL, {**SECRET, **changes}, PLAIN]}


def plain(**changes: Any) -> Spec:
    return {"parameters": [FULL, SECRET, {**PLAIN, **changes}]}


def retag(harness: AwsHarness) -> None:
    tag = {"Key": "team", "Value": "other"}
    harness.aws().add_tags_to_resource(ResourceType="Parameter", ResourceId=f"{harness.path}/full", Tags=[tag])


def mark(harness: AwsHarness) -> None:
    tag = {"Key": FROM_SECRET_TAG, "Value": "true"}
    harness.aws().add_tags_to_resource(ResourceType="Parameter", ResourceId=f"{harness.path}/full", Tags=[tag])


def retype(harness: AwsHarness) -> None:
    """Recreated, since SSM cannot change the data type."""
    harness.aws().delete_parameter(Name=f"{harness.path}/plain")
    harness.put_by_hand("plain", "text", DataType="aws:ec2:image")


def a_key(harness: AwsHarness) -> None:
    kms = harness.aws("kms")
    if not any(alias["AliasName"] == "alias/mine" for alias in kms.list_aliases()["Aliases"]):
        kms.create_alias(AliasName="alias/mine", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])


PARAMETER = Case(
    value=Parameter,
    base=full(),
    feature={"parameters": [{"name": f"p/{number}", "value": "1"} for number in range(5)]},
    edits={
        "type": full(type="StringList"),
        "value": full(value="second"),
        "description": full(description=""),
        "tier": plain(tier="Advanced"),
        "kms_key": secret(kmsKeyId="alias/mine"),
        "allowed_pattern": full(allowedPattern="^[a-y]+$"),
        "policies": full(policies=[]),
        "tags": full(tags={"team": "shop", "stage": "dev"}),
        "from_secret": from_secret(),
    },
    tampers={
        "type": lambda harness: harness.put_by_hand("full", "first", Type="StringList", Tier="Advanced"),
        "value": lambda harness: harness.put_by_hand("full", "other", Tier="Advanced"),
        "description": lambda harness: harness.put_by_hand("full", "first", Description="other", Tier="Advanced"),
        "tier": lambda harness: harness.put_by_hand("plain", "text", Tier="Advanced"),
        "kms_key": lambda harness: harness.put_by_hand("password", "pw", Type="SecureString", KeyId="alias/mine"),
        "allowed_pattern": lambda harness: harness.put_by_hand("full", "first", AllowedPattern=".*", Tier="Advanced"),
        "data_type": retype,
        "policies": lambda harness: harness.put_by_hand("full", "first", Policies="[{}]", Tier="Advanced"),
        "tags": retag,
        "from_secret": mark,
    },
    list_names=lambda harness: set(harness.versions()),
    create_similar=lambda harness: harness.put_by_hand("plain-theirs", "theirs"),
    create_foreign=lambda harness: harness.put_by_hand("plain", "theirs"),
    writes=("ssm.PutParameter", "ssm.AddTagsToResource", "ssm.RemoveTagsFromResource", "ssm.DeleteParameters"),
    busy="TooManyUpdates",
    prepare=a_key,
    not_editable=frozenset({"data_type"}),
    not_restorable=frozenset({"tier", "data_type"}),
    secrets={"db/password": "pw", "db/first": "first"},
)
