"""If spec becomes invalid while a change bakes, an alarm still rolls it back, and nothing else is written."""

from typing import Any

import pytest
from tests.engine.fake_kind import OWNER, RIVAL, document
from tests.rollout.rollout_harness import RolloutHarness
from tests.rollout.test_rollback import BAKE, CHANGE, NEW, OLD, START, changed

from dynconfig.api import names
from dynconfig.engine.outcome import Outcome
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import DynConfigError, InvalidSpec, SourceMissing
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.rollout.last_change import last_change
from dynconfig.status import report
from dynconfig.validation.tenancy import Tenant

SINGLE = Tenant("shop")
INVALID = InvalidSpec("spec.rules[0] does not hold")


def stored(harness: RolloutHarness, generation: int = 3, **about: Any) -> dict[str, Any]:
    """The object with a later edit, which is not valid."""
    spec = {"rollout": {"bakeTime": "10m"}, **about}
    return document(harness.values, generation=generation, status=harness.status, **spec)


def declared(found: dict[str, Any], tenant: Tenant = SINGLE, allowed: tuple[str, ...] = ()) -> Declaration | None:
    return last_change(found, owner=OWNER, default_region="eu-west-1", tenant=tenant, allowed_regions=allowed)


def look(
    harness: RolloutHarness, now: float, error: DynConfigError = INVALID, generation: int = 3, **about: Any
) -> Outcome:
    """One reconcile of an object whose spec cannot be used, and its report."""
    found = declared(stored(harness, generation, **about))
    assert found is not None
    harness.versioned.now = now
    outcome = harness.engine.run(found, now=now)
    harness.status = report.failure(
        error, generation, PreviousStatus.of(harness.status), now, None, last_change=outcome
    )
    return outcome


def message(harness: RolloutHarness) -> str:
    return str((harness.status or {})["conditions"][0]["message"])


def test_until_an_alarm_fires_the_change_is_watched_and_nothing_is_written() -> None:
    harness = changed()
    harness.versioned.calls.clear()
    for now in (CHANGE + 5, CHANGE + BAKE - 4):
        outcome = look(harness, now)
        assert outcome.requeue_after == min(10.0, CHANGE + BAKE - now)
    assert harness.versioned.writes == []
    assert harness.ready == ("False", "InvalidSpec")
    assert "Generation 2 is still baking and is rolled back if an alarm fires before" in message(harness)
    # Whether it is stable is decided when spec can be used again.
    assert look(harness, CHANGE + BAKE + 1).requeue_after is None
    assert harness.versioned.writes == []


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("about", [{}, {"rollout": {"bakeTime": "soon"}}, {"parameters": "none"}], ids=str)
def test_an_alarm_puts_the_stable_values_back(*, is_restarted: bool, about: dict[str, Any]) -> None:
    harness = changed()
    look(harness, CHANGE + 5, **about)
    if is_restarted:
        harness.restart()
    harness.alarm.since = CHANGE + 6
    look(harness, CHANGE + 7, **about)
    assert harness.shown == OLD
    assert harness.alarm.exists
    status = harness.status or {}
    assert (harness.ready, status["observedGeneration"]) == (("False", "InvalidSpec"), 3)
    assert message(harness).endswith("Generation 2 was rolled back: alarm errors fired")
    assert (status["rollback"]["generation"], "bake" in status) == (2, False)
    assert status["history"][0]["rolledBackTo"] == status["stableRevision"]
    # The edit that repairs spec is another try.
    harness.generation = 4
    harness.alarm.since = None
    harness.settle(CHANGE + 20)
    assert (harness.shown, harness.ready) == (NEW, ("True", "Baking"))


def test_what_was_undone_while_its_secret_was_missing_stays_undone_when_it_is_back() -> None:
    harness = changed()
    harness.alarm.since = CHANGE + 6
    look(harness, CHANGE + 7, SourceMissing("Secret db does not exist"), generation=2)
    assert harness.shown == OLD
    for restarts in (False, True):
        if restarts:
            harness.restart()
        harness.settle(CHANGE + 20)
        assert (harness.shown, harness.ready) == (OLD, ("False", "RolledBack"))


