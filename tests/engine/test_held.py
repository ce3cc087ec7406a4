"""Under `driftPolicy: Report` drift is told of and left, whatever else is carried out beside it."""

from typing import Any

import pytest
from tests.engine.shelf import Stage
from tests.engine.test_rollback import BAKE, CHANGE, OLD, stable
from tests.engine.toy import Toy, declared

from dynconfig.engine import report
from dynconfig.engine.outcome import Outcome

REPORT: dict[str, Any] = {"driftPolicy": "Report"}


def status_of(outcome: Outcome, previous: dict[str, Any] | None = None) -> dict[str, Any]:
    return report.status(outcome, previous or {}, 1000.0, None)


def meddled(values: dict[str, str], *names: str) -> tuple[Toy, dict[str, Any]]:
    """An object that was in order, of which somebody else wrote these, and the report of that."""
    toy = Toy()
    status = status_of(toy.engine().run(declared(values, **REPORT)))
    for name in names:
        toy.by_hand(f"/app/{name}")
    return toy, status_of(toy.engine().run(declared(values, **REPORT, status=status)), status)


def by_hand(stage: Stage, name: str, at: float) -> None:
    stage.shelf.now = at
    stage.shelf.by_hand(f"/app/{name}", "by hand")


def test_more_drift_than_a_status_can_tell_is_left_all_the_same() -> None:
    values = {f"p{number:03}": "1" for number in range(120)}
    toy, status = meddled(values, *values)
    assert len(status["drift"]) == 100
    for _ in range(2):
        outcome = toy.engine().run(declared(values, **REPORT, status=status))
        status = status_of(outcome, status)
        assert outcome.applied == ()
    assert set(toy.values.values()) == {"by hand"}
    assert status["counts"]["summary"] == "0/120"


def test_an_edit_of_one_parameter_leaves_what_was_reported_of_another() -> None:
    toy, status = meddled({"a": "1", "b": "1"}, "a")
    edited = declared({"a": "1", "b": "2"}, **REPORT, status=status, generation=2)
    outcome = toy.engine().run(edited)
    assert toy.values == {"/app/a": "by hand", "/app/b": "2"}
    told = status_of(outcome, status)
    assert [(item["resource"], item["declared"]) for item in told["drift"]] == [("Thing /app/a", "1")]
    assert (told["appliedGeneration"], told["conditions"][0]["reason"]) == (2, "DriftReported")


def test_an_edit_of_what_was_reported_is_carried_out() -> None:
    toy, status = meddled({"a": "1", "b": "1"}, "a")
    outcome = toy.engine().run(declared({"a": "2", "b": "1"}, **REPORT, status=status, generation=2))
    assert toy.values["/app/a"] == "2"
    assert "drift" not in status_of(outcome, status)


def test_an_edit_at_the_end_of_a_long_text_is_carried_out() -> None:
    long = "x" * 200
    toy, status = meddled({"a": f"{long}1"}, "a")
    toy.engine().run(declared({"a": f"{long}2"}, **REPORT, status=status, generation=2))
    assert toy.values["/app/a"] == f"{long}2"


def test_drift_at_the_end_of_a_long_text_stays_with_an_edit_of_something_else() -> None:
    long = "x" * 200
    toy, status = meddled({"a": f"{long}1", "b": "1"})
    toy.by_hand("/app/a", f"{long}other")
    status = status_of(toy.engine().run(declared({"a": f"{long}1", "b": "1"}, **REPORT, status=status)), status)
    (drift,) = status["drift"]
    assert (drift["declared"][-2:], drift["observed"][-6:]) == ("x1", "xother")
    toy.engine().run(declared({"a": f"{long}1", "b": "2"}, **REPORT, status=status, generation=2))
    assert toy.values == {"/app/a": f"{long}other", "/app/b": "2"}


def test_an_edit_behind_what_the_report_shows_of_a_long_text_is_carried_out() -> None:
    long = "x" * 400
    toy, status = meddled({"a": f"1{long}1"})
    toy.by_hand("/app/a", f"2{long}1")
    status = status_of(toy.engine().run(declared({"a": f"1{long}1"}, **REPORT, status=status)), status)
    toy.engine().run(declared({"a": f"1{long}2"}, **REPORT, status=status, generation=2))
    assert toy.values["/app/a"] == f"1{long}2"


