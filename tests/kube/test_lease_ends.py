"""The end of a shard: each lease is released once and at once, and a failure ends the replica, not only the shard."""

import asyncio

import pytest
from tests.kube.lease_replicas import TIMES, LeaseServer, Replica, serving, simulate, until


def test_lease_is_released_before_the_objects_of_the_shard_are_forgotten() -> None:
    async def act() -> None:
        server = LeaseServer()
        first = await serving(server, "a")
        held = asyncio.Event()

        async def lost(shard: int) -> None:
            assert not first.may_write(shard)
            assert server.holder() == ""
            held.set()

        first.lost = lost  # type: ignore[method-assign]  # forgets nothing
        await first.stop()
        assert held.is_set()

    simulate(act)


@pytest.mark.parametrize("milliseconds", range(0, 150, 3))
@pytest.mark.parametrize("shards", [1, 2])
def test_replica_that_stops_at_any_time_of_its_start_leaves_no_lease_to_expire(milliseconds: int, shards: int) -> None:
    async def act() -> None:
        server = LeaseServer()
        first = Replica(server, "a", shards=shards)
        await asyncio.sleep(milliseconds / 1000)
        await first.stop()
        # What was sent before is carried out.
        await asyncio.sleep(0.02)
        assert {name for name, lease in server.leases.items() if lease["spec"]["holderIdentity"]} == set()
        second = Replica(server, "b", shards=shards)
        await until(lambda: len(second.fences) == shards, 2)
        # A shard that was not served was not observed.
        assert second.whole == [f"acquired {shard}" not in first.calls for shard in second.fences]

    simulate(act)


@pytest.mark.parametrize("is_closed_first", [False, True])
def test_lease_whose_acquisition_was_not_answered_is_released(*, is_closed_first: bool) -> None:
    async def act() -> None:
        server = LeaseServer()
        await (await serving(server, "a")).stop()
        server.unanswered.add("b")
        second = Replica(server, "b")
        await until(lambda: server.holder() == "b", 5)
        if not is_closed_first:
            await asyncio.sleep(0.1)
        assert not second.fences
        server.unanswered.clear()
        await second.stop()
        assert server.holder() == ""

    simulate(act)


def test_release_that_conflicts_with_a_stored_renewal_is_repeated() -> None:
    async def act() -> None:
        server = LeaseServer()
        first = await serving(server, "a")
        await first.kill()
        # A renewal that was cancelled, and stored nevertheless.
        server.store({**server.leases["dynconfig-shard-0"]})
        await first.leases.close()
        assert server.holder() == ""

    simulate(act)


@pytest.mark.parametrize("call", ["ended 1", "lost 1"])
@pytest.mark.parametrize("end", ["lost", "given away"])
def test_failure_to_end_a_shard_ends_the_replica_and_all_other_shards_are_released(call: str, end: str) -> None:
    async def act() -> None:
        server = LeaseServer()
        first = Replica(server, "a", shards=3)
        await until(lambda: len(first.fences) == 3, 5)
        first.fails_to = call
        if end == "lost":
            server.store(
                {"metadata": {"name": "dynconfig-shard-1"}, "spec": {"holderIdentity": "", "leaseTransitions": 7}}
            )
        else:
            for shard in (0, 1, 2):
                first.leases._begin_end(shard, first.leases._released(shard))
        async with asyncio.timeout(TIMES.retry_period + 1):
            with pytest.raises(ExceptionGroup) as raised:
                await first.task
        assert raised.group_contains(ValueError, match=call)
        with pytest.raises(ExceptionGroup):
            await first.leases.close()
        second = Replica(server, "b", shards=3)
        await until(lambda: len(second.fences) == 3, TIMES.duration + TIMES.retry_period)
        assert not any(map(first.may_write, range(3)))

    simulate(act)


@pytest.mark.parametrize("call", ["ending 1", "ended 1", "lost 1"])
def test_close_releases_all_other_shards_if_one_cannot_be_ended(call: str) -> None:
    async def act() -> None:
        server = LeaseServer()
        first = Replica(server, "a", shards=3)
        await until(lambda: len(first.fences) == 3, 5)
        first.fails_to = call
        with pytest.raises(ExceptionGroup):
            await first.stop()
        assert [server.holder(shard) for shard in (0, 2)] == ["", ""]
        assert not any(map(first.may_write, range(3)))

    simulate(act)


def test_failure_to_serve_a_shard_ends_the_replica() -> None:
    async def act() -> None:
        first = Replica(LeaseServer(), "a")
        first.fails_to = "acquired 0"
        with pytest.raises(ValueError, match="acquired 0"):
            await asyncio.wait_for(first.task, 5)

    simulate(act)


def test_shard_that_is_being_given_away_is_released_once_when_the_replica_stops() -> None:
    async def act() -> None:
        server = LeaseServer()
        first = Replica(server, "a", shards=2)
        await until(lambda: len(first.fences) == 2, 5)
        first.reconciling = asyncio.Event()
        second = Replica(server, "b", shards=2)
        await until(lambda: any(call.startswith("ending") for call in first.calls), 10)
        stopping = asyncio.create_task(first.stop())
        await asyncio.sleep(0.2)
        first.reconciling.set()
        await stopping
        assert sorted(call for call in first.calls if call.startswith("lost")) == ["lost 0", "lost 1"]
        assert [server.releases(shard) for shard in (0, 1)] == [1, 1]
        await until(lambda: len(second.fences) == 2, 5)

    simulate(act)


@pytest.mark.parametrize("is_renewed", [False, True])
@pytest.mark.parametrize("leaves_work", [False, True])
def test_next_holder_observes_all_objects_if_changes_are_left(*, leaves_work: bool, is_renewed: bool) -> None:
    async def act() -> None:
        server = LeaseServer()
        first = await serving(server, "a")
        first.leaves_work = leaves_work
        if is_renewed:
            # The release conflicts with it.
            server.store({**server.leases["dynconfig-shard-0"]})
        await first.stop()
        second = await serving(server, "b")
        await second.stop()
        # What was left is left once.
        third = await serving(server, "c")
        await third.stop()
        assert (first.whole, second.whole, third.whole) == ([True], [leaves_work], [False])

    simulate(act)
