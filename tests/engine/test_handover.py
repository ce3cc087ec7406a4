"""A parameter removed from its object is handed over, retained or deleted, and deleted only after others could adopt it."""

from dataclasses import replace
from typing import Any

import pytest
from tests.engine.fake_kind import OWNER, RIVAL, FakeKind, declared, document, nothing

from dynconfig.cli import describe
from dynconfig.cli.deletion_plan import deletion_plan
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.model.declaration import Declaration, Successor
from dynconfig.model.errors import Conflict, DeletionDelayed, NotOwned, UnsafePlan
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.status import kube_events, report
from dynconfig.validation.declare import declare, declare_deletion
from dynconfig.validation.tenancy import Tenant

VALUES = {"a": "1", "b": "2", "c": "3"}


def taken(declaration: Declaration, *names: str) -> Declaration:
    """The declaration, with a rival that declares these names and may adopt them."""
    return replace(declaration, successor_of=lambda name: Successor(RIVAL) if name in names else None)


def applied(**about: Any) -> tuple[FakeKind, dict[str, Any]]:
    fake = FakeKind()
    outcome = fake.engine().run(declared(VALUES, **about))
    fake.calls.clear()
    return fake, report.status(outcome, PreviousStatus(), 1.8e9, None)


def with_policy(name: str, policy: str, values: dict[str, str] = VALUES, **about: Any) -> dict[str, Any]:
    """An object with one parameter that has its own policy."""
    found = document(values, **about)
    (parameter,) = (item for item in found["spec"]["parameters"] if item["name"] == name)
    parameter["deletionPolicy"] = policy
    return found


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_adopted_parameter_gets_the_new_owner_tag_and_is_not_deleted(policy: str) -> None:
    fake, status = applied(deletionPolicy=policy)
    edit = declared({"a": "1", "b": "2"}, generation=2, status=status, deletionPolicy=policy)
    outcome = fake.engine().run(taken(edit, "/app/c"))
    assert fake.writes == ["hand over /app/c"]
    assert (fake.store["/app/c"].owner, fake.store["/app/c"].version) == (RIVAL.tag, 1)
    (note,) = kube_events.events_of(outcome, PreviousStatus.of(status), 1.8e9)
    assert (note.reason, note.message) == ("HandedOver", "Handed over: Thing /app/c to shop/rival")


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_deletion_hands_over_what_another_object_adopts(policy: str) -> None:
    fake, status = applied()
    deleted = document(VALUES, status=status, deletionPolicy=policy)
    leaving = taken(declare_deletion(deleted, owner=OWNER, default_region="eu-west-1"), "/app/b")
    plan = fake.engine().assess(leaving, 0.0).plan
    assert ("Thing /app/b", "handed over to shop/rival") in deletion_plan(leaving, plan, plan.owned, None).retained
    assert fake.engine().run(leaving).is_complete
    assert set(fake.store) == ({"/app/b"} if policy == "Delete" else {"/app/a", "/app/b", "/app/c"})
    assert fake.store["/app/b"].owner == RIVAL.tag


@pytest.mark.parametrize("answers", [0, 1, 2], ids=["before the plan", "before the write", "after the write"])
def test_successor_deleted_meanwhile_gets_nothing(answers: int) -> None:
    fake, status = applied()
    successors = iter([Successor(RIVAL)] * answers)
    edit = declared({"a": "1", "b": "2"}, generation=2, status=status, deletionPolicy="Retain")
    outcome = fake.engine().run(
        replace(edit, successor_of=lambda name: next(successors, None) if name == "/app/c" else None)
    )
    if answers == 0:
        assert fake.writes == ["release /app/c"]
        return
    assert isinstance(outcome.error, Conflict)
    assert fake.writes == ["hand over /app/c"] * (2 if answers == 2 else 0)
    assert fake.store["/app/c"].owner == OWNER.tag
    # The next reconcile finds no other object, so that its own policy applies.
    assert fake.engine().run(edit).is_complete
    assert fake.store["/app/c"].owner == ""


