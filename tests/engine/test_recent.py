"""A deletion with stale reads also removes recently written resources."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pytest
from tests.engine.fake_kind import OWNER, RIVAL, FakeKind, Thing, declared, deletion
from tests.engine.parts import RED, DerivedKinds, Lamp, Lamps

from dynconfig.engine.recent import RECENT_SECONDS
from dynconfig.engine.reconcile import Engine
from dynconfig.model.resource import Scope

VALUES = {"a": "1", "b": "2"}


@dataclass
class LateFakeKind(FakeKind):
    """Its reads do not show recent writes."""

    is_late: bool = False

    def observe(self, scope: Scope, desired: Sequence[Thing]) -> Iterable[Thing]:
        """Nothing while reads are stale."""
        return () if self.is_late else super().observe(scope, desired)


@dataclass
class LateLamps(Lamps):
    """Like a function that reads do not show yet."""

    is_late: bool = False

    def observe(self, scope: Scope, desired: Sequence[Lamp]) -> Iterable[Lamp]:
        """Nothing while reads are stale."""
        return () if self.is_late else super().observe(scope, desired)


def test_recent_writes_are_deleted_despite_stale_reads() -> None:
    fake, lamps = LateFakeKind(), LateLamps()
    derived = DerivedKinds(fake, lamps)
    engine = derived.engine()
    assert engine.run(declared(VALUES, **RED), now=1000.0).is_complete
    fake.is_late = lamps.is_late = True
    outcome = engine.run(deletion(VALUES, **RED), now=1003.0)
    assert outcome.is_complete
    assert outcome.applied
    assert derived.is_dark
    # It is remembered only as long as reads may be stale.
    assert engine.run(deletion(VALUES, **RED), now=1005.0).applied == ()


def test_only_recent_writes_are_deleted_unseen() -> None:
    fake = LateFakeKind()
    engine = fake.engine()
    engine.run(declared(VALUES), now=1000.0)
    fake.is_late = True
    assert engine.run(deletion(VALUES), now=1000.0 + RECENT_SECONDS).applied == ()


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_foreign_or_retained_resources_are_not_deleted_unseen(policy: str) -> None:
    fake = LateFakeKind()
    engine = fake.engine()
    engine.run(declared(VALUES), now=1000.0)
    fake.store["/app/a"] = replace(fake.store["/app/a"], owner=RIVAL.tag)
    fake.is_late = policy == "Retain"
    assert engine.run(deletion(VALUES, deletionPolicy=policy), now=1001.0).is_complete
    assert "/app/a" in fake.store
    assert ("/app/b" in fake.store) is (policy == "Retain")


def test_new_engine_starts_without_recent_writes() -> None:
    fake = LateFakeKind()
    fake.engine().run(declared(VALUES), now=1000.0)
    assert Engine(lambda _place: (fake,)).run(deletion(VALUES), now=1001.0).is_complete
    assert OWNER.tag not in {thing.owner for thing in fake.store.values()}


def test_recent_writes_are_deleted_by_the_kinds_of_now() -> None:
    # A change of a target, or of the shards, makes all kinds anew.
    before, after = LateFakeKind(), LateFakeKind()
    kinds = [before]
    engine = Engine(lambda _place: tuple(kinds))
    engine.run(declared(VALUES), now=1000.0)
    after.store, after.is_late = before.store, True
    kinds[0] = after
    before.store = {}
    outcome = engine.run(deletion(VALUES), now=1001.0)
    assert outcome.is_complete
    assert not after.store
