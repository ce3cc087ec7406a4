"""Observation of AWS in order or in parallel, and the desired resources without observation."""

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from tests.engine.fake_kind import FakeKind, Thing, declared

from dynconfig.engine.assessment import compared
from dynconfig.engine.observe import desired_resources, observe
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import NotOwned, Unavailable
from dynconfig.model.resource import ASSIGNED, Resource, Scope


@dataclass
class Meeting(FakeKind):
    """A kind whose observation ends only when another one is in progress."""

    meeting: threading.Barrier = field(default_factory=lambda: threading.Barrier(1))
    is_independent: bool = True

    def observe(self, scope: Scope, desired: Sequence[Thing]) -> Iterable[Thing]:
        """Wait for the other."""
        self.meeting.wait(timeout=10)
        return super().observe(scope, desired)


class Follower(FakeKind):
    """A kind that uses the observations of earlier kinds."""

    def observe(self, scope: Scope, desired: Sequence[Thing]) -> Iterable[Thing]:
        """Record the observations."""
        self.calls.append(" ".join(resource.name for resource in scope.observed_so_far))
        return super().observe(scope, desired)


def applied() -> FakeKind:
    fake = FakeKind()
    fake.engine().run(declared({"a": "1"}))
    return fake


def test_independent_kinds_are_observed_concurrently() -> None:
    meeting = threading.Barrier(2)
    kinds = [Meeting(meeting=meeting), Meeting(meeting=meeting)]
    with ThreadPoolExecutor(2) as threads:
        assert len(list(observe(kinds, declared({"a": "1"}), threads))) == 2


@pytest.mark.parametrize("threads", [None, 2])
def test_dependent_kind_gets_earlier_observations(threads: int | None) -> None:
    first, follower = Meeting(store=applied().store), Follower()
    with ThreadPoolExecutor(threads or 1) as pool:
        observations = list(observe([first, follower], declared({"a": "1"}), pool if threads else None))
    assert [observation.kind for observation in observations] == [first, follower]
    assert follower.calls[0] == "/app/a"


def test_rejection_of_one_kind_does_not_block_observation_of_others() -> None:
    first, second = FakeKind(), FakeKind()
    first.by_hand("/app/a", owner="cluster/other/rival/uid-9")
    declaration = declared({"a": "1"})
    plan, _seen = compared(declaration, observe([first, second], declaration))
    (refusal,) = plan.refused
    assert isinstance(refusal.error, NotOwned)
    assert "is owned by other/rival" in str(refusal.error)
    assert second.calls == ["observe"]
    assert [step.kind for step in plan.steps] == [second]


def test_failure_of_one_observation_is_raised() -> None:
    class Broken(Meeting):
        def observe(self, scope: Scope, desired: Sequence[Thing]) -> Iterable[Thing]:
            raise Unavailable("away")

    with ThreadPoolExecutor(2) as threads, pytest.raises(Unavailable):
        list(observe([Broken(), Meeting()], declared({"a": "1"}), threads))


def test_aws_assigned_value_is_a_placeholder_until_known() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Numbered(Thing):
        id: str = field(default="", metadata={"compare": False, "assigned": True})

    class Numbers(FakeKind):
        def desired(self, declaration: Declaration) -> Iterable[Thing]:
            return [Numbered(name="one")]

    class Users(FakeKind):
        def desired(self, declaration: Declaration) -> Iterable[Thing]:
            return [Thing(name=str(getattr(found, "id", ""))) for found in declaration.observed_so_far]

    found: list[Resource] = list(desired_resources([Numbers(), Users()], declared({})))
    assert [resource.name for resource in found] == ["one", ASSIGNED]
