"""DynamicConfigs in every state that a GitOps tool may meet, with statuses written by the operator's code."""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from tests.engine.fake_kind import FakeKind, Thing, declared, deletion, document
from tests.rollout.rollout_harness import RolloutHarness

from dynconfig.api import names
from dynconfig.engine.outcome import Outcome
from dynconfig.model.declaration import Declaration, Place
from dynconfig.model.errors import AccessDenied, DynConfigError, InvalidSpec, NotOwned, SourceMissing, Throttled
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.timestamps import timestamp
from dynconfig.status import report

NOW = 1795521600.0
VALUES = {"api/timeout": "30", "database/host": "db.shop.internal"}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter(Thing):
    """A resource with the title of the real kind."""

    kind: ClassVar[str] = "Parameter"


@dataclass
class Store(FakeKind):
    """A fake kind of parameters."""

    value: type[Thing] = Parameter

    def desired(self, declaration: Declaration) -> Iterable[Thing]:
        """One parameter for each declared one."""
        owner = declaration.owner.tag
        return [Parameter(name=p.name, owner=owner, value=p.value, last_modified=NOW) for p in declaration.parameters]


@dataclass(frozen=True)
class Case:
    """An object, and its expected result in Argo CD and kstatus."""

    name: str
    argocd: str
    kstatus: str
    make: Callable[[], Document]


def cases() -> Mapping[str, Case]:
    """All states, by name."""
    return {case.name: case for case in _CASES}


def failing(error: DynConfigError) -> Document:
    """An object whose first write ends in this error."""
    return _object(_ran(Store(failures={"/app/api/timeout": error}), declared(VALUES, finalizers=[])))


def _status_lost() -> Document:
    outcome = Outcome(declared(VALUES), stopped=AccessDenied(_DENIED), tried_nothing=True)
    return _object(report.status(outcome, PreviousStatus.of({"observedGeneration": -1}), NOW, None))


def reversed_conditions(found: Document) -> Document:
    """The same object with its conditions in reverse order."""
    other = copy.deepcopy(found)
    if "conditions" in other.get("status", {}):
        other["status"]["conditions"].reverse()
    return other


def _object(status: Document | None, *, generation: int = 1, **spec: Any) -> Document:
    found = document(VALUES, generation=generation, **spec)
    found.pop("status")
    found["metadata"] |= {"name": "shop", "namespace": "shop-dev"}
    if not found["metadata"]["annotations"]:
        found["metadata"].pop("annotations")
    kept = {"status": status} if status is not None else {}
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, **found, **kept}


def _ran(store: Store, declaration: Declaration, previous: Mapping[str, Any] | None = None) -> Document:
    return report.status(store.engine().run(declaration), PreviousStatus.of(previous), NOW, None)


def _applied(store: Store | None = None) -> Document:
    return _ran(store or Store(), declared(VALUES))


def _in_sync() -> Document:
    return _object(_applied())


def _starting() -> Document:
    return _object(report.starting(1, NOW, Place("eu-west-1")))


def _refused(error: DynConfigError, **spec: Any) -> Document:
    return _object(report.failure(error, 2, PreviousStatus.of(_applied()), NOW, None), generation=2, **spec)


def _half_applied() -> Document:
    status = report.status(Store().engine().run(_NEW, lambda: False), PreviousStatus(), NOW, None)
    return _object(status)


def _drift_reported() -> Document:
    store = Store()
    before = _applied(store)
    seen = store.store["/app/api/timeout"]
    store.store[seen.name] = replace(seen, value="60", version=2, modified_by="arn:aws:iam::123456789012:user/ann")
    return _object(_ran(store, declared(VALUES, driftPolicy="Report", status=before), before), driftPolicy="Report")


def _staged(alarm_since: float | None = None) -> Document:
    """A change that bakes after a stable revision; an alarm may fire."""
    harness = RolloutHarness(values=VALUES)
    for now in (NOW - 2000, NOW - 1000):
        harness.settle(now)
    harness.edit(**{**VALUES, "api/timeout": "60"})
    harness.settle(NOW)
    if alarm_since is not None:
        harness.alarm.since = alarm_since
        harness.settle(NOW + 1)
    return _object(harness.status, generation=2, rollout={"bakeTime": "10m"})


def _suspended() -> Document:
    store = Store()
    before = _applied(store)
    return _object(_ran(store, declared(VALUES, suspend=True, generation=2, status=before), before), **_PAUSED)


def _suspended_waiting() -> Document:
    return _object(_ran(Store(), declared(VALUES, suspend=True, generation=2, finalizers=[])), **_PAUSED)


def _edited(status: Document) -> Document:
    return _object(status, generation=status["observedGeneration"] + 1)


def _deleting() -> Document:
    store = Store()
    before = _applied(store)
    store.failures = {"/app/api/timeout": Throttled("Rate exceeded")}
    deleted = _object(_ran(store, deletion(VALUES, status=before), before))
    deleted["metadata"]["deletionTimestamp"] = timestamp(NOW)
    return deleted


_NEW = declared(VALUES, finalizers=[])
_PAUSED: Document = {"suspend": True, "generation": 2}
_INVALID = "parameter api/timeout: the value is not an integer"
_STRANGER = "parameter /app/api/timeout is owned by team-b/cart; rename it or delete the other"
_DENIED = "ssm:GetParameters is denied"
_MISSING = (
    "parameter database/password: Secret shop-db (key password) does not exist; create it, or change the reference"
)

_CASES = (
    Case("no_status", "Progressing", "InProgress", lambda: _object(None)),
    Case("starting", "Progressing", "InProgress", _starting),
    Case("half_applied", "Progressing", "InProgress", _half_applied),
    Case("in_sync", "Healthy", "Current", _in_sync),
    Case("edited", "Progressing", "InProgress", lambda: _edited(_applied())),
    Case("throttled", "Progressing", "InProgress", lambda: failing(Throttled("SSM: Rate exceeded"))),
    Case("secret_missing", "Progressing", "InProgress", lambda: _refused(SourceMissing(_MISSING))),
    Case("not_owned", "Degraded", "Failed", lambda: failing(NotOwned(_STRANGER))),
    Case("status_lost", "Degraded", "Failed", _status_lost),
    Case("invalid", "Degraded", "Failed", lambda: _refused(InvalidSpec(_INVALID))),
    Case("invalid_edited", "Progressing", "InProgress", lambda: _edited(_refused(InvalidSpec(_INVALID))["status"])),
    Case("drift_reported", "Healthy", "Current", _drift_reported),
    Case("baking", "Healthy", "Current", _staged),
    Case("baking_while_an_alarm_fires", "Healthy", "Current", lambda: _staged(NOW - 1)),
    Case("rolled_back", "Degraded", "Failed", lambda: _staged(NOW + 0.5)),
    Case("suspended", "Suspended", "Current", _suspended),
    Case("suspended_waiting", "Suspended", "InProgress", _suspended_waiting),
    Case("suspended_invalid", "Degraded", "Failed", lambda: _refused(InvalidSpec(_INVALID), suspend=True)),
    Case("deleting", "Progressing", "Terminating", _deleting),
)
