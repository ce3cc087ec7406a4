"""A rollback deletes only what the change created, restores all or nothing, and says what it leaves."""

import contextlib

import pytest
from tests.engine.shelf import Stage
from tests.engine.test_rollback import BAKE, CHANGE, NEW, OLD, changed, failed, stable
from tests.engine.toy import Thing

from dynconfig.engine.labels import STABLE
from dynconfig.engine.restoration import restoration


def message(stage: Stage) -> str:
    """What Ready says."""
    return str((stage.status or {})["conditions"][0]["message"])


def alarmed(stage: Stage) -> None:
    """An alarm fires five seconds after the change."""
    stage.bell.since = CHANGE + 5
    stage.settle(CHANGE + 6)


def without_label(stage: Stage, name: str) -> None:
    """Somebody took the label off; the operator starts anew."""
    del stage.shelf.labelled[f"/app/{name}", STABLE]
    stage.restart()


def test_what_is_older_than_the_change_stays_though_it_has_no_stable_version() -> None:
    stage = stable()
    without_label(stage, "b")
    stage.edit(a="2", b="1", c="2")
    stage.settle(CHANGE)
    alarmed(stage)
    assert stage.shown == OLD
    assert stage.ready == ("False", "RolledBack")
    assert "left unchanged (no stable version): /app/b." in message(stage)


def test_what_cannot_be_restored_stops_the_rollback_and_is_named() -> None:
    stage = changed()
    without_label(stage, "b")
    alarmed(stage)
    assert stage.shown == NEW
    assert stage.ready == ("False", "AlarmFiring")
    assert "no stable version of /app/b can be read" in message(stage)
    stage.bell.since = None
    stage.settle(CHANGE + BAKE)
    assert stage.ready == ("True", "InSync")


def test_what_was_recreated_while_it_bakes_was_not_created_by_the_change() -> None:
    stage = changed()
    stage.shelf.delete([stage.shelf.store["/app/a"]])
    stage.settle(CHANGE + 2)
    alarmed(stage)
    assert stage.shown == NEW
    assert "no stable version of /app/a can be read" in message(stage)


def test_a_rollback_restores_the_values_and_deletes_most_of_a_configuration_only_if_approved() -> None:
    stage = stable()
    stage.edit(a="2", b="2", **{f"new{number}": "1" for number in range(20)})
    stage.settle(CHANGE)
    alarmed(stage)
    assert (stage.shown["a"], stage.shown["b"], len(stage.shown)) == ("1", "1", 22)
    assert stage.ready == ("False", "RolledBack")
    assert "created by it and kept until removed from spec: /app/new0" in message(stage)
    stage.about["annotations"] = {"dynconfig.dev/approve-generation": "2"}
    stage.settle(CHANGE + 20)
    assert stage.shown == OLD


@pytest.mark.parametrize("is_restarted", [False, True])
def test_what_was_rejected_stays_rejected_though_every_label_is_gone(is_restarted: bool) -> None:
    stage = failed()
    stage.bell.since = None
    for name in ("/app/a", "/app/b"):
        stage.shelf.delete([stage.shelf.store[name]])
        stage.shelf.by_hand(name, "1", "cluster/shop/myapp/uid-1")
    if is_restarted:
        stage.restart()
    stage.settle(CHANGE + 100)
    stage.settle(CHANGE + 100 + 2 * BAKE)
    assert stage.shown == OLD
    assert stage.ready == ("False", "RolledBack")


def test_status_lists_what_was_created_until_it_is_stable() -> None:
    stage = stable()
    stage.edit(a="1", b="1", c="1")
    stage.settle(CHANGE)
    assert (stage.status or {})["createdSinceStable"] == ["/app/c"]
    stage.settle(CHANGE + BAKE)
    assert "createdSinceStable" not in (stage.status or {})


def test_after_a_rollback_history_and_counts_say_what_aws_has() -> None:
    stage = changed()
    good = (stage.status or {})["stableRevision"]
    stage.bell.since = CHANGE + 5
    stage.settle(CHANGE + 6)
    status = stage.status or {}
    assert [item.get("rolledBackTo") for item in status["history"]] == [good, None, None]
    assert status["counts"] == {"declared": 2, "inSync": 2, "comparedWith": good, "summary": f"2/2 of {good}"}
    stage.bell.since = None
    stage.edit(a="3", b="1")
    stage.settle(CHANGE + 30)
    assert (stage.status or {})["counts"] == {"declared": 2, "inSync": 2, "summary": "2/2"}


def at(name: str, moment: float | None) -> Thing:
    """A thing that was last written at a moment."""
    return Thing(name=name, last_modified=moment)


@pytest.mark.parametrize(
    ("moment", "is_older"), [(90.0, True), (99.5, False), (100.0, False), (130.0, False), (None, False)]
)
def test_what_was_written_since_the_change_began_is_lost_without_a_stable_version(
    moment: float | None, is_older: bool
) -> None:
    found = restoration([at("a", 100.0), at("b", moment), at("c", 120.0)], {"a"}, {"c"})
    assert ([i.name for i in found.changed], [i.name for i in found.created]) == (["a"], ["c"])
    assert [i.name for i in found.older] == (["b"] if is_older else [])
    assert [i.name for i in found.lost] == ([] if is_older else ["b"])


@pytest.mark.parametrize("survived", range(1, 5))
def test_what_was_created_before_a_death_is_known_to_a_rollback(survived: int) -> None:
    stage = stable()
    stage.edit(a="2", b="2", c="2")
    stage.shelf.writes_left = survived
    with contextlib.suppress(KeyboardInterrupt):
        stage.settle(CHANGE)
    stage.restart()
    stage.settle(CHANGE + 1)
    alarmed(stage)
    assert stage.shown == OLD
    assert stage.ready == ("False", "RolledBack")


def test_what_others_deleted_is_not_announced_as_a_creation() -> None:
    stage = stable()
    stage.shelf.delete([stage.shelf.store["/app/a"]])
    stage.edit(a="1", b="2")
    stage.shelf.writes_left = 1
    with contextlib.suppress(KeyboardInterrupt):
        stage.settle(CHANGE)
    assert "createdSinceStable" not in (stage.status or {})


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_what_was_restored_is_not_deleted_though_its_label_goes(is_restarted: bool, policy: str) -> None:
    stage = stable(deletionPolicy=policy)
    stage.edit(a="2", b="1", c="2")
    stage.settle(CHANGE)
    alarmed(stage)
    assert stage.shown == OLD
    for name in "ab":
        stage.shelf.labelled.pop((f"/app/{name}", STABLE), None)
    if is_restarted:
        stage.restart()
    stage.settle(CHANGE + 100)
    stage.settle(CHANGE + 100 + 2 * BAKE)
    assert stage.shown == OLD
    assert stage.ready == ("False", "RolledBack")


def test_what_a_failed_change_created_is_deleted_after_a_restart_too() -> None:
    stage = stable()
    stage.edit(a="2", b="1", c="2")
    stage.settle(CHANGE)
    stage.bell.since = CHANGE + 5
    # The operator ends between the marks of the rollback and what follows.
    stage.shelf.writes_left = 2
    with contextlib.suppress(KeyboardInterrupt):
        stage.settle(CHANGE + 6)
    stage.restart()
    stage.settle(CHANGE + 8)
    assert stage.shown == OLD
