"""What a kind may ask of the kinds before it: the owner's function, and its HTTP APIs. Pure."""

from collections.abc import Iterable, Iterator

from dynconfig.engine.resource import Resource, Scope


def function_of(scope: Scope) -> Resource | None:
    """The owner's function as AWS has it; what is part of a function is nobody's business where the function is not ours."""
    return next(of_kind(scope.found, "Function"), None)


def of_kind(found: Iterable[Resource], kind: str) -> Iterator[Resource]:
    """The resources of one kind, by its name."""
    return (resource for resource in found if resource.kind == kind)
