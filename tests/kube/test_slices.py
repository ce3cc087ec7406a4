"""A shard with many objects is taken over and forgotten in slices, and nothing is lost that happens in between."""

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from tests.engine.fake_kind import FakeKind
from tests.kube.controller_harness import REGION, configured, dependencies_of, serve_all

from dynconfig import __version__
from dynconfig.api import names
from dynconfig.kube.controller import Controller
from dynconfig.kube.slices import SLICE, in_slices
from dynconfig.kube.work_queue import Priority, WorkQueue
from dynconfig.model.declaration import Place
from dynconfig.model.fence import Fence
from dynconfig.model.key import Key
from dynconfig.model.timestamps import timestamp

COUNT = 5 * SLICE
LAST = Key("shop", f"n{COUNT - 1}")


def settled(number: int) -> dict[str, Any]:
    """An object in sync."""
    status = {
        "region": REGION,
        "conditions": [{"type": "Ready", "status": "True"}],
        "observedGeneration": 1,
        "appliedGeneration": 1,
        "operatorVersion": __version__,
        "lastObservedTime": timestamp(time.time()),
        "resources": [{"kind": "Parameter", "name": f"/app/{number}/a", "version": 1}],
    }
    metadata = {"name": f"n{number}", "finalizers": [names.FINALIZER]}
    found = configured({"a": "1"}, uid=f"uid-{number}", metadata=metadata, path=f"/app/{number}")
    return {**found, "status": status}


class Replica:
    """A replica that knows many objects, and acquires and gives up their shard."""

    def __init__(self) -> None:
        unused: Any = None
        self.listened: list[str] = []
        self.queue = WorkQueue()
        dependencies = dependencies_of(
            unused,
            engine=FakeKind().engine(),
            start_listener=lambda place, _fence: self.listened.append(place.title),
        )
        self.controller = Controller(dependencies, self.queue, 2)
        self.objects = self.controller.objects
        for number in range(COUNT):
            self.objects.object_changed(settled(number), None)

    def acquire(self, *, is_whole: bool = False) -> None:
        """Acquire the shard; its first objects are taken over."""
        self.objects.acquired(Fence(0, time.monotonic, 0.0, float("inf")), is_whole=is_whole)

    @property
    def left(self) -> int:
        """How many objects are on standby."""
        return len(self.objects._standby)

    @property
    def observed(self) -> int:
        """How many objects are observed now instead of at their resync."""
        return self.controller.waiting()

    async def finish(self) -> list[int]:
        """Take over all others; return how many were left whenever the event loop did something else."""
        left, task = [self.left], asyncio.create_task(self.objects.take_over(0))
        while not task.done():
            await asyncio.sleep(0)
            left.append(self.left)
        return left


def steps(counts: list[int]) -> int:
    """Return the longest step."""
    return max(abs(after - before) for before, after in pairwise(counts))


def test_event_loop_runs_while_a_shard_is_taken_over_and_forgotten() -> None:
    async def act() -> None:
        replica = Replica()
        assert replica.left == COUNT
        replica.acquire()
        left = await replica.finish()
        assert (left[0], left[-1]) == (COUNT - SLICE, 0)
        assert steps(left) == SLICE
        assert set(replica.listened) == {REGION}
        assert replica.observed == 0
        replica.objects.ending(0)
        assert await replica.objects.ended(0) is False
        left, task = [0], asyncio.create_task(replica.objects.lost(0))
        while not task.done():
            await asyncio.sleep(0)
            left.append(replica.left)
        assert left[-1] == COUNT
        assert steps(left) <= SLICE

    asyncio.run(act())


def test_all_objects_of_a_whole_shard_are_observed() -> None:
    async def act() -> None:
        replica = Replica()
        replica.acquire(is_whole=True)
        await replica.finish()
        assert replica.observed == COUNT

    asyncio.run(act())


def rights(replica: Replica) -> None:
    replica.controller.requeue_all()


def events(replica: Replica) -> None:
    """The queue and rules were created when the first object was taken over."""
    task = asyncio.ensure_future(replica.controller.event_warnings.began(Place(REGION), 0))
    task.add_done_callback(lambda done: done.result())


@pytest.mark.parametrize("change", [rights, events])
def test_change_in_between_concerns_all_objects(change: Callable[[Replica], None]) -> None:
    async def act() -> None:
        replica = Replica()
        replica.acquire()
        change(replica)
        await asyncio.sleep(0)
        await replica.finish()
        assert replica.observed == COUNT

    asyncio.run(act())


def test_object_that_changes_in_between_is_taken_over_at_once() -> None:
    async def act() -> None:
        replica = Replica()
        replica.acquire()
        edited = settled(COUNT - 1)
        edited["metadata"]["generation"] = 2
        replica.objects.object_changed(edited, "MODIFIED")
        assert LAST not in replica.objects._standby
        assert replica.queue._queued[LAST].priority is Priority.EDIT
        await replica.finish()
        assert replica.observed == 1

    asyncio.run(act())


def test_object_that_is_deleted_in_between_is_not_taken_over() -> None:
    async def act() -> None:
        replica = Replica()
        replica.acquire()
        replica.objects.object_changed(settled(COUNT - 1), "DELETED")
        await replica.finish()
        assert LAST not in replica.controller._requeues.tracked()

    asyncio.run(act())


@pytest.mark.parametrize("is_whole", [True, False])
def test_shard_that_is_given_up_in_between_is_left_as_it_was(*, is_whole: bool) -> None:
    async def act() -> None:
        replica = Replica()
        replica.acquire(is_whole=is_whole)
        # Those that were taken over have been observed.
        for key in replica.controller._requeues.tracked():
            replica.controller._requeues._owed.begin(key)
            replica.controller._requeues._owed.settle(key, is_whole=True)
        task = asyncio.create_task(replica.objects.take_over(0))
        replica.objects.ending(0)
        assert await replica.objects.ended(0) is is_whole
        await replica.objects.lost(0)
        await task
        assert replica.left == COUNT
        assert replica.controller.waiting() == 0
        # The place of each object is still known.
        replica.listened.clear()
        replica.acquire()
        await replica.finish()
        assert set(replica.listened) == {REGION}
        assert len(replica.controller._places.objects(Place(REGION), 0)) == COUNT

    asyncio.run(act())


def test_object_that_is_deleted_while_a_shard_is_forgotten_stays_forgotten() -> None:
    async def act() -> None:
        replica = Replica()
        serve_all(replica.controller)
        await replica.finish()
        replica.objects.ending(0)
        await replica.objects.ended(0)
        task = asyncio.create_task(replica.objects.lost(0))
        await asyncio.sleep(0)
        replica.objects.object_changed(settled(COUNT - 1), "DELETED")
        await task
        assert replica.left == COUNT - 1
        assert LAST not in replica.objects._standby

    asyncio.run(act())


def test_slices_yield_every_item() -> None:
    async def act() -> list[int]:
        return [item async for item in in_slices(range(2 * SLICE + 1))]

    assert asyncio.run(act()) == list(range(2 * SLICE + 1))
