"""Leases: who serves which shard, with simulated time and an API server that may fail."""

import asyncio
import random
import re
import time
from typing import Any

import pytest
from aiohttp import web
from tests.kube import apiserver
from tests.kube.lease_replicas import TIMES, LeaseServer, Replica, serving, simulate, until

from dynconfig.kube import leases
from dynconfig.kube.lease_watch import SHARD
from dynconfig.kube.leases import FORGOTTEN_DURATIONS, Leases, identity
from dynconfig.model.fence import Fence, LeaseLost, shard_of
from dynconfig.model.key import Key


def test_one_replica_serves_and_the_other_stands_by() -> None:
    async def act() -> None:
        server = LeaseServer()
        first, second = Replica(server, "a"), Replica(server, "b")
        await until(lambda: first.may_write() or second.may_write(), 5)
        await asyncio.sleep(120)
        assert [first.may_write(), second.may_write()].count(True) == 1
        assert first.whole + second.whole == [True]

    simulate(act)


def test_standby_takes_over_from_a_killed_replica_within_twenty_seconds() -> None:
    async def act() -> None:
        server = LeaseServer()
        first = await serving(server, "a")
        second = Replica(server, "b")
        await asyncio.sleep(30)
        await first.kill()
        assert await until(second.may_write, 20) >= TIMES.duration - TIMES.retry_period
        assert not first.may_write()
        # Its events may have been lost with it.
        assert second.whole == [True]

    simulate(act)


def test_standby_takes_over_from_a_stopped_replica_within_two_seconds() -> None:
    async def act() -> None:
        server = LeaseServer()
        first = await serving(server, "a")
        second = Replica(server, "b")
        await asyncio.sleep(30)
        await first.stop()
        await until(second.may_write, 2)
        assert second.whole == [False]

    simulate(act)


@pytest.mark.parametrize(("is_watched", "seconds"), [(True, 0.5), (False, 1.5)])
def test_released_shard_is_taken_over_at_once_if_leases_may_be_watched(is_watched: bool, seconds: float) -> None:
    async def act() -> None:
        server = LeaseServer()
        if not is_watched:
            server.unwatched |= {"a", "b"}
        replicas = [Replica(server, "a"), Replica(server, "b")]
        for _ in range(20):
            await until(lambda: any(replica.may_write() for replica in replicas), 5)
            await asyncio.sleep(7)
            first = next(replica for replica in replicas if replica.may_write())
            replicas.remove(first)
            await first.stop()
            await until(replicas[0].may_write, seconds)
            replicas.append(Replica(server, first.name))

    simulate(act)


def test_shard_is_released_only_after_its_running_reconcile() -> None:
    async def act() -> None:
        server = LeaseServer()
        first = await serving(server, "a")
        first.reconciling = asyncio.Event()
        stopping = asyncio.create_task(first.stop())
        await asyncio.sleep(0.5)
        assert first.may_write()
        await asyncio.sleep(1.0)
        assert not first.may_write()
        assert server.holder() == "a"
        first.reconciling.set()
        await stopping
        assert server.holder() == ""

    simulate(act)


def test_replica_that_cannot_renew_stops_writing_before_another_takes_over() -> None:
    async def act() -> None:
        server = LeaseServer()
        first = await serving(server, "a")
        second = Replica(server, "b")
        await asyncio.sleep(10)
        server.unreachable.add("a")
        await until(lambda: not first.may_write(), 15)
        # A write that started at the last moment has ended by then.
        assert await until(second.may_write, 20) >= TIMES.call_seconds - TIMES.retry_period
        server.unreachable.clear()
        await asyncio.sleep(60)
        assert not first.may_write()
        assert second.may_write()

    simulate(act)


def test_short_outage_of_the_api_server_changes_no_holder() -> None:
    async def act() -> None:
        server = LeaseServer()
        first = await serving(server, "a")
        second = Replica(server, "b")
        await asyncio.sleep(10)
        server.unreachable |= {"a", "b"}
        await asyncio.sleep(6)
        server.unreachable.clear()
        await asyncio.sleep(4)
        assert first.may_write()
        assert not second.fences

    simulate(act)


def test_renewals_that_are_stored_count_although_their_answers_come_too_late() -> None:
    async def act() -> None:
        server = LeaseServer()
        first = await serving(server, "a")
        fence = first.fences[0]
        server.unanswered.add("a")
        for _ in range(120):
            await asyncio.sleep(0.5)
            assert first.may_write()
        assert first.fences[0] is fence

    simulate(act)


def test_replica_whose_main_event_loop_is_held_for_a_while_keeps_its_shard() -> None:
    async def act() -> None:
        server = LeaseServer()
        first, second = Replica(server, "a"), Replica(server, "b")
        await until(first.may_write, 5)
        first.silent_since = asyncio.get_running_loop().time()
        await asyncio.sleep(TIMES.silence - 1)
        assert first.may_write()
        first.silent_since = None
        await asyncio.sleep(TIMES.silence)
        assert first.may_write()
        assert not second.fences

    simulate(act)


