"""Drift in status and Events: each field once, with its author if known."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from tests.engine.fake_kind import FakeKind, Thing, declared

from dynconfig.engine import drift
from dynconfig.engine.outcome import Outcome
from dynconfig.model.plan import Difference, Plan, Step, Update
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import Resource
from dynconfig.status import kube_events, report

JANE = "arn:aws:sts::123456789012:assumed-role/admin/jane"
NOW = "2027-01-15T08:00:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Siren(Resource):
    """A resource without versions and author in AWS."""

    kind: ClassVar[str] = "Siren"
    level: int


def drifted(*steps: tuple[Resource, Resource], changed: dict[str, str] | None = None) -> Outcome:
    """An outcome with these uncorrected differences."""
    found = tuple(
        Step(FakeKind(), Update(observed, desired, (Difference("level", "1", "2"),))) for observed, desired in steps
    )
    declaration = replace(declared({}), changed=changed or {})
    return Outcome(declaration, Plan(found), drift=found, was_observed=True)


def sirens(count: int) -> list[tuple[Resource, Resource]]:
    return [(Siren(name=f"s{number}", level=2), Siren(name=f"s{number}", level=1)) for number in range(count)]


def entries(outcome: Outcome, now: str = NOW, previous: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    found = drift.drift_entries(outcome, PreviousStatus.of(previous), now)
    return [item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in found]


def test_author_comes_from_the_event_if_aws_stores_none() -> None:
    (found,) = entries(drifted(*sirens(1), changed={"s0": JANE}))
    assert found["lastModifiedBy"] == JANE
    assert "lastModifiedBy" not in entries(drifted(*sirens(1), changed={"s0": ""}))[0]
    assert "lastModifiedBy" not in entries(drifted(*sirens(1)))[0]


def test_author_stored_by_aws_takes_precedence() -> None:
    pair = (Thing(name="t", modified_by="arn:aws:iam::1:user/joe"), Thing(name="t"))
    assert entries(drifted(pair, changed={"t": JANE}))[0]["lastModifiedBy"] == "arn:aws:iam::1:user/joe"


def test_long_author_is_shortened() -> None:
    assert (
        entries(drifted(*sirens(1), changed={"s0": JANE + "x" * 600}))[0]["lastModifiedBy"] == (JANE + "x" * 600)[:512]
    )


def test_event_names_the_author() -> None:
    (note,) = kube_events.events_of(drifted(*sirens(1), changed={"s0": JANE}), PreviousStatus(), 1.8e9)
    assert note.message == f"Siren s0: level is 2, declared 1 (by {JANE})"


def test_drift_is_new_once_and_keeps_its_time() -> None:
    outcome = drifted(*sirens(2))
    before = {"drift": entries(drifted(*sirens(1)))}
    assert [step.resource.name for step, _ in drift.new(outcome, PreviousStatus.of(before))] == ["s1"]
    later = entries(outcome, "2027-01-15T09:00:00Z", before)
    assert [item["since"] for item in later] == [NOW, "2027-01-15T09:00:00Z"]
    assert drift.new(outcome, PreviousStatus.of({"drift": later})) == []


def test_full_drift_list_is_not_reported_again() -> None:
    outcome = drifted(*sirens(150))
    status = report.status(outcome, PreviousStatus(), 1.8e9, None)
    assert len(status["drift"]) == 100
    assert len(drift.new(outcome, PreviousStatus())) == 150
    assert drift.new(outcome, PreviousStatus.of(status)) == []
    assert kube_events.events_of(outcome, PreviousStatus.of(status), 1.8e9) == ()
