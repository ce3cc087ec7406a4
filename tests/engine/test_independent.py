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
    """A lamp needs the things to exist."""

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
    """A cord needs its lamp."""

    needs = ("Lamp",)


def derived(**about: Any) -> DerivedKinds:
    return DerivedKinds(lamps=NeedyLamps(**about), cords=NeedyCords())


def refused_lamp(error: DynConfigError) -> DerivedKinds:
    found = derived()
    assert isinstance(found.lamps, NeedyLamps)
    found.lamps.refusal = error
    return found


def test_what_does_not_depend_on_a_refused_resource_is_carried_out() -> None:
    found = refused_lamp(Refused("Lamp: no such colour"))
    outcome = found.engine().run(declared(VALUES, **RED))
    assert set(found.fake.values) == {"/app/a", "/app/b", "/app/c"}
    assert found.cords.writes == []
    assert [item.title for item in outcome.refused] == [f"Lamp {declared({}).names.function}"]


def test_what_depends_on_a_stranger_waits_for_it() -> None:
    found = derived()
    found.fake.by_hand("/app/b", owner="cluster/other/rival/uid-9")
    outcome = found.engine().run(declared(VALUES, **RED))
    assert found.fake.values["/app/b"] == "by hand"
    assert found.fake.values["/app/a"] == "1"
    assert found.writes == []
    assert [item.message for item in outcome.blocked] == [
        f"Lamp {declared({}).names.function} waits for Thing /app/b",
    ]


def test_an_update_that_is_refused_leaves_what_was_there_to_those_that_need_it() -> None:
    found = derived()
    engine = found.engine()
    status = status_of(engine.run(declared(VALUES, **RED)))
    found.fake.failures = {"/app/a": Refused("no")}
    outcome = engine.run(declared({**VALUES, "a": "9"}, **BLUE, generation=2, status=status))
    assert next(iter(found.lamps.store.values())).colour == "blue"
    assert [item.title for item in outcome.refused] == ["Thing /app/a"]


def test_a_deletion_waits_for_what_still_uses_it() -> None:
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


def test_a_kind_that_cannot_be_read_keeps_only_its_own_from_being_written() -> None:
    found = derived(forbidden=AccessDenied("lamps: denied"))
    outcome = found.engine().run(declared(VALUES, **RED))
    assert set(found.fake.values) == {"/app/a", "/app/b", "/app/c"}
    assert isinstance(outcome.error, AccessDenied)
    assert found.writes == []


def test_what_was_reported_of_a_kind_that_cannot_be_read_is_not_forgotten() -> None:
    found = derived()
    status = lit(found)
    before = [item for item in status["resources"] if item["kind"] == "Lamp"]
    found.lamps.forbidden = AccessDenied("lamps: denied")
    outcome = found.engine().run(declared(VALUES, **RED, status=status))
    after = report.status(outcome, PreviousStatus.of(status), 1.8e9, None)
    assert [item for item in after["resources"] if item["kind"] == "Lamp"] == before
    assert set(found.cords.store) == {"cord"}, "a cord whose lamp is unknown is not surplus"


@pytest.mark.parametrize("error", [Throttled("slow"), Unavailable("away"), CredentialsMissing("none")])
def test_what_makes_every_call_useless_ends_the_turn(error: DynConfigError) -> None:
    fake = FakeKind(failures={"/app/b": error})
    outcome = fake.engine().run(declared({**VALUES, "c": "3"}))
    assert outcome.stopped is error
    assert fake.writes == ["put /app/a", "put /app/b"]


def test_status_lists_each_refused_resource_and_what_waits() -> None:
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


def test_the_condition_names_some_of_many_and_status_lists_no_more_than_fits() -> None:
    values = {f"p{number:03}": "1" for number in range(70)}
    fake = FakeKind(impossible=frozenset(f"/app/p{number:03}" for number in range(60)))
    outcome = fake.engine().run(declared(values))
    status = status_of(outcome)
    assert len(fake.store) == 10
    assert len(status["refused"]) == 50
    assert "; and 55 more" in status["conditions"][0]["message"]


def test_what_only_a_person_can_help_with_comes_first_and_what_may_pass_is_tried_soon() -> None:
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
def test_drift_beside_a_refused_resource_is_still_drift(policy: str) -> None:
    fake, status = refused_generation(policy)
    fake.by_hand("/app/a")
    outcome = fake.engine().run(
        declared({"a": "9", "b": "2", "c": "9"}, generation=2, driftPolicy=policy, status=status)
    )
    assert [step.resource.name for step in outcome.drift] == ["/app/a"]
    assert fake.values["/app/a"] == ("by hand" if policy == "Report" else "9")


def test_what_was_refused_is_written_as_soon_as_it_can_be_and_is_no_drift() -> None:
    fake, status = refused_generation("Report")
    fake.failures = {}
    outcome = fake.engine().run(
        declared({"a": "9", "b": "2", "c": "9"}, generation=2, driftPolicy="Report", status=status)
    )
    assert outcome.is_complete
    assert fake.values["/app/c"] == "9"
    assert "triedGeneration" not in report.status(outcome, PreviousStatus.of(status), 1.8e9, None)


def test_refusals_that_fill_a_turn_do_not_keep_the_rest_from_its_turn() -> None:
    """Each turn is over after one write; what was refused in one is not tried in the next before all else was."""
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


def test_a_generation_with_a_refused_parameter_is_not_stable_and_deletes_nothing() -> None:
    harness = stable()
    harness.versioned.impossible = frozenset({"/app/c"})
    harness.edit(a="2", c="1")
    harness.look(CHANGE)
    harness.look(CHANGE + BAKE + 1)
    assert harness.shown == {"a": "2", "b": "1"}
    assert harness.versioned.labelled == {("/app/a", "stable"): 1, ("/app/b", "stable"): 1}
    assert harness.ready == ("False", "NotPossible")


def test_a_generation_with_a_refused_parameter_is_undone_by_an_alarm() -> None:
    harness = stable()
    harness.versioned.impossible = frozenset({"/app/c"})
    harness.edit(a="2", b="1", c="1")
    outcome = harness.look(CHANGE)
    assert outcome.requeue_after is not None, "the alarm is looked at while the rest bakes"
    harness.alarm.since = CHANGE + 5
    harness.look(CHANGE + 6)
    assert harness.shown == {"a": "1", "b": "1"}


def test_a_singleton_is_not_deleted_while_the_one_that_takes_its_place_is_refused() -> None:
    found = derived()
    engine = found.engine()
    status = status_of(engine.run(declared(VALUES, **RED, function={"name": "old"})))
    assert isinstance(found.lamps, NeedyLamps)
    found.lamps.refusal = Refused("Lamp: no")
    engine.run(declared(VALUES, **RED, function={"name": "new"}, generation=2, status=status))
    assert len(found.lamps.store) == 1


def test_what_is_being_made_holds_back_only_what_is_deleted_for_it() -> None:
    found = derived(busy_looks=2)
    engine = found.engine()
    outcome = engine.run(declared(VALUES, **RED))
    assert isinstance(outcome.error, Settling)
    assert len(found.fake.store) == 3
    status = status_of(outcome)
    assert "refused" not in status
    edited = engine.run(declared({**VALUES, "a": "7"}, **BLUE, generation=2, status=status))
    assert found.fake.values["/app/a"] == "7"
    assert isinstance(edited.retry, Settling)
