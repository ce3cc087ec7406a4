"""What cannot be read beside others of its kind: nothing is written to it or labelled, and its change is not complete."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.engine.shelf import Shelf, Stage
from tests.engine.test_rollback import BAKE, CHANGE, NEW, OLD, START

from dynconfig.engine.errors import AccessDenied
from dynconfig.engine.resource import Scope, Unread


@dataclass
class Locked(Shelf):
    """A shelf of which some things may not be read."""

    locked: frozenset[str] = field(default_factory=frozenset)

    def observe(self, scope: Scope, desired: Sequence[Any]) -> Iterable[Any]:
        """What may be read, and what may not."""
        yield from (item for item in super().observe(scope, desired) if item.name not in self.locked)
        yield from (Unread(name, AccessDenied(f"{name}: denied")) for name in sorted(self.locked))


def changed() -> tuple[Stage, Locked]:
    """An object whose second revision is written but for what may not be read."""
    shelf = Locked()
    stage = Stage(shelf=shelf, values=OLD)
    stage.settle(START)
    stage.settle(START + BAKE)
    shelf.locked = frozenset({"/app/b"})
    stage.edit(**NEW)
    stage.look(CHANGE)
    return stage, shelf


def test_a_generation_with_an_unread_item_does_not_become_stable() -> None:
    stage, shelf = changed()
    assert stage.shown == {"a": "2", "b": "1"}
    outcome = stage.look(CHANGE + BAKE + 1)
    assert not outcome.is_complete
    assert (stage.status or {})["stableGeneration"] == 1
    assert [item["name"] for item in (stage.status or {})["parameters"]] == ["/app/a", "/app/b"]
    shelf.locked = frozenset()
    stage.settle(CHANGE + BAKE + 2)
    assert stage.shown == NEW
    stage.settle(CHANGE + 2 * BAKE + 3)
    assert (stage.status or {})["stableGeneration"] == 2


def test_a_rollback_leaves_an_unread_item_and_puts_it_back_once_it_is_readable() -> None:
    stage, shelf = changed()
    shelf.locked = frozenset()
    stage.settle(CHANGE + 2)
    shelf.locked = frozenset({"/app/b"})
    stage.bell.since = CHANGE + 5
    for later in range(6, 10):
        stage.look(CHANGE + later)
    assert stage.shown == {"a": "1", "b": "2"}
    shelf.locked = frozenset()
    stage.settle(CHANGE + 20)
    assert stage.shown == OLD
