"""A look at AWS: what each kind wants, and what it sees; one kind after the other, or some at once for a person who waits."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields, replace
from typing import Any

from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import STOPPING, AccessDenied, DynConfigError
from dynconfig.engine.plan import AnyKind
from dynconfig.engine.resource import ASSIGNED, Added, Resource, Scope, Unread, Versioned
from dynconfig.engine.rollout import Alarming

Seen = tuple[Resource, ...]
Mixed = tuple[Resource | Unread | Added, ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """What one kind wants, and what it saw; whoever owns it."""

    kind: AnyKind
    desired: Seen
    observed: Seen
    unread: DynConfigError | None = None
    """Why nothing of it could be seen."""
    unread_items: tuple[Unread, ...] = ()
    """What could not be seen beside the others."""

    added: Seen = ()
    """What creations would write, where that is not all that is declared."""

    def title_of(self, item: Unread) -> str:
        """Kind and name as a message says them."""
        return f"{self.kind.value.kind} {item.name}"


def look(kinds: Sequence[AnyKind], declaration: Declaration, at_once: Executor | None = None) -> Iterator[Sight]:
    """What every kind wants and sees, in their order; with an executor those that stand alone look at the same time."""
    scope = scope_of(declaration)
    early = _ahead(kinds, declaration, scope, at_once) if at_once else {}
    for kind in kinds:
        desired = tuple(kind.desired(declaration))
        try:
            seen = early[id(kind)]() if id(kind) in early else _seen(kind, scope, desired)
            sight = _sight(kind, desired, seen)
        except DynConfigError as error:
            if _stops(error, kind, declaration):
                raise
            sight = Sight(kind, desired, (), error)
        yield sight
        owned = tuple(resource for resource in sight.observed if resource.owner == declaration.owner.tag)
        declaration = replace(
            declaration,
            found=(*declaration.found, *owned),
            unread={**declaration.unread, **unread_versions(declaration, [sight])},
        )
        scope = replace(scope, found=declaration.found)


def unread_versions(declaration: Declaration, sights: Iterable[Sight]) -> Mapping[str, int | None]:
    """By title, what could not be seen, and the version that was last reported of it."""
    reported = declaration.applied.versions if declaration.applied else {}
    items = ((sight, item) for sight in sights for item in sight.unread_items if not item.is_partial)
    return {sight.title_of(item): reported.get(item.name) for sight, item in items}


def wanted(kinds: Sequence[AnyKind], declaration: Declaration) -> Iterator[Resource]:
    """What AWS would have, as far as it follows from the declaration alone."""
    for kind in kinds:
        desired = tuple(kind.desired(declaration))
        declaration = replace(declaration, found=(*declaration.found, *map(_assigned, desired)))
        yield from desired


def _stops(error: DynConfigError, kind: AnyKind, declaration: Declaration) -> bool:
    """Whether nothing can be done without this look: without parameters, or in a rollout without its alarms."""
    is_watched = declaration.rollout is not None and issubclass(kind.value, Alarming)
    return isinstance(error, STOPPING) or issubclass(kind.value, Versioned) or is_watched


def scope_of(declaration: Declaration) -> Scope:
    """Where to look for what is declared."""
    return Scope(
        owner=declaration.owner,
        names=declaration.names,
        known=declaration.known,
        listed=declaration.applied.resources if declaration.applied else (),
        # A deletion is the last look: what was made after the last report must not stay.
        blind=declaration.blind or declaration.deleting,
        untouched=declaration.untouched,
        closely=declaration.requested or declaration.deleting,
        heard=frozenset(declaration.heard) if declaration.is_partial else frozenset(),
    )


def _assigned(resource: Resource) -> Resource:
    """The resource with a word in place of each id that AWS gives it."""
    given: dict[str, Any] = {item.name: ASSIGNED for item in fields(resource) if item.metadata.get("assigned")}
    return replace(resource, **given)


def _ahead(
    kinds: Sequence[AnyKind], declaration: Declaration, scope: Scope, at_once: Executor
) -> dict[int, Callable[[], Mixed]]:
    """The looks of kinds that need not know what the kinds before them found; already under way."""
    return {
        id(kind): at_once.submit(_seen, kind, scope, tuple(kind.desired(declaration))).result
        for kind in kinds
        if getattr(kind, "stands_alone", False)
    }


def _sight(kind: AnyKind, desired: Seen, seen: Mixed) -> Sight:
    observed = tuple(item for item in seen if isinstance(item, Resource))
    added = tuple(item.resource for item in seen if isinstance(item, Added))
    unread = tuple(item for item in seen if isinstance(item, Unread))
    return Sight(kind, desired, observed, unread_items=unread, added=added)


def _seen(kind: AnyKind, scope: Scope, desired: Seen) -> Mixed:
    """What the kind sees. Who may not look where nothing is declared or reported has made nothing there."""
    try:
        return tuple(kind.observe(scope, desired))
    except AccessDenied:
        is_reported = any(listed == kind.value.kind for listed, _name in scope.listed)
        if desired or is_reported or issubclass(kind.value, Versioned):
            raise
        return ()
