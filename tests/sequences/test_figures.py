"""The times behind the promises, in seconds of a virtual clock: an outage, moves, clock skew."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.sequences import account
from tests.sequences.acts import ALARM, BAKE, NEVER
from tests.sequences.cluster import Document
from tests.sequences.expectation import condition
from tests.sequences.monitor import Monitor
from tests.sequences.reference import PATH, Ghost, wishes
from tests.sequences.wire import Call, Trouble
from tests.sequences.world import Ground, World, ground

from dynconfig.model.key import Key

A, B = Key("shop", "a"), Key("shop", "b")
TWO_HOURS = 7200.0


@pytest.fixture(scope="module")
def shared() -> Iterator[Ground]:
    with ground() as found:
        yield found


@pytest.fixture
def begin(shared: Ground) -> Iterator[Callable[..., World]]:
    """Creates the world of a test, with an operator whose clock may be wrong."""
    shared.lab.clear()
    begun: list[World] = []

    def make(skew: float = 0.0) -> World:
        world = World(shared, skew)
        shared.wire.before, shared.wire.after, shared.wire.writes = _nothing, _nothing, []
        shared.wire.trouble = Trouble.NONE
        world.begin()
        begun.append(world)
        return world

    yield make
    for world in begun:
        world.end()


def _nothing(_call: Call) -> None:
    """Not every test watches the writes."""


def spec(*names: str, path: str = PATH, value: str = "1", **more: Any) -> Document:
    listed = [{"name": name, "value": value} for name in names]
    return {"path": path, "parameters": listed, "adoptionPolicy": "IfUnowned", **more}


def ready(world: World, key: Key) -> tuple[str, str]:
    return condition(world.cluster.objects[key])


def test_all_objects_are_ready_five_seconds_after_an_outage_without_duplicate_writes(
    begin: Callable[..., World],
) -> None:
    world = begin()
    keys = [Key("shop", f"o{number}") for number in range(6)]

    def go_away(call: Call) -> None:
        # AWS is unavailable for the objects after the third one, and for half of that one.
        if len(world.wire.writes) == 25:
            world.wire.trouble = Trouble.UNAVAILABLE

    world.wire.after = go_away
    for key in keys:
        world.cluster.create(key, spec(*(f"p{number}" for number in range(10)), path=f"/{key.name}"))
    world.run(20.0)
    assert world.wire.trouble is Trouble.UNAVAILABLE
    assert any(ready(world, key)[0] != "True" for key in keys)
    world.wire.after, world.wire.trouble = _nothing, Trouble.NONE
    world.run(5.0)
    assert {ready(world, key) for key in keys} == {("True", "InSync")}
    assert {item.version for item in account.parameters().values()} == {1}
    assert len(account.parameters()) == 60


@pytest.mark.parametrize("pause", [0.0, 0.001, 2.0], ids=["together", "at once", "two seconds later"])
@pytest.mark.parametrize("is_old_first", [True, False], ids=["old first", "new first"])
def test_moved_parameter_is_never_absent_and_keeps_its_version(
    begin: Callable[..., World], is_old_first: bool, pause: float
) -> None:
    world = begin()
    ghost = Ghost()
    monitor = Monitor(world.cluster, ghost)
    world.wire.before, world.wire.after = monitor.before, monitor.after
    world.cluster.create(A, spec("moving", "stays"))
    world.cluster.create(B, spec("stays-too"))
    world.settle()
    before = account.parameters()[f"{PATH}/moving"]
    edits = [(A, spec("stays")), (B, spec("stays-too", "moving"))]
    for key, edited in edits if is_old_first else edits[::-1]:
        world.cluster.edit(key, edited)
        ghost.note(wishes(world.cluster).values())
        if pause:
            world.run(pause)
    world.run(10.0)
    after = account.parameters()[f"{PATH}/moving"]
    assert (after.version, after.value) == (before.version, before.value)
    assert after.owner.split("/")[1:3] == ["shop", "b"]
    assert (ready(world, A), ready(world, B)) == (("True", "InSync"), ("True", "InSync"))
    assert not [call for call in world.wire.writes if call.operation == "DeleteParameters"]
    assert monitor.faults == []


@pytest.mark.parametrize("skew", [-TWO_HOURS, TWO_HOURS], ids=["two hours behind", "two hours ahead"])
def test_bake_ends_on_time_with_a_wrong_operator_clock(begin: Callable[..., World], skew: float) -> None:
    world = begin(skew)
    watched: dict[str, Any] = {"rollout": BAKE, "alarms": {"defaults": False, "custom": [ALARM]}}
    world.cluster.create(A, spec("p", **watched))
    world.run(50.0)
    assert "bake" in world.cluster.objects[A]["status"]
    world.run(15.0)
    assert "bake" not in world.cluster.objects[A]["status"]
    world.cluster.edit(A, spec("p", value="2", **watched))
    world.run(50.0)
    assert account.parameters()[f"{PATH}/p"].labels == {"stable": 1}
    name = next(name for name in account.alarms() if name.endswith("/Orders"))
    world.aws("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    world.run(15.0)
    assert ready(world, A)[1] == "RolledBack"
    assert account.parameters()[f"{PATH}/p"].value == "1"


def test_parameter_awaited_by_another_object_does_not_become_stable_while_an_alarm_fires(
    begin: Callable[..., World],
) -> None:
    world = begin()
    world.rotate("shop", "creds", {"q": "secret"})
    watched: dict[str, Any] = {"rollout": BAKE, "alarms": {"defaults": False, "custom": [ALARM]}}
    secret = {"name": "q", "type": "SecureString", "valueFrom": {"secretKeyRef": {"name": "creds", "key": "q"}}}
    declared = spec("p", **watched)
    world.cluster.create(A, {**declared, "parameters": [*declared["parameters"], secret]})
    world.run(20.0)
    name = next(name for name in account.alarms() if name.endswith("/Orders"))
    world.aws("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    world.run(15.0)
    world.cluster.edit(A, spec("p", **watched))
    world.run(15.0)
    world.cluster.create(B, {**spec(), "parameters": [secret]})
    world.run(15.0)
    world.reconcile_all()
    assert ready(world, A)[1] == "AlarmFiring"
    assert {item.name: item.labels for item in account.parameters().values()} == {f"{PATH}/p": {}, f"{PATH}/q": {}}


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("has_rollout", [True, False], ids=["rollout", "no rollout"])
def test_objects_that_swap_parameters_do_not_deadlock(
    begin: Callable[..., World], count: int, has_rollout: bool
) -> None:
    world = begin()
    watched: dict[str, Any] = {"rollout": BAKE, "alarms": {"defaults": False, "custom": [ALARM]}} if has_rollout else {}
    keys = [Key("shop", f"o{number}") for number in range(count)]
    for number, key in enumerate(keys):
        world.cluster.create(key, spec(f"x{number}", f"own{number}", **watched))
    world.run(90.0)
    assert {ready(world, key)[1] for key in keys} == {"InSync"}
    for number, key in enumerate(keys):
        world.cluster.edit(key, spec(f"x{(number + 1) % count}", f"own{number}", **watched))
    world.run(300.0)
    assert {ready(world, key)[1] for key in keys} == {"InSync"}
    owners = {item.name.rpartition("/")[2]: item.owner.split("/")[2] for item in account.parameters().values()}
    assert owners == {
        **{f"x{(number + 1) % count}": f"o{number}" for number in range(count)},
        **{f"own{number}": f"o{number}" for number in range(count)},
    }
    assert {item.version for item in account.parameters().values()} == {1}


@pytest.mark.parametrize("is_deleted", [False, True], ids=["edited", "deleted"])
def test_nothing_declared_by_another_object_is_deleted_while_the_watch_is_silent(
    begin: Callable[..., World], is_deleted: bool
) -> None:
    world = begin()
    world.cluster.create(A, spec("moving", "stays"))
    world.cluster.create(B, spec("stays-too"))
    world.settle()
    listener, world.cluster.listener = world.cluster.listener, None
    world.cluster.edit(B, spec("stays-too", "moving"))
    if is_deleted:
        world.cluster.delete(A)
    else:
        world.cluster.edit(A, spec("stays"))
    assert world.life is not None
    world.life.controller.requeue(A)
    world.run(60.0)
    assert f"{PATH}/moving" in account.parameters()
    assert not [call for call in world.wire.writes if call.operation == "DeleteParameters"]
    world.cluster.listener = listener
    for key in (B, A):
        world.life.controller.objects.object_changed(copy.deepcopy(world.cluster.objects[key]), "MODIFIED")
    world.settle()
    moved = account.parameters()[f"{PATH}/moving"]
    assert (moved.version, moved.owner.split("/")[1:3]) == (1, ["shop", "b"])
    assert ready(world, B) == ("True", "InSync")
    assert (A in world.cluster.objects) is not is_deleted


def test_nothing_is_deleted_during_a_relist(begin: Callable[..., World]) -> None:
    world = begin()
    world.cluster.create(A, spec("deleted"))
    world.settle()
    assert world.life is not None
    known_until = world.life.controller.moves.known_until
    world.life.controller.moves.known_until = lambda _version: None
    world.cluster.delete(A)
    world.run(60.0)
    assert f"{PATH}/deleted" in account.parameters()
    world.life.controller.moves.known_until = known_until
    world.settle()
    assert account.parameters() == {}
    assert A not in world.cluster.objects


def test_object_deleted_while_the_watch_is_silent_adopts_nothing(
    begin: Callable[..., World],
) -> None:
    world = begin()
    world.cluster.create(A, spec("moving", "stays"))
    world.settle()
    world.cluster.create(B, spec("moving"))
    world.settle()
    assert ready(world, B)[1] == "NotOwned"
    listener, world.life = world.cluster.listener, world.life
    assert listener is not None
    assert world.life is not None
    world.cluster.listener = lambda document, event: (
        None if document["metadata"]["name"] == B.name else listener(document, event)
    )
    world.cluster.delete(B)
    world.life.controller.requeue(B)
    world.run(60.0)
    # According to the index it adopts what the other object releases.
    world.cluster.edit(A, spec("stays"))
    world.run(60.0)
    world.cluster.listener = listener
    world.life.controller.objects.object_changed(copy.deepcopy(world.cluster.objects[B]), "MODIFIED")
    world.settle()
    assert B not in world.cluster.objects
    assert sorted(account.parameters()) == [f"{PATH}/stays"]


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
@pytest.mark.parametrize("wrong", [{"rules": [NEVER]}, "secret"], ids=["invalid", "Secret missing"])
def test_object_that_never_became_valid_releases_adopted_parameters(
    begin: Callable[..., World], wrong: Any, policy: str
) -> None:
    world = begin()
    world.cluster.create(A, spec("moving", "stays"))
    world.settle()
    more = {} if wrong == "secret" else wrong
    declared = spec("moving", deletionPolicy=policy, **more)
    if wrong == "secret":
        reference = {"secretKeyRef": {"name": "absent", "key": "k"}}
        declared["parameters"].append({"name": "s0", "type": "SecureString", "valueFrom": reference})
    world.cluster.create(B, declared)
    world.settle()
    assert ready(world, B)[1] in ("InvalidSpec", "SourceMissing")
    world.cluster.edit(A, spec("stays"))
    world.settle()
    assert account.parameters()[f"{PATH}/moving"].owner.split("/")[2] == B.name
    world.cluster.delete(B)
    world.settle()
    assert B not in world.cluster.objects
    left = account.parameter(f"{PATH}/moving")
    assert (left and left.owner) == ("" if policy == "Retain" else None)
