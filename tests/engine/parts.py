"""Two more fake kinds: a lamp whose writes take time in AWS, and a cord that depends on the lamp."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from tests.engine.fake_kind import FakeKind, declared

from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import DynConfigError
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import Resource, Scope, revision
from dynconfig.status import report


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp(Resource):
    """It has no versions, serves a revision of the other resources, and gets an id at creation."""

    kind: ClassVar[str] = "Lamp"
    arn: str = field(default="", metadata={"compare": False})
    colour: str
    served: str = field(default="", metadata={"derived": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cord(Resource):
    """It refers to the id of a lamp, and follows its changes."""

    kind: ClassVar[str] = "Cord"
    follows: bool = field(default=True, metadata={"compare": False})
    to: str


@dataclass
class Lamps:
    """One lamp for a declaration with the tag `colour`; it is busy for some reads after each write."""

    value: type[Lamp] = Lamp
    store: dict[str, Lamp] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    busy_reads: int = 0
    """How many reads after a write still show a write in progress."""
    forbidden: DynConfigError | None = None
    """The error of each read."""
    busy: dict[str, int] = field(default_factory=dict)
    made: int = 0

    def desired(self, declaration: Declaration) -> Iterable[Lamp]:
        """The lamp."""
        colour = dict(declaration.tags).get("colour")
        if colour:
            served = revision(declaration.observed_so_far)
            yield Lamp(name=declaration.names.function, owner=declaration.owner.tag, colour=colour, served=served)

    def observe(self, scope: Scope, desired: Sequence[Lamp]) -> Iterable[Lamp]:
        """Its possible names."""
        if self.forbidden is not None:
            raise self.forbidden
        for name in scope.where("Lamp", desired, scope.names.function):
            if name in self.store:
                left = self.busy[name] = max(self.busy.get(name, 0) - 1, 0)
                yield replace(self.store[name], pending="is being made" if left else "")

    def refuse(self, desired: Lamp, observed: Lamp | None) -> None:
        """Nothing."""

    def put(self, desired: Lamp, observed: Lamp | None) -> Lamp:
        """Write; the first write assigns an id."""
        self.writes.append(f"put {desired.name} {desired.colour}")
        self.made += observed is None
        arn = observed.arn if observed else f"lamp-{self.made}"
        self.store[desired.name] = replace(desired, arn=arn)
        self.busy[desired.name] = self.busy_reads + 1
        return replace(self.store[desired.name], pending="is being made" if self.busy_reads else "")

    def delete(self, observed: Sequence[Lamp]) -> None:
        """Remove."""
        for lamp in observed:
            self.writes.append(f"delete {lamp.name}")
            self.store.pop(lamp.name, None)

    def release(self, observed: Lamp) -> None:
        """Remove the owner."""
        self.store[observed.name] = replace(self.store[observed.name], owner="")


@dataclass
class Cords:
    """One cord for each lamp that is found."""

    value: type[Cord] = Cord
    store: dict[str, Cord] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)

    def desired(self, declaration: Declaration) -> Iterable[Cord]:
        """A cord once there is a lamp, if one is declared."""
        for lamp in declaration.observed_so_far:
            if isinstance(lamp, Lamp) and "colour" in dict(declaration.tags):
                yield Cord(name="cord", owner=declaration.owner.tag, to=lamp.arn)

    def observe(self, scope: Scope, desired: Sequence[Cord]) -> Iterable[Cord]:
        """All cords of the owner."""
        return [cord for cord in self.store.values() if cord.owner == scope.owner.tag]

    def refuse(self, desired: Cord, observed: Cord | None) -> None:
        """Nothing."""

    def put(self, desired: Cord, observed: Cord | None) -> Cord:
        """Write."""
        self.writes.append(f"put {desired.to}")
        self.store[desired.name] = desired
        return desired

    def delete(self, observed: Sequence[Cord]) -> None:
        """Remove."""
        for cord in observed:
            self.writes.append(f"delete {cord.to}")
            self.store.pop(cord.name, None)

    def release(self, observed: Cord) -> None:
        """It has no owner mark."""


@dataclass
class DerivedKinds:
    """Things, lamps and cords, in this order."""

    fake: FakeKind = field(default_factory=FakeKind)
    lamps: Lamps = field(default_factory=Lamps)
    cords: Cords = field(default_factory=Cords)

    def engine(self) -> Engine:
        """An engine with the three kinds."""
        return Engine(lambda _place: (self.fake, self.lamps, self.cords))

    @property
    def writes(self) -> list[str]:
        """The writes of lamps and cords."""
        return [*self.lamps.writes, *self.cords.writes]

    @property
    def is_dark(self) -> bool:
        """Whether nothing exists."""
        return not (self.fake.store or self.lamps.store or self.cords.store)


def coloured(colour: str) -> dict[str, Any]:
    """A spec with a lamp of this colour."""
    return {"tags": {"colour": colour}}


VALUES = {"a": "1", "b": "2"}
RED = coloured("red")


def status_of(outcome: Outcome, previous: dict[str, Any] | None = None) -> dict[str, Any]:
    """The report."""
    return report.status(outcome, PreviousStatus.of(previous), 1.8e9, None)


def lit(derived: DerivedKinds) -> dict[str, Any]:
    """The status after a red lamp was made."""
    outcome = derived.engine().run(declared(VALUES, **RED))
    assert outcome.is_complete
    derived.lamps.writes.clear()
    derived.cords.writes.clear()
    return status_of(outcome)


def the_lamp(derived: DerivedKinds) -> Any:
    """The only one."""
    (lamp,) = derived.lamps.store.values()
    return lamp
