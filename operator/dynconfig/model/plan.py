"""The plan: differences between desired and observed resources, as data, and the refusals among them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from dynconfig.model.declaration import Declaration, Successor
from dynconfig.model.errors import STOPPING, DynConfigError
from dynconfig.model.ownership import not_owned, owner_title
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import ASSIGNED, Kind, Resource, Versioned
from dynconfig.model.secret import MASK, Secret, UnreadableSecret
from dynconfig.model.window import Brief, brief, in_full

if TYPE_CHECKING:
    from dynconfig.model.refusal import Blocked, Refusal

AnyKind = Kind[Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs from the declaration, as full text; secrets are masked."""

    field: str
    declared: str
    observed: str

    @property
    def brief(self) -> Brief:
        """Return both texts, shortened for status and messages."""
        return brief(self.declared, self.observed)


@dataclass(frozen=True, slots=True)
class Create:
    """The resource is declared and does not exist."""

    desired: Resource
    added: Resource | None = None
    """What is written, if that differs from what is declared."""


@dataclass(frozen=True, slots=True)
class Update:
    """The resource exists and differs."""

    observed: Resource
    desired: Resource
    because: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Delete:
    """The resource is owned and no longer declared."""

    observed: Resource


@dataclass(frozen=True, slots=True)
class Release:
    """The resource is owned, no longer declared, and stays in AWS with another owner or none."""

    observed: Resource
    successor: Successor | None = None
    """The object that adopts it."""


Change = Create | Update | Delete | Release


@dataclass(frozen=True, slots=True)
class Step:
    """One change and the kind that applies it."""

    kind: AnyKind
    change: Change

    @property
    def resource(self) -> Resource:
        """Return the changed resource: as desired if it is declared, else as observed."""
        match self.change:
            case Create(desired) | Update(_, desired, _):
                return desired
            case Delete(observed) | Release(observed, _):
                return observed

    @property
    def is_put(self) -> bool:
        """Whether it creates or updates a resource."""
        return isinstance(self.change, Create | Update)

    @property
    def because(self) -> tuple[Difference, ...]:
        """Return the differences, for every type of change."""
        match self.change:
            case Update(_, _, because):
                return because
            case Create():
                return (Difference("exists", "yes", "no"),)
            case Delete() | Release():
                return (Difference("exists", "no", "yes"),)

    @property
    def is_removal(self) -> bool:
        """Whether it deletes or releases a resource."""
        return isinstance(self.change, Delete | Release)

    @property
    def changes_hands(self) -> bool:
        """Whether the resource has another owner then, or an owner for the first time."""
        match self.change:
            case Update(observed, desired, _):
                return observed.owner != desired.owner
            case Release(_, successor):
                return successor is not None
        return isinstance(self.change, Create)

    @property
    def deletes_parameter(self) -> bool:
        """Whether it deletes a parameter, so that readers lose its value."""
        return isinstance(self.change, Delete) and isinstance(self.change.observed, Versioned)

    @property
    def is_derived(self) -> bool:
        """Whether it only follows from changes of other resources."""
        if isinstance(self.change, Delete):
            return self.change.observed.follows
        if not isinstance(self.change, Update):
            return False
        marked = {item.name for item in fields(self.change.desired) if item.metadata.get("derived")}
        return all(item.field in marked or ASSIGNED in item.declared for item in self.change.because)


@dataclass(frozen=True, slots=True)
class Fault:
    """A declared resource that cannot be written, and why; `observed` is the existing resource of that name."""

    desired: Resource
    observed: Resource | None
    error: DynConfigError