def test_what_is_missing_and_was_reported_stays_so_with_an_edit_of_something_else() -> None:
    toy, status = meddled({"a": "1", "b": "1"})
    toy.store.pop("/app/a")
    status = status_of(toy.engine().run(declared({"a": "1", "b": "1"}, **REPORT, status=status)), status)
    toy.engine().run(declared({"a": "1", "b": "2"}, **REPORT, status=status, generation=2))
    assert toy.values == {"/app/b": "2"}


def test_another_text_in_a_secret_leaves_what_was_reported_of_others() -> None:
    stage = Stage(values={"a": "1"}, secret="one", about={**REPORT, "rollout": None})
    stage.settle(1000)
    by_hand(stage, "a", 1010)
    stage.look(1010)
    stage.secret = "two"
    stage.settle(1020)
    assert stage.shown == {"a": "by hand", "password": "two"}
    assert stage.ready == ("True", "DriftReported")


def test_a_deletion_at_the_end_of_its_bake_time_leaves_what_was_reported() -> None:
    stage = stable(**REPORT)
    stage.edit(a="1")
    stage.settle(CHANGE)
    by_hand(stage, "a", CHANGE + 10)
    stage.look(CHANGE + 20)
    stage.settle(CHANGE + 3 * BAKE)
    assert stage.shown == {"a": "by hand"}


def test_drift_does_not_keep_a_change_from_proving_itself() -> None:
    stage = stable(**REPORT)
    stage.edit(a="2", b="1")
    stage.settle(CHANGE)
    by_hand(stage, "b", CHANGE + 10)
    stage.look(CHANGE + 20)
    assert stage.ready == ("True", "Baking")
    stage.settle(CHANGE + BAKE + 30)
    status = stage.status or {}
    assert "bake" not in status
    assert status["stableGeneration"] == 2
    assert stage.ready == ("True", "DriftReported")


def test_what_somebody_else_wrote_is_never_the_stable_value() -> None:
    stage = stable(**REPORT)
    by_hand(stage, "a", CHANGE)
    stage.look(CHANGE + 10)
    stage.edit(a="1", b="2")
    stage.settle(CHANGE + 20)
    stage.settle(CHANGE + 20 + BAKE)
    stage.edit(a="3", b="2")
    stage.settle(CHANGE + 3 * BAKE)
    stage.bell.since = CHANGE + 3 * BAKE + 5
    stage.settle(CHANGE + 3 * BAKE + 6)
    assert stage.shown == {"a": OLD["a"], "b": "2"}


def test_the_revisions_in_status_are_ours_alone() -> None:
    stage = stable(**REPORT)
    before = stage.status or {}
    by_hand(stage, "a", CHANGE)
    stage.look(CHANGE + 10)
    status = stage.status or {}
    assert status["history"] == before["history"]
    assert status["stableRevision"] == before["stableRevision"]


@pytest.mark.parametrize("meets", ["before", "during"])
@pytest.mark.parametrize("edits", [False, True])
def test_a_suspension_leaves_what_is_reported(meets: str, *, edits: bool) -> None:
    toy, status = meddled({"a": "1", "b": "1"}, *(["a"] if meets == "before" else []))
    suspended = {**REPORT, "suspend": True}
    for generation in (2, 2):
        outcome = toy.engine().run(declared({"a": "1", "b": "1"}, generation=generation, status=status, **suspended))
        status = status_of(outcome, status)
        if meets == "during":
            toy.by_hand("/app/a")
    assert [item["resource"] for item in status.get("drift", [])] == (["Thing /app/a"])
    assert status["conditions"][0]["reason"] == "Suspended"
    values = {"a": "1", "b": "2" if edits else "1"}
    for _ in range(2):
        status = status_of(toy.engine().run(declared(values, generation=3, status=status, **REPORT)), status)
    assert toy.values == {"/app/a": "by hand", "/app/b": values["b"]}
    assert status["conditions"][0]["reason"] == "DriftReported"
