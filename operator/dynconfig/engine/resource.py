"""What the engine asks of a resource, of its owner and of the kind that reads and writes it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from dynconfig.engine.declaration import Declaration
    from dynconfig.engine.errors import DynConfigError
    from dynconfig.engine.naming import Names


ASSIGNED = "(assigned by AWS)"
"""In the place of what AWS gives to a resource that is not created yet."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns an AWS resource: one object of one cluster."""

    cluster: str
    namespace: str
    name: str
    uid: str

    @classmethod
    def parse(cls, tag: str) -> "Owner | None":
        """The owner in a tag value, or None where the tag was not written by this operator."""
        parts = tag.split("/")
        return cls(*parts) if len(parts) == 4 else None

    @property
    def tag(self) -> str:
        """The owner as the value of the owner tag."""
        return f"{self.cluster}/{self.namespace}/{self.name}/{self.uid}"

    @property
    def without_uid(self) -> str:
        """The owner as any object of its name: whoever comes after it has another uid."""
        return f"{self.cluster}/{self.namespace}/{self.name}"

    @property
    def title(self) -> str:
        """The owner as a message names it."""
        return f"{self.namespace}/{self.name}"

    def title_beside(self, other: "Owner") -> str:
        """The owner as a message about `other` names it: with its cluster, where that is known to be another."""
        return self.title if other.cluster in ("", self.cluster) else f"{self.title} in cluster {self.cluster}"

    def is_predecessor_of(self, other: "Owner") -> bool:
        """Whether this was an object of the same name that no longer exists, since `other` stands in its place."""
        return self != other and (self.cluster, self.namespace, self.name) == (
            other.cluster,
            other.namespace,
            other.name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One thing in AWS. Desired and observed are of the same type; fields marked `compare: False` are not compared.

    Fields marked `derived: True` follow from other resources: a difference in them is never drift. Those marked
    `assigned: True` are given by AWS. `form` marks those that say for whom AWS keeps a value and what it tests it by, and names
    what declares them.
    """

    kind: ClassVar[str]
    """The kind as status, messages and reports name it; renaming the class does not change it."""
    declared_in: ClassVar[str] = ""
    """The field of the document that names it, where it is not the resource itself."""
    name: str
    owner: str = field(default="", metadata={"compare": False})
    pending: str = field(default="", metadata={"compare": False})
    """What AWS is still doing with it, as a sentence without a full stop; it takes no other write meanwhile."""
    follows: bool = field(default=False, metadata={"compare": False})
    """It is there only because of another resource: that it goes with that one is no edit."""

    @property
    def title(self) -> str:
        """Kind and name as a message says them."""
        return f"{self.kind} {self.name}"

    @property
    def as_deleted(self) -> Self:
        """What its deletion needs of it, and no long or secret text: the operator keeps it for some minutes."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Versioned(Resource):
    """A resource of which AWS keeps numbered versions."""

    type: str = field(metadata={"form": "type"})
    version: int = field(default=0, metadata={"compare": False})
    last_modified: float | None = field(default=None, metadata={"compare": False})
    """When it was last written, in seconds since the epoch; None where AWS has not said so yet."""
    modified_by: str | None = field(default=None, metadata={"compare": False})
    from_secret: bool = field(
        default=False, metadata={"derived": True, "follows_from": ("valueFrom", "secretKeyRef"), "form": ""}
    )
    """AWS keeps it in plain text and it came from a Secret: no output shows it."""


def form_of(resource: type[Resource] | Resource) -> dict[str, str]:
    """The fields that say in which form AWS keeps a value, and the field of a parameter that declares each, if one does."""
    return {item.name: item.metadata["form"] for item in fields(resource) if "form" in item.metadata}


@dataclass(frozen=True, slots=True)
class Unread:
    """A resource that could not be read, although others of its kind could: nothing is known of it."""

    name: str
    error: "DynConfigError"
    is_partial: bool = False
    """The resource itself was observed, without some fields: these are taken to be as declared, and all else is compared."""


@dataclass(frozen=True, slots=True)
class Added:
    """What is written of a resource if it is not what is declared: AWS has a part of it already, or knows a newer version."""

    resource: Resource


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look, and what is known that makes the look cheaper; wrong knowledge costs calls, never a wrong write."""

    owner: Owner
    names: "Names"
    known: tuple[str, ...] = ()
    """Names of parameters that the last report listed."""
    listed: tuple[tuple[str, str], ...] = ()
    """Kind and name of the other resources that the last report listed."""
    blind: bool = False
    """The last report may not tell of all that was made: look where the names that follow from the owner lead."""
    untouched: bool = False
    """Nothing can be owned yet: this object never had the finalizer that comes before the first write."""
    found: tuple[Resource, ...] = ()
    """What this owner has of the kinds that come before the one that is asked."""
    closely: bool = False
    """A person waits for the answer: take nothing from longer ago than seconds."""
    heard: frozenset[str] = frozenset()
    """Look at these, which AWS spoke of; what was seen of others may be believed. Empty for a whole look."""

    def where(self, kind: str, desired: Iterable[Resource], default: str) -> tuple[str, ...]:
        """All names at which a resource of this owner and kind may be found, each once."""
        found = [resource.name for resource in desired]
        found += [name for listed, name in self.listed if listed == kind]
        if self.blind and not self.untouched:
            found.append(default)
        return tuple(dict.fromkeys(found))


R = TypeVar("R", bound=Resource)


class Kind(Protocol[R]):
    """Four idempotent verbs over one value. Only `put`, `delete` and `release` change AWS.

    A kind whose `observe` makes no use of `scope.found` may say so with `stands_alone = True`: a person who waits
    for a plan then waits for all such looks together.
    """

    value: type[R]
    """The type of its resources."""

    def desired(self, declaration: "Declaration") -> Iterable[R]:
        """What should be, also by what is `found` of the kinds before this one. Pure."""

    def observe(self, scope: Scope, desired: Sequence[R]) -> Iterable[R | Unread | Added]:
        """What is: the resources that are desired, known, or carry the owner's tag; built from AWS's answers alone.

        A resource that cannot be read by itself is Unread: it is refused, and nothing is written to it, unless only a part of
        it is unread. Raises what keeps all of them from being read.
        """

    def refuse(self, desired: R, observed: R | None) -> None:
        """Raise what AWS would refuse, as far as it can be known before the first write. Pure."""

    def put(self, desired: R, observed: R | None) -> R:
        """Make AWS equal to `desired`, which differs from `observed`; answer what AWS now has."""

    def delete(self, observed: Sequence[R]) -> None:
        """Remove resources of this owner; those that are gone already are no error."""

    def release(self, observed: R) -> None:
        """Leave the resource and take our mark of ownership off it."""


@runtime_checkable
class HandsOver(Protocol):
    """A kind whose resources go from one object to another as they are."""

    def hand_over(self, observed: Any, to: Owner) -> None:
        """Leave the resource and put the mark of another owner in the place of ours, in one write.

        Raises Conflict where it has another owner meanwhile, NotFound where it is gone.
        """
