"""Observes AWS: the desired and observed resources of each kind, one kind after another or independent kinds in parallel."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields, replace
from typing import Any

from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import STOPPING, AccessDenied, DynConfigError
from dynconfig.model.naming import Names
from dynconfig.model.plan import AnyKind
from dynconfig.model.resource import ASSIGNED, Added, Resource, Scope, Unread, Versioned
from dynconfig.rollout.state import Alarming

Seen = tuple[Resource, ...]
Mixed = tuple[Resource | Unread | Added, ...]


@dataclass(frozen=True, slots=True)
class Observation:
    """The desired and observed resources of one kind, regardless of their owner."""

    kind: AnyKind
    desired: Seen
    observed: Seen
    unread: DynConfigError | None = None
    """Why the whole kind could not be read."""
    unread_items: tuple[Unread, ...] = ()
    """Single resources that could not be read."""
    added: Seen = ()
    """What creations would write, if that is less than what is declared."""

    def title_of(self, item: Unread) -> str:
        """Return kind and name, as used in messages."""
        return f"{self.kind.value.kind} {item.name}"


def observe(
    kinds: Sequence[AnyKind], declaration: Declaration, at_once: Executor | None = None
) -> Iterator[Observation]:
    """Yield the observation of each kind in order; with an executor, independent kinds are read in parallel."""
    scope = scope_of(declaration)
    early = _prefetch(kinds, declaration, scope, at_once) if at_once else {}
    for kind in kinds:
        desired = tuple(kind.desired(declaration))
        try:
            seen = early[id(kind)]() if id(kind) in early else _observe(kind, scope, desired)
            observation = _observation(kind, desired, seen)
        except DynConfigError as error:
            if _stops(error, kind, declaration):
                raise
            observation = Observation(kind, desired, (), error)
        yield observation
        owned = tuple(resource for resource in observation.observed if resource.owner == declaration.owner.tag)
        declaration = replace(
            declaration,
            observed_so_far=(*declaration.observed_so_far, *owned),
            unread={**declaration.unread, **unread_versions(declaration, [observation])},
        )
        scope = replace(scope, observed_so_far=declaration.observed_so_far)


def unread_versions(declaration: Declaration, observations: Iterable[Observation]) -> Mapping[str, int | None]:
    """Return the unreadable resources by title, with the version that status last reported."""
    reported = declaration.applied.versions if declaration.applied else {}
    items = (
        (observation, item) for observation in observations for item in observation.unread_items if not item.is_partial
    )
    return {observation.title_of(item): reported.get(item.name) for observation, item in items}


def names_in_use(declaration: Declaration, observations: Iterable[Observation]) -> Names:
    """Return the names of a declaration, as far as owned resources keep former ones."""
    found = tuple(observations)
    if declaration.deleting or any(observation.unread for observation in found):
        return declaration.names
    seen = (resource for observation in found for resource in observation.observed)
    return declaration.names.keeping({(one.kind, one.name) for one in seen if one.owner == declaration.owner.tag})


def desired_resources(kinds: Sequence[AnyKind], declaration: Declaration) -> Iterator[Resource]:
    """Yield the desired resources, as far as they follow from the declaration alone."""
    for kind in kinds:
        desired = tuple(kind.desired(declaration))
        declaration = replace(declaration, observed_so_far=(*declaration.observed_so_far, *map(_assigned, desired)))
        yield from desired


def _stops(error: DynConfigError, kind: AnyKind, declaration: Declaration) -> bool:
    """Whether this error ends the reconcile: parameters are needed always, alarms during a rollout."""
    is_watched = declaration.rollout is not None and issubclass(kind.value, Alarming)
    return isinstance(error, STOPPING) or issubclass(kind.value, Versioned) or is_watched


def scope_of(declaration: Declaration) -> Scope:
    """Return the scope of a declaration."""
    return Scope(
        owner=declaration.owner,
        names=declaration.names,
        known=declaration.known,
        reported=declaration.applied.titles if declaration.applied else (),
        attached=declaration.applied.attached if declaration.applied else {},
        # A deletion is the last reconcile: resources created after the last report must be found, too.
        status_lost=declaration.status_lost or declaration.deleting,
        never_written=declaration.never_written,
        bypass_cache=declaration.requested or declaration.deleting,
        changed=frozenset(declaration.changed),
        is_partial=declaration.is_partial,
    )


def _assigned(resource: Resource) -> Resource:
    """Return the resource with a placeholder for each id that AWS assigns."""
    given: dict[str, Any] = {item.name: ASSIGNED for item in fields(resource) if item.metadata.get("assigned")}
    return replace(resource, **given)


def _prefetch(
    kinds: Sequence[AnyKind], declaration: Declaration, scope: Scope, at_once: Executor
) -> dict[int, Callable[[], Mixed]]:
    """Start reading the independent kinds; return the pending results by kind id."""
    return {
        id(kind): at_once.submit(_observe, kind, scope, tuple(kind.desired(declaration))).result
        for kind in kinds
        if getattr(kind, "is_independent", False)
    }


def _observation(kind: AnyKind, desired: Seen, seen: Mixed) -> Observation:
    observed = tuple(item for item in seen if isinstance(item, Resource))
    added = tuple(item.resource for item in seen if isinstance(item, Added))
    unread = tuple(item for item in seen if isinstance(item, Unread))
    return Observation(kind, desired, observed, unread_items=unread, added=added)


def _observe(kind: AnyKind, scope: Scope, desired: Seen) -> Mixed:
    """Observe one kind. AccessDenied counts as empty if the kind is neither declared nor reported."""
    try:
        return tuple(kind.observe(scope, desired))
    except AccessDenied:
        is_reported = any(reported == kind.value.kind for reported, _name in scope.reported)
        if desired or is_reported or issubclass(kind.value, Versioned):
            raise
        return ()
