"""The difference between what is declared and what AWS says, as a value; and what of it is refused."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from dynconfig.engine.declaration import Applied, Declaration, Successor
from dynconfig.engine.errors import STOPPING, DynConfigError
from dynconfig.engine.ownership import not_owned, owner_title
from dynconfig.engine.resource import ASSIGNED, Kind, Resource, Versioned
from dynconfig.engine.secret import MASK, Secret, UnreadableSecret
from dynconfig.engine.text import in_full
from dynconfig.engine.window import Brief, brief

if TYPE_CHECKING:
    from dynconfig.engine.refusal import Blocked, Refusal

AnyKind = Kind[Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is otherwise than declared, as text in full; secrets are masked."""

    field: str
    declared: str
    observed: str

    @property
    def brief(self) -> Brief:
        """Both texts as status and messages show them."""
        return brief(self.declared, self.observed)


@dataclass(frozen=True, slots=True)
class Create:
    """It is declared and does not exist."""

    desired: Resource
    added: Resource | None = None
    """What of it is written, if that is not what is declared."""


@dataclass(frozen=True, slots=True)
class Update:
    """It exists and differs."""

    observed: Resource
    desired: Resource
    because: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Delete:
    """It is ours and no longer declared."""

    observed: Resource


@dataclass(frozen=True, slots=True)
class Release:
    """It is ours, no longer declared, and stays in AWS: with another owner, or without one."""

    observed: Resource
    successor: Successor | None = None
    """The object that takes it over."""


Change = Create | Update | Delete | Release


@dataclass(frozen=True, slots=True)
class Step:
    """One change and the kind that makes it."""

    kind: AnyKind
    change: Change

    @property
    def resource(self) -> Resource:
        """The resource that changes, as declared where it is declared."""
        match self.change:
            case Create(desired) | Update(_, desired, _):
                return desired
            case Delete(observed) | Release(observed, _):
                return observed

    @property
    def is_put(self) -> bool:
        """Whether it writes what is declared."""
        return isinstance(self.change, Create | Update)

    @property
    def because(self) -> tuple[Difference, ...]:
        """What differs, for every sort of change."""
        match self.change:
            case Update(_, _, because):
                return because
            case Create():
                return (Difference("exists", "yes", "no"),)
            case Delete() | Release():
                return (Difference("exists", "no", "yes"),)

    @property
    def is_removal(self) -> bool:
        """Whether the owner gives the resource up."""
        return isinstance(self.change, Delete | Release)

    @property
    def changes_hands(self) -> bool:
        """Whether the resource gets an owner, another one, or none."""
        match self.change:
            case Update(observed, desired, _):
                return observed.owner != desired.owner
        return True

    @property
    def deletes_parameter(self) -> bool:
        """Whether a parameter, and with it the value that others read, goes."""
        return isinstance(self.change, Delete) and isinstance(self.change.observed, Versioned)

    @property
    def is_derived(self) -> bool:
        """Whether it only follows from what other resources have become."""
        if isinstance(self.change, Delete):
            return self.change.observed.follows
        if not isinstance(self.change, Update):
            return False
        marked = {item.name for item in fields(self.change.desired) if item.metadata.get("derived")}
        return all(item.field in marked or ASSIGNED in item.declared for item in self.change.because)


@dataclass(frozen=True, slots=True)
class Fault:
    """A declared resource that cannot be made so, and why; `observed` is what AWS has in its place."""

    desired: Resource
    observed: Resource | None
    error: DynConfigError


