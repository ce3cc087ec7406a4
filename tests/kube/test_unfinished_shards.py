"""What the next holder of a shard has to observe: all whose result this replica has not written."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.engine.fake_kind import FakeKind, declared

from dynconfig.engine.outcome import Outcome
from dynconfig.kube.requeue_policy import RequeuePolicy
from dynconfig.kube.resync import Listed
from dynconfig.kube.shards import ServedShards
from dynconfig.kube.work_queue import Priority, WorkQueue
from dynconfig.model.errors import Throttled
from dynconfig.model.fence import Fence
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState

KEY = Key("shop", "app")
EPOCH = 1.8e9


class Scene:
    """A shard whose only object has to be observed since the shard was acquired."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.shards, state = ServedShards(1), ObjectState[Key]()
        times = (lambda: self.seconds, lambda: EPOCH + self.seconds)
        self.policy = RequeuePolicy(WorkQueue(4), *times, state, self.shards.serves, leave=self.shards.leave)
        self.shards.fences[0] = Fence(0, times[0], 8.0, float("inf"))
        self.policy.schedule_listed(KEY, Listed(observed=EPOCH, interval=None))

    def take(self) -> None:
        assert asyncio.run(self.policy.next()) == KEY

    def end(self) -> None:
        """Give the shard up, some seconds later."""
        self.seconds += 5
        self.shards.fences.clear()
        self.shards.ending.add(0)
        self.policy.leave_owed(lambda _key: True)


def interrupted_by_the_end(scene: Scene) -> None:
    scene.end()
    scene.policy.continue_after(KEY, 1.0, scene.policy.priority(KEY))
    scene.policy.done(KEY)


def interrupted_before(scene: Scene) -> None:
    scene.policy.continue_after(KEY, 60.0, scene.policy.priority(KEY))
    scene.policy.done(KEY)
    scene.end()


def throttled(scene: Scene) -> None:
    found = Outcome(declared({"a": "1"}), stopped=Throttled("later", delay=60.0))
    scene.policy.schedule_next(KEY, found)
    scene.policy.done(KEY)
    scene.end()


def refused_after_an_edit(scene: Scene) -> None:
    succeeded(scene, is_ended=False)
    scene.policy.requeue(KEY)
    scene.take()
    scene.end()
    scene.policy.continue_after(KEY, 1.0, Priority.RESYNC)
    scene.policy.done(KEY)


def succeeded(scene: Scene, *, is_ended: bool = True) -> None:
    scene.policy.schedule_next(KEY, FakeKind().engine().run(declared({"a": "1"})))
    scene.policy.done(KEY)
    if is_ended:
        scene.end()


def changed_meanwhile(scene: Scene) -> None:
    """The rights of the namespace change while its reconcile runs, which may have read the former ones."""
    scene.policy.requeue(KEY, Priority.RESYNC)
    succeeded(scene)


def changed_at_last(scene: Scene) -> None:
    succeeded(scene, is_ended=False)
    scene.policy.requeue(KEY, Priority.RESYNC, delay=50.0)
    scene.end()


def reconciled_after_a_change(scene: Scene) -> None:
    succeeded(scene, is_ended=False)
    scene.policy.requeue(KEY, Priority.RESYNC)
    scene.take()
    succeeded(scene)


def taken_at_the_end(scene: Scene) -> None:
    succeeded(scene, is_ended=False)
    scene.policy.requeue(KEY, Priority.RESYNC)
    scene.take()
    scene.end()
    scene.policy.done(KEY)


def at_its_resync(scene: Scene) -> None:
    succeeded(scene, is_ended=False)
    scene.seconds += 3600.0
    scene.take()
    scene.end()
    scene.policy.done(KEY)


def observed_in_part(scene: Scene) -> None:
    """Settled by the time of the end, in spite of the events that limit what is observed."""
    assert scene.policy.is_whole(KEY)
    status = {"observedGeneration": 1, "appliedGeneration": 1}
    declaration = replace(declared({"a": "1"}, status=status), changed={"/app/a": ""})
    assert declaration.is_partial
    assert not replace(declaration, observes_all=True).is_partial
    scene.policy.schedule_next(KEY, FakeKind().engine().run(replace(declaration, observes_all=True)))
    scene.policy.done(KEY)
    scene.policy.requeue(KEY, Priority.DRIFT)
    scene.take()
    assert not scene.policy.is_whole(KEY)
    scene.policy.schedule_next(KEY, FakeKind().engine().run(declaration))
    scene.policy.done(KEY)
    scene.end()


def failed(scene: Scene) -> None:
    scene.policy.schedule_failed(KEY, 60.0)
    scene.policy.done(KEY)
    scene.end()


@pytest.mark.parametrize(
    ("what", "is_left"),
    [
        (interrupted_by_the_end, True),
        (interrupted_before, True),
        (throttled, True),
        (refused_after_an_edit, True),
        (changed_meanwhile, True),
        (changed_at_last, True),
        (reconciled_after_a_change, False),
        (taken_at_the_end, True),
        (at_its_resync, False),
        (observed_in_part, False),
        (succeeded, False),
        (failed, False),
    ],
)
def test_object_is_left_to_the_next_holder_if_it_has_no_result(what: Callable[[Scene], None], *, is_left: bool) -> None:
    scene = Scene()
    scene.take()
    what(scene)
    assert (scene.shards.unfinished == {0}) is is_left
