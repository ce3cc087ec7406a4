"""A kind over a dictionary, as simple as the contract allows, so that the engine is tested without AWS."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from dynconfig.api import names
from dynconfig.engine.reconcile import Engine
from dynconfig.model.declaration import Declaration, Source
from dynconfig.model.errors import Conflict, DynConfigError, NotPossible
from dynconfig.model.resource import Owner, Scope, Versioned
from dynconfig.model.secret import Secret
from dynconfig.validation.declare import declare, declare_deletion
from dynconfig.validation.tenancy import Tenant

OWNER = Owner("cluster", "shop", "myapp", "uid-1")
RIVAL = Owner("cluster", "shop", "rival", "uid-2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing(Versioned):
    """A resource with a value, which may be secret."""

    kind: ClassVar[str] = "Thing"
    type: str = "String"
    value: str | Secret = ""


@dataclass
class FakeKind:
    """A kind whose AWS is `store`; it records its calls, and fails or is killed on request."""

    store: dict[str, Thing] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    failures: dict[str, DynConfigError] = field(default_factory=dict)
    """What a write of this name raises, until it is taken out."""
    writes_left: int | None = None
    """After how many writes the process dies."""
    impossible: frozenset[str] = frozenset()
    value: type[Thing] = Thing

    def desired(self, declaration: Declaration) -> Iterable[Thing]:
        """One resource for each parameter."""
        return [Thing(name=p.name, owner=declaration.owner.tag, value=p.value) for p in declaration.parameters]

    def observe(self, scope: Scope, desired: Sequence[Thing]) -> Iterable[Thing]:
        """The resources in the store that are desired, known or owned."""
        self.calls.append("observe")
        wanted = {*scope.known, *(thing.name for thing in desired)}
        return [t for t in self.store.values() if t.name in wanted or t.owner == scope.owner.tag]

    def refuse(self, desired: Thing, observed: Thing | None) -> None:
        """The rejections configured by the test."""
        if desired.name in self.impossible:
            raise NotPossible(f"{desired.name} cannot be")

    def put(self, desired: Thing, observed: Thing | None) -> Thing:
        """Write."""
        self._write("put", desired.name)
        version = self.store[desired.name].version + 1 if desired.name in self.store else 1
        self.store[desired.name] = replace(desired, version=version)
        self._die()
        return self.store[desired.name]

    def delete(self, observed: Sequence[Thing]) -> None:
        """Remove."""
        for thing in observed:
            self._write("delete", thing.name)
            self.store.pop(thing.name, None)
        self._die()

    def release(self, observed: Thing) -> None:
        """Remove the owner."""
        self._write("release", observed.name)
        self.store[observed.name] = replace(self.store[observed.name], owner="")
        self._die()

    def hand_over(self, observed: Thing, to: Owner) -> None:
        """Set another owner."""
        self._write("hand over", observed.name)
        if self.store[observed.name].owner != observed.owner:
            raise Conflict(f"{observed.name} has another owner", delay=1.0)
        self.store[observed.name] = replace(self.store[observed.name], owner=to.tag)
        self._die()

    def by_hand(self, name: str, value: str = "by hand", owner: str | None = None) -> None:
        """Write as another principal; the owner stays unless one is given."""
        before = self.store.get(name)
        kept = before.owner if before and owner is None else owner or ""
        self.store[name] = Thing(name=name, value=value, owner=kept, version=before.version + 1 if before else 1)

    @property
    def writes(self) -> list[str]:
        """The writing calls."""
        return [call for call in self.calls if call != "observe"]

    @property
    def values(self) -> dict[str, str | Secret]:
        """The current values."""
        return {name: thing.value for name, thing in self.store.items()}

    def engine(self) -> Engine:
        """An engine with only this kind."""
        return Engine(lambda _place: (self,))

    def _write(self, verb: str, name: str) -> None:
        self.calls.append(f"{verb} {name}")
        if name in self.failures:
            raise self.failures[name]

    def _die(self) -> None:
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left <= 0:
                raise KeyboardInterrupt


def document(values: Mapping[str, str], *, generation: int = 1, **spec: Any) -> dict[str, Any]:
    """An object with one parameter for each value; `finalizers`, `annotations` and `status` are set beside spec."""
    metadata = {
        "generation": generation,
        "finalizers": spec.pop("finalizers", [names.FINALIZER]),
        "annotations": spec.pop("annotations", {}),
    }
    status = spec.pop("status", None)
    listed = [{"name": name, "value": value} for name, value in values.items()]
    return {"metadata": metadata, "spec": {"path": "/app", "parameters": listed, **spec}, "status": status}


def declared(values: Mapping[str, str], *, owner: Owner = OWNER, **about: Any) -> Declaration:
    """The declaration of such an object."""
    return declare(
        document(values, **about), owner=owner, default_region="eu-west-1", tenant=Tenant("shop"), read=nothing
    )


def deletion(values: Mapping[str, str], **about: Any) -> Declaration:
    """The declaration of such an object while it is being deleted."""
    return declare_deletion(document(values, **about), owner=OWNER, default_region="eu-west-1")


def nothing(_source: Source) -> str | None:
    """There are no Secrets."""
    return None
