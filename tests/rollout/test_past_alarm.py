"""An alarm that fired in the bake time and is OK again when the operator reads it, e.g. after an outage."""

from collections.abc import Callable

import pytest
from tests.rollout.rollout_harness import RolloutHarness
from tests.rollout.test_rollback import BAKE, CHANGE, NEW, OLD, START, changed, stable

from dynconfig.api import names
from dynconfig.engine.reconcile import ALARM_SECONDS
from dynconfig.model.errors import AccessDenied, Throttled
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.rollout.alarm_history import DENIED_SECONDS, KEPT_SECONDS
from dynconfig.status import kube_events

ROLLED_BACK = (OLD, ("False", "RolledBack"))
DENIED = AccessDenied("DescribeAlarmHistory is denied")


def result(harness: RolloutHarness) -> tuple[dict[str, str], tuple[str, str]]:
    """The values in AWS, and Ready."""
    return harness.shown, harness.ready


def message(harness: RolloutHarness) -> str:
    """The message of Ready."""
    return str((harness.status or {})["conditions"][0]["message"])


def end(harness: RolloutHarness, now: float) -> str:
    """The message of the Event that the change is stable, or an empty string."""
    before = harness.status or {}
    outcome = harness.reconcile(now)
    found = kube_events.events_of(outcome, PreviousStatus.of(before), now)
    return next((event.message for event in found if event.reason == "Stable"), "")


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("seen", [CHANGE + 40, CHANGE + BAKE, CHANGE + 3 * BAKE])
def test_alarm_that_recovered_before_it_was_read_rolls_back(seen: float, *, is_restarted: bool) -> None:
    harness = changed()
    harness.alarm.fire(CHANGE + 5, recovered=CHANGE + 30)
    if is_restarted:
        harness.restart()
    harness.settle(seen)
    assert result(harness) == ROLLED_BACK
    assert "alarm errors fired" in message(harness)
    harness.restart()
    harness.settle(seen + BAKE)
    assert result(harness) == ROLLED_BACK


@pytest.mark.parametrize("fired", [CHANGE, CHANGE + BAKE - 0.5, CHANGE + BAKE])
def test_first_and_last_instant_of_the_bake_time_count(fired: float) -> None:
    harness = changed()
    harness.alarm.fire(fired, recovered=fired + 0.2)
    harness.settle(CHANGE + BAKE + 1)
    assert result(harness) == ROLLED_BACK


def test_alarm_that_fires_again_after_the_bake_time_fired_in_it() -> None:
    harness = changed()
    harness.alarm.fire(CHANGE + 5, recovered=CHANGE + 30)
    harness.alarm.since = CHANGE + BAKE + 60
    harness.settle(CHANGE + BAKE + 90)
    assert result(harness) == ROLLED_BACK


@pytest.mark.parametrize(
    ("fired", "recovered"),
    [
        (CHANGE - 60, CHANGE - 30),
        (CHANGE - 60, CHANGE + 30),
        (CHANGE + BAKE + 1, CHANGE + BAKE + 20),
    ],
    ids=["before", "into the bake time", "after"],
)
def test_alarm_that_fired_at_another_time_is_not_caused_by_the_change(fired: float, recovered: float) -> None:
    harness = changed()
    harness.alarm.fire(fired, recovered)
    text = end(harness, CHANGE + BAKE + 30)
    assert "no alarm fired during the bake time" in text
    assert result(harness) == (NEW, ("True", "InSync"))


def test_new_alarm_that_gets_its_first_data_does_not_fire() -> None:
    harness = changed()
    harness.alarm.ok_since = CHANGE + 60
    harness.settle(CHANGE + 61)
    assert harness.ready == ("True", "Baking")
    assert "no alarm fired during the bake time" in end(harness, CHANGE + BAKE)


def test_drift_alarm_is_not_asked() -> None:
    harness = changed()
    harness.alarm.name = "dynconfig-shop-myapp/Drift"
    before = harness.alarm.history_reads
    harness.alarm.fire(CHANGE + 5, recovered=CHANGE + 30)
    harness.settle(CHANGE + BAKE)
    assert (harness.ready, harness.alarm.history_reads) == (("True", "InSync"), before)


