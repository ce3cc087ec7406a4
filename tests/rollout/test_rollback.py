"""A change bakes, becomes stable or is rolled back, and the process may die at any step."""

import pytest
from tests.rollout.rollout_harness import RolloutHarness

OLD = {"a": "1", "b": "1"}
NEW = {"a": "2", "b": "2"}
START, BAKE = 1000.0, 600.0
CHANGE = START + 2 * BAKE


def stable(**about: object) -> RolloutHarness:
    """An object whose first revision is stable."""
    harness = RolloutHarness(values=OLD, about=dict(about))
    harness.settle(START)
    harness.settle(START + BAKE)
    assert harness.ready == ("True", "InSync")
    return harness


def changed(**about: object) -> RolloutHarness:
    """An object whose second revision bakes."""
    harness = stable(**about)
    harness.edit(**NEW)
    harness.settle(CHANGE)
    return harness


def failed(**about: object) -> RolloutHarness:
    """An object whose second revision was rolled back."""
    harness = changed(**about)
    harness.alarm.since = CHANGE + 5
    harness.settle(CHANGE + 6)
    return harness


def test_change_bakes_and_becomes_stable() -> None:
    harness = changed()
    assert harness.ready == ("True", "Baking")
    assert (harness.status or {})["bake"]["generation"] == 2
    found = {item["type"]: (item["status"], item["reason"]) for item in (harness.status or {})["conditions"]}
    assert found == {"Ready": ("True", "Baking"), "Baking": ("True", "Baking")}
    outcome = harness.reconcile(CHANGE + BAKE)
    assert harness.ready == ("True", "InSync")
    assert outcome.requeue_after is None
    assert (harness.status or {})["stableRevision"] == (harness.status or {})["revision"]
    assert "bake" not in (harness.status or {})


def test_alarm_restores_the_stable_values_and_status_explains_it() -> None:
    harness = failed()
    assert harness.shown == OLD
    assert harness.ready == ("False", "RolledBack")
    status = harness.status or {}
    assert (status["rollback"]["generation"], status["rollback"]["to"]) == (2, status["revision"])
    assert "errors" in status["rollback"]["reason"]
    assert [item["outcome"] for item in status["history"]] == ["Stable", "RolledBack", "Stable"]
    assert "alarm errors fired" in status["conditions"][0]["message"]


def test_external_change_does_not_cause_a_rollback_of_a_later_one() -> None:
    harness = changed()
    harness.alarm.name = "dynconfig-shop-myapp/Drift"
    harness.alarm.since = CHANGE + 5
    harness.settle(CHANGE + 6)
    assert (harness.shown, harness.ready) == (NEW, ("True", "Baking"))
    harness.settle(CHANGE + BAKE)
    assert harness.ready == ("True", "InSync")


def test_only_differences_are_restored() -> None:
    harness = stable()
    harness.edit(a="2", b="1")
    harness.settle(CHANGE)
    harness.alarm.since = CHANGE + 5
    before = len([call for call in harness.versioned.calls if call.startswith("put")])
    harness.settle(CHANGE + 6)
    assert [call for call in harness.versioned.calls if call.startswith("put")][before:] == ["put /app/a"]


def test_rolled_back_generation_is_not_retried() -> None:
    harness = failed()
    harness.alarm.since = None
    writes = list(harness.versioned.writes)
    for now in (CHANGE + BAKE, CHANGE + 5 * BAKE):
        harness.settle(now)
    harness.restart()
    harness.settle(CHANGE + 6 * BAKE)
    assert harness.versioned.writes == writes
    assert harness.ready == ("False", "RolledBack")


def test_rolled_back_generation_is_not_retried_after_a_lost_status() -> None:
    harness = failed()
    harness.alarm.since = None
    harness.status = None
    harness.restart()
    harness.settle(CHANGE + 2 * BAKE)
    assert harness.shown == OLD
    assert harness.ready == ("False", "RolledBack")


