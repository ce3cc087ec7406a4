"""A change is rolled back for its own alarms, stays rolled back, and is not rolled back for external changes."""

import pytest
from tests.engine.test_reported_drift import by_hand
from tests.rollout.test_rollback import BAKE, CHANGE, OLD, changed, stable


@pytest.mark.parametrize("policy", ["Report", "Correct"])
def test_external_write_does_not_roll_back_a_stable_generation(policy: str) -> None:
    harness = stable(driftPolicy=policy)
    by_hand(harness, "a", CHANGE)
    harness.alarm.since = CHANGE + 5
    harness.settle(CHANGE + 6)
    assert harness.ready[1] == {"Report": "DriftReported", "Correct": "InSync"}[policy]
    assert harness.shown["a"] == {"Report": "by hand", "Correct": "1"}[policy]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_externally_overwritten_change_is_rolled_back_and_stays_so(is_restarted: bool) -> None:
    harness = changed()
    by_hand(harness, "a", CHANGE + 3)
    harness.alarm.since = CHANGE + 5
    harness.settle(CHANGE + 6)
    assert (harness.shown, harness.ready) == (OLD, ("False", "RolledBack"))
    harness.alarm.since = None
    if is_restarted:
        harness.restart()
    harness.settle(CHANGE + 3 * BAKE)
    assert (harness.shown, harness.ready) == (OLD, ("False", "RolledBack"))


def test_parameter_removed_late_in_a_bake_time_has_its_own_bake_time() -> None:
    harness = stable()
    harness.edit(a="2", b="1")
    harness.settle(CHANGE)
    harness.edit(a="2")
    harness.settle(CHANGE + BAKE - 5)
    harness.settle(CHANGE + BAKE + 1)
    assert harness.shown == {"a": "2", "b": "1"}
    harness.settle(CHANGE + 2 * BAKE - 6)
    assert harness.shown == {"a": "2", "b": "1"}
    harness.settle(CHANGE + 2 * BAKE - 5)
    assert harness.shown == {"a": "2"}
    assert harness.ready == ("True", "InSync")


def test_change_is_still_rolled_back_by_an_alarm_in_that_time() -> None:
    harness = stable()
    harness.edit(a="2")
    harness.settle(CHANGE)
    harness.alarm.since = CHANGE + 5
    harness.settle(CHANGE + 6)
    assert (harness.shown, harness.ready) == (OLD, ("False", "RolledBack"))
