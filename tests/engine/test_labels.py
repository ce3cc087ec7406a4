"""Labels go with their reason: the end of `rollout` removes them, and only a success is believed."""

from tests.engine.shelf import Stage
from tests.engine.test_rollback import BAKE, CHANGE, NEW, OLD, START, changed, failed, stable

from dynconfig.engine.errors import AccessDenied, Throttled
from dynconfig.engine.labels import STABLE
from dynconfig.engine.outcome import Outcome


def without_rollout(stage: Stage) -> None:
    """An edit that removes spec.rollout."""
    stage.about["rollout"] = None
    stage.generation += 1


def test_the_end_of_a_rollout_removes_its_labels() -> None:
    stage = failed()
    assert {label for _name, label in stage.shelf.labelled} == {"stable", "rejected-2-uid-1"}
    without_rollout(stage)
    stage.settle(CHANGE + BAKE)
    assert stage.shelf.labelled == {}
    assert "stableGeneration" not in (stage.status or {})


def test_labels_that_could_not_be_removed_are_removed_later() -> None:
    stage = stable()
    without_rollout(stage)
    stage.shelf.failures["/app/b"] = Throttled("slow down")
    assert stage.look(CHANGE).error is not None
    del stage.shelf.failures["/app/b"]
    stage.restart()
    stage.settle(CHANGE + 1)
    assert stage.shelf.labelled == {}
    writes = list(stage.shelf.calls)
    assert stage.look(CHANGE + 2).is_complete
    assert [call for call in stage.shelf.calls[len(writes) :] if call != "observe"] == []


def test_a_rollout_that_goes_on_keeps_its_labels() -> None:
    stage = stable()
    stage.settle(CHANGE)
    assert {label for _name, label in stage.shelf.labelled} == {"stable"}


DENIED = AccessDenied("parameter /app/a: LabelParameterVersion was answered with AccessDeniedException")


def titles(outcome: Outcome) -> list[str]:
    assert outcome.stopped is None
    return [item.title for item in outcome.refused]


def test_a_label_that_cannot_be_moved_keeps_no_other_from_being_moved() -> None:
    stage = Stage(values=OLD)
    stage.shelf.unmarkable["/app/a"] = DENIED
    stage.look(START)
    outcome = stage.look(START + BAKE)
    assert titles(outcome) == ["Thing /app/a"]
    assert outcome.error is DENIED
    assert set(stage.shelf.labelled) == {("/app/b", STABLE)}
    stage.shelf.unmarkable.clear()
    assert stage.look(START + BAKE + 1).is_complete
    assert set(stage.shelf.labelled) == {("/app/a", STABLE), ("/app/b", STABLE)}


def test_a_label_that_cannot_be_read_is_not_moved_and_keeps_no_edit_from_being_written() -> None:
    stage = stable()
    stage.shelf.unlabelled["/app/a"] = DENIED
    stage.edit(**NEW)
    assert titles(stage.look(CHANGE)) == ["Thing /app/a"]
    assert stage.shown == NEW
    assert titles(stage.look(CHANGE + BAKE)) == ["Thing /app/a"]
    assert stage.shelf.labelled == {("/app/a", STABLE): 1, ("/app/b", STABLE): 2}


def test_a_change_is_not_undone_in_part_where_a_label_of_it_cannot_be_read() -> None:
    stage = changed()
    stage.shelf.unlabelled["/app/a"] = DENIED
    stage.bell.since = CHANGE + 5
    outcome = stage.look(CHANGE + 6)
    assert stage.shown == NEW
    assert outcome.judgement.lost == ("/app/a",)
    assert titles(outcome) == ["Thing /app/a"]
    stage.shelf.unlabelled.clear()
    stage.settle(CHANGE + 7)
    assert stage.shown == OLD


def test_a_mark_that_cannot_be_written_does_not_keep_the_values_from_being_restored() -> None:
    stage = changed()
    stage.shelf.unmarkable["/app/b"] = DENIED
    stage.bell.since = CHANGE + 5
    outcome = stage.look(CHANGE + 6)
    assert stage.shown == OLD
    assert titles(outcome) == ["Thing /app/b"]
    stage.restart()
    stage.look(CHANGE + 7)
    assert stage.shown == OLD
