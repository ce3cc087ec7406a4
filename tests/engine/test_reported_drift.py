"""With `driftPolicy: Report`, drift is reported and not corrected, also beside edits."""

from typing import Any

import pytest
from tests.engine.fake_kind import FakeKind, declared
from tests.rollout.rollout_harness import RolloutHarness
from tests.rollout.test_rollback import BAKE, CHANGE, OLD, stable

from dynconfig.engine.outcome import Outcome
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.status import report

REPORT: dict[str, Any] = {"driftPolicy": "Report"}


def status_of(outcome: Outcome, previous: dict[str, Any] | None = None) -> dict[str, Any]:
    return report.status(outcome, PreviousStatus.of(previous), 1000.0, None)


def meddled(values: dict[str, str], *names: str) -> tuple[FakeKind, dict[str, Any]]:
    """An object in sync, external writes of these values, and the status that reports them."""
    fake = FakeKind()
    status = status_of(fake.engine().run(declared(values, **REPORT)))
    for name in names:
        fake.by_hand(f"/app/{name}")
    return fake, status_of(fake.engine().run(declared(values, **REPORT, status=status)), status)


def by_hand(harness: RolloutHarness, name: str, at: float) -> None:
    harness.versioned.now = at
    harness.versioned.by_hand(f"/app/{name}", "by hand")


def test_more_drift_than_status_can_list_is_not_corrected() -> None:
    values = {f"p{number:03}": "1" for number in range(120)}
    fake, status = meddled(values, *values)
    assert len(status["drift"]) == 100
    for _ in range(2):
        outcome = fake.engine().run(declared(values, **REPORT, status=status))
        status = status_of(outcome, status)
        assert outcome.applied == ()
    assert set(fake.values.values()) == {"by hand"}
    assert status["counts"]["summary"] == "0/120"


def test_edit_of_one_parameter_does_not_correct_reported_drift_of_another() -> None:
    fake, status = meddled({"a": "1", "b": "1"}, "a")
    edited = declared({"a": "1", "b": "2"}, **REPORT, status=status, generation=2)
    outcome = fake.engine().run(edited)
    assert fake.values == {"/app/a": "by hand", "/app/b": "2"}
    new_status = status_of(outcome, status)
    assert [(item["resource"], item["declared"]) for item in new_status["drift"]] == [("Thing /app/a", "1")]
    assert (new_status["appliedGeneration"], new_status["conditions"][0]["reason"]) == (2, "DriftReported")


def test_edit_does_not_correct_drift_for_which_status_has_no_room() -> None:
    fake, status = meddled({"a": "1", "b": "1"}, "a")
    listed = [{**item, "version": 0} if item["name"] == "/app/a" else item for item in status["parameters"]]
    truncated = {**status, "drift": [], "parameters": listed, "statusLost": True}
    outcome = fake.engine().run(declared({"a": "1", "b": "2"}, **REPORT, status=truncated, generation=2))
    assert fake.values == {"/app/a": "by hand", "/app/b": "2"}
    assert [item["resource"] for item in status_of(outcome, truncated)["drift"]] == ["Thing /app/a"]


def test_edit_of_a_drifted_parameter_is_applied() -> None:
    fake, status = meddled({"a": "1", "b": "1"}, "a")
    outcome = fake.engine().run(declared({"a": "2", "b": "1"}, **REPORT, status=status, generation=2))
    assert fake.values["/app/a"] == "2"
    assert "drift" not in status_of(outcome, status)


def test_edit_at_the_end_of_a_long_text_is_applied() -> None:
    long = "x" * 200
    fake, status = meddled({"a": f"{long}1"}, "a")
    fake.engine().run(declared({"a": f"{long}2"}, **REPORT, status=status, generation=2))
    assert fake.values["/app/a"] == f"{long}2"


def test_drift_at_the_end_of_a_long_text_is_kept_beside_another_edit() -> None:
    long = "x" * 200
    fake, status = meddled({"a": f"{long}1", "b": "1"})
    fake.by_hand("/app/a", f"{long}other")
    status = status_of(fake.engine().run(declared({"a": f"{long}1", "b": "1"}, **REPORT, status=status)), status)
    (drift,) = status["drift"]
    assert (drift["declared"][-2:], drift["observed"][-6:]) == ("x1", "xother")
    fake.engine().run(declared({"a": f"{long}1", "b": "2"}, **REPORT, status=status, generation=2))
    assert fake.values == {"/app/a": f"{long}other", "/app/b": "2"}


def test_edit_behind_the_reported_part_of_a_long_text_is_applied() -> None:
    long = "x" * 400
    fake, status = meddled({"a": f"1{long}1"})
    fake.by_hand("/app/a", f"2{long}1")
    status = status_of(fake.engine().run(declared({"a": f"1{long}1"}, **REPORT, status=status)), status)
    fake.engine().run(declared({"a": f"1{long}2"}, **REPORT, status=status, generation=2))
    assert fake.values["/app/a"] == f"1{long}2"


def test_reported_missing_resource_is_not_recreated_by_another_edit() -> None:
    fake, status = meddled({"a": "1", "b": "1"})
    fake.store.pop("/app/a")
    status = status_of(fake.engine().run(declared({"a": "1", "b": "1"}, **REPORT, status=status)), status)
    fake.engine().run(declared({"a": "1", "b": "2"}, **REPORT, status=status, generation=2))
    assert fake.values == {"/app/b": "2"}


