"""A change bakes, becomes stable, or undoes itself; and a process may die at any step of it."""

import pytest
from tests.engine.shelf import Stage

OLD = {"a": "1", "b": "1"}
NEW = {"a": "2", "b": "2"}
START, BAKE = 1000.0, 600.0
CHANGE = START + 2 * BAKE


def stable(**about: object) -> Stage:
    """An object whose first revision is stable."""
    stage = Stage(values=OLD, about=dict(about))
    stage.settle(START)
    stage.settle(START + BAKE)
    assert stage.ready == ("True", "InSync")
    return stage


def changed(**about: object) -> Stage:
    """An object whose second revision bakes."""
    stage = stable(**about)
    stage.edit(**NEW)
    stage.settle(CHANGE)
    return stage


def failed(**about: object) -> Stage:
    """An object whose second revision was undone."""
    stage = changed(**about)
    stage.bell.since = CHANGE + 5
    stage.settle(CHANGE + 6)
    return stage


def test_a_change_bakes_and_is_then_stable() -> None:
    stage = changed()
    assert stage.ready == ("True", "Baking")
    assert (stage.status or {})["bake"]["generation"] == 2
    found = {item["type"]: (item["status"], item["reason"]) for item in (stage.status or {})["conditions"]}
    assert found == {"Ready": ("True", "Baking"), "Baking": ("True", "Baking")}
    outcome = stage.look(CHANGE + BAKE)
    assert stage.ready == ("True", "InSync")
    assert outcome.again is None
    assert (stage.status or {})["stableRevision"] == (stage.status or {})["revision"]
    assert "bake" not in (stage.status or {})


def test_an_alarm_puts_the_stable_values_back_and_status_tells_the_story() -> None:
    stage = failed()
    assert stage.shown == OLD
    assert stage.ready == ("False", "RolledBack")
    status = stage.status or {}
    assert (status["rollback"]["generation"], status["rollback"]["to"]) == (2, status["revision"])
    assert "errors" in status["rollback"]["reason"]
    assert [item["outcome"] for item in status["history"]] == ["Stable", "RolledBack", "Stable"]
    assert "alarm errors fired" in status["conditions"][0]["message"]


def test_that_somebody_changed_something_else_is_not_the_fault_of_a_change() -> None:
    stage = changed()
    stage.bell.name = "dynconfig-shop-myapp/Drift"
    stage.bell.since = CHANGE + 5
    stage.settle(CHANGE + 6)
    assert (stage.shown, stage.ready) == (NEW, ("True", "Baking"))
    stage.settle(CHANGE + BAKE)
    assert stage.ready == ("True", "InSync")


def test_only_what_differs_is_written_back() -> None:
    stage = stable()
    stage.edit(a="2", b="1")
    stage.settle(CHANGE)
    stage.bell.since = CHANGE + 5
    before = len([call for call in stage.shelf.calls if call.startswith("put")])
    stage.settle(CHANGE + 6)
    assert [call for call in stage.shelf.calls if call.startswith("put")][before:] == ["put /app/a"]


def test_what_was_undone_is_not_tried_again() -> None:
    stage = failed()
    stage.bell.since = None
    writes = list(stage.shelf.writes)
    for now in (CHANGE + BAKE, CHANGE + 5 * BAKE):
        stage.settle(now)
    stage.restart()
    stage.settle(CHANGE + 6 * BAKE)
    assert stage.shelf.writes == writes
    assert stage.ready == ("False", "RolledBack")


def test_what_was_undone_is_not_tried_again_when_the_status_is_lost() -> None:
    stage = failed()
    stage.bell.since = None
    stage.status = None
    stage.restart()
    stage.settle(CHANGE + 2 * BAKE)
    assert stage.shown == OLD
    assert stage.ready == ("False", "RolledBack")


def test_an_edit_is_tried_once_the_alarm_is_ok_and_waits_until_then() -> None:
    stage = failed()
    stage.edit(a="3", b="1")
    outcome = stage.look(CHANGE + 20)
    assert stage.ready == ("Unknown", "AlarmFiring")
    assert outcome.error is not None
    assert "force-generation=3" in str(outcome.error)
    assert stage.shown == OLD
    stage.bell.since = None
    stage.settle(CHANGE + 30)
    assert stage.shown == {"a": "3", "b": "1"}
    assert stage.ready == ("True", "Baking")
    assert "rollback" not in (stage.status or {})


def test_a_person_may_force_it_and_then_no_alarm_undoes_it() -> None:
    stage = failed()
    stage.about["annotations"] = {"dynconfig.dev/force-generation": "2"}
    stage.settle(CHANGE + 20)
    assert stage.shown == NEW
    assert stage.ready[1] == "AlarmFiring"
    stage.bell.since = None
    stage.settle(CHANGE + 30)
    assert stage.ready == ("True", "Baking")
    stage.settle(CHANGE + 30 + BAKE)
    assert stage.ready == ("True", "InSync")


@pytest.mark.parametrize("is_restarted", [False, True])
def test_what_was_forced_and_has_proved_itself_stays_when_nobody_forces_it_any_more(is_restarted: bool) -> None:
    stage = failed()
    stage.bell.since = None
    stage.about["annotations"] = {"dynconfig.dev/force-generation": "2"}
    stage.settle(CHANGE + 20)
    stage.settle(CHANGE + 20 + BAKE)
    assert stage.ready == ("True", "InSync")
    del stage.about["annotations"]
    if is_restarted:
        stage.restart()
    stage.settle(CHANGE + 30 + BAKE)
    assert stage.shown == NEW
    assert stage.ready == ("True", "InSync")