def test_replica_whose_main_event_loop_is_stuck_gives_its_shard_up_until_it_answers() -> None:
    async def act() -> None:
        server = LeaseServer()
        first, second = Replica(server, "a"), Replica(server, "b")
        await until(first.may_write, 5)
        first.silent_since = asyncio.get_running_loop().time()
        first.reconciling = asyncio.Event()
        await until(lambda: not first.may_write(), TIMES.silence + TIMES.retry_period)
        # A write that started at the last moment has ended by then.
        assert await until(second.may_write, TIMES.duration + TIMES.retry_period) >= TIMES.call_seconds
        await second.stop()
        await asyncio.sleep(TIMES.duration)
        assert server.holder() == ""
        first.silent_since = None
        first.reconciling.set()
        await until(first.may_write, 5)

    simulate(act)


def test_paused_replica_does_not_write_when_it_continues() -> None:
    async def act() -> None:
        server = LeaseServer()
        first = await serving(server, "a")
        second = Replica(server, "b")
        await asyncio.sleep(10)
        paused = first.fences[0]
        await first.kill()
        await until(second.may_write, 20)
        await asyncio.sleep(40)
        with pytest.raises(LeaseLost):
            paused.check(writes=True)
        with pytest.raises(LeaseLost):
            paused.check(writes=False)

    simulate(act)


def test_leases_of_others_are_left_alone_and_those_of_replicas_that_are_gone_are_deleted() -> None:
    async def act() -> None:
        server = LeaseServer()
        for name in ("kube-scheduler", "dynconfig-replica-gone"):
            spec = {"holderIdentity": "gone", "leaseDurationSeconds": 15}
            server.store({"metadata": {"name": name}, "spec": spec})
        await serving(server, "a")
        await until(lambda: "dynconfig-replica-gone" not in server.leases, TIMES.duration * (FORGOTTEN_DURATIONS + 1))
        assert server.leases["kube-scheduler"]["metadata"]["resourceVersion"] == "1"

    simulate(act)


def test_clocks_that_differ_by_minutes_change_nothing() -> None:
    async def act() -> None:
        server = LeaseServer()
        first, second = Replica(server, "a"), Replica(server, "b")
        first.skew, second.skew = -600.0, 600.0
        await until(lambda: first.may_write() or second.may_write(), 5)
        holder = server.holder()
        for skew in (3600.0, -3600.0, 0.0):
            first.skew = skew
            await asyncio.sleep(60)
            assert server.holder() == holder
            assert [first.may_write(), second.may_write()].count(True) == 1

    simulate(act)


def test_restarted_container_resumes_the_lease_of_its_pod() -> None:
    async def act() -> None:
        server = LeaseServer()
        first = Replica(server, "pod-1")
        await until(first.may_write, 5)
        await first.kill()
        again = Replica(server, identity("pod-1", "host", "unique"))
        await until(again.may_write, 3)
        assert again.whole == [True]

    simulate(act)


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (4, 3)])
def test_all_objects_are_observed_after_the_number_of_shards_was_changed(before: int, after: int) -> None:
    """A shard has other objects then, and its queue has no earlier events of them."""

    async def act() -> None:
        server = LeaseServer()
        first = Replica(server, "a", shards=before)
        await until(lambda: len(first.fences) == before, 20)
        await first.stop()
        second = Replica(server, "b", shards=after)
        await until(lambda: len(second.fences) == after, 20)
        assert second.whole == [True] * after

    simulate(act)


def test_all_objects_are_observed_after_a_lease_was_deleted() -> None:
    async def act() -> None:
        server = LeaseServer()
        first = await serving(server, "a")
        await first.stop()
        server.remove("dynconfig-shard-0")
        assert (await serving(server, "b")).whole == [True]

    simulate(act)