def test_successor_owns_what_it_was_given_even_after_a_kill() -> None:
    fake, status = applied()
    fake.writes_left = 1
    edit = declared({"a": "1", "b": "2"}, generation=2, status=status)
    with pytest.raises(KeyboardInterrupt):
        fake.engine().run(taken(edit, "/app/c"))
    fake.writes_left = None
    going = declare_deletion(document({"c": "3"}), owner=RIVAL, default_region="eu-west-1")
    assert fake.engine().run(going).is_complete
    assert set(fake.store) == {"/app/a", "/app/b"}


def test_object_without_its_finalizer_yet_is_awaited() -> None:
    fake, status = applied()
    edit = declared({"a": "1", "b": "2"}, generation=2, status=status)
    new = replace(edit, successor_of=lambda name: Successor(RIVAL, has_finalizer=False) if name == "/app/c" else None)
    assert isinstance(fake.engine().run(new).error, Conflict)
    assert fake.writes == []
    assert fake.engine().run(taken(edit, "/app/c")).is_complete
    assert fake.store["/app/c"].owner == RIVAL.tag


def test_parameter_left_for_an_object_that_may_not_own_it_has_no_owner() -> None:
    fake, status = applied()
    edit = declared({"a": "1", "b": "2"}, generation=2, status=status)
    left = replace(edit, successor_of=lambda name: Successor(RIVAL, may_own=False) if name == "/app/c" else None)
    assert fake.engine().run(left).is_complete
    assert fake.writes == ["release /app/c"]


def test_plan_names_the_new_owner_of_a_parameter() -> None:
    fake, status = applied()
    found = fake.engine().assess(taken(declared({"a": "1", "b": "2"}, generation=2, status=status), "/app/c"), 0.0)
    assert list(describe.lines(found.plan)) == [("=", "release Thing /app/c"), (" ", "handed over to shop/rival")]
    (change,) = describe.document(found)["changes"]
    assert (change["change"], change["handedOverTo"]) == ("release", "shop/rival")


def test_hand_over_needs_no_approval() -> None:
    fake, status = applied()
    edit = declared({}, generation=2, status=status)
    assert isinstance(fake.engine().run(edit).error, UnsafePlan)
    assert fake.engine().run(taken(edit, "/app/a", "/app/b")).is_complete
    assert set(fake.store) == {"/app/a", "/app/b"}


def test_retain_applies_to_a_parameter_that_is_no_longer_declared() -> None:
    fake, status = applied(deletionPolicy="Retain")
    edit = declared({"a": "1", "b": "2"}, generation=2, status=status, deletionPolicy="Retain")
    assert fake.engine().run(edit).is_complete
    assert fake.writes == ["release /app/c"]


@pytest.mark.parametrize(("whole", "own", "is_kept"), [("Delete", "Retain", True), ("Retain", "Delete", False)])
def test_policy_of_a_parameter_is_remembered_after_its_removal(whole: str, own: str, is_kept: bool) -> None:
    fake = FakeKind()
    first = run(fake, with_policy("c", own, deletionPolicy=whole))
    status = report.status(first, PreviousStatus(), 1.8e9, None)
    assert [item.get("deletionPolicy") for item in status["parameters"]] == [None, None, own]
    left = run(fake, document({"a": "1", "b": "2"}, generation=2, status=status, deletionPolicy=whole))
    assert left.is_complete
    assert ("/app/c" in fake.store) is is_kept


@pytest.mark.parametrize(("whole", "own", "is_kept"), [("Delete", "Retain", True), ("Retain", "Delete", False)])
def test_policy_of_a_parameter_applies_when_the_object_is_deleted(whole: str, own: str, is_kept: bool) -> None:
    fake = FakeKind()
    found = with_policy("c", own, deletionPolicy=whole)
    run(fake, found)
    assert fake.engine().run(declare_deletion(found, owner=OWNER, default_region="eu-west-1")).is_complete
    assert ("/app/c" in fake.store) is is_kept