def test_alarm_that_was_deleted_and_recreated_keeps_its_history() -> None:
    harness = changed()
    harness.alarm.fire(CHANGE + 5, recovered=CHANGE + 30)
    harness.alarm.exists, harness.alarm.ok_since = False, None
    harness.settle(CHANGE + BAKE)
    assert result(harness) == ROLLED_BACK


def test_history_is_read_once_per_state_change_and_at_the_end() -> None:
    harness = changed()
    harness.alarm.ok_since, before = CHANGE - 60, harness.alarm.history_reads
    for late in range(0, 600, 10):
        harness.reconcile(CHANGE + late)
    assert harness.alarm.history_reads == before
    harness.alarm.ok_since = CHANGE + 300
    for late in range(310, 600, 10):
        harness.reconcile(CHANGE + late)
    assert harness.alarm.history_reads == before + 1
    harness.reconcile(CHANGE + BAKE)
    assert harness.alarm.history_reads == before + 2
    harness.reconcile(CHANGE + 2 * BAKE)
    assert harness.alarm.history_reads == before + 2


@pytest.mark.parametrize("act", [lambda harness: None, RolloutHarness.restart])
def test_unreadable_history_decides_nothing(act: Callable[[RolloutHarness], None]) -> None:
    harness = changed()
    harness.alarm.fire(CHANGE + 5, recovered=CHANGE + 30)
    harness.alarm.history_error = Throttled("too many calls", delay=5.0)
    assert harness.reconcile(CHANGE + BAKE).stopped is harness.alarm.history_error
    assert not any(label == "stable" and version == 2 for (_name, label), version in harness.versioned.labelled.items())
    act(harness)
    harness.alarm.history_error = None
    harness.settle(CHANGE + BAKE + 5)
    assert result(harness) == ROLLED_BACK


def test_without_the_permission_the_bake_time_begins_anew_and_status_says_so() -> None:
    harness = changed()
    harness.alarm.fire(CHANGE + 5, recovered=CHANGE + 30)
    harness.alarm.history_error = DENIED
    outcome = harness.reconcile(CHANGE + BAKE)
    assert harness.ready == ("True", "Baking")
    assert "allow cloudwatch:DescribeAlarmHistory" in message(harness)
    assert "began anew" in message(harness)
    assert (outcome.rollout_state.until, outcome.requeue_after) == (CHANGE + 30 + BAKE, ALARM_SECONDS)
    text = end(harness, CHANGE + 30 + BAKE)
    assert "no alarm fired" not in text
    assert "allow cloudwatch:DescribeAlarmHistory" in text
    assert result(harness) == (NEW, ("True", "InSync"))


def test_permission_granted_meanwhile_is_noticed() -> None:
    harness = changed()
    harness.alarm.fire(CHANGE + 5, recovered=CHANGE + 30)
    harness.alarm.history_error = DENIED
    harness.reconcile(CHANGE + BAKE)
    harness.alarm.history_error = None
    harness.settle(CHANGE + BAKE + DENIED_SECONDS)
    assert result(harness) == ROLLED_BACK


def test_history_that_cloudwatch_has_deleted_is_not_taken_for_quiet() -> None:
    harness = changed()
    recovered = CHANGE + KEPT_SECONDS
    harness.alarm.fire(CHANGE + 5, recovered)
    harness.reconcile(recovered + 10)
    assert harness.ready == ("True", "Baking")
    assert "keeps the history of alarm errors for 14 days" in end(harness, recovered + BAKE)


def test_edit_that_replaces_the_value_is_applied() -> None:
    harness = changed()
    harness.alarm.fire(CHANGE + 5, recovered=CHANGE + 30)
    harness.edit(a="3", b="3")
    harness.settle(CHANGE + 60)
    assert result(harness) == ({"a": "3", "b": "3"}, ("True", "Baking"))
    assert "no alarm fired during the bake time" in end(harness, CHANGE + 60 + BAKE)