@pytest.mark.parametrize("survived", range(1, 5))
def test_a_death_at_any_step_ends_in_the_stable_revision(survived: int) -> None:
    harness = changed()
    harness.alarm.since = CHANGE + 6
    harness.versioned.writes_left = survived
    with pytest.raises(KeyboardInterrupt):
        look(harness, CHANGE + 7)
    harness.restart()
    # Half of it may have been enough for the alarm.
    harness.alarm.since = None if survived > 1 else harness.alarm.since
    assert look(harness, CHANGE + 8).is_complete
    assert harness.shown == OLD


def test_what_others_wrote_meanwhile_is_left_alone_and_not_taken_for_stable() -> None:
    harness = changed()
    harness.versioned.by_hand("/app/b", "by hand")
    harness.alarm.since = CHANGE + 6
    look(harness, CHANGE + 7)
    assert harness.shown == {"a": "1", "b": "by hand"}
    assert harness.versioned.labelled["/app/b", "stable"] == 1


def test_what_another_object_took_over_is_left_alone() -> None:
    harness = changed()
    harness.versioned.by_hand("/app/b", "theirs", RIVAL.tag)
    harness.alarm.since = CHANGE + 6
    look(harness, CHANGE + 7)
    assert harness.shown == {"a": "1", "b": "theirs"}


def test_a_value_that_is_the_business_of_others_is_left_alone() -> None:
    harness = changed()
    harness.alarm.since = CHANGE + 6
    listed = [{"name": "a"}, {"name": "b", "valuePolicy": "CreateOnly"}]
    look(harness, CHANGE + 7, parameters=listed)
    assert harness.shown == {"a": "1", "b": "2"}


def test_what_the_change_created_and_all_other_resources_stay_until_spec_can_be_used() -> None:
    harness = changed()
    harness.edit(a="3", b="3", c="3")
    harness.settle(CHANGE + 1)
    harness.alarm.since = CHANGE + 6
    look(harness, CHANGE + 7, generation=4)
    assert harness.shown == {**OLD, "c": "3"}
    assert harness.alarm.exists


@pytest.mark.parametrize(
    "about",
    [{"rollout": None}, {"suspend": True}, {"annotations": {names.FORCE_GENERATION: "2"}}],
    ids=["no rollout any more", "suspended", "forced"],
)
def test_nothing_is_undone_where_spec_says_so(about: dict[str, Any]) -> None:
    harness = changed()
    harness.alarm.since = CHANGE + 6
    found = declared(stored(harness, **about))
    if found is not None:
        assert not harness.engine.run(found, now=CHANGE + 7).applied
    assert harness.shown == NEW


@pytest.mark.parametrize(
    ("tenant", "allowed"),
    [(Tenant("shop", paths=("/other",)), ()), (Tenant("shop", is_trusted=False), ()), (SINGLE, ("us-east-1",))],
    ids=["another path", "no rule", "another region"],
)
def test_nothing_is_written_where_the_policy_does_not_let_it_any_more(tenant: Tenant, allowed: tuple[str, ...]) -> None:
    assert declared(stored(changed()), tenant, allowed) is None


def test_an_object_that_does_not_bake_is_not_watched() -> None:
    harness = RolloutHarness(values=OLD)
    assert declared(stored(harness)) is None
    harness.settle(START)
    harness.settle(START + BAKE)
    assert declared(stored(harness)) is None


def test_what_others_write_between_two_looks_of_one_rollback_is_left_alone() -> None:
    harness = changed()
    look(harness, CHANGE + 5)
    harness.alarm.since = CHANGE + 6
    looks = harness.versioned.observe

    def observe(scope: Any, desired: Any) -> Any:
        # The first look reads the values, the second one judges, and the third one plans.
        if harness.versioned.calls.count("observe") - before == 2:
            harness.versioned.by_hand("/app/b", "by hand")
        return looks(scope, desired)

    before = harness.versioned.calls.count("observe")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness.versioned, "observe", observe)
        look(harness, CHANGE + 7)
    assert harness.shown == {"a": "1", "b": "by hand"}


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
    harness = changed()
    look(harness, now, **about)
    assert message(harness) == str(INVALID)
