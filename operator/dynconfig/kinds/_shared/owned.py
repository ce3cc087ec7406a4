"""Lookup of the owner's resources of other kinds in a scope. Pure."""

from collections.abc import Iterable, Iterator

from dynconfig.model.resource import Resource, Scope


def function_of(scope: Scope) -> Resource | None:
    """Return the owner's function as AWS has it, or None: parts of foreign functions are not managed."""
    return next(of_kind(scope.observed_so_far, "Function"), None)


def of_kind(found: Iterable[Resource], kind: str) -> Iterator[Resource]:
    """Return the resources of the kind with this name."""
    return (resource for resource in found if resource.kind == kind)
