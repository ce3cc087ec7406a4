"""The names of what an object makes in AWS beside its parameters: they follow from the object, so that none is ever lost."""

import hashlib
import re
from dataclasses import dataclass

from dynconfig.engine.resource import Owner

LONGEST = 64
# What all alarms and dashboards of this operator begin with: policies and event rules name it.
PREFIX = "dynconfig-"
# The IAM path of all roles that the operator makes: it writes to no role outside of it, and policies name them by it.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
ROLE_PATH = "/dynconfig/"


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one object's resources in one region."""

    function: str
    role: str
    scheduler_role: str
    other_roles: tuple[str, ...]
    """Names that roles of this object may have from an earlier version, or in place of one."""
    log_group: str
    rule: str
    schedule: str
    http_api: str
    alarms: str
    dashboard: str

    @classmethod
    def of(cls, owner: Owner, region: str, function: str | None, role: str | None) -> "Names":
        """The names for an owner; those of function and role where they are given."""
        own = function or _default(owner)
        earlier = (fitting(f"{own}-{region}{ending}", caseless=True) for ending in ("", "-scheduler"))
        watched = own if own.startswith(PREFIX) else f"{PREFIX}{own}"
        return cls(
            function=own,
            # IAM knows no regions, and does not tell names apart by case, nor by path.
            role=role or fitting(f"{own}-{region}-function", caseless=True),
            scheduler_role=fitting(f"{own}-{region}-schedule", caseless=True),
            other_roles=(*earlier, *((role, role_beside(role)) if role else ())),
            # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
            log_group=f"/aws/lambda/{own}",
            rule=fitting(f"{own}-parameters"),
            schedule=own,
            http_api=own,
            # None of the other names has a slash, so that no object's alarms begin with another's.
            alarms=f"{watched}/",
            # All regions of an account share their dashboards.
            dashboard=fitting(f"{watched}-{region}"),
        )

    def alarm(self, name: str) -> str:
        """The alarm of this name within the object."""
        return f"{self.alarms}{name}"


def role_beside(role: str) -> str:
    """The name of the role that takes the place of one outside the path: names are unique in an account, whatever the path."""
    return fitting(f"{role}-dynconfig", caseless=True)


def prefix_of(namespace: str) -> str:
    """What the names of a namespace begin with: no other namespace's do."""
    # Either name may hold dashes, and neither an underscore: a-b and c must not be called as a and b-c are.
    return f"{PREFIX}{namespace}{'_' if '-' in namespace else '-'}"


def _default(owner: Owner) -> str:
    # No object can be called so that it meets the name that was made legal or short for another.
    return fitting(f"{prefix_of(owner.namespace)}{owner.name}", before_digest="__")


def fitting(name: str, *, caseless: bool = False, before_digest: str = "-") -> str:
    """The name itself where AWS takes it; else a legal and shorter one that is as unique, perhaps also without case."""
    legal = re.sub(r"[^a-zA-Z0-9_-]", "-", name)
    if legal == name and len(name) <= LONGEST and not (caseless and name != name.lower()):
        return name
    ending = before_digest + hashlib.sha256(name.encode()).hexdigest()[:8]
    return legal[: LONGEST - len(ending)] + ending
