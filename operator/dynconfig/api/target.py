"""The `spec` and `status` of an AWSTarget: a place in AWS, the role that writes there, and who may use it."""

import hashlib
from functools import cached_property
from typing import Annotated, ClassVar

from pydantic import Field

from dynconfig.api.allow import Grant, Usable
from dynconfig.api.model import Flag, Model, Number, Rule
from dynconfig.api.parameter import KmsKey
from dynconfig.api.spec import REGION
from dynconfig.api.status import DIGEST_LENGTH, Condition, Moment
from dynconfig.api.tags import TAG_KEYS, Tags

ACCOUNT = "[0-9]{12}"
POLICY_ARN = r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[a-zA-Z0-9+=,.@_/-]+"
USABLE_IN_TARGET = frozenset((Usable.PARAMETERS, Usable.ALARMS, Usable.DASHBOARD))
"""The resources that a namespace may create in a target if no rule for it lists resources."""


class AssumeRole(Model):
    """The role that the operator assumes."""

    role_arn: Annotated[
        str, Field(min_length=20, max_length=640, pattern=rf"^arn:aws[a-z-]*:iam::{ACCOUNT}:role/[a-zA-Z0-9+=,.@_/-]+$")
    ]
    """ARN of the role. Its trust policy has to allow sts:AssumeRole to the operator's own identity."""
    external_id: Annotated[str | None, Field(min_length=2, max_length=1224, pattern=r"^[a-zA-Z0-9_+=,.@:/-]+$")] = None
    """External ID that the trust policy of the role requires. It is not a secret: all who can read the target can read it."""
    session_tags: Flag = False
    """Tag the session with dynconfig.dev/cluster and dynconfig.dev/target. The trust policy then has to allow sts:TagSession."""


class TargetRule(Grant):
    """Permissions of namespaces in a target. Rules for the same namespace add up: each path with each resource of them."""

    resources: Annotated[list[Usable], Field(json_schema_extra={"maxItems": len(Usable)})] | None = None
    """Resources that may be created. Defaults to parameters, alarms and dashboard if no rule for the namespace lists any."""


class AWSTargetSpec(Model):
    """A place in AWS, the role that writes there, and who may use it."""

    region: Annotated[str, Field(max_length=32, pattern=f"^{REGION}$")]
    """AWS region. Immutable."""
    account: Annotated[str, Field(max_length=12, pattern=f"^{ACCOUNT}$")]
    """ID of the AWS account. Nothing is written if the credentials are of another one. Immutable."""
    assume_role: AssumeRole | None = None
    """The role that the operator assumes. If absent, the operator uses its own identity."""
    kms_key_id: KmsKey | None = None
    """KMS key (ID, ARN or alias/NAME) of each SecureString that names none."""
    permissions_boundary: Annotated[str | None, Field(max_length=640, pattern=f"^{POLICY_ARN}$")] = None
    """ARN of the permissions boundary of every role that the operator creates here."""
    tags: Tags = Field(default_factory=dict)
    """AWS tags of all resources, in addition to those of the object, which take precedence."""
    quota: Annotated[
        dict[Annotated[str, Field(max_length=64)], Annotated[Number, Field(ge=0, le=10000)]],
        Field(max_length=64),
    ] = Field(default_factory=dict)
    """Calls per second by operation or group, for example ssm.Put: 10, overriding the built-in quotas and DYNCONFIG_QUOTA."""
    allow: Annotated[list[TargetRule], Field(max_length=100)] = Field(default_factory=list)
    """Which namespaces may use which paths and resources. If empty, no namespace may use the target."""

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits for all that its objects depend on: not how, and how often, AWS is called."""
        text = self.model_dump_json(exclude={"assume_role", "quota"})
        return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.region == oldSelf.region",
            message="region is immutable; create a new target",
            field="region",
        ),
        Rule(
            cel="self.account == oldSelf.account",
            message="account is immutable; create a new target",
            field="account",
        ),
        Rule(
            cel="!has(self.assumeRole) || self.assumeRole.roleArn.split(':')[4] == self.account",
            message="assumeRole.roleArn must be a role of this account",
            field="assumeRole",
        ),
        Rule(
            cel="!has(self.kmsKeyId) || !self.kmsKeyId.startsWith('arn:') || self.kmsKeyId.split(':')[3] == self.region",
            message="kmsKeyId must be a key of this region",
            field="kmsKeyId",
        ),
        # The API server rounds the minimum of an integer down, so that 0 would not be below 0.001.
        Rule(
            cel="!has(self.quota) || self.quota.all(key, self.quota[key] > 0.0)",
            message="quota must have rates above 0 only",
            holds=lambda spec: all(rate > 0 for rate in spec.quota.values()),
            field="quota",
        ),
        TAG_KEYS,
    )


class AWSTargetStatus(Model):
    """What the operator found when it last used the target."""

    observed_generation: int | None = None
    """Generation of spec that this status refers to."""
    conditions: Annotated[
        list[Condition],
        Field(
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = Field(default_factory=list)
    """Ready: whether the operator has credentials of the account."""
    account: Annotated[str | None, Field(max_length=12)] = None
    """ID of the account that the credentials belong to."""
    objects: int | None = None
    """Number of objects that use this target, at the last check."""
    last_checked_time: Moment | None = None
    """When credentials and account were last checked. Renewed every hour while nothing changes."""
