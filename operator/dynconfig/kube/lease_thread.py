"""The leases have a thread with an event loop of its own, so that the work of the operator does not delay their renewal.

As in client-go, which renews in a goroutine; docs/decisions/leases-have-a-thread.md says what ends a lease nevertheless.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from dynconfig.kube.client import Kube
from dynconfig.kube.leases import Leases, ShardUser
from dynconfig.model.fence import Fence

T = TypeVar("T")


class MainLoop:
    """Passes what happens to shards to the event loop that created it, in order: there, `user` serves the objects."""

    def __init__(self, user: ShardUser, clock: Callable[[], float]) -> None:
        """Create it in the main event loop; `clock` is that of the leases."""
        self._user = user
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._asked_at: float | None = None
        self.failed: asyncio.Future[None] = self._loop.create_future()
        """Gets the exception of a call that failed, which is a bug."""

    def silence(self) -> float:
        """Return for how long the main event loop has not answered, in seconds; a pause of the process does not count."""
        now = self._clock()
        asked_at = self._asked_at
        if asked_at is None:
            asked_at = self._asked_at = now
            self._loop.call_soon_threadsafe(self._answer)
        return now - asked_at

    def acquired(self, fence: Fence, *, is_whole: bool) -> None:
        """Serve a shard, as soon as the main event loop is free."""
        self._loop.call_soon_threadsafe(self._call, lambda: self._user.acquired(fence, is_whole=is_whole))

    def ending(self, shard: int) -> None:
        """Start no more reconciles in a shard."""
        self._loop.call_soon_threadsafe(self._call, lambda: self._user.ending(shard))

    async def ended(self, shard: int) -> bool:
        """Return when no reconcile of a shard is running: whether work is left to the next holder."""
        return await _in_loop(self._loop, self._user.ended(shard))

    async def lost(self, shard: int) -> None:
        """Forget what is remembered of the objects of a shard."""
        await _in_loop(self._loop, self._user.lost(shard))

    def _answer(self) -> None:
        self._asked_at = None

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as failure:  # noqa: BLE001 - raised by `LeaseThread.watch`
            if not self.failed.done():
                self.failed.set_exception(failure)


class LeaseThread:
    """Runs the leases of a replica in a thread. The methods are called in the main event loop."""

    def __init__(self, leases: Leases, kube: Kube, main: MainLoop) -> None:
        """Create it with leases that use `kube`, which nothing else does, and pass what happens to `main`."""
        self._leases = leases
        self._kube = kube
        self._main = main
        self._loop = asyncio.new_event_loop()
        self._closed = asyncio.Event()
        self._running = Future[None]()
        # A main thread that ends with an exception does not wait for it.
        self._thread = threading.Thread(target=self._serve, name="leases", daemon=True)

    @property
    def held(self) -> frozenset[int]:
        """The shards that this replica serves."""
        return self._leases.held

    def former_shards(self) -> tuple[int, ...]:
        """Return the shards that exist no longer, since the number of shards was reduced."""
        return self._leases.former_shards()

    async def forget(self, shard: int) -> None:
        """Delete the lease of a shard that exists no longer."""
        await _in_loop(self._loop, self._leases.forget(shard))

    async def start(self) -> None:
        """Start the thread; return when all that is free was acquired."""
        self._thread.start()
        await _in_loop(self._loop, self._leases.step())
        self._running = asyncio.run_coroutine_threadsafe(self._leases.run(), self._loop)

    async def watch(self) -> None:
        """Raise what the leases raise, or what serving or ending a shard raised; cancelled when closed."""
        await asyncio.gather(asyncio.wrap_future(self._running), self._main.failed)

    async def close(self) -> None:
        """Release all shards, and end the thread. Raises what ending a shard raised."""
        try:
            await _in_loop(self._loop, self._close())
        finally:
            self._loop.call_soon_threadsafe(self._closed.set)
            await asyncio.to_thread(self._thread.join)

    async def _close(self) -> None:
        try:
            await self._leases.close()
        finally:
            await self._kube.close()

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._closed.wait())


async def _in_loop(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of work in the event loop of another thread; it is cancelled with this call."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))
