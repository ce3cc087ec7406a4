"""A place in AWS with the role that writes there, as an AWSTarget declares it. Pure."""

import re
from dataclasses import dataclass, field, replace

from dynconfig.api.names import CLUSTER_TAG, TARGET_TAG
from dynconfig.api.target import AWSTargetSpec

# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
_NOT_IN_SESSION_NAME = re.compile(r"[^a-zA-Z0-9_=,.@-]")
_LONGEST_SESSION_NAME = 64


@dataclass(frozen=True, slots=True)
class Target:
    """How the operator gets credentials in an account, and which account that has to be."""

    name: str
    region: str
    account: str
    role_arn: str = ""
    """The role that is assumed; empty for the operator's own identity."""
    external_id: str = ""
    has_session_tags: bool = False
    kms_key_id: str = ""
    """Key of each SecureString that names none; empty for AWS's own."""
    boundary: str = ""
    """Permissions boundary of all roles; empty for none."""
    quota: tuple[tuple[str, float], ...] = ()
    """Calls per second by operation or group, overriding the settings."""
    tags: tuple[tuple[str, str], ...] = ()
    """Tags of all resources, beneath those of the object."""
    digest: str = field(default="", compare=False)
    """Of all that its objects depend on, including who may use it."""

    @classmethod
    def of(cls, name: str, spec: AWSTargetSpec) -> "Target":
        """Return the target that an object declares."""
        role = spec.assume_role
        return cls(
            name,
            spec.region,
            spec.account,
            role_arn=role.role_arn if role else "",
            external_id=(role.external_id or "") if role else "",
            has_session_tags=role.session_tags if role else False,
            kms_key_id=spec.kms_key_id or "",
            boundary=spec.permissions_boundary or "",
            quota=tuple(sorted(spec.quota.items())),
            tags=tuple(sorted(spec.tags.items())),
            digest=spec.digest,
        )

    @property
    def title(self) -> str:
        """Return its name and account, for messages."""
        return f"AWSTarget {self.name}, account {self.account}"

    @property
    def identity(self) -> "Target":
        """Return what decides which credentials it has."""
        return replace(self, kms_key_id="", boundary="", quota=(), tags=())

    @property
    def location(self) -> "Target":
        """Return what decides where it writes, without how it gets credentials there."""
        return Target(self.name, self.region, self.account)

    def session_name(self, cluster: str) -> str:
        """Return the name of the sessions, which CloudTrail shows: the same for all objects of a cluster."""
        return _NOT_IN_SESSION_NAME.sub("-", f"dynconfig-{cluster}")[:_LONGEST_SESSION_NAME]

    def session_tags(self, cluster: str) -> tuple[tuple[str, str], ...]:
        """Return the tags of the sessions; empty if the target has none."""
        return ((CLUSTER_TAG, cluster), (TARGET_TAG, self.name)) if self.has_session_tags else ()
