"""What the operator may use in AWS, and the statements of its IAM policy. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from dynconfig.api.names import OWNER_TAG
from dynconfig.model.arns import Arns
from dynconfig.model.naming import LONGEST, PREFIX, RESERVED, has_prefix


class Part(StrEnum):
    """A part of the policy, where it is too long for one managed policy."""

    PARAMETERS = "parameters"
    """Parameters, keys, events, alarms and dashboards."""
    FUNCTIONS = "functions"
    """Functions, their roles and all that belongs to them, and whatever is denied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the operator may use: paths and KMS keys, and names of functions, from which all other names follow."""

    paths: Sequence[str]
    account: str
    region: str
    keys: Sequence[str] = ()
    """ARNs of KMS keys, or of aliases of keys."""
    functions: Sequence[str] = (f"{PREFIX}*",)
    """Patterns of names; none where the operator manages no functions."""
    alarms: bool = True
    dashboards: bool = True
    events: bool = True
    """The operator creates a queue and rules of its own for events."""
    attached_functions: Sequence[str] = ()
    """Patterns of the names of functions that are attached to; if empty, those of `functions`."""
    attached_roles: Sequence[str] = ()
    """Patterns of the names of roles of functions that are attached to."""
    own_layers: Sequence[str] = ()
    """ARNs of layers beside AWS's own extension."""
    boundary: str = ""
    operator_role: str = ""
    """ARN of the operator's own role, if it is known: nothing is ever done to it."""
    earlier_roles: bool = False
    """Roles that earlier versions made outside of the operator's own path may be deleted."""
    untagged_api_parts: bool = False
    """Routes, integrations and stages of any HTTP API may be written, whatever tags the API has."""

    @property
    def all_functions(self) -> list[str]:
        """Patterns of the names of functions that are managed or attached to."""
        return list(dict.fromkeys((*self.functions, *self.attached_functions)))

    @property
    def derived(self) -> list[str]:
        """Patterns of the names that follow from those of functions: a suffix is added, and long names are shortened."""
        own = [name if name.endswith("*") else f"{name[: LONGEST - 9]}-*" for name in self.functions]
        return [*own, *self.reserved]

    @property
    def reserved(self) -> list[str]:
        """Patterns of the names that follow from those of functions which begin like a default name, beside `functions`."""
        others = () if f"{PREFIX}*" in self.functions else filter(has_prefix, self.functions)
        return [f"{RESERVED}{name.removesuffix('*')}"[: LONGEST - 9] + "*" for name in others]


Conditions = Mapping[str, Any]


def unconditional(_allowed: Allowed, _arns: Arns) -> Conditions:
    """Return no conditions."""
    return {}


def in_region(allowed: Allowed, _arns: Arns) -> Conditions:
    """Return the condition for actions without a resource level, whose resources have no region.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-requestedregion
    """
    return {"StringEquals": {"aws:RequestedRegion": allowed.region}}


# What carries our owner tag: cluster, namespace, name and uid.
_OWNER = "*/*/*/*"
OWNED: Conditions = {"StringLike": {f"aws:ResourceTag/{OWNER_TAG}": _OWNER}}
"""Existing resources must have the owner tag.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""
TAGGED: Conditions = {"StringLike": {f"aws:RequestTag/{OWNER_TAG}": _OWNER}}
"""New resources must be created with the owner tag; AWS then also requires permission for the tagging action."""

LAST = 20
"""The rank of a new kind. The others keep the order in which earlier versions printed the policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of the policy. Kinds with the same conditions share one, because each takes space."""

    sid: str
    effect: Literal["Allow", "Deny"] = "Allow"
    conditions: Callable[[Allowed, Arns], Conditions] = unconditional
    part: Part = Part.FUNCTIONS
    """The part it belongs to; without functions, all statements belong to PARAMETERS."""
    rank: int = LAST
    """Its place in the policy; statements of equal rank are in the order of the kinds."""


METADATA = Statement(sid="Metadata", conditions=in_region, part=Part.PARAMETERS, rank=1)
"""Actions without a resource level."""
NAMED_LIKE_OURS = Statement(sid="Events", part=Part.PARAMETERS, rank=3)
"""Actions on resources whose names begin with PREFIX, which need no function: limited by the name only."""
NAMED = Statement(sid="Named", rank=6)
"""Actions on resources named after functions: limited by the name only, for reads and for resources without tags."""
NEW = Statement(sid="New", conditions=lambda _allowed, _arns: TAGGED, rank=7)
"""Actions that create a resource with the owner tag."""
OWN = Statement(sid="Own", conditions=lambda _allowed, _arns: OWNED, rank=8)
"""Actions on existing resources with the owner tag."""

Resources = Callable[[Allowed, Arns], str | Sequence[str]]
"""Returns ARNs or patterns; an empty value if there are none, and the grant is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Actions in one statement of the policy."""

    statement: Statement
    actions: Sequence[str]
    resources: Resources
    rank: int = LAST
    """Its place in the statement; actions of equal rank are in alphabetical order, resources in the order of the kinds."""


def anything(_allowed: Allowed, _arns: Arns) -> str:
    """Return the wildcard, for actions without a resource level."""
    return "*"


def with_functions(resources: Resources) -> Resources:
    """Return the same resources, and none if the operator manages no functions."""
    return lambda allowed, arns: resources(allowed, arns) if allowed.functions else ()


def with_alarms(resources: Resources) -> Resources:
    """Return the same resources, and none if the operator manages no alarms."""
    return lambda allowed, arns: resources(allowed, arns) if allowed.alarms else ()
