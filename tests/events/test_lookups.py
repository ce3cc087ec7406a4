"""The work of one step of the event loop grows neither with the objects that have a name, nor with the names of a batch."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import cycle
from typing import Any

import pytest
from tests.engine.fake_kind import FakeKind, Thing, declared
from tests.events.later import Later
from tests.events.test_resource_index import HOME, document
from tests.operations import calls_of

from dynconfig.api.names import FINALIZER
from dynconfig.engine.outcome import Outcome
from dynconfig.events.resource_index import ResourceIndex
from dynconfig.events.routing import EventRouter
from dynconfig.events.signals import Signal
from dynconfig.kube.moves import MOST_WANTED, Moves
from dynconfig.model.errors import NotOwned
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.plan import Create, Delete, Step
from dynconfig.model.writes import PUT
from dynconfig.validation.tenancy import Tenant

FEW, MANY = 200, 2000
NAMES = [f"n{number}" for number in range(20)]
FULL = [f"/shop/{name}" for name in NAMES]
OWNER, VICTIM = Key("evil", "owner"), Key("victim", "app")
# The first three steps after a batch: 30 ms.
FIRST_STEPS = 3


def written(names: Iterable[str], **status: Any) -> dict[str, Any]:
    """An object whose status has its parameters."""
    found = document("/shop", *names)
    listed = [{"name": f"/shop/{name}", "version": 1} for name in names]
    about = {"region": HOME, "lastObservedTime": "2027-01-15T08:00:00Z", "parameters": listed}
    return {**found, "status": {**about, **status}}


def index_of(count: int) -> ResourceIndex:
    """Many objects of one namespace that declare the same names and have the same function, then the owner, and a victim."""
    index = ResourceIndex(HOME, lambda namespace: Tenant(namespace, is_trusted=False, paths=("/shop",)))
    shared = [{"kind": "Attachment", "name": "shared"}]
    for number in range(count):
        index.update(
            Key("evil", f"o{number}"), written((), resources=shared) | {"spec": document("/shop", *NAMES)["spec"]}
        )
    index.update(OWNER, written(NAMES))
    index.update(VICTIM, written(NAMES[-1:], resources=shared))
    return index


class Scene:
    """A router and moves whose steps a test does one by one."""

    def __init__(self, count: int) -> None:
        self.index, self.later, self.requeued = index_of(count), Later(), Counter[Key]()
        self.router = EventRouter(self.index, self.requeue, float, ObjectState(), later=self.later)
        self.moves = Moves(
            self.index,
            self.requeue,
            float,
            float,
            1.0,
            reconciled=ObjectState(),
            existing=ObjectState(),
            later=self.later,
        )

    def requeue(self, key: Key) -> None:
        self.requeued[key] += 1

    def costs(self, work: Callable[[], object]) -> list[int]:
        """Do the work and all steps that follow; return the calls of each."""
        found = [calls_of(work)]
        while self.later.steps:
            found.append(calls_of(self.later.steps.pop(0)))
        return found

    def batch(self, *names: str, is_parameter: bool = True) -> None:
        """Route ten events that all have the same names."""
        about = {"parameters": names} if is_parameter else {"resources": names}
        self.router.route([Signal(HOME, float(at), PUT, actor=f"a{at}", **about) for at in range(10)])  # type: ignore[arg-type]

    def settle(self, change: type[Create | Delete]) -> None:
        """Handle a reconcile of the victim that created or deleted all names."""
        kind = FakeKind()
        steps = tuple(Step(kind, change(Thing(name=name))) for name in FULL)
        self.moves.handle_outcome(VICTIM, Outcome(declared({}), applied=steps))


def blocked(scene: Scene, count: int, names: int) -> None:
    """Let objects wait for so many resources, the first of them those that the victim gives up."""
    titles = [f"Thing {name}" for name in (*FULL, *(f"/shop/more{number}" for number in range(names - len(FULL))))]
    for number in range(count):
        scene.moves._blocked.record(Key("evil", f"o{number}"), "eu-west-1", NotOwned("taken", titles=titles))


WORK: dict[str, Callable[[Scene], object]] = {
    "parameters": lambda scene: scene.batch(*FULL),
    "resource": lambda scene: scene.batch("shared", is_parameter=False),
    "created": lambda scene: scene.settle(Create),
    "released": lambda scene: scene.settle(Delete),
}


@pytest.mark.parametrize("work", WORK)
def test_cost_of_a_step_does_not_depend_on_the_number_of_objects(work: str) -> None:
    costs = []
    for count in (FEW, MANY):
        scene = Scene(count)
        blocked(scene, count, MOST_WANTED)
        costs.append(max(scene.costs(partial(WORK[work], scene))))
        # Nothing is lost.
        assert len([key for key in scene.requeued if key.namespace == "evil"]) >= count
    assert costs[1] <= 1.2 * costs[0]


def test_objects_that_wait_for_more_resources_than_are_recorded_are_requeued_in_portions() -> None:
    costs = []
    for count in (FEW, MANY):
        scene = Scene(count)
        blocked(scene, count, MOST_WANTED + 1)
        costs.append(max(scene.costs(partial(scene.settle, Delete))))
        assert len(scene.requeued) == count
    assert costs[1] <= 1.2 * costs[0]


def test_owner_is_requeued_at_once_and_other_namespaces_within_few_steps() -> None:
    scene = Scene(MANY)
    scene.batch(*FULL)
    assert {OWNER, VICTIM} <= scene.requeued.keys()
    pending = scene.router.take(OWNER)
    assert pending is not None
    assert pending.of.keys() == set(FULL)
    # By the last event.
    assert set(pending.of.values()) == {"a9"}
    scene.batch("shared", is_parameter=False)
    for _ in range(2):
        scene.later.run()
    assert scene.router.take(VICTIM) is not None


def test_names_of_a_batch_are_looked_up_once() -> None:
    scene = Scene(5)
    scene.batch(*FULL)
    assert max(scene.requeued.values()) == len(FULL)


def test_owner_is_requeued_within_few_steps_while_others_are_found() -> None:
    scene = Scene(MANY)
    scene.batch(*FULL)
    for _ in range(5):
        scene.later.steps.pop(0)()
        scene.requeued.clear()
        scene.router.take(OWNER)
        scene.batch(FULL[0])
        for _step in range(FIRST_STEPS):
            if OWNER not in scene.requeued:
                scene.later.steps.pop(0)()
        assert OWNER in scene.requeued


def test_event_during_the_search_of_others_requeues_all_of_them_again() -> None:
    scene = Scene(MANY)
    scene.batch(FULL[0])
    for _ in range(5):
        scene.later.steps.pop(0)()
    for key in list(scene.requeued):
        scene.router.take(key)
    scene.batch(FULL[0])
    scene.later.run()
    assert all(scene.router.take(Key("evil", f"o{number}")) for number in range(MANY))
    assert not scene.router._lookups._of


def test_batch_is_done_once_all_its_names_were_looked_up() -> None:
    scene, done = Scene(1), list[bool]()
    names = tuple(f"/shop/unknown{number}" for number in range(250))
    scene.router.route([Signal(HOME, 0.0, PUT, parameters=names)], done=lambda: done.append(True))
    assert not done
    scene.later.run()
    assert done == [True]
    scene.router.route([], done=lambda: done.append(True))
    assert done == [True, True]


LAST = Key("evil", "last")
DECLARED: dict[str, Any] = {"uid": "u", "generation": 1}
RESOURCES = [{"kind": "Attachment", "name": "shared"}]


def waiting(**metadata: Any) -> dict[str, Any]:
    """An object that declares all names, and has none of them in its status."""
    found = written((), resources=RESOURCES) | {"spec": document("/shop", *NAMES)["spec"]}
    return {**found, "metadata": {**DECLARED, **metadata}}


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "written": (waiting(), written(NAMES, resources=RESOURCES)),
    "lost": (written(NAMES, resources=RESOURCES), waiting()),
    "not declared any more": (waiting(), written(NAMES, resources=RESOURCES) | {"spec": {"path": "/shop"}}),
    "accepted": (waiting(), waiting(finalizers=[FINALIZER])),
    "adopts": (waiting(), waiting() | {"spec": waiting()["spec"] | {"adoptionPolicy": "IfUnowned"}}),
    "deleted": (
        waiting() | {"spec": waiting()["spec"] | {"adoptionPolicy": "IfUnowned"}},
        waiting(deletionTimestamp="2027-01-15T08:00:00Z"),
    ),
}


@pytest.mark.parametrize("step", range(3))
@pytest.mark.parametrize("work", ["parameters", "resource", "created"])
@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=CHANGES)
def test_object_that_changes_between_two_steps_is_found(
    before: dict[str, Any], after: dict[str, Any], work: str, step: int
) -> None:
    scene = Scene(0)
    # Where the object gets to, few are found: all of them in the first step.
    scene.index.update(Key("evil", "after"), after)
    for number in range(FEW):
        scene.index.update(Key("evil", f"before{number}"), before)
    scene.index.update(LAST, before)
    if work == "parameters":
        scene.batch(FULL[0])
    else:
        WORK[work](scene)
    for _ in range(step):
        scene.later.steps.pop(0)()
    scene.index.update(LAST, after)
    scene.later.run()
    assert LAST in scene.requeued
    assert not scene.router._lookups._of


def test_lookup_of_an_object_that_changes_in_each_step_ends() -> None:
    scene = Scene(FEW)
    scene.index.update(LAST, waiting())
    scene.batch(FULL[0])
    states = cycle((written(NAMES), waiting()))
    for _ in range(3 * FEW):
        scene.index.update(LAST, next(states))
        if scene.later.steps:
            scene.later.steps.pop(0)()
    assert not scene.later.steps
    assert not scene.router._lookups._of


def test_step_that_examines_many_namespaces_costs_as_much_as_one_name() -> None:
    costs = []
    names = tuple(f"/shop/unknown{number}" for number in range(100))
    for looked_up in (names[:1], names):
        scene = Scene(0)
        for number in range(FEW):
            scene.index.update(Key(f"evil{number}", "app"), document("/shop", "a"))
        signal = Signal(HOME, 0.0, PUT, parameters=looked_up)
        costs.append(max(scene.costs(partial(scene.router.route, [signal]))))
    # Names of the event are prepared in the first step.
    assert costs[1] <= 3 * costs[0]