def test_edit_waits_until_the_alarm_is_ok_and_is_then_applied() -> None:
    harness = failed()
    harness.edit(a="3", b="1")
    outcome = harness.reconcile(CHANGE + 20)
    assert harness.ready == ("Unknown", "AlarmFiring")
    assert outcome.error is not None
    assert "force-generation=3" in str(outcome.error)
    assert harness.shown == OLD
    harness.alarm.since = None
    harness.settle(CHANGE + 30)
    assert harness.shown == {"a": "3", "b": "1"}
    assert harness.ready == ("True", "Baking")
    assert "rollback" not in (harness.status or {})


def test_forced_change_is_not_rolled_back() -> None:
    harness = failed()
    harness.about["annotations"] = {"dynconfig.dev/force-generation": "2"}
    harness.settle(CHANGE + 20)
    assert harness.shown == NEW
    assert harness.ready[1] == "AlarmFiring"
    harness.alarm.since = None
    harness.settle(CHANGE + 30)
    assert harness.ready == ("True", "Baking")
    harness.settle(CHANGE + 30 + BAKE)
    assert harness.ready == ("True", "InSync")


@pytest.mark.parametrize("is_restarted", [False, True])
def test_stable_forced_change_stays_when_no_longer_forced(is_restarted: bool) -> None:
    harness = failed()
    harness.alarm.since = None
    harness.about["annotations"] = {"dynconfig.dev/force-generation": "2"}
    harness.settle(CHANGE + 20)
    harness.settle(CHANGE + 20 + BAKE)
    assert harness.ready == ("True", "InSync")
    del harness.about["annotations"]
    if is_restarted:
        harness.restart()
    harness.settle(CHANGE + 30 + BAKE)
    assert harness.shown == NEW
    assert harness.ready == ("True", "InSync")


def test_changed_secret_is_another_attempt() -> None:
    harness = RolloutHarness(values={"a": "1"}, secret="good")
    harness.settle(START)
    harness.settle(START + BAKE)
    harness.secret = "bad"
    harness.settle(CHANGE)
    harness.alarm.since = CHANGE + 5
    harness.settle(CHANGE + 6)
    assert harness.shown["password"] == "good"
    harness.restart()
    harness.settle(CHANGE + 7)
    assert harness.ready == ("False", "RolledBack")
    harness.alarm.since = None
    harness.secret = "better"
    harness.settle(CHANGE + 20)
    assert harness.shown["password"] == "better"


def test_parameter_added_by_the_change_is_deleted_and_a_removed_one_stays() -> None:
    harness = stable()
    harness.edit(a="2", c="2")
    harness.settle(CHANGE)
    assert harness.shown == {"a": "2", "b": "1", "c": "2"}
    harness.alarm.since = CHANGE + 5
    harness.settle(CHANGE + 6)
    assert harness.shown == OLD
    harness.settle(CHANGE + 5 * BAKE)
    assert harness.shown == OLD


def test_possibly_foreign_parameter_is_not_deleted_by_a_rollback() -> None:
    harness = stable(adoptionPolicy="IfUnowned")
    harness.edit(a="2", b="1", c="2")
    harness.settle(CHANGE)
    harness.alarm.since = CHANGE + 5
    harness.settle(CHANGE + 6)
    assert harness.shown == {**OLD, "c": "2"}


def test_rollback_restores_values_and_needs_approval_to_delete_most_parameters() -> None:
    harness = stable()
    harness.edit(a="2", b="1", c="1", d="1", e="1")
    harness.settle(CHANGE)
    harness.alarm.since = CHANGE + 5
    harness.settle(CHANGE + 6)
    assert harness.shown == {**OLD, "c": "1", "d": "1", "e": "1"}
    assert harness.ready == ("False", "RolledBack")
    harness.about["annotations"] = {"dynconfig.dev/approve-generation": "2"}
    harness.settle(CHANGE + 7)
    assert harness.shown == OLD


