"""A refused resource blocks only its dependents; status lists them, and none of it counts as drift."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.engine.fake_kind import FakeKind, declared, deletion
from tests.engine.parts import Cords, DerivedKinds, Lamp, Lamps, coloured, lit, status_of
from tests.rollout.test_rollback import BAKE, CHANGE, stable

from dynconfig.model.errors import (
    AccessDenied,
    Conflict,
    CredentialsMissing,
    DynConfigError,
    Refused,
    Settling,
    Throttled,
    Unavailable,
)
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.status import report

VALUES = {"a": "1", "b": "2", "c": "3"}
RED, BLUE = coloured("red"), coloured("blue")


class NeedyLamps(Lamps):
    """A lamp depends on the other resources."""

    needs = ("Thing",)
    refusal: DynConfigError | None = None

    def put(self, desired: Lamp, observed: Lamp | None) -> Lamp:
        if self.refusal is not None:
            raise self.refusal
        return super().put(desired, observed)

    def delete(self, observed: Sequence[Lamp]) -> None:
        if self.refusal is not None:
            raise self.refusal
        super().delete(observed)


class NeedyCords(Cords):
    """A cord depends on its lamp."""

    needs = ("Lamp",)


def derived(**about: Any) -> DerivedKinds:
    return DerivedKinds(lamps=NeedyLamps(**about), cords=NeedyCords())


def refused_lamp(error: DynConfigError) -> DerivedKinds:
    found = derived()
    assert isinstance(found.lamps, NeedyLamps)
    found.lamps.refusal = error
    return found


def test_steps_independent_of_a_rejected_resource_are_applied() -> None:
    found = refused_lamp(Refused("Lamp: no such colour"))
    outcome = found.engine().run(declared(VALUES, **RED))
    assert set(found.fake.values) == {"/app/a", "/app/b", "/app/c"}
    assert found.cords.writes == []
    assert [item.title for item in outcome.refused] == [f"Lamp {declared({}).names.function}"]


def test_step_that_depends_on_a_foreign_resource_waits() -> None:
    found = derived()
    found.fake.by_hand("/app/b", owner="cluster/other/rival/uid-9")
    outcome = found.engine().run(declared(VALUES, **RED))
    assert found.fake.values["/app/b"] == "by hand"
    assert found.fake.values["/app/a"] == "1"
    assert found.writes == []
    assert [item.message for item in outcome.blocked] == [
        f"Lamp {declared({}).names.function} waits for Thing /app/b",
    ]


def test_rejected_update_keeps_the_existing_resource_for_its_dependents() -> None:
    found = derived()
    engine = found.engine()
    status = status_of(engine.run(declared(VALUES, **RED)))
    found.fake.failures = {"/app/a": Refused("no")}
    outcome = engine.run(declared({**VALUES, "a": "9"}, **BLUE, generation=2, status=status))
    assert next(iter(found.lamps.store.values())).colour == "blue"
    assert [item.title for item in outcome.refused] == ["Thing /app/a"]


def test_deletion_waits_for_dependents() -> None:
    found = derived()
    engine = found.engine()
    status = status_of(engine.run(declared(VALUES, **RED)))
    assert isinstance(found.lamps, NeedyLamps)
    found.lamps.refusal = Refused("Lamp: not now")
    edited = engine.run(declared({"a": "1", "b": "2"}, **BLUE, generation=2, status=status))
    assert "/app/c" in found.fake.store
    assert [item.step.resource.title for item in edited.blocked] == ["Thing /app/c"]
    ended = engine.run(deletion(VALUES, status=status))
    assert set(found.fake.store) == {"/app/a", "/app/b", "/app/c"}
    assert found.cords.store == {}
    assert len(ended.blocked) == 3
    found.lamps.refusal = None
    assert engine.run(deletion(VALUES, status=status)).is_complete
    assert found.is_dark


def test_unreadable_kind_blocks_only_its_own_writes() -> None:
    found = derived(forbidden=AccessDenied("lamps: denied"))
    outcome = found.engine().run(declared(VALUES, **RED))
    assert set(found.fake.values) == {"/app/a", "/app/b", "/app/c"}
    assert isinstance(outcome.error, AccessDenied)
    assert found.writes == []


def test_reported_resources_of_an_unreadable_kind_are_kept_in_status() -> None:
    found = derived()
    status = lit(found)
    before = [item for item in status["resources"] if item["kind"] == "Lamp"]
    found.lamps.forbidden = AccessDenied("lamps: denied")
    outcome = found.engine().run(declared(VALUES, **RED, status=status))
    after = report.status(outcome, PreviousStatus.of(status), 1.8e9, None)
    assert [item for item in after["resources"] if item["kind"] == "Lamp"] == before
    assert set(found.cords.store) == {"cord"}, "a cord whose lamp is unknown is not surplus"


@pytest.mark.parametrize("error", [Throttled("slow"), Unavailable("away"), CredentialsMissing("none")])
def test_error_that_affects_every_call_ends_the_turn(error: DynConfigError) -> None:
    fake = FakeKind(failures={"/app/b": error})
    outcome = fake.engine().run(declared({**VALUES, "c": "3"}))
    assert outcome.stopped is error
    assert fake.writes == ["put /app/a", "put /app/b"]


def test_status_lists_each_rejected_resource_and_what_waits() -> None:
    found = derived()
    found.fake.impossible = frozenset({"/app/b"})
    outcome = found.engine().run(declared(VALUES, **RED))
    status = status_of(outcome)
    name = declared({}).names.function
    assert status["refused"] == [
        {"resource": "Thing /app/b", "reason": "NotPossible", "message": "/app/b cannot be"},
        {"resource": f"Lamp {name}", "reason": "Waiting", "message": f"Lamp {name} waits for Thing /app/b"},
    ]
    assert status["counts"]["summary"] == "2/3"
    assert (status.get("appliedGeneration"), status["triedGeneration"]) == (None, 1)
    ready = status["conditions"][0]
    assert (ready["status"], ready["reason"]) == ("False", "NotPossible")
    assert "/app/b cannot be" in ready["message"]


def test_condition_names_some_of_many_and_status_is_bounded() -> None:
    values = {f"p{number:03}": "1" for number in range(70)}
    fake = FakeKind(impossible=frozenset(f"/app/p{number:03}" for number in range(60)))
    outcome = fake.engine().run(declared(values))
    status = status_of(outcome)
    assert len(fake.store) == 10
    assert len(status["refused"]) == 50
    assert "; and 55 more" in status["conditions"][0]["message"]


def test_terminal_errors_come_first_and_retryable_ones_are_retried_soon() -> None:
    fake = FakeKind(failures={"/app/a": Conflict("busy", delay=2.0), "/app/b": Refused("no")})
    outcome = fake.engine().run(declared(VALUES))
    assert isinstance(outcome.error, Refused)
    assert outcome.retry is not None
    assert outcome.retry.delay == 2.0


def refused_generation(policy: str) -> tuple[FakeKind, dict[str, Any]]:
    """The second generation changes a and c; c is refused."""
    fake = FakeKind()
    status = status_of(fake.engine().run(declared(VALUES)))
    fake.failures = {"/app/c": Refused("no")}
    edited = declared({"a": "9", "b": "2", "c": "9"}, generation=2, driftPolicy=policy, status=status)
    return fake, report.status(fake.engine().run(edited), PreviousStatus.of(status), 1.8e9, None)


@pytest.mark.parametrize("policy", ["Report", "Correct"])
def test_drift_beside_a_rejected_resource_is_still_drift(policy: str) -> None:
    fake, status = refused_generation(policy)
    fake.by_hand("/app/a")
    outcome = fake.engine().run(
        declared({"a": "9", "b": "2", "c": "9"}, generation=2, driftPolicy=policy, status=status)
    )
    assert [step.resource.name for step in outcome.drift] == ["/app/a"]
    assert fake.values["/app/a"] == ("by hand" if policy == "Report" else "9")


def test_previously_rejected_resource_is_written_when_possible_and_not_drift() -> None:
    fake, status = refused_generation("Report")
    fake.failures = {}
    outcome = fake.engine().run(
        declared({"a": "9", "b": "2", "c": "9"}, generation=2, driftPolicy="Report", status=status)
    )
    assert outcome.is_complete
    assert fake.values["/app/c"] == "9"
    assert "triedGeneration" not in report.status(outcome, PreviousStatus.of(status), 1.8e9, None)


def test_rejections_that_fill_a_turn_do_not_starve_other_steps() -> None:
    """Each turn ends after one write; a step rejected in one is retried only after all others were tried."""
    values = {f"p{number}": "1" for number in range(6)}
    fake = FakeKind(failures={f"/app/p{number}": Refused(f"no {number}") for number in range(4)})
    engine = fake.engine()
    for turn in range(6):
        outcome = engine.run(declared(values), keep_going=lambda: False)
        assert len(outcome.refused) == min(turn + 1, 4)
    assert set(fake.values) == {"/app/p4", "/app/p5"}
    assert outcome.untried == ()
    fake.failures = {}
    for _turn in range(4):
        outcome = engine.run(declared(values), keep_going=lambda: False)
    assert outcome.is_complete


def test_generation_with_a_rejected_parameter_is_not_stable_and_deletes_nothing() -> None:
    harness = stable()
    harness.versioned.impossible = frozenset({"/app/c"})
    harness.edit(a="2", c="1")
    harness.reconcile(CHANGE)
    harness.reconcile(CHANGE + BAKE + 1)
    assert harness.shown == {"a": "2", "b": "1"}
    assert harness.versioned.labelled == {("/app/a", "stable"): 1, ("/app/b", "stable"): 1}
    assert harness.ready == ("False", "NotPossible")


def test_generation_with_a_rejected_parameter_is_rolled_back_by_an_alarm() -> None:
    harness = stable()
    harness.versioned.impossible = frozenset({"/app/c"})
    harness.edit(a="2", b="1", c="1")
    outcome = harness.reconcile(CHANGE)
    assert outcome.requeue_after is not None, "the alarm is evaluated while the rest bakes"
    harness.alarm.since = CHANGE + 5
    harness.reconcile(CHANGE + 6)
    assert harness.shown == {"a": "1", "b": "1"}


def test_singleton_is_not_deleted_while_its_replacement_is_rejected() -> None:
    found = derived()
    engine = found.engine()
    status = status_of(engine.run(declared(VALUES, **RED, function={"name": "old"})))
    assert isinstance(found.lamps, NeedyLamps)
    found.lamps.refusal = Refused("Lamp: no")
    engine.run(declared(VALUES, **RED, function={"name": "new"}, generation=2, status=status))
    assert len(found.lamps.store) == 1


def test_pending_creation_delays_only_deletions_it_replaces() -> None:
    found = derived(busy_reads=2)
    engine = found.engine()
    outcome = engine.run(declared(VALUES, **RED))
    assert isinstance(outcome.error, Settling)
    assert len(found.fake.store) == 3
    status = status_of(outcome)
    assert "refused" not in status
    edited = engine.run(declared({**VALUES, "a": "7"}, **BLUE, generation=2, status=status))
    assert found.fake.values["/app/a"] == "7"
    assert isinstance(edited.retry, Settling)
