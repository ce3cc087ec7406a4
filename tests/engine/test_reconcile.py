"""The reconcile: its writes and their order, what stops it, and that it always converges."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.engine.fake_kind import OWNER, RIVAL, FakeKind, declared, deletion

from dynconfig.model.errors import (
    Conflict,
    NotOwned,
    NotPossible,
    Refused,
    Throttled,
)
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.status import report

VALUES = {"a": "1", "b": "2"}


def many(count: int) -> dict[str, str]:
    return {f"p{number:02}": "x" for number in range(count)}


def status_of(outcome: Any) -> dict[str, Any]:
    return report.status(outcome, PreviousStatus(), 1.8e9, None)


def test_declared_state_is_written_and_then_nothing() -> None:
    fake = FakeKind()
    first = fake.engine().run(declared(VALUES))
    assert first.is_complete
    assert fake.values == {"/app/a": "1", "/app/b": "2"}
    fake.calls.clear()
    assert fake.engine().run(declared(VALUES)).plan.is_empty
    assert fake.writes == []


def test_puts_are_ordered_and_deletions_last_in_reverse_order() -> None:
    fake = FakeKind()
    fake.engine().run(declared({"a": "1", "b": "2", "c": "3"}))
    fake.calls.clear()
    fake.engine().run(declared({"c": "4", "d": "5"}, generation=2))
    assert fake.writes == ["put /app/c", "put /app/d", "delete /app/b", "delete /app/a"]


def test_foreign_resource_is_not_modified_and_the_rest_is_applied() -> None:
    fake = FakeKind()
    fake.by_hand("/app/b")
    outcome = fake.engine().run(declared(VALUES))
    assert isinstance(outcome.error, NotOwned)
    assert "adoptionPolicy: IfUnowned" in str(outcome.error)
    assert fake.writes == ["put /app/a"]
    assert not outcome.is_complete


def test_first_of_two_claimants_keeps_the_resource_and_is_named() -> None:
    fake = FakeKind()
    fake.engine().run(declared(VALUES, owner=RIVAL))
    outcome = fake.engine().run(declared({"b": "mine"}, adoptionPolicy="IfUnowned"))
    assert isinstance(outcome.error, NotOwned)
    assert "is owned by shop/rival" in str(outcome.error)
    assert fake.values["/app/b"] == "2"


def test_object_of_the_same_name_in_another_cluster_is_distinguished() -> None:
    fake = FakeKind()
    fake.engine().run(declared(VALUES, owner=replace(OWNER, cluster="blue", uid="uid-9")))
    outcome = fake.engine().run(declared(VALUES))
    assert isinstance(outcome.error, NotOwned)
    message = str(outcome.error)
    assert "thing /app/a, /app/b: each is owned by shop/myapp in cluster blue; rename it" in message
    # Objects restored in a new cluster can adopt the resources of the old one.
    assert "DYNCONFIG_CLUSTER_ID=blue and set adoptionPolicy: IfUnowned here" in message


def test_restored_objects_adopt_with_the_id_of_the_lost_cluster() -> None:
    fake = FakeKind()
    fake.engine().run(declared(VALUES, owner=replace(OWNER, cluster="blue", uid="uid-9")))
    restored = replace(OWNER, cluster="blue")
    outcome = fake.engine().run(declared(VALUES, owner=restored, adoptionPolicy="IfUnowned"))
    assert outcome.is_complete
    assert {thing.owner for thing in fake.store.values()} == {restored.tag}


def test_rejected_resource_is_named_and_the_rest_is_applied() -> None:
    fake = FakeKind(impossible=frozenset({"/app/b"}))
    outcome = fake.engine().run(declared(VALUES))
    assert isinstance(outcome.error, NotPossible)
    assert fake.writes == ["put /app/a"]


def test_rejection_in_the_middle_does_not_block_other_writes() -> None:
    fake = FakeKind(failures={"/app/b": Refused("no")})
    outcome = fake.engine().run(declared({**VALUES, "c": "3"}))
    assert isinstance(outcome.error, Refused)
    assert [step.resource.name for step in outcome.applied] == ["/app/a", "/app/c"]
    assert [step.resource.name for step in outcome.remaining] == ["/app/b"]
    assert outcome.untried == ()
    fake.failures.clear()
    assert fake.engine().run(declared({**VALUES, "c": "3"})).is_complete


def test_turn_ends_between_two_writes_and_continues_later() -> None:
    fake = FakeKind()
    outcome = fake.engine().run(declared(many(3)), keep_going=lambda: False)
    assert len(outcome.applied) == 1
    assert not outcome.is_complete
    assert fake.engine().run(declared(many(3))).is_complete


def test_deletions_are_one_call_to_the_kind() -> None:
    fake = FakeKind()
    fake.engine().run(declared(many(5)))
    assert fake.engine().run(deletion(many(5))).is_complete
    assert fake.store == {}


def test_suspended_object_is_observed_and_not_written() -> None:
    fake = FakeKind()
    outcome = fake.engine().run(declared(VALUES, suspend=True))
    assert outcome.is_suspended
    assert len(outcome.plan.steps) == 2
    assert fake.writes == []


def test_drift_under_report_is_reported_and_not_corrected() -> None:
    fake = FakeKind()
    status = status_of(fake.engine().run(declared(VALUES)))
    fake.by_hand("/app/a")
    outcome = fake.engine().run(declared(VALUES, driftPolicy="Report", status=status))
    assert [step.resource.name for step in outcome.plan.reported] == ["/app/a"]
    assert outcome.drift == outcome.plan.reported
    assert fake.values["/app/a"] == "by hand"


def test_edit_under_report_is_applied() -> None:
    fake = FakeKind()
    status = status_of(fake.engine().run(declared(VALUES)))
    edited = declared({**VALUES, "a": "9"}, driftPolicy="Report", status=status, generation=2)
    assert fake.engine().run(edited).is_complete
    assert fake.values["/app/a"] == "9"


def test_drift_under_correct_is_corrected_and_counted() -> None:
    fake = FakeKind()
    status = status_of(fake.engine().run(declared(VALUES)))
    fake.by_hand("/app/a")
    outcome = fake.engine().run(declared(VALUES, status=status))
    assert outcome.is_complete
    assert [step.resource.name for step in outcome.drift] == ["/app/a"]
    assert fake.values["/app/a"] == "1"


def test_lost_status_causes_an_observation_and_no_write() -> None:
    fake = FakeKind()
    fake.engine().run(declared(VALUES))
    fake.calls.clear()
    fake.engine().run(declared(VALUES, status=None))
    assert fake.calls == ["observe"]


def test_retained_resources_stay_without_an_owner() -> None:
    fake = FakeKind()
    fake.engine().run(declared(VALUES))
    assert fake.engine().run(deletion(VALUES, deletionPolicy="Retain")).is_complete
    assert {thing.owner for thing in fake.store.values()} == {""}


def test_suspended_object_deletes_nothing() -> None:
    fake = FakeKind()
    fake.engine().run(declared(VALUES))
    outcome = fake.engine().run(deletion(VALUES, suspend=True))
    assert outcome.is_suspended
    assert len(fake.store) == 2


def test_resources_of_a_predecessor_are_adopted_only_on_request() -> None:
    fake = FakeKind()
    fake.engine().run(declared(VALUES))
    heir = type(OWNER)("cluster", "shop", "myapp", "uid-9")
    assert isinstance(fake.engine().run(declared(VALUES, owner=heir)).error, NotOwned)
    assert fake.engine().run(declared(VALUES, owner=heir, adoptionPolicy="IfUnowned")).is_complete


# --- convergence

small = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["1", "2", "3"]), max_size=6)


@given(small, small, st.integers(1, 12), small)
def test_kill_after_any_write_converges(
    before: dict[str, str], after: dict[str, str], survived: int, meddled: dict[str, str]
) -> None:
    """From any state, with a kill at any write and an external change of owned resources, to the declared state."""
    fake, approval = FakeKind(), {"dynconfig.dev/approve-generation": "2"}
    status = status_of(fake.engine().run(declared(before)))
    fake.writes_left = survived
    try:
        fake.engine().run(declared(after, generation=2, status=status, annotations=approval))
    except KeyboardInterrupt:
        status = {**status, "observedGeneration": 1}
    fake.writes_left = None
    for name, value in meddled.items():
        if f"/app/{name}" in fake.store:
            fake.by_hand(f"/app/{name}", value)
    approval = {"dynconfig.dev/approve-generation": "2"}
    assert fake.engine().run(declared(after, generation=2, status=status, annotations=approval)).is_complete
    assert fake.values == {f"/app/{name}": value for name, value in after.items()}


@given(small, small, st.lists(st.sampled_from("abcdef"), max_size=4))
def test_deletion_removes_all_owned_resources_and_nothing_else(
    ours: dict[str, str], theirs: dict[str, str], forgotten: list[str]
) -> None:
    """Even if the status lacks some of them."""
    fake = FakeKind()
    for name, value in theirs.items():
        fake.by_hand(f"/app/{name}/theirs", value)
    fake.engine().run(declared(ours))
    remembered = {name: value for name, value in ours.items() if name not in forgotten}
    assert fake.engine().run(deletion(remembered)).is_complete
    assert set(fake.store) == {f"/app/{name}/theirs" for name in theirs}


@given(small, st.data())
def test_transient_failures_do_no_harm(values: dict[str, str], data: st.DataObject) -> None:
    """Throttling and conflicts in any order: the result is the same, and nothing is written twice unnecessarily."""
    fake = FakeKind()
    engine = fake.engine()
    failing = data.draw(st.lists(st.sampled_from("abcdef"), max_size=6))
    for name in failing:
        error = data.draw(st.sampled_from([Throttled("slow"), Conflict("busy", delay=1.0)]))
        fake.failures = {f"/app/{name}": error}
        engine.run(declared(values))
    fake.failures = {}
    assert engine.run(declared(values)).is_complete
    assert all(thing.version == 1 for thing in fake.store.values())
