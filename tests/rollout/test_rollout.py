"""When a change is stable, keeps baking, or has to be rolled back."""

from dataclasses import replace

import pytest
from tests.engine.fake_kind import Thing

from dynconfig.model.declaration import Rollout
from dynconfig.rollout.state import (
    Alarming,
    AlarmPast,
    Evidence,
    Period,
    RolloutPhase,
    RolloutState,
    asked_for_past,
    evaluate,
)

ROLLOUT = Rollout(bake_seconds=600, rolls_back=True)
CHANGED_AT = 1000.0
CHANGED = Thing(name="/app/a", last_modified=CHANGED_AT)
LATER = Thing(name="/app/b", last_modified=CHANGED_AT + 100)
QUIET = Alarming(name="errors")


def fires(since: float) -> Alarming:
    return Alarming(name="errors", state="ALARM", since=since)


def judged(now: float, *alarms: Alarming, rollout: Rollout = ROLLOUT, **about: object) -> RolloutState:
    evidence = replace(Evidence(unstable=(CHANGED,), has_stable=True, alarms=alarms), **about)  # type: ignore[arg-type]
    return evaluate(rollout, evidence, now)


def test_unproved_version_is_never_stable() -> None:
    assert judged(5000, unstable=()).phase is RolloutPhase.STABLE


def test_change_bakes_until_its_time_is_over() -> None:
    assert judged(CHANGED_AT + 1, QUIET) == RolloutState(RolloutPhase.BAKING, CHANGED_AT, CHANGED_AT + 600, 1)
    assert judged(CHANGED_AT + 599, QUIET).phase is RolloutPhase.BAKING
    assert judged(CHANGED_AT + 600, QUIET).phase is RolloutPhase.STABLE


def test_newest_write_counts() -> None:
    assert judged(CHANGED_AT + 650, QUIET, unstable=(CHANGED, LATER)).phase is RolloutPhase.BAKING
    assert judged(CHANGED_AT + 700, QUIET, unstable=(CHANGED, LATER)).phase is RolloutPhase.STABLE


def test_write_without_a_known_time_starts_to_bake_now() -> None:
    fresh = replace(CHANGED, last_modified=None)
    assert judged(9000, QUIET, unstable=(fresh,)).until == 9600


def test_alarm_after_the_change_rolls_it_back() -> None:
    found = judged(CHANGED_AT + 30, fires(CHANGED_AT + 20))
    assert (found.phase, found.alarm, found.caused_by_change) == (RolloutPhase.FAILED, "errors", True)


def test_alarm_in_the_bake_time_rolls_back_even_if_evaluated_late() -> None:
    assert judged(CHANGED_AT + 5000, fires(CHANGED_AT + 20)).phase is RolloutPhase.FAILED


def test_alarm_after_the_bake_time_is_not_caused_by_the_change() -> None:
    assert judged(CHANGED_AT + 5000, fires(CHANGED_AT + 601)).phase is RolloutPhase.STABLE


def test_alarm_that_fired_first_is_named_whether_it_is_ok_again_or_not() -> None:
    composite = Alarming(name="unhealthy", state="OK", since=CHANGED_AT + 40)
    recovered = replace(QUIET, state="OK", since=CHANGED_AT + 39)
    other = replace(fires(CHANGED_AT + 60), name="slow")
    past = {"unhealthy": AlarmPast(CHANGED_AT + 21), "errors": AlarmPast(CHANGED_AT + 20)}
    found = judged(CHANGED_AT + 70, composite, other, recovered, past=past, has_been_stable=True)
    assert (found.phase, found.alarm) == (RolloutPhase.FAILED, "errors")


def test_only_alarms_that_changed_their_state_since_the_change_are_asked() -> None:
    alarms = [
        replace(QUIET, name="before", state="OK", since=CHANGED_AT - 1),
        replace(QUIET, name="new", state="INSUFFICIENT_DATA", since=CHANGED_AT + 1),
        replace(QUIET, name="recovered", state="OK", since=CHANGED_AT + 30),
        replace(fires(CHANGED_AT + 20), name="fires"),
        replace(fires(CHANGED_AT + 601), name="fires since later"),
    ]
    evidence = Evidence(unstable=(CHANGED,), has_stable=True, has_been_stable=True, alarms=alarms)
    asked = asked_for_past(ROLLOUT, evidence, CHANGED_AT + 700)
    assert asked is not None
    assert asked[0] == Period(CHANGED_AT, CHANGED_AT + 600)
    assert [alarm.name for alarm in asked[1]] == ["new", "recovered", "fires since later"]
    assert asked_for_past(ROLLOUT, replace(evidence, replaced=frozenset({CHANGED.name})), CHANGED_AT + 30) is None
    assert asked_for_past(ROLLOUT, replace(evidence, has_been_stable=False), CHANGED_AT + 30) is None


@pytest.mark.parametrize("now", [CHANGED_AT + 1, CHANGED_AT + 5000])
def test_alarm_before_the_change_delays_it_and_is_not_caused_by_it(now: float) -> None:
    found = judged(now, fires(CHANGED_AT - 1))
    assert (found.phase, found.caused_by_change) == (RolloutPhase.ALARMED, False)


@pytest.mark.parametrize(
    ("rollout", "has_stable"),
    [
        (ROLLOUT, False),
        (replace(ROLLOUT, rolls_back=False), True),
        (replace(ROLLOUT, is_forced=True), True),
    ],
)
def test_change_without_a_possible_or_enabled_rollback_stays_and_is_reported(
    rollout: Rollout, has_stable: bool
) -> None:
    found = judged(CHANGED_AT + 30, fires(CHANGED_AT + 20), rollout=rollout, has_stable=has_stable)
    assert (found.phase, found.caused_by_change) == (RolloutPhase.ALARMED, True)


def test_pending_deletion_bakes_like_a_change() -> None:
    assert judged(1100, unstable=(), removals=2, removals_since=1000.0).phase is RolloutPhase.BAKING
    assert judged(1600, unstable=(), removals=2, removals_since=1000.0).phase is RolloutPhase.STABLE
    assert judged(1600, unstable=(), removals=2).until == 2200


def test_stable_change_stays_stable_while_labels_are_moved() -> None:
    decided_at = CHANGED_AT + 700
    assert judged(decided_at, QUIET, unstable=(CHANGED, LATER)).phase is RolloutPhase.STABLE
    late = fires(decided_at + 1)
    for left in ((CHANGED,), (LATER,)):
        assert judged(decided_at + 2, late, unstable=left).phase is RolloutPhase.STABLE
