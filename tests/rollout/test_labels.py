"""Labels are removed when `rollout` is removed; one label that cannot be read or moved does not block others."""

from tests.rollout.rollout_harness import RolloutHarness
from tests.rollout.test_rollback import BAKE, CHANGE, NEW, OLD, START, changed, failed, stable

from dynconfig.engine.outcome import Outcome
from dynconfig.model.errors import AccessDenied, Throttled
from dynconfig.rollout.labels import STABLE


def without_rollout(harness: RolloutHarness) -> None:
    """An edit that removes spec.rollout."""
    harness.about["rollout"] = None
    harness.generation += 1


def test_removed_rollout_removes_its_labels() -> None:
    harness = failed()
    assert {label for _name, label in harness.versioned.labelled} == {"stable", "rejected-2-uid-1"}
    without_rollout(harness)
    harness.settle(CHANGE + BAKE)
    assert harness.versioned.labelled == {}
    assert "stableGeneration" not in (harness.status or {})


def test_labels_that_could_not_be_removed_are_removed_later() -> None:
    harness = stable()
    without_rollout(harness)
    harness.versioned.failures["/app/b"] = Throttled("slow down")
    assert harness.reconcile(CHANGE).error is not None
    del harness.versioned.failures["/app/b"]
    harness.restart()
    harness.settle(CHANGE + 1)
    assert harness.versioned.labelled == {}
    writes = list(harness.versioned.calls)
    assert harness.reconcile(CHANGE + 2).is_complete
    assert [call for call in harness.versioned.calls[len(writes) :] if call != "observe"] == []


def test_continued_rollout_keeps_its_labels() -> None:
    harness = stable()
    harness.settle(CHANGE)
    assert {label for _name, label in harness.versioned.labelled} == {"stable"}


DENIED = AccessDenied("parameter /app/a: LabelParameterVersion failed with AccessDeniedException")


def titles(outcome: Outcome) -> list[str]:
    assert outcome.stopped is None
    return [item.title for item in outcome.refused]


def test_label_that_cannot_be_moved_does_not_block_others() -> None:
    harness = RolloutHarness(values=OLD)
    harness.versioned.unmarkable["/app/a"] = DENIED
    harness.reconcile(START)
    outcome = harness.reconcile(START + BAKE)
    assert titles(outcome) == ["Thing /app/a"]
    assert outcome.error is DENIED
    assert set(harness.versioned.labelled) == {("/app/b", STABLE)}
    harness.versioned.unmarkable.clear()
    assert harness.reconcile(START + BAKE + 1).is_complete
    assert set(harness.versioned.labelled) == {("/app/a", STABLE), ("/app/b", STABLE)}


def test_unreadable_label_is_not_moved_and_does_not_block_edits() -> None:
    harness = stable()
    harness.versioned.label_errors["/app/a"] = DENIED
    harness.edit(**NEW)
    assert titles(harness.reconcile(CHANGE)) == ["Thing /app/a"]
    assert harness.shown == NEW
    assert titles(harness.reconcile(CHANGE + BAKE)) == ["Thing /app/a"]
    assert harness.versioned.labelled == {("/app/a", STABLE): 1, ("/app/b", STABLE): 2}


def test_change_is_not_partly_rolled_back_if_one_label_is_unreadable() -> None:
    harness = changed()
    harness.versioned.label_errors["/app/a"] = DENIED
    harness.alarm.since = CHANGE + 5
    outcome = harness.reconcile(CHANGE + 6)
    assert harness.shown == NEW
    assert outcome.rollout_state.not_restorable == ("/app/a",)
    assert titles(outcome) == ["Thing /app/a"]
    harness.versioned.label_errors.clear()
    harness.settle(CHANGE + 7)
    assert harness.shown == OLD


def test_failed_label_write_does_not_block_the_restoration() -> None:
    harness = changed()
    harness.versioned.unmarkable["/app/b"] = DENIED
    harness.alarm.since = CHANGE + 5
    outcome = harness.reconcile(CHANGE + 6)
    assert harness.shown == OLD
    assert titles(outcome) == ["Thing /app/b"]
    harness.restart()
    harness.reconcile(CHANGE + 7)
    assert harness.shown == OLD