def test_changed_secret_does_not_correct_reported_drift_of_others() -> None:
    harness = RolloutHarness(values={"a": "1"}, secret="one", about={**REPORT, "rollout": None})
    harness.settle(1000)
    by_hand(harness, "a", 1010)
    harness.reconcile(1010)
    harness.secret = "two"
    harness.settle(1020)
    assert harness.shown == {"a": "by hand", "password": "two"}
    assert harness.ready == ("True", "DriftReported")


def test_deletion_after_the_bake_time_does_not_correct_reported_drift() -> None:
    harness = stable(**REPORT)
    harness.edit(a="1")
    harness.settle(CHANGE)
    by_hand(harness, "a", CHANGE + 10)
    harness.reconcile(CHANGE + 20)
    harness.settle(CHANGE + 3 * BAKE)
    assert harness.shown == {"a": "by hand"}


def test_drift_does_not_prevent_a_change_from_becoming_stable() -> None:
    harness = stable(**REPORT)
    harness.edit(a="2", b="1")
    harness.settle(CHANGE)
    by_hand(harness, "b", CHANGE + 10)
    harness.reconcile(CHANGE + 20)
    assert harness.ready == ("True", "Baking")
    harness.settle(CHANGE + BAKE + 30)
    status = harness.status or {}
    assert "bake" not in status
    assert status["stableGeneration"] == 2
    assert harness.ready == ("True", "DriftReported")


def test_external_value_never_becomes_stable() -> None:
    harness = stable(**REPORT)
    by_hand(harness, "a", CHANGE)
    harness.reconcile(CHANGE + 10)
    harness.edit(a="1", b="2")
    harness.settle(CHANGE + 20)
    harness.settle(CHANGE + 20 + BAKE)
    harness.edit(a="3", b="2")
    harness.settle(CHANGE + 3 * BAKE)
    harness.alarm.since = CHANGE + 3 * BAKE + 5
    harness.settle(CHANGE + 3 * BAKE + 6)
    assert harness.shown == {"a": OLD["a"], "b": "2"}


def test_revisions_in_status_are_only_own_ones() -> None:
    harness = stable(**REPORT)
    before = harness.status or {}
    by_hand(harness, "a", CHANGE)
    harness.reconcile(CHANGE + 10)
    status = harness.status or {}
    assert status["history"] == before["history"]
    assert status["stableRevision"] == before["stableRevision"]


@pytest.mark.parametrize("meets", ["before", "during"])
@pytest.mark.parametrize("edits", [False, True])
def test_suspension_does_not_correct_reported_drift(meets: str, *, edits: bool) -> None:
    fake, status = meddled({"a": "1", "b": "1"}, *(["a"] if meets == "before" else []))
    suspended = {**REPORT, "suspend": True}
    for generation in (2, 2):
        outcome = fake.engine().run(declared({"a": "1", "b": "1"}, generation=generation, status=status, **suspended))
        status = status_of(outcome, status)
        if meets == "during":
            fake.by_hand("/app/a")
    assert [item["resource"] for item in status.get("drift", [])] == (["Thing /app/a"])
    assert status["conditions"][0]["reason"] == "Suspended"
    values = {"a": "1", "b": "2" if edits else "1"}
    for _ in range(2):
        status = status_of(fake.engine().run(declared(values, generation=3, status=status, **REPORT)), status)
    assert fake.values == {"/app/a": "by hand", "/app/b": values["b"]}
    assert status["conditions"][0]["reason"] == "DriftReported"


@pytest.mark.parametrize("is_restarted", [False, True])
def test_rollback_keeps_reported_drift_and_reports_it_further(*, is_restarted: bool) -> None:
    harness = RolloutHarness(values={"a": "1", "b": "1"}, about={**REPORT, "rollout": None})
    harness.settle(CHANGE - 3 * BAKE)
    by_hand(harness, "b", CHANGE - 3 * BAKE + 10)
    harness.settle(CHANGE - 3 * BAKE + 20)
    del harness.about["rollout"]
    harness.edit(a="1", b="1")
    harness.settle(CHANGE - 3 * BAKE + 30)
    harness.settle(CHANGE)
    harness.edit(a="2", b="1")
    harness.settle(CHANGE + 1)
    harness.alarm.since = CHANGE + 5
    harness.settle(CHANGE + 6)
    if is_restarted:
        harness.restart()
    for _ in range(3):
        outcome = harness.reconcile(CHANGE + 3 * BAKE)
        assert harness.shown == {"a": "1", "b": "by hand"}
        assert (harness.status or {})["conditions"][0]["reason"] == "RolledBack"
        assert [item["resource"] for item in (harness.status or {})["drift"]] == ["Thing /app/b"]
        assert outcome.plan.waiting == ()


def test_rollback_leaves_reported_drift_that_the_change_did_not_touch() -> None:
    harness = stable(**REPORT)
    by_hand(harness, "b", CHANGE)
    harness.settle(CHANGE + 10)
    harness.edit(**{**OLD, "a": "2"})
    harness.settle(CHANGE + 20)
    harness.alarm.since = CHANGE + 25
    for later in (26, 26 + BAKE):
        harness.settle(CHANGE + later)
        assert harness.shown == {"a": OLD["a"], "b": "by hand"}
        assert harness.ready == ("False", "RolledBack")
        assert [item["resource"] for item in (harness.status or {})["drift"]] == ["Thing /app/b"]


def test_rollback_restores_a_drifted_value_that_the_change_overwrote() -> None:
    harness = stable(**REPORT)
    by_hand(harness, "b", CHANGE)
    harness.settle(CHANGE + 10)
    harness.edit(**{**OLD, "b": "2"})
    harness.settle(CHANGE + 20)
    harness.alarm.since = CHANGE + 25
    harness.settle(CHANGE + 26)
    assert harness.shown == OLD
