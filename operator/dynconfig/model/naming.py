"""The names of an object's AWS resources except its parameters. They are derived from the object, so none can be lost."""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from dynconfig.model.resource import Owner

LONGEST = 64
# Prefix of all alarms and dashboards of the operator, which IAM policies and event rules rely on.
PREFIX = "dynconfig-"
# Begins the names that are derived from a declared name which is not the namespace's own. No namespace begins with an underscore,
# so that no default name does.
RESERVED = f"{PREFIX}_"
TOPIC = "Topic"
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
    topic: str
    former: "Names | None" = None
    """The names of an earlier version, if they differ."""

    @classmethod
    def of(cls, owner: Owner, region: str, function: str | None, role: str | None) -> "Names":
        """Return the names for an owner; `function` and `role` override the default names.

        Names derived from a declared name that other namespaces may use, too, begin with RESERVED: no default name does.
        """
        default = _default(owner)
        own = function or default
        is_own = own == default or is_own_name(own, owner.namespace)
        watched = own if is_own else f"{RESERVED}{own}"
        # Only names of alarms, topics and dashboards must begin with the prefix.
        base = watched if has_prefix(own) else own
        names = cls._derived(own, base, watched, region, role)
        former = cls._derived(own, own, own if own.startswith(PREFIX) else f"{PREFIX}{own}", region, role)
        return names if is_own else replace(names, former=former)

    @classmethod
    def _derived(cls, own: str, base: str, watched: str, region: str, role: str | None) -> "Names":
        earlier = (fitting(f"{own}-{region}{ending}", caseless=True) for ending in ("", "-scheduler"))
        alarms = f"{watched}/"
        return cls(
            function=own,
            # IAM is global, and role names are unique regardless of case and path.
            role=role or fitting(f"{base}-{region}-function", caseless=True),
            scheduler_role=fitting(f"{base}-{region}-schedule", caseless=True),
            other_roles=(*earlier, *((role, *roles_beside(role)) if role else ())),
            # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
            log_group=f"/aws/lambda/{own}",
            rule=fitting(f"{base}-parameters"),
            schedule=fitting(base),
            http_api=base,
            # No other name has a slash, so the prefix is unique to this object.
            alarms=alarms,
            # Dashboards are global in an account.
            dashboard=fitting(f"{watched}-{region}"),
            topic=_topic(alarms),
        )

    def alarm(self, name: str) -> str:
        """Return the full name of an alarm of the object."""
        return f"{self.alarms}{name}"

    @property
    def versions(self) -> "tuple[Names, ...]":
        """Return these names, and those of an earlier version if they differ."""
        return (self, self.former) if self.former else (self,)

    @property
    def topics(self) -> tuple[str, ...]:
        """Return all names that the topic of the object may have."""
        return tuple(dict.fromkeys((self.topic, *(_topic(names.alarms) for names in self.versions))))

    def keeping(self, titles: Collection[tuple[str, str]]) -> "Names":
        """Return the names for an object that owns these resources (kind and name): a topic keeps its former name.

        People have subscribed to it, and only they can subscribe to another one.
        """
        if self.former is None:
            return self
        is_kept = (TOPIC, self.former.topic) in titles
        return replace(self, topic=self.former.topic if is_kept else _topic(self.alarms))

    def is_former(self, kind: str, name: str) -> bool:
        """Whether a resource of this object has its name from an earlier version, and gets another one."""
        if self.former is None:
            return False
        return name.startswith(self.former.alarms) or (kind, name) in self.former._titles() - self._titles()

    def _titles(self) -> frozenset[tuple[str, str]]:
        return frozenset(
            (
                ("Role", self.role),
                ("Role", self.scheduler_role),
                ("Rule", self.rule),
                ("Schedule", self.schedule),
                ("HttpApi", self.http_api),
                ("Dashboard", self.dashboard),
            )
        )


def is_own_name(name: str, namespace: str) -> bool:
    """Whether no other namespace can have this name.

    An underscore separates names of namespaces that contain a dash, unless it was cut off: a shortened name has the greatest
    length and ends in a digest. Case is ignored, since names of roles are unique without it.
    """
    prefix = prefix_of(namespace)
    may_be_shortened = len(name) == LONGEST and re.search(r"-[0-9a-f]{8}$", name.lower()) is not None
    is_below_prefix = re.fullmatch(r"[a-zA-Z0-9+=,.@-]+", name.removeprefix(prefix)) is not None
    return name.startswith(prefix) and is_below_prefix and not may_be_shortened


def has_prefix(name: str) -> bool:
    """Whether a name begins like all default names. Case is ignored, since names of roles are unique without it."""
    return name.lower().startswith(PREFIX)


def named_after(function: str) -> tuple[str, ...]:
    """Return the names that a resource with the name of its function may have."""
    return (function, fitting(f"{RESERVED}{function}")) if has_prefix(function) else (function,)


def role_beside(role: str) -> str:
    """Return the name of the role that replaces one outside the path, since names are unique in an account for all paths."""
    return roles_beside(role)[0]


def roles_beside(role: str) -> tuple[str, ...]:
    """Return the name of the role that replaces another one, and the name it had in an earlier version if that differs."""
    former = fitting(f"{role}-dynconfig", caseless=True)
    return (fitting(f"{RESERVED}{role}-dynconfig", caseless=True), former) if has_prefix(role) else (former,)


def prefix_of(namespace: str) -> str:
    """Return the name prefix of a namespace, which is unique to it."""
    # Both names may contain dashes, but no underscore: a-b/c and a/b-c must get different names.
    return f"{PREFIX}{namespace}{'_' if '-' in namespace else '-'}"


def _topic(alarms: str) -> str:
    return fitting(f"{alarms.removesuffix('/')}-alarms")


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