@dataclass(frozen=True, slots=True)
class Part:
    """The declared and owned resources of one kind."""

    kind: AnyKind
    declared: tuple[Resource, ...]
    owned: tuple[Resource, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps in order, and what was observed."""

    steps: tuple[Step, ...] = ()
    parts: tuple[Part, ...] = ()
    waiting: tuple[Step, ...] = ()
    """Deletions deferred until their change is stable."""
    reported: tuple[Step, ...] = ()
    """Drift that is only reported, and what follows from it."""
    contested: tuple[Step, ...] = ()
    """Corrections that back off because something else keeps rewriting the same field."""
    refused: "tuple[Refusal, ...]" = ()
    """Resources that cannot be applied now."""
    blocked: "tuple[Blocked, ...]" = ()
    """Steps that depend on refused resources."""

    @property
    def declared(self) -> tuple[Resource, ...]:
        """Return all declared resources."""
        return tuple(resource for part in self.parts for resource in part.declared)

    @property
    def owned(self) -> tuple[Resource, ...]:
        """Return all resources in AWS with this owner."""
        return tuple(resource for part in self.parts for resource in part.owned)

    @property
    def reported_drift(self) -> tuple[Step, ...]:
        """Return drift that is only reported, without derived steps."""
        return tuple(step for step in self.reported if not step.is_derived)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be done."""
        return not self.steps


def differences(desired: Resource, observed: Resource) -> tuple[Difference, ...]:
    """Return the fields in which two resources of one type differ."""
    pairs = ((item.name, getattr(desired, item.name), getattr(observed, item.name)) for item in _compared(desired))
    return tuple(_difference(name, one, other) for name, one, other in pairs if one != other)


def _difference(name: str, desired: object, observed: object) -> Difference:
    """Return the difference, masked on both sides if either is secret: both often hold the same text."""
    if isinstance(desired, Secret) or isinstance(observed, Secret):
        return Difference(name, MASK, str(observed) if isinstance(observed, UnreadableSecret) else MASK)
    return Difference(name, in_full(desired), in_full(observed))


def changes(
    kind: AnyKind, declaration: Declaration, desired: Sequence[Resource], observed: Sequence[Resource]
) -> tuple[tuple[Step, ...], tuple[Fault, ...]]:
    """Return the steps for one kind and the faults found before any write (NotOwned, NotPossible and others)."""
    existing = {resource.name: resource for resource in observed}
    tried = [(resource, _refused(kind, declaration, resource, existing.get(resource.name))) for resource in desired]
    faults = tuple(Fault(resource, existing.get(resource.name), error) for resource, error in tried if error)
    possible = (resource for resource, error in tried if not error)
    puts = [_put(declaration, resource, existing.get(resource.name)) for resource in possible]
    wanted = {resource.name for resource in desired}
    # AWS deletes expired parameters itself, within minutes of their date.
    staying = wanted | set(declaration.expired)
    surplus = [r for r in observed if r.name not in staying and r.owner == declaration.owner.tag]
    removals = [_removal(declaration, resource) for resource in surplus]
    return tuple(Step(kind, change) for change in [*(put for put in puts if put), *removals]), faults


def drifted(step: Step, declaration: Declaration) -> bool:
    """Whether a step corrects drift, rather than applying an edit of the declaration."""
    applied = declaration.applied
    if (
        declaration.deleting
        or declaration.never_written
        or isinstance(step.change, Delete | Release)
        or step.is_derived
    ):
        return False
    if isinstance(step.change, Update) and step.change.observed.owner != declaration.owner.tag:
        return False
    if declaration.rolled_back and (applied is None or applied.rolled_back_generation != declaration.generation):
        return False
    if applied is None:
        # Without a report, an owned resource that differs was changed outside the operator.
        return isinstance(step.change, Update)
    return _is_unlisted(step.change, applied) or (
        applied.was_tried(declaration.generation, step.resource)
        and not _is_new_here(step.change, applied, declaration)
        and (applied.has_drifted(step.resource.title) or _changed_in_aws(step.change, applied, declaration))
    )


def _is_unlisted(change: Change, applied: PreviousStatus) -> bool:
    """Whether an earlier status was lost, and it changes an existing resource that this one does not list."""
    if not (applied.is_lost and isinstance(change, Update)):
        return False
    observed = change.observed
    is_listed = bool(applied.versions.get(observed.name)) or (observed.kind, observed.name) in applied.titles
    return not is_listed


def _is_new_here(change: Change, applied: PreviousStatus, declaration: Declaration) -> bool:
    """Whether it is a parameter that the object did not own at its last report: another object handed it over.

    Not if the object owned all that this generation declares: then the parameter only had another owner for a while. Earlier
    versions counted the generation of a suspended object as applied even if it did not.
    """
    observed = change.observed if isinstance(change, Update) else None
    is_new = isinstance(observed, Versioned) and observed.name not in applied.versions
    owned_all = applied.generation == declaration.generation and not declaration.suspended
    return is_new and not owned_all


def _changed_in_aws(change: Change, applied: PreviousStatus, declaration: Declaration) -> bool:
    """Whether AWS was changed: resource missing, foreign version, or unversioned field. Otherwise its Secret changed."""
    if not isinstance(change, Update):
        title = (change.desired.kind, change.desired.name) if isinstance(change, Create) else None
        return title is not None and (title[1] in applied.versions or title in applied.titles)
    if not isinstance(change.observed, Versioned):
        # Another operator version has another package, layers or names, and expired parameters are dropped: no drift.
        is_same = applied.operator_version == declaration.operator_version and not declaration.is_renaming
        return is_same and applied.expired >= set(declaration.expired)
    only_value = {difference.field for difference in change.because} == {"value"}
    return not only_value or change.observed.version != applied.versions.get(change.observed.name)


def _removal(declaration: Declaration, surplus: Resource) -> Change:
    """Return the change for a resource that is no longer declared. It is released if another object adopts it."""
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
