"""What a rollback would do to each changed resource, and what it cannot restore. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dynconfig.engine.resource import Versioned

# The moment of an own write is known from a header, in whole seconds.
HEADER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Restoration:
    """Changed resources, by what a rollback does to them."""

    changed: tuple[Versioned, ...] = ()
    """They have a stable version, which is restored."""
    created: tuple[Versioned, ...] = ()
    """The change created them: they are deleted."""
    older: tuple[Versioned, ...] = ()
    """They have no stable version and were last written before the change: they stay as they are."""
    lost: tuple[Versioned, ...] = ()
    """They were written since the change began, and AWS has no stable version of them."""


def restoration(unproved: Sequence[Versioned], stable: Collection[str], created: Collection[str]) -> Restoration:
    """What a rollback would do to these; `created` are the names that the change is known to have created."""
    changed = tuple(item for item in unproved if item.name in stable)
    new = tuple(item for item in unproved if item.name in created and item.name not in stable)
    others = [item for item in unproved if item.name not in stable and item.name not in created]
    began = min((item.last_modified or 0.0 for item in (*changed, *new)), default=0.0) - HEADER_SECONDS
    older = tuple(item for item in others if item.last_modified is not None and item.last_modified < began)
    return Restoration(changed, new, older, tuple(item for item in others if item not in older))
