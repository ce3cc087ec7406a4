"""A change bakes, and then spec cannot be used: an alarm undoes the change all the same, and nothing else is written."""

from typing import Any

import pytest
from tests.engine.shelf import Stage
from tests.engine.test_rollback import BAKE, CHANGE, NEW, OLD, START, changed
from tests.engine.toy import OWNER, RIVAL, document

from dynconfig.api import names
from dynconfig.engine import report
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import DynConfigError, InvalidSpec, SourceMissing
from dynconfig.engine.last_change import last_change
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.tenancy import Tenant

SINGLE = Tenant("shop")
INVALID = InvalidSpec("spec.rules[0] does not hold")


def stored(stage: Stage, generation: int = 3, **about: Any) -> dict[str, Any]:
    """The object with a later edit, which is not valid."""
    spec = {"rollout": {"bakeTime": "10m"}, **about}
    return document(stage.values, generation=generation, status=stage.status, **spec)


def declared(found: dict[str, Any], tenant: Tenant = SINGLE, allowed: tuple[str, ...] = ()) -> Declaration | None:
    return last_change(found, owner=OWNER, default_region="eu-west-1", tenant=tenant, allowed_regions=allowed)


def look(stage: Stage, now: float, error: DynConfigError = INVALID, generation: int = 3, **about: Any) -> Outcome:
    """One reconcile of an object whose spec cannot be used, and its report."""
    found = declared(stored(stage, generation, **about))
    assert found is not None
    stage.shelf.now = now
    outcome = stage.engine.run(found, now=now)
    stage.status = report.failure(error, generation, stage.status or {}, now, None, last_change=outcome)
    return outcome


def message(stage: Stage) -> str:
    return str((stage.status or {})["conditions"][0]["message"])


def test_until_an_alarm_fires_the_change_is_watched_and_nothing_is_written() -> None:
    stage = changed()
    stage.shelf.calls.clear()
    for now in (CHANGE + 5, CHANGE + BAKE - 4):
        outcome = look(stage, now)
        assert outcome.again == min(10.0, CHANGE + BAKE - now)
    assert stage.shelf.writes == []
    assert stage.ready == ("False", "InvalidSpec")
    assert "Generation 2 is still baking and is rolled back if an alarm fires before" in message(stage)
    # Whether it is stable is decided when spec can be used again.
    assert look(stage, CHANGE + BAKE + 1).again is None
    assert stage.shelf.writes == []


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("about", [{}, {"rollout": {"bakeTime": "soon"}}, {"parameters": "none"}], ids=str)
def test_an_alarm_puts_the_stable_values_back(*, is_restarted: bool, about: dict[str, Any]) -> None:
    stage = changed()
    look(stage, CHANGE + 5, **about)
    if is_restarted:
        stage.restart()
    stage.bell.since = CHANGE + 6
    look(stage, CHANGE + 7, **about)
    assert stage.shown == OLD
    assert stage.bell.exists
    status = stage.status or {}
    assert (stage.ready, status["observedGeneration"]) == (("False", "InvalidSpec"), 3)
    assert message(stage).endswith("Generation 2 was rolled back: alarm errors fired")
    assert (status["rollback"]["generation"], "bake" in status) == (2, False)
    assert status["history"][0]["rolledBackTo"] == status["stableRevision"]
    # The edit that repairs spec is another try.
    stage.generation = 4
    stage.bell.since = None
    stage.settle(CHANGE + 20)
    assert (stage.shown, stage.ready) == (NEW, ("True", "Baking"))


def test_what_was_undone_while_its_secret_was_missing_stays_undone_when_it_is_back() -> None:
    stage = changed()
    stage.bell.since = CHANGE + 6
    look(stage, CHANGE + 7, SourceMissing("Secret db does not exist"), generation=2)
    assert stage.shown == OLD
    for restarts in (False, True):
        if restarts:
            stage.restart()
        stage.settle(CHANGE + 20)
        assert (stage.shown, stage.ready) == (OLD, ("False", "RolledBack"))


@pytest.mark.parametrize("survived", range(1, 5))
def test_a_death_at_any_step_ends_in_the_stable_revision(survived: int) -> None:
    stage = changed()
    stage.bell.since = CHANGE + 6
    stage.shelf.writes_left = survived
    with pytest.raises(KeyboardInterrupt):
        look(stage, CHANGE + 7)
    stage.restart()
    # Half of it may have been enough for the alarm.
    stage.bell.since = None if survived > 1 else stage.bell.since
    assert look(stage, CHANGE + 8).is_complete
    assert stage.shown == OLD