def test_deletion_waits_for_the_end_of_the_bake_time() -> None:
    harness = stable()
    harness.edit(a="1")
    harness.settle(CHANGE)
    assert harness.shown == OLD
    assert harness.ready == ("True", "Baking")
    harness.settle(CHANGE + BAKE - 1)
    assert harness.shown == OLD
    harness.settle(CHANGE + BAKE)
    assert harness.shown == {"a": "1"}
    assert harness.ready == ("True", "InSync")


def test_corrected_drift_does_not_bake() -> None:
    harness = stable()
    harness.versioned.now = CHANGE
    harness.versioned.by_hand("/app/a", "by hand")
    harness.settle(CHANGE)
    assert harness.shown == OLD
    assert harness.ready == ("True", "InSync")


def test_first_revision_cannot_be_rolled_back_and_status_reports_it() -> None:
    harness = RolloutHarness(values=OLD)
    harness.settle(START)
    harness.alarm.since = START + 5
    harness.settle(START + 6)
    assert harness.ready == ("False", "AlarmFiring")
    assert "no stable revision" in (harness.status or {})["conditions"][0]["message"]
    harness.edit(**NEW)
    harness.settle(START + 20)
    assert harness.shown == NEW


def test_suspended_object_restores_nothing() -> None:
    harness = changed()
    harness.about["suspend"] = True
    harness.generation += 1
    harness.alarm.since = CHANGE + 5
    harness.reconcile(CHANGE + 6)
    assert harness.shown == NEW


def test_rolled_back_generation_stays_so_without_the_finalizer() -> None:
    harness = failed()
    harness.alarm.since = None
    harness.restart()
    harness.about["finalizers"] = []
    harness.settle(CHANGE + 100)
    assert harness.shown == OLD


def test_failed_change_is_rolled_back_under_report() -> None:
    harness = failed(driftPolicy="Report")
    assert harness.shown == OLD


@pytest.mark.parametrize("is_lost", [False, True], ids=["status-kept", "status-lost"])
@pytest.mark.parametrize("survived", range(1, 12))
@pytest.mark.parametrize("step", ["change", "prove", "undo"])
def test_kill_at_any_step_ends_in_one_complete_revision(step: str, survived: int, is_lost: bool) -> None:
    harness = stable() if step == "change" else changed()
    if step == "change":
        harness.edit(**NEW)
    if step == "undo":
        harness.alarm.since = CHANGE + 5
    at = {"change": CHANGE, "prove": CHANGE + BAKE, "undo": CHANGE + 6}[step]
    harness.versioned.writes_left = survived
    try:
        harness.settle(at)
    except KeyboardInterrupt:
        harness.restart()
        if is_lost:
            harness.status = None
    harness.versioned.writes_left = None
    # An alarm that changes while no reconcile runs must not mix the two.
    harness.alarm.since = CHANGE + BAKE + 30 if step == "prove" else None
    harness.settle(at + 60)
    harness.settle(at + 60 + 2 * BAKE)
    assert harness.shown in (OLD, NEW)
    expected = {"RolledBack": OLD, "InSync": NEW}
    assert harness.shown == expected[harness.ready[1]]


def test_each_revision_lists_its_changes() -> None:
    harness = stable()
    harness.edit(a="2", b="1")
    harness.settle(CHANGE)
    harness.settle(CHANGE + BAKE)
    found = [(item["outcome"], item["changed"]) for item in (harness.status or {})["history"]]
    assert found == [("Stable", ["a@2"]), ("Stable", ["a@1", "b@1"])]


def test_deletion_at_the_end_of_the_bake_time_is_a_revision_of_its_own() -> None:
    harness = stable()
    harness.edit(a="2")
    harness.settle(CHANGE)
    harness.settle(CHANGE + BAKE)
    found = [(item["outcome"], item["changed"]) for item in (harness.status or {})["history"]]
    assert found == [("Stable", ["b deleted"]), ("Stable", ["a@2"]), ("Stable", ["a@1", "b@1"])]
