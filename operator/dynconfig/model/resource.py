"""The interfaces of resources, owners and kinds."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

from dynconfig.model.attached import Attached
from dynconfig.model.fingerprint import Fingerprints
from dynconfig.model.secret_mark import UNMARKED, SecretMark

if TYPE_CHECKING:
    from dynconfig.model.declaration import Declaration
    from dynconfig.model.errors import DynConfigError
    from dynconfig.model.naming import Names


ASSIGNED = "(assigned by AWS)"
"""Placeholder for ids that AWS assigns on creation."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of an AWS resource: one object of one cluster."""

    cluster: str
    namespace: str
    name: str
    uid: str

    @classmethod
    def parse(cls, tag: str) -> "Owner | None":
        """Parse the owner tag; None if this operator did not write it."""
        parts = tag.split("/")
        return cls(*parts) if len(parts) == 4 else None

    @property
    def tag(self) -> str:
        """Return the value of the owner tag."""
        return f"{self.cluster}/{self.namespace}/{self.name}/{self.uid}"

    @property
    def without_uid(self) -> str:
        """Return the owner without its uid, which a recreated object does not share."""
        return f"{self.cluster}/{self.namespace}/{self.name}"

    @property
    def title(self) -> str:
        """Return NAMESPACE/NAME, as used in messages."""
        return f"{self.namespace}/{self.name}"

    def title_beside(self, other: "Owner") -> str:
        """Return the title for a message about `other`, including the cluster if it is a different one."""
        return self.title if other.cluster in ("", self.cluster) else f"{self.title} in cluster {self.cluster}"

    def is_predecessor_of(self, other: "Owner") -> bool:
        """Whether this was an earlier object of the same name, replaced by `other`."""
        return self != other and (self.cluster, self.namespace, self.name) == (
            other.cluster,
            other.namespace,
            other.name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource in AWS. Desired and observed have the same type; fields marked `compare: False` are not compared.

    Fields marked `derived: True` follow from other resources, or with `follows_from` from these fields of spec: differences in
    them are never drift. Fields marked `assigned: True` are assigned by AWS. `form` marks fields that say how AWS stores and
    validates a value (type, key, pattern), and names the field of the parameter that declares them.
    """

    kind: ClassVar[str]
    """The kind as status, messages and reports name it; renaming the class does not change it."""
    declared_in: ClassVar[str] = ""
    """The field of the document that declares its name, if any."""
    way_out: ClassVar[str] = "only parameters can be adopted: rename it or delete the other"
    """What to do if it exists without an owner."""
    name: str
    owner: str = field(default="", metadata={"compare": False})
    pending: str = field(default="", metadata={"compare": False})
    """What AWS is still doing with it, without a full stop; it accepts no other write until then."""
    follows: bool = field(default=False, metadata={"compare": False})
    """It exists only for another resource: deleting it together with that one is not an edit."""

    @property
    def title(self) -> str:
        """Return kind and name, as used in messages."""
        return f"{self.kind} {self.name}"

    @property
    def as_deleted(self) -> Self:
        """Return what its deletion needs, without long or secret text: it is kept in memory for minutes."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Versioned(Resource):
    """A resource of which AWS keeps numbered versions."""

    type: str = field(metadata={"form": "type"})
    version: int = field(default=0, metadata={"compare": False})
    last_modified: float | None = field(default=None, metadata={"compare": False})
    """When it was last written, in seconds since the epoch; None if not known yet."""
    modified_by: str | None = field(default=None, metadata={"compare": False})
    from_secret: SecretMark = field(
        default=UNMARKED, metadata={"derived": True, "follows_from": ("valueFrom", "secretKeyRef"), "form": ""}
    )
    """Whether it is stored as plain text and taken from a Secret: never shown in output."""


def form_of(resource: type[Resource] | Resource) -> dict[str, str]:
    """Return the fields marked `form`, with the field of a parameter that declares each (empty if none)."""
    return {item.name: item.metadata["form"] for item in fields(resource) if "form" in item.metadata}


@dataclass(frozen=True, slots=True)
class Unread:
    """A resource that could not be read although others of its kind could."""

    name: str
    error: "DynConfigError"
    is_partial: bool = False
    """The resource was observed except for some fields: these count as in sync, all others are compared."""


@dataclass(frozen=True, slots=True)
class Added:
    """What is written for a resource if it differs from what is declared: part of it exists, or AWS has a newer version."""

    resource: Resource


@dataclass(frozen=True, slots=True)
class Scope:
    """What to observe, and hints that save calls. Wrong hints cost calls and never cause a wrong write."""

    owner: Owner
    names: "Names"
    known: tuple[str, ...] = ()
    """Names of declared and reported parameters."""
    reported: tuple[tuple[str, str], ...] = ()
    """Kind and name of the other resources in the last status."""
    attached: Mapping[str, Attached] = field(default_factory=dict)
    """What was added to each attached function, by its name, as the last status records it."""
    status_lost: bool = False
    """Status may lack created resources: also observe the default names that follow from the owner."""
    never_written: bool = False
    """Nothing can be owned yet: the object never had the finalizer, which is added before the first write."""
    observed_so_far: tuple[Resource, ...] = ()
    """Owned resources of the kinds before the current one."""
    bypass_cache: bool = False
    """Reconcile was requested: use no cached answers older than seconds."""
    changed: frozenset[str] = frozenset()
    """Names that events reported as changed: these are read by name, whatever a cache or an index has of them."""
    is_partial: bool = False
    """Observing `changed` is enough: others may come from the cache."""

    def where(self, kind: str, desired: Iterable[Resource], *defaults: str) -> tuple[str, ...]:
        """Return all names that a resource of this owner and kind may have, without duplicates."""
        found = [resource.name for resource in desired]
        found += [name for reported, name in self.reported if reported == kind]
        if self.status_lost and not self.never_written:
            found += defaults
        return tuple(dict.fromkeys(found))


R = TypeVar("R", bound=Resource)


class Kind(Protocol[R]):
    """Four idempotent verbs over one value. Only `put`, `delete` and `release` change AWS.

    If `observe` of a kind does not use `scope.observed_so_far`, set `is_independent = True`: for a plan, independent kinds are
    observed in parallel.
    """

    value: type[R]
    """The type of its resources."""

    def desired(self, declaration: "Declaration") -> Iterable[R]:
        """Return the desired resources; may depend on `observed_so_far` of the kinds before this one. Pure."""

    def observe(self, scope: Scope, desired: Sequence[R]) -> Iterable[R | Unread | Added]:
        """Return the existing resources that are desired, known or tagged with the owner, from AWS's answers alone.

        A single unreadable resource is returned as Unread: it is refused and not written, unless only part of it is unread.
        Raises errors that prevent reading all of them.
        """

    def refuse(self, desired: R, observed: R | None) -> None:
        """Raise an error if AWS would refuse this, as far as it is known before the first write. Pure."""

    def put(self, desired: R, observed: R | None) -> R:
        """Write `desired`, which differs from `observed`; return what AWS now has."""

    def delete(self, observed: Sequence[R]) -> None:
        """Delete resources of this owner; already deleted ones are no error."""

    def release(self, observed: R) -> None:
        """Keep the resource and remove its owner tag."""


@runtime_checkable
class HandsOver(Protocol):
    """A kind whose resources can be handed over to another object unchanged."""

    def hand_over(self, observed: Any, to: Owner) -> None:
        """Replace the owner tag with that of another owner, in one write.

        Raises Conflict if it has another owner meanwhile, NotFound if it does not exist.
        """


@runtime_checkable
class Confirms(Protocol):
    """A kind that can confirm without a reconcile that resources in sync still are."""

    def is_unchanged(self, owner: Owner, names: Fingerprints) -> bool:
        """Return whether the owner has the resources with these names only, and as they were when they were observed last.

        False if that is not known. Raises errors of reads.
        """


NOTHING_UNREAD: Mapping[str, int | None] = {}


def revision(resources: Iterable[Resource], unread: Mapping[str, int | None] = NOTHING_UNREAD) -> str:
    """Return eight hexadecimal digits for the versions of these resources, independent of their order.

    `unread` has the last known versions, by title, of resources that could not be read.
    """
    versions = {item.title: item.version for item in resources if isinstance(item, Versioned)}
    known = {title: version for title, version in unread.items() if version is not None}
    lines = sorted(f"{title}={version}" for title, version in {**known, **versions}.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]