def test_what_others_wrote_meanwhile_is_left_alone_and_not_taken_for_stable() -> None:
    stage = changed()
    stage.shelf.by_hand("/app/b", "by hand")
    stage.bell.since = CHANGE + 6
    look(stage, CHANGE + 7)
    assert stage.shown == {"a": "1", "b": "by hand"}
    assert stage.shelf.labelled["/app/b", "stable"] == 1


def test_what_another_object_took_over_is_left_alone() -> None:
    stage = changed()
    stage.shelf.by_hand("/app/b", "theirs", RIVAL.tag)
    stage.bell.since = CHANGE + 6
    look(stage, CHANGE + 7)
    assert stage.shown == {"a": "1", "b": "theirs"}


def test_a_value_that_is_the_business_of_others_is_left_alone() -> None:
    stage = changed()
    stage.bell.since = CHANGE + 6
    listed = [{"name": "a"}, {"name": "b", "valuePolicy": "CreateOnly"}]
    look(stage, CHANGE + 7, parameters=listed)
    assert stage.shown == {"a": "1", "b": "2"}


def test_what_the_change_created_and_all_other_resources_stay_until_spec_can_be_used() -> None:
    stage = changed()
    stage.edit(a="3", b="3", c="3")
    stage.settle(CHANGE + 1)
    stage.bell.since = CHANGE + 6
    look(stage, CHANGE + 7, generation=4)
    assert stage.shown == {**OLD, "c": "3"}
    assert stage.bell.exists


@pytest.mark.parametrize(
    "about",
    [{"rollout": None}, {"suspend": True}, {"annotations": {names.FORCE_GENERATION: "2"}}],
    ids=["no rollout any more", "suspended", "forced"],
)
def test_nothing_is_undone_where_spec_says_so(about: dict[str, Any]) -> None:
    stage = changed()
    stage.bell.since = CHANGE + 6
    found = declared(stored(stage, **about))
    if found is not None:
        assert not stage.engine.run(found, now=CHANGE + 7).applied
    assert stage.shown == NEW


@pytest.mark.parametrize(
    ("tenant", "allowed"),
    [(Tenant("shop", paths=("/other",)), ()), (Tenant("shop", is_trusted=False), ()), (SINGLE, ("us-east-1",))],
    ids=["another path", "no rule", "another region"],
)
def test_nothing_is_written_where_the_policy_does_not_let_it_any_more(tenant: Tenant, allowed: tuple[str, ...]) -> None:
    assert declared(stored(changed()), tenant, allowed) is None


def test_an_object_that_does_not_bake_is_not_watched() -> None:
    stage = Stage(values=OLD)
    assert declared(stored(stage)) is None
    stage.settle(START)
    stage.settle(START + BAKE)
    assert declared(stored(stage)) is None


def test_what_others_write_between_two_looks_of_one_rollback_is_left_alone() -> None:
    stage = changed()
    look(stage, CHANGE + 5)
    stage.bell.since = CHANGE + 6
    looks = stage.shelf.observe

    def observe(scope: Any, desired: Any) -> Any:
        # The first look reads the values, the second one judges, and the third one plans.
        if stage.shelf.calls.count("observe") - before == 2:
            stage.shelf.by_hand("/app/b", "by hand")
        return looks(scope, desired)

    before = stage.shelf.calls.count("observe")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage.shelf, "observe", observe)
        look(stage, CHANGE + 7)
    assert stage.shown == {"a": "1", "b": "by hand"}


@pytest.mark.parametrize(
    ("about", "now"),
    [
        ({"rollout": {"bakeTime": "10m", "rollbackOnAlarm": False}}, CHANGE + 5),
        ({"annotations": {names.FORCE_GENERATION: "2"}}, CHANGE + 5),
        ({}, CHANGE + BAKE + 5),
    ],
    ids=["does not roll back", "forced", "bake time is over"],
)
def test_status_promises_no_rollback_that_will_not_come(about: dict[str, Any], now: float) -> None:
    stage = changed()
    look(stage, now, **about)
    assert message(stage) == str(INVALID)
