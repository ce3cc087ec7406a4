"""Status after a partial observation: drift and its author, without a new lastObservedTime."""

from dataclasses import replace
from typing import Any

import pytest
from tests.engine.fake_kind import FakeKind, declared

from dynconfig.engine.outcome import Outcome
from dynconfig.model.declaration import Declaration
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.status import report

VALUES = {"a": "1", "b": "2"}
NOW = 1.8e9
JANE = "arn:aws:sts::123456789012:assumed-role/admin/jane"


@pytest.fixture
def fake() -> FakeKind:
    return FakeKind()


@pytest.fixture
def status(fake: FakeKind) -> dict[str, Any]:
    return report.status(fake.engine().run(declared(VALUES)), PreviousStatus(), NOW, None)


def changed(status: dict[str, Any], **about: Any) -> Declaration:
    return replace(declared(VALUES, status=status, **about), changed={"/app/a": JANE})


def later(outcome: Outcome, previous: dict[str, Any]) -> dict[str, Any]:
    return report.status(outcome, PreviousStatus.of(previous), NOW + 60, None)


def test_a_look_at_what_was_heard_of_does_not_move_the_time_of_the_report(
    fake: FakeKind, status: dict[str, Any]
) -> None:
    assert later(fake.engine().run(changed(status)), status) == status
    assert (
        later(fake.engine().run(declared(VALUES, status=status)), status)["lastObservedTime"] == "2027-01-15T08:01:00Z"
    )


def test_an_edit_is_looked_at_as_a_whole_whatever_was_heard_meanwhile(fake: FakeKind, status: dict[str, Any]) -> None:
    assert (
        later(fake.engine().run(changed(status, generation=2)), status)["lastObservedTime"]
        != status["lastObservedTime"]
    )


def test_a_request_of_a_person_is_a_whole_look(status: dict[str, Any]) -> None:
    asked = {"dynconfig.dev/reconcile-requested-at": "now"}
    assert not changed(status, annotations=asked).is_partial
    assert changed(status).is_partial


def test_without_a_report_it_is_a_whole_look() -> None:
    assert not replace(declared(VALUES), changed={"/app/a": ""}).is_partial


def test_drift_that_was_heard_of_stands_in_status_under_report(fake: FakeKind, status: dict[str, Any]) -> None:
    fake.by_hand("/app/a", "theirs")
    found = later(fake.engine().run(changed(status, driftPolicy="Report")), status)
    assert [(item["field"], item["observed"], item["since"]) for item in found["drift"]] == [
        ("value", "theirs", "2027-01-15T08:01:00Z")
    ]
