"""`Engine.assess` answers what `Engine.run` then does, whatever keeps a step from being carried out."""

from collections.abc import Callable

import pytest
from tests.engine.shelf import Stage
from tests.engine.test_rollback import BAKE, CHANGE, NEW, changed, stable

from dynconfig.engine.assessment import Assessment
from dynconfig.engine.errors import AlarmFiring, UnsafePlan
from dynconfig.engine.outcome import Outcome


def reported_drift() -> tuple[Stage, float]:
    stage = stable(driftPolicy="Report")
    stage.shelf.by_hand("/app/a")
    stage.look(CHANGE - 1)
    stage.edit(a="1", b="5")
    return stage, CHANGE


def suspension() -> tuple[Stage, float]:
    stage = stable()
    stage.about["suspend"] = True
    stage.edit(**NEW)
    return stage, CHANGE


def deferred_deletion() -> tuple[Stage, float]:
    stage = stable()
    stage.edit(a="2")
    return stage, CHANGE


def end_of_a_bake() -> tuple[Stage, float]:
    stage, _ = deferred_deletion()
    stage.settle(CHANGE)
    return stage, CHANGE + BAKE


def firing_alarm() -> tuple[Stage, float]:
    stage = stable()
    stage.bell.since = CHANGE - 60
    stage.edit(**NEW)
    return stage, CHANGE


def rollback() -> tuple[Stage, float]:
    stage = changed()
    stage.bell.since = CHANGE + 5
    return stage, CHANGE + 6


def rolled_back() -> tuple[Stage, float]:
    stage, now = rollback()
    stage.settle(now)
    stage.shelf.by_hand("/app/a")
    return stage, now + 10


def mass_deletion() -> tuple[Stage, float]:
    stage = Stage(values={f"p{number:02}": "1" for number in range(22)})
    stage.settle(CHANGE)
    stage.edit(p00="1")
    return stage, CHANGE


SCENES: list[Callable[[], tuple[Stage, float]]] = [
    reported_drift,
    suspension,
    deferred_deletion,
    end_of_a_bake,
    firing_alarm,
    rollback,
    rolled_back,
    mass_deletion,
]


def told(found: Assessment | Outcome) -> list[str]:
    steps = found.writes if isinstance(found, Assessment) else found.applied
    return [f"{type(step.change).__name__} {step.resource.title}" for step in steps]


@pytest.mark.parametrize("scene", SCENES)
def test_an_assessment_is_what_is_then_carried_out(scene: Callable[[], tuple[Stage, float]]) -> None:
    stage, now = scene()
    stage.shelf.now = now
    stage.shelf.calls.clear()
    found = stage.engine.assess(stage.declaration(), now)
    assert stage.shelf.writes == []
    outcome = stage.look(now)
    assert told(found) == told(outcome)
    assert [found.plan.held, found.plan.waiting, found.drift] == [
        outcome.plan.held,
        outcome.plan.waiting,
        outcome.drift,
    ]


def test_what_would_be_done_is_told_with_what_keeps_it_from_being_done() -> None:
    stage, now = firing_alarm()
    found = stage.engine.assess(stage.declaration(), now)
    assert isinstance(found.blocked, AlarmFiring)
    assert [step.resource.name for step in found.plan.steps] == ["/app/a", "/app/b"]
    stage, now = mass_deletion()
    found = stage.engine.assess(stage.declaration(), now)
    assert isinstance(found.blocked, UnsafePlan)
    assert len(found.plan.steps) == 21
    assert found.writes == ()


def test_a_change_that_is_held_back_has_not_begun_to_bake() -> None:
    """A deletion that waits with it would else be taken for a change that is out, and let the rest pass."""
    stage = stable()
    stage.bell.since = CHANGE - 60
    stage.edit(a="2")
    for later in range(3):
        outcome = stage.look(CHANGE + later)
        assert isinstance(outcome.error, AlarmFiring)
        assert "bake" not in (stage.status or {})
    assert stage.shown == {"a": "1", "b": "1"}


def test_a_rollback_is_assessed_as_the_stable_values() -> None:
    stage, now = rollback()
    found = stage.engine.assess(stage.declaration(), now)
    assert found.declaration.undone
    assert told(found) == ["Update Thing /app/a", "Update Thing /app/b"]
    assert found.rejection is not None
    assert stage.shelf.labelled == {("/app/a", "stable"): 1, ("/app/b", "stable"): 1}