def test_lease_that_is_deleted_after_the_end_of_the_fence_is_left() -> None:
    """The sweep of the first shard deletes those of shards that exist no longer."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=500)

    async def act() -> None:
        unused: Any = None
        lost, clock = Fence(0, time.monotonic, 8.0), time.monotonic
        async with apiserver.serving(answer) as kube:
            replica = Leases(
                kube, unused, TIMES, shards=1, identity="a", namespace="n", silence=clock, clock=clock, now=clock
            )
            with lost.within():
                await replica.forget(1)

    asyncio.run(act())


def test_shards_are_shared_evenly_and_taken_over() -> None:
    async def act() -> None:
        server = LeaseServer()
        replicas = [Replica(server, f"r{number}", shards=4) for number in range(3)]

        def counts(*running: Replica) -> list[int]:
            return sorted(len(replica.fences) for replica in running)

        await until(lambda: counts(*replicas) == [1, 1, 2], 30)
        await asyncio.sleep(60)
        assert counts(*replicas) == [1, 1, 2]
        await replicas[0].kill()
        await until(lambda: counts(*replicas[1:]) == [2, 2], 20)
        await replicas[1].stop()
        # The lease by which the killed replica is counted may have been renewed last.
        await until(lambda: counts(replicas[2]) == [4], 8)
        late = Replica(server, "r3", shards=4)
        await until(lambda: counts(replicas[2], late) == [2, 2], 30)

    simulate(act)


def test_replicas_that_count_differently_never_serve_at_the_same_time() -> None:
    async def act() -> None:
        server = LeaseServer()
        old = Replica(server, "old", shards=1)
        await until(old.may_write, 5)
        new = [Replica(server, f"new{number}", shards=3) for number in range(2)]
        await asyncio.sleep(60)
        assert old.may_write()
        assert not any(replica.fences for replica in new)
        await old.stop()
        await until(lambda: sorted(len(replica.fences) for replica in new) == [1, 2], 20)

    simulate(act)


@pytest.mark.parametrize("first", ["a", "b", "c"])
def test_replicas_that_count_differently_and_start_together_do_not_both_serve(first: str) -> None:
    async def act() -> None:
        server = LeaseServer()
        # Each finds all leases free, and they acquire leases of different shards.
        replicas = [Replica(server, first, shards=1), Replica(server, "d", shards=3)]
        for _ in range(200):
            await asyncio.sleep(0.05)
            assert sum(any(map(replica.may_write, replica.fences)) for replica in replicas) <= 1
        await until(lambda: any(replica.fences for replica in replicas), 30)

    simulate(act)


def test_shards_that_exist_no_longer_are_known_from_their_leases() -> None:
    async def act() -> None:
        server = LeaseServer()
        old = Replica(server, "a", shards=3)
        await until(lambda: len(old.fences) == 3, 5)
        await old.stop()
        new = Replica(server, "b", shards=1)
        await until(lambda: len(new.fences) == 1, 5)
        assert new.leases.former_shards() == (1, 2)
        await new.leases.forget(1)
        await asyncio.sleep(5)
        assert new.leases.former_shards() == (2,)

    simulate(act)


def test_leases_may_change_while_another_thread_asks_for_former_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        server = LeaseServer()
        old = Replica(server, "a", shards=2)
        await until(lambda: len(old.fences) == 2, 5)
        await old.stop()
        new = Replica(server, "b", shards=1)
        await until(lambda: len(new.fences) == 1, 5)

        class Changing:
            """Matches as before, while the thread of the leases removes one."""

            def fullmatch(self, name: str) -> re.Match[str] | None:
                new.leases._observed.pop("dynconfig-shard-0", None)
                return SHARD.fullmatch(name)

        monkeypatch.setattr(leases, "SHARD", Changing())
        assert new.leases.former_shards() == (1,)

    simulate(act)


class Fleet:
    """Replicas that start, stop, die, are held and lose the API server by chance."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - not a secret
        self.server = LeaseServer()
        self.running: list[Replica] = []
        self.gone: list[Replica] = []
        self.started = 0

    async def act(self) -> None:
        """Do one thing."""
        if len(self.running) < 3 or self.chance.random() < 0.2:
            self.started += 1
            shards = self.chance.choice((1, 2, 2, 2, 3))
            self.running.append(Replica(self.server, f"r{self.started}", shards=shards))
        victim = self.chance.choice(self.running)
        action = self.chance.choice(("kill", "stop", "cut", "late", "hold", "mend", "none", "none"))
        if action in ("kill", "stop"):
            self.running.remove(victim)
            self.gone.append(victim)
            await (victim.kill() if action == "kill" else victim.stop())
        elif action == "cut":
            self.server.unreachable.add(victim.name)
        elif action == "late":
            self.server.unanswered.add(victim.name)
        elif action == "hold":
            victim.silent_since = asyncio.get_running_loop().time()
        elif action == "mend":
            self.mend()

    def mend(self) -> None:
        """End all faults."""
        self.server.unreachable.clear()
        self.server.unanswered.clear()
        for replica in self.running:
            replica.silent_since = None

    def check(self) -> None:
        """Check that no shard has two writers, and that all writers count the same number of shards."""
        writers = [
            (replica, shard)
            for replica in (*self.running, *self.gone)
            for shard in replica.fences
            if replica.may_write(shard)
        ]
        assert len({shard for _replica, shard in writers}) == len(writers)
        assert len({replica.shards for replica, _shard in writers}) <= 1


@pytest.mark.parametrize("seed", range(12))
def test_no_shard_is_ever_written_by_two_replicas(seed: int) -> None:
    async def act() -> None:
        fleet = Fleet(seed)
        for _ in range(60):
            await fleet.act()
            for _ in range(fleet.chance.randrange(40)):
                await asyncio.sleep(0.25)
                fleet.check()
        fleet.mend()
        last = fleet.running[0]
        for replica in fleet.running[1:]:
            await replica.stop()
        await until(lambda: len(last.fences) == last.shards, 40)

    simulate(act)


def test_shard_of_an_object_is_stable_and_even() -> None:
    keys = [Key(f"team-{number % 7}", f"app-{number}") for number in range(4000)]
    assert {shard_of(key, 1) for key in keys} == {0}
    counts = [sum(shard_of(key, 4) == shard for key in keys) for shard in range(4)]
    assert min(counts) > 900
    assert [shard_of(Key("shop", name), 16) for name in ("myapp", "cart", "web")] == STABLE


STABLE = [11, 9, 6]