def test_edit_that_keeps_a_value_of_that_time_is_rolled_back() -> None:
    harness = changed()
    harness.alarm.fire(CHANGE + 5, recovered=CHANGE + 30)
    harness.edit(a="3", b="2")
    harness.settle(CHANGE + 60)
    assert result(harness) == ROLLED_BACK
    assert (harness.status or {})["rollback"]["generation"] == 3


def test_edit_of_a_parameter_that_is_about_to_be_removed_is_not_rolled_back() -> None:
    harness = stable()
    harness.edit(a="1", b="2")
    harness.settle(CHANGE)
    harness.alarm.fire(CHANGE + 5, recovered=CHANGE + 30)
    harness.edit(a="1")
    harness.settle(CHANGE + 60)
    harness.settle(CHANGE + 60 + BAKE)
    assert result(harness) == ({"a": "1"}, ("True", "InSync"))


def test_removal_is_undone() -> None:
    harness = stable()
    harness.edit(a="1")
    harness.settle(CHANGE)
    harness.alarm.fire(CHANGE + 5, recovered=CHANGE + 30)
    harness.settle(CHANGE + BAKE)
    assert result(harness) == ROLLED_BACK


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"rollout": {"bakeTime": "10m", "rollbackOnAlarm": False}}, "rollbackOnAlarm: false"),
        ({"annotations": {names.FORCE_GENERATION: "2"}}, "generation forced by annotation"),
    ],
    ids=["not wanted", "forced"],
)
def test_change_that_is_not_rolled_back_becomes_stable_and_its_event_names_the_alarm(
    about: dict[str, object], why: str
) -> None:
    harness = changed(**about)
    harness.alarm.fire(CHANGE + 5, recovered=CHANGE + 30)
    before = harness.alarm.history_reads
    harness.reconcile(CHANGE + 40)
    assert (harness.ready, harness.alarm.history_reads) == (("True", "Baking"), before)
    text = end(harness, CHANGE + BAKE)
    assert "alarm errors fired in it and is OK again" in text
    assert why in text
    assert result(harness) == (NEW, ("True", "InSync"))


@pytest.mark.parametrize("writes", [1, 2])
def test_first_revision_becomes_stable_although_the_operator_dies_while_it_labels(writes: int) -> None:
    harness = RolloutHarness(values=OLD)
    harness.settle(START)
    harness.alarm.fire(START + 5, recovered=START + 30)
    harness.versioned.writes_left = writes
    with pytest.raises(KeyboardInterrupt):
        harness.reconcile(START + BAKE)
    harness.restart()
    assert "no alarm fired" not in end(harness, START + BAKE + 5)
    assert result(harness) == (OLD, ("True", "InSync"))


def test_removal_without_rollback_names_the_alarm() -> None:
    harness = stable(rollout={"bakeTime": "10m", "rollbackOnAlarm": False})
    harness.edit(a="1")
    harness.settle(CHANGE)
    harness.alarm.fire(CHANGE + 5, recovered=CHANGE + 30)
    assert "alarm errors fired in it" in end(harness, CHANGE + BAKE)
    assert result(harness) == ({"a": "1"}, ("True", "InSync"))


def test_edit_back_to_the_stable_values_claims_nothing_about_alarms() -> None:
    harness = changed()
    harness.alarm.fire(CHANGE + 5, recovered=CHANGE + 30)
    harness.edit(**OLD)
    assert "its values were already stable" in end(harness, CHANGE + 60)
    assert result(harness) == (OLD, ("True", "InSync"))


def test_suspended_object_is_rolled_back_when_it_continues() -> None:
    harness = changed()
    harness.about = {"suspend": True}
    harness.generation += 1
    harness.alarm.fire(CHANGE + 5, recovered=CHANGE + 30)
    harness.reconcile(CHANGE + BAKE)
    assert harness.shown == NEW
    harness.about = {}
    harness.generation += 1
    harness.settle(CHANGE + 3 * BAKE)
    assert result(harness) == ROLLED_BACK
