"""Events of an object: pending until a reconcile has observed what they name."""

from collections.abc import Callable

import pytest

from dynconfig.events.resource_index import ResourceIndex
from dynconfig.events.routing import EventRouter, PendingEvents
from dynconfig.events.signals import Signal
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.writes import PUT

KEY, REGION = Key("shop", "app"), "eu-west-1"


class Scene:
    """A router with one object, and an event of two of its parameters that a reconcile has taken."""

    def __init__(self) -> None:
        self.state, index = ObjectState[Key](), ResourceIndex(REGION)
        listed = [{"name": name, "value": "1"} for name in "abc"]
        index.update(KEY, {"metadata": {}, "spec": {"path": "/shop", "parameters": listed}})
        self.requeued: list[Key] = []
        self.router = EventRouter(index, self.requeued.append, float, self.state)
        self.event(5.0, "a", "b")
        assert self.router.take(KEY) == PendingEvents(5.0, {"/shop/a": "jane", "/shop/b": "jane"})

    def event(self, at: float, *names: str, actor: str = "jane") -> None:
        self.router.route([Signal(REGION, at, PUT, parameters=tuple(f"/shop/{name}" for name in names), actor=actor)])


def test_events_that_were_observed_are_not_pending_again() -> None:
    scene = Scene()
    assert scene.router.waiting() == ()
    assert scene.router.observed(KEY) == 5.0
    assert scene.router.observed(KEY) is None
    scene.router.end(KEY)
    assert scene.router.take(KEY) is None


def test_events_that_were_not_observed_are_pending_again_with_names_and_time() -> None:
    scene = Scene()
    scene.router.end(KEY)
    assert scene.router.waiting() == (KEY,)
    names = {"/shop/a": "jane", "/shop/b": "jane"}
    assert scene.router.take(KEY) == scene.router.taken(KEY) == PendingEvents(5.0, names, is_repeated=True)
    assert set(scene.requeued) == {KEY}


def test_only_what_could_not_be_read_is_pending_again() -> None:
    scene = Scene()
    assert scene.router.observed(KEY, ["/shop/b", "/shop/c"]) is None
    scene.router.end(KEY)
    assert scene.router.take(KEY) == PendingEvents(5.0, {"/shop/b": "jane"}, is_repeated=True)
    assert scene.router.observed(KEY) == 5.0


def test_events_during_a_reconcile_are_pending_whether_or_not_it_observed_the_earlier_ones() -> None:
    scene = Scene()
    scene.event(7.0, "b", "c", actor="joe")
    scene.router.end(KEY)
    names = {"/shop/a": "jane", "/shop/b": "joe", "/shop/c": "joe"}
    assert scene.router.take(KEY) == PendingEvents(5.0, names, is_repeated=True)
    scene.event(9.0, "a")
    assert scene.router.observed(KEY) == 5.0
    scene.router.end(KEY)
    assert scene.router.take(KEY) == PendingEvents(9.0, {"/shop/a": "jane"})


@pytest.mark.parametrize("forget", [lambda scene: scene.state.forget(KEY), lambda scene: scene.router.forget(KEY)])
def test_events_of_a_deleted_object_or_of_another_replica_are_forgotten_in_its_reconcile(
    forget: Callable[[Scene], None],
) -> None:
    scene = Scene()
    scene.event(7.0, "c")
    forget(scene)
    scene.router.end(KEY)
    assert scene.router.waiting() == ()
