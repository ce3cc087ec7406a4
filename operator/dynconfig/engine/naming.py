"""The names of what an object makes in AWS beside its parameters: they follow from the object, so that none is ever lost."""

import hashlib
import re
from dataclasses import dataclass

from dynconfig.engine.resource import Owner

LONGEST = 64
# What all alarms and dashboards of this operator begin with: policies and event rules name it.
PREFIX = "dynconfig-"


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one object's resources in one region."""

    function: str
    role: str
    scheduler_role: str
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
        watched = own if own.startswith(PREFIX) else f"{PREFIX}{own}"
        return cls(
            function=own,
            # IAM knows no regions, and does not tell names apart by case.
            role=role or fitting(f"{own}-{region}", caseless=True),
            scheduler_role=fitting(f"{own}-{region}-scheduler", caseless=True),
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


def _default(owner: Owner) -> str:
    # Either name may hold dashes, and neither an underscore: a-b and c must not be called as a and b-c are, and no object
    # can be called so that it meets the name that was made legal or short for another.
    between = "_" if "-" in owner.namespace else "-"
    return fitting(f"{PREFIX}{owner.namespace}{between}{owner.name}", before_digest="__")


def fitting(name: str, *, caseless: bool = False, before_digest: str = "-") -> str:
    """The name itself where AWS takes it; else a legal and shorter one that is as unique, perhaps also without case."""
    legal = re.sub(r"[^a-zA-Z0-9_-]", "-", name)
    if legal == name and len(name) <= LONGEST and not (caseless and name != name.lower()):
        return name
    ending = before_digest + hashlib.sha256(name.encode()).hexdigest()[:8]
    return legal[: LONGEST - len(ending)] + ending
