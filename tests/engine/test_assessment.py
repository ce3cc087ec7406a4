"""`Engine.assess` predicts what `Engine.run` does, whatever blocks a step."""

from collections.abc import Callable

import pytest
from tests.rollout.rollout_harness import RolloutHarness
from tests.rollout.test_rollback import BAKE, CHANGE, NEW, changed, stable

from dynconfig.engine.assessment import Assessment
from dynconfig.engine.outcome import Outcome
from dynconfig.model.errors import AlarmFiring, UnsafePlan


def reported_drift() -> tuple[RolloutHarness, float]:
    harness = stable(driftPolicy="Report")
    harness.versioned.by_hand("/app/a")
    harness.reconcile(CHANGE - 1)
    harness.edit(a="1", b="5")
    return harness, CHANGE


def suspension() -> tuple[RolloutHarness, float]:
    harness = stable()
    harness.about["suspend"] = True
    harness.edit(**NEW)
    return harness, CHANGE


def deferred_deletion() -> tuple[RolloutHarness, float]:
    harness = stable()
    harness.edit(a="2")
    return harness, CHANGE


def end_of_a_bake() -> tuple[RolloutHarness, float]:
    harness, _ = deferred_deletion()
    harness.settle(CHANGE)
    return harness, CHANGE + BAKE


def firing_alarm() -> tuple[RolloutHarness, float]:
    harness = stable()
    harness.alarm.since = CHANGE - 60
    harness.edit(**NEW)
    return harness, CHANGE


def rollback() -> tuple[RolloutHarness, float]:
    harness = changed()
    harness.alarm.since = CHANGE + 5
    return harness, CHANGE + 6


def rolled_back() -> tuple[RolloutHarness, float]:
    harness, now = rollback()
    harness.settle(now)
    harness.versioned.by_hand("/app/a")
    return harness, now + 10


def mass_deletion() -> tuple[RolloutHarness, float]:
    harness = RolloutHarness(values={f"p{number:02}": "1" for number in range(22)})
    harness.settle(CHANGE)
    harness.edit(p00="1")
    return harness, CHANGE


SCENES: list[Callable[[], tuple[RolloutHarness, float]]] = [
    reported_drift,
    suspension,
    deferred_deletion,
    end_of_a_bake,
    firing_alarm,
    rollback,
    rolled_back,
    mass_deletion,
]


def steps_of(found: Assessment | Outcome) -> list[str]:
    steps = found.writes if isinstance(found, Assessment) else found.applied
    return [f"{type(step.change).__name__} {step.resource.title}" for step in steps]


@pytest.mark.parametrize("scene", SCENES)
def test_assessment_equals_what_is_applied(scene: Callable[[], tuple[RolloutHarness, float]]) -> None:
    harness, now = scene()
    harness.versioned.now = now
    harness.versioned.calls.clear()
    found = harness.engine.assess(harness.declaration(), now)
    assert harness.versioned.writes == []
    outcome = harness.reconcile(now)
    assert steps_of(found) == steps_of(outcome)
    assert [found.plan.reported, found.plan.waiting, found.drift] == [
        outcome.plan.reported,
        outcome.plan.waiting,
        outcome.drift,
    ]


def test_assessment_contains_blocked_steps_with_their_reason() -> None:
    harness, now = firing_alarm()
    found = harness.engine.assess(harness.declaration(), now)
    assert isinstance(found.blocked, AlarmFiring)
    assert [step.resource.name for step in found.plan.steps] == ["/app/a", "/app/b"]
    harness, now = mass_deletion()
    found = harness.engine.assess(harness.declaration(), now)
    assert isinstance(found.blocked, UnsafePlan)
    assert len(found.plan.steps) == 21
    assert found.writes == ()


def test_suspended_change_has_not_started_to_bake() -> None:
    """Otherwise a waiting deletion would count as an applied change, and the rest would be written."""
    harness = stable()
    harness.alarm.since = CHANGE - 60
    harness.edit(a="2")
    for later in range(3):
        outcome = harness.reconcile(CHANGE + later)
        assert isinstance(outcome.error, AlarmFiring)
        assert "bake" not in (harness.status or {})
    assert harness.shown == {"a": "1", "b": "1"}


def test_rollback_is_assessed_as_the_stable_values() -> None:
    harness, now = rollback()
    found = harness.engine.assess(harness.declaration(), now)
    assert found.declaration.rolled_back
    assert steps_of(found) == ["Update Thing /app/a", "Update Thing /app/b"]
    assert found.rejection is not None
    assert harness.versioned.labelled == {("/app/a", "stable"): 1, ("/app/b", "stable"): 1}
