"""If spec becomes invalid while a change bakes, an alarm still rolls it back, and nothing else is written."""

from typing import Any

import pytest
from tests.engine.fake_kind import OWNER, RIVAL, document
from tests.rollout.rollout_harness import RolloutHarness
from tests.rollout.test_rollback import BAKE, CHANGE, NEW, OLD, START, changed

from dynconfig.api import names
from dynconfig.api.allow import AllowRule, Usable
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
    """The object with a later, invalid edit."""
    spec = {"rollout": {"bakeTime": "10m"}, **about}
    return document(harness.values, generation=generation, status=harness.status, **spec)


def declared(found: dict[str, Any], tenant: Tenant = SINGLE) -> Declaration | None:
    return last_change(found, owner=OWNER, default_region="eu-west-1", tenant=tenant)


def reconcile(
    harness: RolloutHarness, now: float, error: DynConfigError = INVALID, generation: int = 3, **about: Any
) -> Outcome:
    """One reconcile of an object with an invalid spec, and its report."""
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


def test_change_is_watched_until_an_alarm_fires_and_nothing_is_written() -> None:
    harness = changed()
    harness.versioned.calls.clear()
    for now in (CHANGE + 5, CHANGE + BAKE - 4):
        outcome = reconcile(harness, now)
        assert outcome.requeue_after == min(10.0, CHANGE + BAKE - now)
    assert harness.versioned.writes == []
    assert harness.ready == ("False", "InvalidSpec")
    assert "Generation 2 is still baking and is rolled back if an alarm fires before" in message(harness)
    # Whether it is stable is decided once spec is valid again.
    assert reconcile(harness, CHANGE + BAKE + 1).requeue_after is None
    assert harness.versioned.writes == []


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("about", [{}, {"rollout": {"bakeTime": "soon"}}, {"parameters": "none"}], ids=str)
def test_alarm_restores_the_stable_values(*, is_restarted: bool, about: dict[str, Any]) -> None:
    harness = changed()
    reconcile(harness, CHANGE + 5, **about)
    if is_restarted:
        harness.restart()
    harness.alarm.since = CHANGE + 6
    reconcile(harness, CHANGE + 7, **about)
    assert harness.shown == OLD
    assert harness.alarm.exists
    status = harness.status or {}
    assert (harness.ready, status["observedGeneration"]) == (("False", "InvalidSpec"), 3)
    assert message(harness).endswith("Generation 2 was rolled back: alarm errors fired")
    assert (status["rollback"]["generation"], "bake" in status) == (2, False)
    assert status["history"][0]["rolledBackTo"] == status["stableRevision"]
    # The edit that repairs spec is another attempt.
    harness.generation = 4
    harness.alarm.since = None
    harness.settle(CHANGE + 20)
    assert (harness.shown, harness.ready) == (NEW, ("True", "Baking"))


def test_alarm_that_is_ok_again_restores_the_stable_values() -> None:
    harness = changed()
    reconcile(harness, CHANGE + 5)
    harness.alarm.fire(CHANGE + 6, recovered=CHANGE + 20)
    reconcile(harness, CHANGE + BAKE + 60)
    assert harness.shown == OLD
    assert message(harness).endswith("Generation 2 was rolled back: alarm errors fired")


def test_change_rolled_back_while_its_secret_was_missing_stays_rolled_back() -> None:
    harness = changed()
    harness.alarm.since = CHANGE + 6
    reconcile(harness, CHANGE + 7, SourceMissing("Secret db does not exist"), generation=2)
    assert harness.shown == OLD
    for restarts in (False, True):
        if restarts:
            harness.restart()
        harness.settle(CHANGE + 20)
        assert (harness.shown, harness.ready) == (OLD, ("False", "RolledBack"))


@pytest.mark.parametrize("survived", range(1, 5))
def test_kill_at_any_step_ends_in_the_stable_revision(survived: int) -> None:
    harness = changed()
    harness.alarm.since = CHANGE + 6
    harness.versioned.writes_left = survived
    with pytest.raises(KeyboardInterrupt):
        reconcile(harness, CHANGE + 7)
    harness.restart()
    # Half of it may have been enough for the alarm.
    harness.alarm.since = None if survived > 1 else harness.alarm.since
    assert reconcile(harness, CHANGE + 8).is_complete
    assert harness.shown == OLD