def test_unknown_policy_retains() -> None:
    fake = FakeKind()
    run(fake, document(VALUES))
    odd = document(VALUES, deletionPolicy="Orphan")
    assert fake.engine().run(declare_deletion(odd, owner=OWNER, default_region="eu-west-1")).is_complete
    assert set(fake.store) == {"/app/a", "/app/b", "/app/c"}


def test_deletion_waits_briefly_and_everything_else_is_done() -> None:
    fake, status = applied()
    edit = replace(declared({"a": "9", "b": "2"}, generation=2, status=status), deletes_from=1005.0)
    early = fake.engine().run(edit, now=1001.0)
    assert isinstance(early.error, DeletionDelayed)
    assert early.error.delay == 4.0
    assert fake.writes == ["put /app/a"]
    ready = report.status(early, PreviousStatus.of(status), 1001.0, None)["conditions"][0]
    assert (ready["status"], ready["reason"]) == ("Unknown", "DeletionDelayed")
    # Meanwhile another object has declared it.
    assert fake.engine().run(taken(edit, "/app/c"), now=1002.0).is_complete
    assert "/app/c" in fake.store
    late = replace(edit, deletes_from=1005.0)
    assert fake.engine().run(late, now=1005.0).is_complete


@pytest.mark.parametrize("ahead", [-7200.0, 7200.0])
def test_deletion_waits_as_long_with_another_aws_clock(ahead: float) -> None:
    fake, status = applied()
    edit = replace(declared({"a": "1", "b": "2"}, generation=2, status=status), deletes_from=10_005.0)
    engine = Engine(lambda _place: (fake,), aws_now=lambda now: now + ahead)
    early = engine.run(edit, now=10_001.0)
    assert isinstance(early.error, DeletionDelayed)
    assert early.error.delay == pytest.approx(4.0)
    assert engine.run(edit, now=10_006.0).is_complete


def test_successor_adopts_in_place() -> None:
    fake, status = applied()
    heir = declared({"c": "3"}, owner=RIVAL, adoptionPolicy="IfUnowned")
    blocked = fake.engine().run(heir)
    assert isinstance(blocked.error, NotOwned)
    assert (blocked.error.titles, blocked.error.may_pass) == (("Thing /app/c",), True)
    assert "remove it from shop/myapp, so that it is handed over" in str(blocked.error)
    fake.engine().run(taken(declared({"a": "1", "b": "2"}, generation=2, status=status), "/app/c"))
    assert fake.engine().run(heir).is_complete
    assert fake.store["/app/c"].owner == RIVAL.tag


def run(fake: FakeKind, found: dict[str, Any]) -> Outcome:
    return fake.engine().run(
        declare(found, owner=OWNER, default_region="eu-west-1", tenant=Tenant("shop"), read=nothing)
    )


@pytest.mark.parametrize(("policy", "is_awaited"), [("IfUnowned", True), ("Never", False)])
def test_parameter_given_up_by_its_owner_is_awaited_without_a_warning(policy: str, is_awaited: bool) -> None:
    fake, _ = applied()
    heir = replace(
        declared({"b": "2", "c": "3"}, owner=RIVAL, adoptionPolicy=policy), awaits=lambda _owner, _name: True
    )
    outcome = fake.engine().run(heir)
    assert isinstance(outcome.error, NotOwned)
    assert outcome.error.is_awaited is is_awaited
    assert bool(kube_events.events_of(outcome, PreviousStatus(), 1.8e9)) is not is_awaited
    mixed = fake.engine().run(replace(heir, awaits=lambda _owner, name: name == "/app/b"))
    assert [note.reason for note in kube_events.events_of(mixed, PreviousStatus(), 1.8e9)] == ["NotOwned"]
