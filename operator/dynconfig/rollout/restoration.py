"""Sorts changed resources by what a rollback does to them. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dynconfig.model.resource import Versioned

# The time of an own write comes from the Date header, with a resolution of one second.
HEADER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Restoration:
    """Changed resources, by the effect of a rollback."""

    changed: tuple[Versioned, ...] = ()
    """Resources with a stable version, which is restored."""
    created: tuple[Versioned, ...] = ()
    """Resources created by the change, which are deleted."""
    older: tuple[Versioned, ...] = ()
    """Resources without a stable version that were last written before the change. They are not touched."""
    not_restorable: tuple[Versioned, ...] = ()
    """Resources written since the change began that have no stable version in AWS."""


def restoration(unstable: Sequence[Versioned], stable: Collection[str], created: Collection[str]) -> Restoration:
    """Return the effect of a rollback on these resources; `created` are the names that the change created."""
    changed = tuple(item for item in unstable if item.name in stable)
    new = tuple(item for item in unstable if item.name in created and item.name not in stable)
    others = [item for item in unstable if item.name not in stable and item.name not in created]
    began = min((item.last_modified or 0.0 for item in (*changed, *new)), default=0.0) - HEADER_SECONDS
    older = tuple(item for item in others if item.last_modified is not None and item.last_modified < began)
    return Restoration(changed, new, older, tuple(item for item in others if item not in older))
