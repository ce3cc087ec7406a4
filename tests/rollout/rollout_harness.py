"""A fake kind with versions and labels, and a fake alarm: changes bake and are rolled back without AWS."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.engine.fake_kind import OWNER, FakeKind, Thing, document, nothing

from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.model.declaration import Declaration, Place
from dynconfig.model.errors import DynConfigError
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import Owner, Resource, Scope, Unread, Versioned
from dynconfig.model.secret import Secret
from dynconfig.rollout.labels import STABLE, StableComparison, label_each
from dynconfig.rollout.rolled_back import LabelledVersion
from dynconfig.rollout.state import Alarming
from dynconfig.status import progress, report
from dynconfig.validation.declare import declare
from dynconfig.validation.tenancy import Tenant


@dataclass
class FakeVersionedKind(FakeKind):
    """A kind that keeps every version; `labels` are AWS's."""

    now: float = 1000.0
    kept: dict[tuple[str, int], Thing] = field(default_factory=dict)
    labelled: dict[tuple[str, str], int] = field(default_factory=dict)
    label_errors: dict[str, DynConfigError] = field(default_factory=dict)
    """By name, why labels cannot be read."""
    unmarkable: dict[str, DynConfigError] = field(default_factory=dict)
    """By name, why labels cannot be moved."""

    def desired(self, declaration: Declaration) -> Iterable[Thing]:
        """One resource for each parameter, unless the object is being deleted."""
        staying = [item for item in declaration.parameters if not item.awaits_deletion]
        return super().desired(replace(declaration, parameters=tuple(staying)))

    def put(self, desired: Thing, observed: Thing | None) -> Thing:
        """Write, and keep the previous version."""
        version = self.store[desired.name].version + 1 if desired.name in self.store else 1
        found = replace(desired, version=version, last_modified=self.now)
        self.kept[desired.name, version] = self.store[desired.name] = found
        self.calls.append(f"put {desired.name}")
        self._die()
        return found

    def by_hand(self, name: str, value: str = "by hand", owner: str | None = None) -> None:
        """Write as another principal; AWS records the version and the time as well."""
        super().by_hand(name, value, owner)
        found = self.store[name] = replace(self.store[name], last_modified=self.now)
        self.kept[name, found.version] = found

    def delete(self, observed: Sequence[Thing]) -> None:
        """Remove, with all labels."""
        for thing in observed:
            for key in [key for key in self.labelled if key[0] == thing.name]:
                del self.labelled[key]
        super().delete(observed)

    # --- the labels

    def compare_with_stable(self, owned: Sequence[Versioned]) -> StableComparison:
        """The resources that differ from their stable version."""
        stable = {
            item.name: self.kept[item.name, self.labelled[item.name, STABLE]].value for item in owned if self._has(item)
        }
        unstable = tuple(item for item in owned if stable.get(item.name) != self.store[item.name].value)
        unread = tuple(Unread(name, error) for name, error in self.label_errors.items() if name in self.store)
        unstable = tuple(item for item in unstable if item.name not in self.label_errors)
        return StableComparison(unstable, frozenset(stable) - set(self.label_errors), unread)

    def mark_stable(self, owned: Iterable[Versioned]) -> tuple[Unread, ...]:
        """Label unlabelled resources."""
        return label_each(
            (item for item in owned if self.labelled.get((item.name, STABLE)) != item.version),
            lambda item: self.set_label(item, STABLE),
        )

    def set_label(self, owned: Versioned, label: str) -> None:
        """Move a label."""
        if owned.name in self.unmarkable:
            raise self.unmarkable[owned.name]
        self.calls.append(f"label {owned.name} {label}")
        self.labelled[owned.name, label] = owned.version
        self._die()

    def remove_label(self, kept: LabelledVersion, label: str) -> None:
        """Remove a label."""
        self.calls.append(f"unlabel {kept.name} {label}")
        del self.labelled[kept.name, label]
        self._die()

    def forget(self, names: Iterable[str]) -> None:
        """It has no cache."""

    def versions_with(self, known: Sequence[str], label: str) -> tuple[LabelledVersion, ...]:
        """The value at a label."""
        found = ((name, self.labelled.get((name, label))) for name in known)
        things = [self.kept[name, version] for name, version in found if version is not None]
        return tuple(LabelledVersion(thing.name, thing.type, thing.value, thing.version, "key") for thing in things)

    def remove(self, name: str, newest: int | None = None) -> tuple[str, ...]:
        """Remove labels."""
        found = [key for key, at in self.labelled.items() if key[0] == name and (newest is None or at <= newest)]
        if name in self.failures:
            raise self.failures[name]
        return tuple(f"label {key[1]} of version {self.labelled.pop(key)}" for key in found)

    def owned(self, owner: Owner) -> tuple[str, ...]:
        """All existing resources."""
        return tuple(thing.name for thing in self.store.values() if thing.owner == owner.tag)

    def _has(self, item: Versioned) -> bool:
        return (item.name, STABLE) in self.labelled