@dataclass(frozen=True, slots=True)
class Part:
    """What one kind has to do with a declaration."""

    kind: AnyKind
    declared: tuple[Resource, ...]
    owned: tuple[Resource, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that would be done, in the order in which it would be done, and what was seen."""

    steps: tuple[Step, ...] = ()
    parts: tuple[Part, ...] = ()
    waiting: tuple[Step, ...] = ()
    """Deletions that wait until the change they belong to has proved itself."""
    held: tuple[Step, ...] = ()
    """Drift that is only reported, and what follows from it."""
    contested: tuple[Step, ...] = ()
    """Corrections that wait, since someone else writes the same field again and again."""
    refused: "tuple[Refusal, ...]" = ()
    """What cannot be as declared now, each by itself."""
    blocked: "tuple[Blocked, ...]" = ()
    """Steps that wait for what is refused."""

    @property
    def declared(self) -> tuple[Resource, ...]:
        """All resources that are declared."""
        return tuple(resource for part in self.parts for resource in part.declared)

    @property
    def owned(self) -> tuple[Resource, ...]:
        """All resources that AWS has of this owner."""
        return tuple(resource for part in self.parts for resource in part.owned)

    @property
    def reported(self) -> tuple[Step, ...]:
        """Drift that is only reported."""
        return tuple(step for step in self.held if not step.is_derived)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be done."""
        return not self.steps


def differences(desired: Resource, observed: Resource) -> tuple[Difference, ...]:
    """The fields in which two resources of one type differ."""
    pairs = ((item.name, getattr(desired, item.name), getattr(observed, item.name)) for item in _compared(desired))
    return tuple(_difference(name, one, other) for name, one, other in pairs if one != other)


def _difference(name: str, desired: object, observed: object) -> Difference:
    """Masked on both sides if either is secret: the one often holds the text of the other."""
    if isinstance(desired, Secret) or isinstance(observed, Secret):
        return Difference(name, MASK, str(observed) if isinstance(observed, UnreadableSecret) else MASK)
    return Difference(name, in_full(desired), in_full(observed))


def changes(
    kind: AnyKind, declaration: Declaration, desired: Sequence[Resource], observed: Sequence[Resource]
) -> tuple[tuple[Step, ...], tuple[Fault, ...]]:
    """What has to be done for one kind, and what of it is refused before any write: NotOwned, NotPossible and the like."""
    existing = {resource.name: resource for resource in observed}
    tried = [(resource, _refused(kind, declaration, resource, existing.get(resource.name))) for resource in desired]
    faults = tuple(Fault(resource, existing.get(resource.name), error) for resource, error in tried if error)
    possible = (resource for resource, error in tried if not error)
    puts = [_put(declaration, resource, existing.get(resource.name)) for resource in possible]
    wanted = {resource.name for resource in desired}
    # What has expired is AWS's to delete, within minutes of its date.
    staying = wanted | set(declaration.expired)
    surplus = [r for r in observed if r.name not in staying and r.owner == declaration.owner.tag]
    removals = [_removal(declaration, resource) for resource in surplus]
    return tuple(Step(kind, change) for change in [*(put for put in puts if put), *removals]), faults


def drifted(step: Step, declaration: Declaration) -> bool:
    """Whether a step undoes somebody else's change, rather than carrying out an edit of the declaration."""
    applied = declaration.applied
    if declaration.deleting or declaration.untouched or isinstance(step.change, Delete | Release) or step.is_derived:
        return False
    if isinstance(step.change, Update) and step.change.observed.owner != declaration.owner.tag:
        return False
    if declaration.undone and (applied is None or applied.undone_generation != declaration.generation):
        return False
    if applied is None:
        # No report to compare with: what is ours and differs was ours before, so somebody changed it.
        return isinstance(step.change, Update)
    if not applied.was_tried(declaration.generation, step.resource):
        return False
    is_told = applied.is_drift_cut or step.resource.title in applied.drifted
    return is_told or _changed_in_aws(step.change, applied, declaration)


def _changed_in_aws(change: Change, applied: Applied, declaration: Declaration) -> bool:
    """It went, has a version of others, or differs in a field without versions; else the Secret behind it changed."""
    if not isinstance(change, Update):
        title = (change.desired.kind, change.desired.name) if isinstance(change, Create) else None
        return title is not None and (title[1] in applied.versions or title in applied.resources)
    if not isinstance(change.observed, Versioned):
        # Another version of the operator brings another package and other layers, or roles at another path; and no one
        # reads what has expired.
        is_same = applied.operator_version == declaration.operator_version and not applied.earlier_roles
        return is_same and applied.expired >= set(declaration.expired)
    only_value = {difference.field for difference in change.because} == {"value"}
    return not only_value or change.observed.version != applied.versions.get(change.observed.name)


def _removal(declaration: Declaration, surplus: Resource) -> Change:
    """What becomes of a resource that is no longer declared: readers keep what another object is about to own."""
    successor = declaration.successor_of(surplus.name) if isinstance(surplus, Versioned) else None
    if successor:
        return Release(surplus, successor)
    return Release(surplus) if declaration.retains(surplus) else Delete(surplus)


def _compared(resource: Resource) -> list[Any]:
    return [item for item in fields(resource) if item.name != "name" and item.metadata.get("compare", True)]


def _put(declaration: Declaration, desired: Resource, observed: Resource | None) -> Change | None:
    if observed is None:
        return Create(desired)
    because = differences(desired, observed)
    if observed.owner != declaration.owner.tag:
        because = (
            Difference("owner", declaration.owner.title, owner_title(observed, declaration) or "none"),
            *because,
        )
    return Update(observed, desired, because) if because else None


def _refused(
    kind: AnyKind, declaration: Declaration, desired: Resource, observed: Resource | None
) -> DynConfigError | None:
    error = not_owned(declaration, observed) if observed is not None else None
    if error:
        return error
    try:
        kind.refuse(desired, observed)
    except STOPPING:
        raise
    except DynConfigError as refusal:
        return refusal
    return None
