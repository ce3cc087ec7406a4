"""A rollback deletes only what the change created, restores all or nothing, and reports what it keeps."""

import contextlib

import pytest
from tests.engine.fake_kind import Thing
from tests.rollout.rollout_harness import RolloutHarness
from tests.rollout.test_rollback import BAKE, CHANGE, NEW, OLD, changed, failed, stable

from dynconfig.rollout.labels import STABLE
from dynconfig.rollout.rollback import restoration


def message(harness: RolloutHarness) -> str:
    """The message of Ready."""
    return str((harness.status or {})["conditions"][0]["message"])


def alarmed(harness: RolloutHarness) -> None:
    """An alarm fires five seconds after the change."""
    harness.alarm.since = CHANGE + 5
    harness.settle(CHANGE + 6)


def without_label(harness: RolloutHarness, name: str) -> None:
    """The label was removed externally, and the operator restarted."""
    del harness.versioned.labelled[f"/app/{name}", STABLE]
    harness.restart()


def test_resource_older_than_the_change_is_kept_without_a_stable_version() -> None:
    harness = stable()
    without_label(harness, "b")
    harness.edit(a="2", b="1", c="2")
    harness.settle(CHANGE)
    alarmed(harness)
    assert harness.shown == OLD
    assert harness.ready == ("False", "RolledBack")
    assert "left unchanged (removed by the change, or without a stable version): /app/b." in message(harness)


def test_unrestorable_resource_stops_the_rollback_and_is_named() -> None:
    harness = changed()
    without_label(harness, "b")
    alarmed(harness)
    assert harness.shown == NEW
    assert harness.ready == ("False", "AlarmFiring")
    assert "no stable version of /app/b can be read" in message(harness)
    harness.alarm.since = None
    harness.settle(CHANGE + BAKE)
    assert harness.ready == ("True", "InSync")


def test_resource_recreated_while_baking_was_not_created_by_the_change() -> None:
    harness = changed()
    harness.versioned.delete([harness.versioned.store["/app/a"]])
    harness.settle(CHANGE + 2)
    alarmed(harness)
    assert harness.shown == NEW
    assert "no stable version of /app/a can be read" in message(harness)


def test_rollback_deletes_most_parameters_only_with_approval() -> None:
    harness = stable()
    harness.edit(a="2", b="2", **{f"new{number}": "1" for number in range(20)})
    harness.settle(CHANGE)
    alarmed(harness)
    assert (harness.shown["a"], harness.shown["b"], len(harness.shown)) == ("1", "1", 22)
    assert harness.ready == ("False", "RolledBack")
    assert "created by it and kept until removed from spec: /app/new0" in message(harness)
    harness.about["annotations"] = {"dynconfig.dev/approve-generation": "2"}
    harness.settle(CHANGE + 20)
    assert harness.shown == OLD


@pytest.mark.parametrize("is_restarted", [False, True])
def test_rejected_revision_stays_rejected_without_any_label(is_restarted: bool) -> None:
    harness = failed()
    harness.alarm.since = None
    for name in ("/app/a", "/app/b"):
        harness.versioned.delete([harness.versioned.store[name]])
        harness.versioned.by_hand(name, "1", "cluster/shop/myapp/uid-1")
    if is_restarted:
        harness.restart()
    harness.settle(CHANGE + 100)
    harness.settle(CHANGE + 100 + 2 * BAKE)
    assert harness.shown == OLD
    assert harness.ready == ("False", "RolledBack")


def test_status_lists_created_resources_until_stable() -> None:
    harness = stable()
    harness.edit(a="1", b="1", c="1")
    harness.settle(CHANGE)
    assert (harness.status or {})["createdSinceStable"] == ["/app/c"]
    harness.settle(CHANGE + BAKE)
    assert "createdSinceStable" not in (harness.status or {})


def test_history_and_counts_match_aws_after_a_rollback() -> None:
    harness = changed()
    good = (harness.status or {})["stableRevision"]
    harness.alarm.since = CHANGE + 5
    harness.settle(CHANGE + 6)
    status = harness.status or {}
    assert [item.get("rolledBackTo") for item in status["history"]] == [good, None, None]
    assert status["counts"] == {"declared": 2, "inSync": 2, "comparedWith": good, "summary": f"2/2 of {good}"}
    harness.alarm.since = None
    harness.edit(a="3", b="1")
    harness.settle(CHANGE + 30)
    assert (harness.status or {})["counts"] == {"declared": 2, "inSync": 2, "summary": "2/2"}


def at(name: str, time: float | None) -> Thing:
    """A resource that was last written at this time."""
    return Thing(name=name, last_modified=time)


@pytest.mark.parametrize(
    ("time", "is_older"), [(90.0, True), (99.5, False), (100.0, False), (130.0, False), (None, False)]
)
def test_write_since_the_change_began_is_not_restorable_without_a_stable_version(
    time: float | None, is_older: bool
) -> None:
    found = restoration([at("a", 100.0), at("b", time), at("c", 120.0)], {"a"}, {"c"})
    assert ([i.name for i in found.changed], [i.name for i in found.created]) == (["a"], ["c"])
    assert [i.name for i in found.older] == (["b"] if is_older else [])
    assert [i.name for i in found.not_restorable] == ([] if is_older else ["b"])


@pytest.mark.parametrize("survived", range(1, 5))
def test_rollback_finds_creations_before_a_kill(survived: int) -> None:
    harness = stable()
    harness.edit(a="2", b="2", c="2")
    harness.versioned.writes_left = survived
    with contextlib.suppress(KeyboardInterrupt):
        harness.settle(CHANGE)
    harness.restart()
    harness.settle(CHANGE + 1)
    alarmed(harness)
    assert harness.shown == OLD
    assert harness.ready == ("False", "RolledBack")


def test_externally_deleted_resource_is_not_announced_as_creation() -> None:
    harness = stable()
    harness.versioned.delete([harness.versioned.store["/app/a"]])
    harness.edit(a="1", b="2")
    harness.versioned.writes_left = 1
    with contextlib.suppress(KeyboardInterrupt):
        harness.settle(CHANGE)
    assert "createdSinceStable" not in (harness.status or {})


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_restored_resource_is_not_deleted_without_its_label(is_restarted: bool, policy: str) -> None:
    harness = stable(deletionPolicy=policy)
    harness.edit(a="2", b="1", c="2")
    harness.settle(CHANGE)
    alarmed(harness)
    assert harness.shown == OLD
    for name in "ab":
        harness.versioned.labelled.pop((f"/app/{name}", STABLE), None)
    if is_restarted:
        harness.restart()
    harness.settle(CHANGE + 100)
    harness.settle(CHANGE + 100 + 2 * BAKE)
    assert harness.shown == OLD
    assert harness.ready == ("False", "RolledBack")


def test_creations_of_a_failed_change_are_deleted_after_a_restart() -> None:
    harness = stable()
    harness.edit(a="2", b="1", c="2")
    harness.settle(CHANGE)
    harness.alarm.since = CHANGE + 5
    # The operator exits between the labels of the rollback and the following writes.
    harness.versioned.writes_left = 2
    with contextlib.suppress(KeyboardInterrupt):
        harness.settle(CHANGE + 6)
    harness.restart()
    harness.settle(CHANGE + 8)
    assert harness.shown == OLD
