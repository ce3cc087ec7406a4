"""The thread of the leases, with an API server that answers at once."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from tests.kube.lease_replicas import LeaseClient, LeaseServer

from dynconfig.kube.lease_thread import LeaseThread, MainLoop
from dynconfig.kube.leases import Leases, LeaseTimes
from dynconfig.model.fence import Fence, LeaseLost

TIMES = LeaseTimes(3.0, 2.0, 0.2)


class Client(LeaseClient):
    """The client of the thread."""

    closed = False

    async def close(self) -> None:
        """Close it."""
        self.closed = True


class User:
    """Records what happens, and in which thread."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.fences: list[Fence] = []
        self.fails_to = ""

    def _record(self, call: str) -> None:
        self.calls.append((call, threading.current_thread().name))
        if call == self.fails_to:
            raise ValueError(call)

    def acquired(self, fence: Fence, *, is_whole: bool) -> None:
        """Serve a shard, as a whole: its lease is new, or was lost."""
        assert is_whole
        self.fences.append(fence)
        self._record("acquired")

    def ending(self, _shard: int) -> None:
        """End work."""
        self._record("ending")

    async def ended(self, _shard: int) -> bool:
        """Nothing runs."""
        self._record("ended")
        return False

    async def lost(self, _shard: int) -> None:
        """Forget."""
        self._record("lost")

    def may_write(self) -> bool:
        """Whether a write may start."""
        try:
            self.fences[-1].check(writes=True)
        except LeaseLost:
            return False
        return True


def not_started(user: User, client: Any) -> LeaseThread:
    """Return the thread of a replica."""
    main = MainLoop(user, time.monotonic)
    leases = Leases(
        client,
        main,
        TIMES,
        shards=1,
        identity="a",
        namespace="ops",
        silence=main.silence,
        clock=time.monotonic,
        now=time.time,
    )
    return LeaseThread(leases, client, main)


@asynccontextmanager
async def running(user: User, server: LeaseServer) -> AsyncIterator[tuple[LeaseThread, asyncio.Task[None]]]:
    """Run leases in a thread until the context ends."""
    client = Client(server, "a")
    thread = not_started(user, client)
    await thread.start()
    task = asyncio.create_task(thread.watch())
    try:
        yield thread, task
    finally:
        await thread.close()
        await asyncio.gather(task, return_exceptions=True)
        assert client.closed
        assert "leases" not in {thread.name for thread in threading.enumerate()}


def hold(seconds: float, condition: Callable[[], bool]) -> bool:
    """Hold the event loop of this thread until a condition holds; return whether it did within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        threading.Event().wait(0.01)
    return False


def test_shard_is_served_and_ended_in_the_main_event_loop() -> None:
    async def act() -> None:
        user, server = User(), LeaseServer()
        async with running(user, server) as (thread, _task):
            assert user.may_write()
            assert thread.held == {0}
        main = threading.current_thread().name
        assert user.calls == [(call, main) for call in ("acquired", "ending", "ended", "lost")]
        assert server.holder() == ""
        assert not user.may_write()

    asyncio.run(act())


def test_lease_of_a_replica_that_is_stopped_while_it_starts_is_released() -> None:
    async def act() -> None:
        user, server = User(), LeaseServer()
        thread = not_started(user, Client(server, "a"))
        starting = asyncio.create_task(thread.start())
        async with asyncio.timeout(10.0):
            while not server.leases:
                await asyncio.sleep(0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await thread.close()
        assert server.holder() == ""
        assert "leases" not in {thread.name for thread in threading.enumerate()}

    asyncio.run(act())


def test_lease_is_renewed_while_the_main_event_loop_is_held() -> None:
    async def act() -> None:
        user, server = User(), LeaseServer()
        async with running(user, server):
            version = server.version
            assert hold(30.0, lambda: server.version > version + 5)
            assert user.may_write()

    asyncio.run(act())


def test_lease_is_given_up_when_the_main_event_loop_is_stuck_and_acquired_again_afterwards() -> None:
    async def act() -> None:
        user, server = User(), LeaseServer()
        async with running(user, server):
            assert hold(30.0, lambda: not user.may_write())
            version = server.version
            assert not hold(1.0, lambda: server.version > version)
            assert len(user.calls) == 1
            async with asyncio.timeout(10.0):
                while len(user.fences) < 2:
                    await asyncio.sleep(0.01)
            assert [call for call, _thread in user.calls] == ["acquired", "ending", "ended", "lost", "acquired"]
            assert user.may_write()

    asyncio.run(act())


def test_bug_in_serving_a_shard_is_raised() -> None:
    async def act() -> None:
        user = User()
        user.fails_to = "acquired"
        async with running(user, LeaseServer()) as (_thread, task):
            with pytest.raises(ValueError, match="acquired"):
                await asyncio.wait_for(task, 10.0)

    asyncio.run(act())


@pytest.mark.parametrize("call", ["ending", "ended", "lost"])
def test_bug_in_ending_a_shard_is_raised(call: str) -> None:
    async def act() -> None:
        user, server = User(), LeaseServer()
        user.fails_to = call
        failed = (ValueError, ExceptionGroup)
        with suppress(*failed):
            async with running(user, server) as (_thread, task):
                # Another replica took the lease.
                server.store({"metadata": {"name": "dynconfig-shard-0"}, "spec": {"holderIdentity": "b"}})
                with pytest.raises(failed, check=lambda error: call in repr(error)):
                    await asyncio.wait_for(task, 10.0)

    asyncio.run(act())
