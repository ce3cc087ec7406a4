"""The names of an object's AWS resources except its parameters. They are derived from the object, so none can be lost."""

import hashlib
import re
from dataclasses import dataclass

from dynconfig.model.resource import Owner

LONGEST = 64
# Prefix of all alarms and dashboards of the operator, which IAM policies and event rules rely on.
PREFIX = "dynconfig-"
# The IAM path of all roles that the operator creates. It writes to no other role, and IAM policies rely on the path.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
ROLE_PATH = "/dynconfig/"


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one object's resources in one region."""

    function: str
    role: str
    scheduler_role: str
    other_roles: tuple[str, ...]
    """Names that roles of this object may have from an earlier version, or as its replacement."""
    log_group: str
    rule: str
    schedule: str
    http_api: str
    alarms: str
    dashboard: str

    @classmethod
    def of(cls, owner: Owner, region: str, function: str | None, role: str | None) -> "Names":
        """Return the names for an owner; `function` and `role` override the default names."""
        own = function or _default(owner)
        earlier = (fitting(f"{own}-{region}{ending}", caseless=True) for ending in ("", "-scheduler"))
        watched = own if own.startswith(PREFIX) else f"{PREFIX}{own}"
        return cls(
            function=own,
            # IAM is global, and role names are unique regardless of case and path.
            role=role or fitting(f"{own}-{region}-function", caseless=True),
            scheduler_role=fitting(f"{own}-{region}-schedule", caseless=True),
            other_roles=(*earlier, *((role, role_beside(role)) if role else ())),
            # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
            log_group=f"/aws/lambda/{own}",
            rule=fitting(f"{own}-parameters"),
            schedule=own,
            http_api=own,
            # No other name has a slash, so the prefix is unique to this object.
            alarms=f"{watched}/",
            # Dashboards are global in an account.
            dashboard=fitting(f"{watched}-{region}"),
        )

    def alarm(self, name: str) -> str:
        """Return the full name of an alarm of the object."""
        return f"{self.alarms}{name}"


def role_beside(role: str) -> str:
    """Return the name of the role that replaces one outside the path, since names are unique in an account for all paths."""
    return fitting(f"{role}-dynconfig", caseless=True)


def prefix_of(namespace: str) -> str:
    """Return the name prefix of a namespace, which is unique to it."""
    # Both names may contain dashes, but no underscore: a-b/c and a/b-c must get different names.
    return f"{PREFIX}{namespace}{'_' if '-' in namespace else '-'}"


def _default(owner: Owner) -> str:
    # No name of an object can collide with the sanitized or shortened name of another.
    return fitting(f"{prefix_of(owner.namespace)}{owner.name}", before_digest="__")


def fitting(name: str, *, caseless: bool = False, before_digest: str = "-") -> str:
    """Return the name if it is valid in AWS; else a sanitized and shortened name with a digest. `caseless`: without uppercase."""
    legal = re.sub(r"[^a-zA-Z0-9_-]", "-", name)
    if legal == name and len(name) <= LONGEST and not (caseless and name != name.lower()):
        return name
    ending = before_digest + hashlib.sha256(name.encode()).hexdigest()[:8]
    return legal[: LONGEST - len(ending)] + ending