def test_external_writes_are_kept_and_never_stable() -> None:
    harness = changed()
    harness.versioned.by_hand("/app/b", "by hand")
    harness.alarm.since = CHANGE + 6
    reconcile(harness, CHANGE + 7)
    assert harness.shown == {"a": "1", "b": "by hand"}
    assert harness.versioned.labelled["/app/b", "stable"] == 1


def test_adopted_parameter_of_another_object_is_not_modified() -> None:
    harness = changed()
    harness.versioned.by_hand("/app/b", "theirs", RIVAL.tag)
    harness.alarm.since = CHANGE + 6
    reconcile(harness, CHANGE + 7)
    assert harness.shown == {"a": "1", "b": "theirs"}


def test_unmanaged_value_is_not_modified() -> None:
    harness = changed()
    harness.alarm.since = CHANGE + 6
    listed = [{"name": "a"}, {"name": "b", "valuePolicy": "CreateOnly"}]
    reconcile(harness, CHANGE + 7, parameters=listed)
    assert harness.shown == {"a": "1", "b": "2"}


def test_created_and_other_resources_stay_until_spec_is_valid() -> None:
    harness = changed()
    harness.edit(a="3", b="3", c="3")
    harness.settle(CHANGE + 1)
    harness.alarm.since = CHANGE + 6
    reconcile(harness, CHANGE + 7, generation=4)
    assert harness.shown == {**OLD, "c": "3"}
    assert harness.alarm.exists


@pytest.mark.parametrize(
    "about",
    [{"rollout": None}, {"suspend": True}, {"annotations": {names.FORCE_GENERATION: "2"}}],
    ids=["no rollout any more", "suspended", "forced"],
)
def test_nothing_is_rolled_back_if_spec_disables_it(about: dict[str, Any]) -> None:
    harness = changed()
    harness.alarm.since = CHANGE + 6
    found = declared(stored(harness, **about))
    if found is not None:
        assert not harness.engine.run(found, now=CHANGE + 7).applied
    assert harness.shown == NEW


NO_PARAMETERS = AllowRule(namespaces=["shop"], paths=["/app"], resources=[Usable.FUNCTION])


@pytest.mark.parametrize(
    ("tenant", "region"),
    [
        (Tenant("shop", paths=("/other",)), {}),
        (Tenant("shop", is_trusted=False), {}),
        (Tenant("shop", is_trusted=False, rules=(NO_PARAMETERS,)), {}),
        (Tenant("shop", is_trusted=False, paths=("/app",)), {"region": "us-east-1"}),
        (Tenant("shop", regions=("eu-west-1",)), {"region": "us-east-1"}),
    ],
    ids=["another path", "no rule", "no parameters", "region without a rule", "region that no object may name"],
)
def test_nothing_is_written_if_the_policy_no_longer_allows_it(tenant: Tenant, region: dict[str, Any]) -> None:
    assert declared(stored(changed(), **region), tenant) is None
    assert declared(stored(changed(), **region)) is not None


def test_object_that_does_not_bake_is_not_watched() -> None:
    harness = RolloutHarness(values=OLD)
    assert declared(stored(harness)) is None
    harness.settle(START)
    harness.settle(START + BAKE)
    assert declared(stored(harness)) is None


def test_external_write_between_two_reads_of_one_rollback_is_kept() -> None:
    harness = changed()
    reconcile(harness, CHANGE + 5)
    harness.alarm.since = CHANGE + 6
    original = harness.versioned.observe

    def observe(scope: Any, desired: Any) -> Any:
        # The first read gets the values, the second evaluates, and the third plans.
        if harness.versioned.calls.count("observe") - before == 2:
            harness.versioned.by_hand("/app/b", "by hand")
        return original(scope, desired)

    before = harness.versioned.calls.count("observe")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness.versioned, "observe", observe)
        reconcile(harness, CHANGE + 7)
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
def test_status_promises_no_rollback_that_cannot_happen(about: dict[str, Any], now: float) -> None:
    harness = changed()
    reconcile(harness, now, **about)
    assert message(harness) == str(INVALID)