@dataclass
class FakeAlarm:
    """A kind of one alarm that fires on request, and its history."""

    since: float | None = None
    """Since when it fires."""
    ok_since: float | None = None
    firings: list[float] = field(default_factory=list)
    """When it started to fire, as its history lists it."""
    history_error: DynConfigError | None = None
    history_reads: int = 0
    exists: bool = False
    name: str = "errors"
    value: type[Alarming] = Alarming

    def desired(self, declaration: Declaration) -> Iterable[Alarming]:
        """The alarm."""
        return () if declaration.deleting else (Alarming(name=self.name, owner=declaration.owner.tag),)

    def observe(self, scope: Scope, desired: Sequence[Alarming]) -> Iterable[Alarming]:
        """The alarm with its state."""
        return [self._as_it_is(Alarming(name=self.name, owner=scope.owner.tag))] if self.exists else []

    def refuse(self, desired: Alarming, observed: Alarming | None) -> None:
        """Nothing."""

    def put(self, desired: Alarming, observed: Alarming | None) -> Alarming:
        """Make it."""
        self.exists = True
        return self._as_it_is(desired)

    def fire(self, at: float, recovered: float) -> None:
        """Fire, and be OK again."""
        self.firings.append(at)
        self.since, self.ok_since = None, recovered

    def first_firing(self, name: str, since: float, until: float) -> float | None:
        """The first firing in a period."""
        self.history_reads += 1
        if self.history_error is not None:
            raise self.history_error
        return min((at for at in self.firings if since <= at <= until), default=None) if name == self.name else None

    def _as_it_is(self, alarm: Alarming) -> Alarming:
        if self.since is not None:
            return replace(alarm, state="ALARM", since=self.since)
        return alarm if self.ok_since is None else replace(alarm, state="OK", since=self.ok_since)

    def delete(self, observed: Sequence[Alarming]) -> None:
        """Remove it."""
        self.exists = False

    def release(self, observed: Resource) -> None:
        """Nothing."""


@dataclass
class RolloutHarness:
    """An object, its AWS, and an operator that may be restarted."""

    versioned: FakeVersionedKind = field(default_factory=FakeVersionedKind)
    alarm: FakeAlarm = field(default_factory=FakeAlarm)
    status: dict[str, Any] | None = None
    generation: int = 1
    values: Mapping[str, str] = field(default_factory=dict)
    secret: str = ""
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Another process without state."""
        self.engine = Engine(
            lambda _place: (self.versioned, self.alarm), self._labels, history_of=lambda _place: self.alarm
        )
        self.versioned.writes_left = None

    def edit(self, **values: str) -> None:
        """A new generation with these values."""
        self.values = {name.replace("_", "/"): text for name, text in values.items()}
        self.generation += 1

    def reconcile(self, now: float | None = None) -> Outcome:
        """Reconcile once, with its report."""
        self.versioned.now = self.versioned.now if now is None else now
        outcome = self.engine.run(self.declaration(), now=self.versioned.now, announce=self._announced)
        self.status = report.status(outcome, PreviousStatus.of(self.status), self.versioned.now, None)
        return outcome

    def settle(self, now: float | None = None) -> None:
        """Reconcile until nothing is due at once."""
        for _ in range(10):
            outcome = self.reconcile(now)
            if not outcome.remaining and outcome.error is None and outcome.requeue_after != 0:
                return
        raise AssertionError("it does not settle")

    def declaration(self) -> Declaration:
        """The declared object."""
        spec = {"rollout": {"bakeTime": "10m"}, **self.about}
        found = document(self.values, generation=self.generation, status=self.status, **spec)
        if self.secret:
            reference = {"secretKeyRef": {"name": "db", "key": "password"}}
            found["spec"]["parameters"].append({"name": "password", "valueFrom": reference})
        read = nothing if not self.secret else lambda _source: self.secret
        return declare(found, owner=OWNER, default_region="eu-west-1", tenant=Tenant("shop"), read=read)

    @property
    def shown(self) -> dict[str, str]:
        """The values in AWS, including secrets."""
        return {
            name.removeprefix("/app/"): value.reveal() if isinstance(value, Secret) else value
            for name, value in self.versioned.values.items()
        }

    @property
    def ready(self) -> tuple[str, str]:
        """Status and reason of Ready."""
        condition = (self.status or {})["conditions"][0]
        return condition["status"], condition["reason"]

    def _announced(self, planned: Outcome) -> None:
        self.status = progress.with_creations(planned, PreviousStatus.of(self.status)) or self.status

    def _labels(self, _place: Place) -> FakeVersionedKind:
        return self.versioned