def test_another_secret_is_another_try() -> None:
    stage = Stage(values={"a": "1"}, secret="good")
    stage.settle(START)
    stage.settle(START + BAKE)
    stage.secret = "bad"
    stage.settle(CHANGE)
    stage.bell.since = CHANGE + 5
    stage.settle(CHANGE + 6)
    assert stage.shown["password"] == "good"
    stage.restart()
    stage.settle(CHANGE + 7)
    assert stage.ready == ("False", "RolledBack")
    stage.bell.since = None
    stage.secret = "better"
    stage.settle(CHANGE + 20)
    assert stage.shown["password"] == "better"


def test_a_parameter_that_came_with_the_change_goes_with_it_and_one_that_left_stays() -> None:
    stage = stable()
    stage.edit(a="2", c="2")
    stage.settle(CHANGE)
    assert stage.shown == {"a": "2", "b": "1", "c": "2"}
    stage.bell.since = CHANGE + 5
    stage.settle(CHANGE + 6)
    assert stage.shown == OLD
    stage.settle(CHANGE + 5 * BAKE)
    assert stage.shown == OLD


def test_what_might_be_somebody_elses_is_not_deleted_by_a_rollback() -> None:
    stage = stable(adoptionPolicy="IfUnowned")
    stage.edit(a="2", b="1", c="2")
    stage.settle(CHANGE)
    stage.bell.since = CHANGE + 5
    stage.settle(CHANGE + 6)
    assert stage.shown == {**OLD, "c": "2"}


def test_a_rollback_puts_values_back_and_deletes_most_of_the_parameters_only_with_approval() -> None:
    stage = stable()
    stage.edit(a="2", b="1", c="1", d="1", e="1")
    stage.settle(CHANGE)
    stage.bell.since = CHANGE + 5
    stage.settle(CHANGE + 6)
    assert stage.shown == {**OLD, "c": "1", "d": "1", "e": "1"}
    assert stage.ready == ("False", "RolledBack")
    stage.about["annotations"] = {"dynconfig.dev/approve-generation": "2"}
    stage.settle(CHANGE + 7)
    assert stage.shown == OLD


def test_a_deletion_waits_for_the_end_of_the_bake_time() -> None:
    stage = stable()
    stage.edit(a="1")
    stage.settle(CHANGE)
    assert stage.shown == OLD
    assert stage.ready == ("True", "Baking")
    stage.settle(CHANGE + BAKE - 1)
    assert stage.shown == OLD
    stage.settle(CHANGE + BAKE)
    assert stage.shown == {"a": "1"}
    assert stage.ready == ("True", "InSync")


def test_drift_that_is_put_back_does_not_bake() -> None:
    stage = stable()
    stage.shelf.now = CHANGE
    stage.shelf.by_hand("/app/a", "by hand")
    stage.settle(CHANGE)
    assert stage.shown == OLD
    assert stage.ready == ("True", "InSync")


def test_the_first_revision_has_nothing_to_go_back_to_and_says_so() -> None:
    stage = Stage(values=OLD)
    stage.settle(START)
    stage.bell.since = START + 5
    stage.settle(START + 6)
    assert stage.ready == ("False", "AlarmFiring")
    assert "no stable revision" in (stage.status or {})["conditions"][0]["message"]
    stage.edit(**NEW)
    stage.settle(START + 20)
    assert stage.shown == NEW


def test_suspended_it_writes_nothing_back() -> None:
    stage = changed()
    stage.about["suspend"] = True
    stage.generation += 1
    stage.bell.since = CHANGE + 5
    stage.look(CHANGE + 6)
    assert stage.shown == NEW


def test_a_generation_that_was_undone_stays_undone_though_the_finalizer_was_taken_off() -> None:
    stage = failed()
    stage.bell.since = None
    stage.restart()
    stage.about["finalizers"] = []
    stage.settle(CHANGE + 100)
    assert stage.shown == OLD


def test_with_drift_only_reported_a_failed_change_is_undone_all_the_same() -> None:
    stage = failed(driftPolicy="Report")
    assert stage.shown == OLD


@pytest.mark.parametrize("is_lost", [False, True], ids=["status-kept", "status-lost"])
@pytest.mark.parametrize("survived", range(1, 12))
@pytest.mark.parametrize("step", ["change", "prove", "undo"])
def test_a_death_at_any_step_ends_in_one_revision_as_a_whole(step: str, survived: int, is_lost: bool) -> None:
    stage = stable() if step == "change" else changed()
    if step == "change":
        stage.edit(**NEW)
    if step == "undo":
        stage.bell.since = CHANGE + 5
    at = {"change": CHANGE, "prove": CHANGE + BAKE, "undo": CHANGE + 6}[step]
    stage.shelf.writes_left = survived
    try:
        stage.settle(at)
    except KeyboardInterrupt:
        stage.restart()
        if is_lost:
            stage.status = None
    stage.shelf.writes_left = None
    # An alarm that comes or goes while nobody looks must not mix the two.
    stage.bell.since = CHANGE + BAKE + 30 if step == "prove" else None
    stage.settle(at + 60)
    stage.settle(at + 60 + 2 * BAKE)
    assert stage.shown in (OLD, NEW)
    told = {"RolledBack": OLD, "InSync": NEW}
    assert stage.shown == told[stage.ready[1]]


def test_each_revision_tells_what_changed_with_it() -> None:
    stage = stable()
    stage.edit(a="2", b="1")
    stage.settle(CHANGE)
    stage.settle(CHANGE + BAKE)
    found = [(item["outcome"], item["changed"]) for item in (stage.status or {})["history"]]
    assert found == [("Stable", ["a@2"]), ("Stable", ["a@1", "b@1"])]
