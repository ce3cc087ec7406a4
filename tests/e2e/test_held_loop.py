"""A replica whose main event loop is held keeps its lease; one whose main event loop is stuck gives it up."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

import pytest
from tests.e2e.world import World

from dynconfig.kube import kubeconfig
from dynconfig.kube.client import Kube
from dynconfig.kube.connection import Connection
from dynconfig.kube.lease_thread import LeaseThread, MainLoop
from dynconfig.kube.leases import Leases, LeaseTimes
from dynconfig.model.fence import Fence, LeaseLost
from dynconfig_lab.processes import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

TIMES = LeaseTimes(15.0, 10.0, 2.0)
SHORT = LeaseTimes(3.0, 2.0, 0.4)
HELD_SECONDS = 8.0


class Replica:
    """The leases of a replica that has no other work, with a main event loop in a thread of its own."""

    def __init__(self, connection: Connection, namespace: str, name: str, times: LeaseTimes) -> None:
        self._connection = connection
        self._namespace = namespace
        self._name = name
        self._times = times
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._serve)
        self.fences: list[Fence] = []

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Run it until the context ends."""
        self._thread.start()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join()

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        kube, main = Kube(self._connection), MainLoop(self, time.monotonic)
        leases = Leases(
            kube,
            main,
            self._times,
            shards=1,
            identity=self._name,
            namespace=self._namespace,
            silence=main.silence,
            clock=time.monotonic,
            now=time.time,
        )
        thread = LeaseThread(leases, kube, main)
        await thread.start()
        await self._ended.wait()
        await thread.close()

    def acquired(self, fence: Fence, *, is_whole: bool) -> None:
        """Serve a shard."""
        self.fences.append(fence)

    def ending(self, shard: int) -> None:
        """End nothing."""

    async def ended(self, shard: int) -> bool:
        """Nothing runs."""
        return False

    async def lost(self, shard: int) -> None:
        """Forget nothing."""

    def may_write(self) -> bool:
        """Whether a write may start."""
        try:
            for fence in self.fences[-1:]:
                fence.check(writes=True)
        except LeaseLost:
            return False
        return bool(self.fences)

    def hold(self) -> threading.Event:
        """Hold the main event loop by work, as a large document does, until the event is set."""
        released = threading.Event()

        def work() -> None:
            while not released.is_set():
                pass

        self._loop.call_soon_threadsafe(work)
        return released


@pytest.fixture
def pair(
    world: World, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Replica, Replica]]:
    """A replica that serves, and one on standby; the parameter is their times."""
    monkeypatch.setenv("KUBECONFIG", world.stack.environment["KUBECONFIG"])
    connection = kubeconfig.current()
    first, second = (Replica(connection, world.namespace, name, request.param) for name in ("first", "second"))
    with ExitStack() as stack:
        stack.enter_context(first.running())
        assert wait_until(first.may_write, 30)
        stack.enter_context(second.running())
        yield first, second


@pytest.mark.parametrize("pair", [TIMES], indirect=True)
def test_replica_whose_main_event_loop_is_held_for_eight_seconds_may_write_all_the_time(
    pair: tuple[Replica, Replica],
) -> None:
    first, second = pair
    released = first.hold()
    assert not wait_until(lambda: not first.may_write(), HELD_SECONDS)
    released.set()
    assert not second.fences


@pytest.mark.parametrize("pair", [SHORT], indirect=True)
def test_replica_whose_main_event_loop_is_stuck_gives_its_lease_up(pair: tuple[Replica, Replica]) -> None:
    first, second = pair
    released = first.hold()
    began = time.monotonic()
    try:
        assert wait_until(lambda: not first.may_write(), 60)
        assert time.monotonic() - began > SHORT.silence - SHORT.retry_period
        assert wait_until(second.may_write, 60)
    finally:
        released.set()
    assert not first.may_write()
