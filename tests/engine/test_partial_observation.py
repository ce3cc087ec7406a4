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


def test_partial_observation_does_not_change_last_observed_time(fake: FakeKind, status: dict[str, Any]) -> None:
    assert later(fake.engine().run(changed(status)), status) == status
    assert (
        later(fake.engine().run(declared(VALUES, status=status)), status)["lastObservedTime"] == "2027-01-15T08:01:00Z"
    )


def test_edit_triggers_a_full_observation_despite_events(fake: FakeKind, status: dict[str, Any]) -> None:
    assert (
        later(fake.engine().run(changed(status, generation=2)), status)["lastObservedTime"]
        != status["lastObservedTime"]
    )


def test_manual_request_triggers_a_full_observation(status: dict[str, Any]) -> None:
    asked = {"dynconfig.dev/reconcile-requested-at": "now"}
    assert not changed(status, annotations=asked).is_partial
    assert changed(status).is_partial


def test_missing_status_triggers_a_full_observation() -> None:
    assert not replace(declared(VALUES), changed={"/app/a": ""}).is_partial


def test_drift_detected_by_event_is_in_status_under_report(fake: FakeKind, status: dict[str, Any]) -> None:
    fake.by_hand("/app/a", "theirs")
    found = later(fake.engine().run(changed(status, driftPolicy="Report")), status)
    assert [(item["field"], item["observed"], item["since"]) for item in found["drift"]] == [
        ("value", "theirs", "2027-01-15T08:01:00Z")
    ]
