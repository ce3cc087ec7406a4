"""Labels go with their reason: the end of `rollout` removes them, and only a success is believed."""

from tests.engine.shelf import Stage
from tests.engine.test_rollback import BAKE, CHANGE, failed, stable

from dynconfig.engine.errors import Throttled


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
