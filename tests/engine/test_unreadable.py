"""Unreadable resources beside readable ones are neither written nor labelled, and their change is incomplete."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.rollout.rollout_harness import FakeVersionedKind, RolloutHarness
from tests.rollout.test_rollback import BAKE, CHANGE, NEW, OLD, START

from dynconfig.model.errors import AccessDenied
from dynconfig.model.resource import Scope, Unread


@dataclass
class Locked(FakeVersionedKind):
    """A versioned kind with some unreadable resources."""

    locked: frozenset[str] = field(default_factory=frozenset)

    def observe(self, scope: Scope, desired: Sequence[Any]) -> Iterable[Any]:
        """The readable resources, and the unreadable ones."""
        yield from (item for item in super().observe(scope, desired) if item.name not in self.locked)
        yield from (Unread(name, AccessDenied(f"{name}: denied")) for name in sorted(self.locked))


def changed() -> tuple[RolloutHarness, Locked]:
    """An object whose second revision is written except for the unreadable resources."""
    versioned = Locked()
    harness = RolloutHarness(versioned=versioned, values=OLD)
    harness.settle(START)
    harness.settle(START + BAKE)
    versioned.locked = frozenset({"/app/b"})
    harness.edit(**NEW)
    harness.reconcile(CHANGE)
    return harness, versioned


def test_generation_with_an_unreadable_resource_does_not_become_stable() -> None:
    harness, versioned = changed()
    assert harness.shown == {"a": "2", "b": "1"}
    outcome = harness.reconcile(CHANGE + BAKE + 1)
    assert not outcome.is_complete
    assert (harness.status or {})["stableGeneration"] == 1
    assert [item["name"] for item in (harness.status or {})["parameters"]] == ["/app/a", "/app/b"]
    versioned.locked = frozenset()
    harness.settle(CHANGE + BAKE + 2)
    assert harness.shown == NEW
    harness.settle(CHANGE + 2 * BAKE + 3)
    assert (harness.status or {})["stableGeneration"] == 2


def test_rollback_skips_an_unreadable_resource_and_restores_it_when_readable() -> None:
    harness, versioned = changed()
    versioned.locked = frozenset()
    harness.settle(CHANGE + 2)
    versioned.locked = frozenset({"/app/b"})
    harness.alarm.since = CHANGE + 5
    for later in range(6, 10):
        harness.reconcile(CHANGE + later)
    assert harness.shown == {"a": "1", "b": "2"}
    versioned.locked = frozenset()
    harness.settle(CHANGE + 20)
    assert harness.shown == OLD
