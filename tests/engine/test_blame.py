"""A change is undone for what it did, stays undone, and is not blamed for what somebody else did."""

import pytest
from tests.engine.test_held import by_hand
from tests.engine.test_rollback import BAKE, CHANGE, OLD, changed, stable


@pytest.mark.parametrize("policy", ["Report", "Correct"])
def test_what_somebody_else_wrote_does_not_undo_a_generation_that_has_proved_itself(policy: str) -> None:
    stage = stable(driftPolicy=policy)
    by_hand(stage, "a", CHANGE)
    stage.bell.since = CHANGE + 5
    stage.settle(CHANGE + 6)
    assert stage.ready[1] == {"Report": "DriftReported", "Correct": "InSync"}[policy]
    assert stage.shown["a"] == {"Report": "by hand", "Correct": "1"}[policy]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_change_that_somebody_else_wrote_over_is_undone_and_stays_undone(is_restarted: bool) -> None:
    stage = changed()
    by_hand(stage, "a", CHANGE + 3)
    stage.bell.since = CHANGE + 5
    stage.settle(CHANGE + 6)
    assert (stage.shown, stage.ready) == (OLD, ("False", "RolledBack"))
    stage.bell.since = None
    if is_restarted:
        stage.restart()
    stage.settle(CHANGE + 3 * BAKE)
    assert (stage.shown, stage.ready) == (OLD, ("False", "RolledBack"))


def test_a_parameter_that_leaves_late_in_a_bake_time_has_a_bake_time_of_its_own() -> None:
    stage = stable()
    stage.edit(a="2", b="1")
    stage.settle(CHANGE)
    stage.edit(a="2")
    stage.settle(CHANGE + BAKE - 5)
    stage.settle(CHANGE + BAKE + 1)
    assert stage.shown == {"a": "2", "b": "1"}
    stage.settle(CHANGE + 2 * BAKE - 6)
    assert stage.shown == {"a": "2", "b": "1"}
    stage.settle(CHANGE + 2 * BAKE - 5)
    assert stage.shown == {"a": "2"}
    assert stage.ready == ("True", "InSync")


def test_it_is_still_undone_when_an_alarm_fires_in_that_time() -> None:
    stage = stable()
    stage.edit(a="2")
    stage.settle(CHANGE)
    stage.bell.since = CHANGE + 5
    stage.settle(CHANGE + 6)
    assert (stage.shown, stage.ready) == (OLD, ("False", "RolledBack"))
