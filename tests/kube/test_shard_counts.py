"""The number of shards changes and returns: a shard counts as finished only if no other number was in force meanwhile."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.kube.lease_replicas import LeaseServer, Replica, simulate, until

from dynconfig.kube.lease_documents import UNFINISHED
from dynconfig.model.fence import Fence


class Interrupted(Replica):
    """Reaches the server no more when it has acquired its first shard."""

    def acquired(self, fence: Fence, *, is_whole: bool) -> None:
        """Serve a shard."""
        super().acquired(fence, is_whole=is_whole)
        self.leases._kube.server.unreachable.add(self.name)  # type: ignore[attr-defined]


class Scene:
    """Replicas with different numbers of shards, one after the other."""

    def __init__(self) -> None:
        self.server = LeaseServer()
        self.started = 0

    def start(self, shards: int) -> Replica:
        self.started += 1
        return Replica(self.server, f"r{self.started}", shards=shards)

    async def serving(self, shards: int) -> Replica:
        """A replica that serves all shards."""
        replica = self.start(shards)
        await until(lambda: len(replica.fences) == shards, 60)
        return replica

    async def served(self, shards: int) -> list[bool]:
        """Serve with a number of shards, and end; return whether each shard was observed as a whole."""
        replica = await self.serving(shards)
        await asyncio.sleep(3)
        await replica.stop()
        return replica.whole

    def finished(self) -> set[str]:
        """The names of free leases without the mark."""
        return {
            name
            for name, lease in self.server.leases.items()
            if not lease["spec"]["holderIdentity"] and UNFINISHED not in (lease["metadata"].get("annotations") or {})
        }


@pytest.mark.parametrize("numbers", [(2, 1, 2), (2, 3, 2, 3), (1, 4, 1), (4, 2, 1, 4), (3, 3, 1, 3), (9, 10, 9, 10)])
def test_all_objects_are_observed_whenever_another_number_was_in_force(numbers: tuple[int, ...]) -> None:
    async def act() -> None:
        scene, before = Scene(), 0
        for number in numbers:
            assert await scene.served(number) == [number != before] * number
            before = number

    simulate(act)


@pytest.mark.parametrize("is_released", [True, False])
@pytest.mark.parametrize(("before", "between"), [(2, 3), (3, 2), (4, 1)])
def test_one_shard_of_another_number_is_enough(before: int, between: int, *, is_released: bool) -> None:
    async def act() -> None:
        scene = Scene()
        await scene.served(before)
        second = Interrupted(scene.server, "interrupted", shards=between)
        await until(lambda: bool(second.fences), 60)
        await second.kill()
        if is_released:
            scene.server.unreachable.clear()
            await second.stop()
        assert second.whole == [True]
        third = await scene.serving(before)
        assert third.whole == [True] * before

    simulate(act)


def test_replica_that_was_suspended_leaves_no_finished_shard_to_its_number() -> None:
    async def act() -> None:
        scene = Scene()
        suspended = await scene.serving(2)
        await suspended.kill()
        second = await scene.serving(1)
        # It goes on where it was stopped: with the end of the process.
        await suspended.leases.close()
        await second.stop()
        assert (await scene.serving(2)).whole == [True, True]

    simulate(act)


@pytest.mark.parametrize("numbers", [(2, 1), (1, 2)])
def test_lease_that_another_number_writes_at_the_same_time_is_not_finished(numbers: tuple[int, int]) -> None:
    """Whichever comes first, the other one lists again before it acquires anything."""

    async def act() -> None:
        scene = Scene()
        await scene.served(2)
        first, second = map(scene.start, numbers)
        await until(lambda: bool(first.fences or second.fences), 60)
        await asyncio.sleep(20)
        assert not (first.fences and second.fences)
        for replica in (first, second):
            await replica.stop()
        ones = [replica for replica in (first, second) if replica.shards == 1 and replica.whole]
        if ones:
            assert (await scene.serving(2)).whole == [True, True]

    simulate(act)


def test_replicas_of_a_new_number_that_start_together_share_the_shards_soon() -> None:
    async def act() -> None:
        scene = Scene()
        await scene.served(4)
        replicas = [scene.start(3) for _ in range(3)]
        await until(lambda: sum(len(replica.fences) for replica in replicas) == 3, 5)
        assert [whole for replica in replicas for whole in replica.whole] == [True] * 3
        assert scene.finished() == set()

    simulate(act)


def test_leases_of_another_number_are_closed_once() -> None:
    async def act() -> None:
        scene = Scene()
        await scene.served(5)
        await scene.serving(1)
        written = len(scene.server.written)
        await asyncio.sleep(10)
        names = {lease["metadata"]["name"] for lease in scene.server.written[written:]}
        assert names == {"dynconfig-shard-0"}

    simulate(act)


@pytest.mark.parametrize("ends", [Replica.stop, Replica.kill])
def test_same_number_is_finished_only_if_it_was_released(ends: Callable[[Replica], Coroutine[Any, Any, None]]) -> None:
    async def act() -> None:
        scene = Scene()
        first = await scene.serving(2)
        await ends(first)
        assert (await scene.serving(2)).whole == [ends is Replica.kill] * 2

    simulate(act)
