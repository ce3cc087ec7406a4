"""The facts about a kind, from which permissions, event patterns, error table, quotas and messages are derived. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.model.allowed import Grant
from dynconfig.model.errors import DynConfigError
from dynconfig.model.naming import Names


@dataclass(frozen=True, slots=True)
class Group:
    """Operations that share an AWS quota, in calls per second; None if no limit is known."""

    name: str
    operations: tuple[str, ...]
    per_second: float | None


@dataclass(frozen=True, slots=True)
class EventSource:
    """API calls that change resources of the kind, as CloudTrail reports them."""

    name: str
    """The event source without its domain, e.g. lambda for lambda.amazonaws.com."""
    calls: tuple[str, ...] = ()
    """Only these calls; empty for all calls that change something."""


def no_names(_spec: DynamicConfigSpec, _names: Names) -> Iterable[tuple[str, str]]:
    """Return no names."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything about one kind that other modules need to know."""

    kind: str
    """The kind as status and messages name it; empty for the operator's own resources."""
    service: str
    """The service as boto3 names it."""
    grants: tuple[Grant, ...]
    """What the operator's IAM policy must allow."""
    noun: str = ""
    """What an error message calls a resource of this kind."""
    named_by: tuple[str, ...] = ()
    """The members of requests that name the resource."""
    event_source: EventSource | None = None
    """None if no events are received: changes by others are then detected at the resync."""
    errors: Mapping[str, type[DynConfigError]] = field(default_factory=dict)
    """Error codes of the service, in addition to those that all services have."""
    quotas: tuple[Group, ...] = ()
    """Kinds may contribute operations to the same group."""
    indexed_as: str = ""
    """The resource type in AWS's tag index; empty if the index does not cover it.

    https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/supported-services.html
    """
    default_names: Callable[[DynamicConfigSpec, Names], Iterable[tuple[str, str]]] = no_names
    """The fields of a spec that lead to a generated name, and these names."""
