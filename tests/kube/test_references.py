"""References to Secrets and ConfigMaps: no step of the event loop grows with the number of objects, and no change is lost."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from tests.operations import calls_of

from dynconfig.kube.references import References
from dynconfig.model.declaration import Source
from dynconfig.model.key import Key
from dynconfig.model.portions import PAUSE_SECONDS, SLICE

FLAGS = Source("ConfigMap", "flags", "k")


@dataclass
class Requeued:
    """The requeued objects, and the steps that are scheduled."""

    keys: list[Key] = field(default_factory=list)
    steps: deque[Callable[[], None]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.references = References(self.keys.append, self._later)

    def _later(self, seconds: float, work: Callable[[], None]) -> None:
        assert seconds == PAUSE_SECONDS
        self.steps.append(work)

    def refer(self, namespace: str, count: int, *sources: Source) -> list[Key]:
        """Let objects refer to sources; return them."""
        keys = [Key(namespace, f"app-{number}") for number in range(count)]
        for key in keys:
            self.references.set_sources(key, sources or [FLAGS])
        return keys

    def change(self, namespace: str, version: str) -> None:
        """Change the ConfigMap."""
        self.references.changed(("ConfigMap", namespace, FLAGS.name), version)

    def finish(self) -> None:
        """Run all steps."""
        while self.steps:
            self.steps.popleft()()


@pytest.fixture
def found() -> Requeued:
    return Requeued()


def many(count: int) -> list[Source]:
    """References to as many Secrets."""
    return [Source("Secret", f"db-{number}", "k") for number in range(count)]


@pytest.mark.parametrize(
    "change",
    [
        lambda references, key: references.set_sources(key, many(21)[1:]),
        lambda references, key: references.forget(key),
    ],
    ids=["edit", "deletion"],
)
def test_change_of_one_object_costs_the_same_beside_many_with_the_same_references(
    change: Callable[[References, Key], None],
) -> None:
    def calls(objects: int) -> int:
        found = Requeued()
        key = found.refer("shop", objects, *many(20))[objects // 2]
        return calls_of(lambda: change(found.references, key))

    assert calls(3000) < 1.1 * calls(100)


def test_edit_of_one_reference_of_many_changes_one(found: Requeued) -> None:
    sources = many(1000)
    (key,) = found.refer("shop", 1, *sources)
    for source in sources:
        found.references.changed(("Secret", "shop", source.name), "1")
    found.keys.clear()
    found.references.set_sources(key, [*sources[1:], FLAGS])
    for source in sources:
        found.references.changed(("Secret", "shop", source.name), "1")
    assert found.keys == []
    assert not found.references.is_referenced(("Secret", "shop", "db-0"))
    assert found.references.is_referenced(("ConfigMap", "shop", "flags"))


def test_change_of_a_source_of_many_objects_takes_steps_of_the_same_length() -> None:
    def longest(objects: int) -> int:
        found = Requeued()
        found.refer("shop", objects)
        steps = [calls_of(lambda: found.change("shop", "1"))]
        while found.steps:
            steps.append(calls_of(found.steps.popleft()))
        assert len(found.keys) == objects
        return max(steps)

    assert longest(3000) < 1.1 * longest(SLICE)


def test_flood_of_changes_of_one_source_requeues_its_objects_once_more(found: Requeued) -> None:
    keys = found.refer("shop", 1000)
    for version in range(50):
        found.change("shop", str(version))
    found.finish()
    assert len(found.keys) == 2 * len(keys)


def test_change_during_the_requeue_reaches_every_object(found: Requeued) -> None:
    keys = found.refer("shop", 1000)
    found.change("shop", "1")
    found.steps.popleft()()
    found.keys.clear()
    found.change("shop", "2")
    found.references.forget(keys[500])
    new = Key("shop", "new")
    found.references.set_sources(new, [FLAGS])
    found.finish()
    assert {*found.keys} == {*keys, new} - {keys[500]}


def test_change_in_another_namespace_does_not_wait_for_the_objects_of_the_first(found: Requeued) -> None:
    found.refer("evil", 3000)
    found.refer("shop", 3)
    for version in range(5):
        found.change("evil", str(version))
    found.change("shop", "1")
    found.steps.popleft()()
    assert sum(key.namespace == "shop" for key in found.keys) == 3


def test_change_of_a_source_without_objects_schedules_nothing(found: Requeued) -> None:
    found.change("shop", "1")
    (key,) = found.refer("shop", 1)
    found.references.forget(key)
    found.change("shop", "2")
    assert not found.keys
    assert not found.steps
