"""Replicas with simulated time, and the leases that they share, in an API server that may fail."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.sequences.loop import VirtualLoop

from dynconfig.kube.client import ApiConflict, ApiRefused, ApiUnavailable, Document
from dynconfig.kube.leases import Leases, LeaseTimes
from dynconfig.model.fence import Fence, LeaseLost

TIMES = LeaseTimes(15.0, 10.0, 2.0)


@dataclass
class LeaseServer:
    """The leases of a namespace, with optimistic locking as in the API server."""

    leases: dict[str, Document] = field(default_factory=dict)
    version: int = 0
    unreachable: set[str] = field(default_factory=set)
    """Replicas that cannot reach it."""
    unanswered: set[str] = field(default_factory=set)
    """Replicas whose renewals are stored, but answered too late."""
    unwatched: set[str] = field(default_factory=set)
    """Replicas that may not watch leases."""
    watches: list[asyncio.Queue[tuple[str, Document]]] = field(default_factory=list)
    written: list[Document] = field(default_factory=list)
    """All versions of all leases."""

    def store(self, lease: Document) -> Document:
        """Store a lease with a new version."""
        self.version += 1
        stored = copy.deepcopy(lease)
        stored["metadata"]["resourceVersion"] = str(self.version)
        self.leases[lease["metadata"]["name"]] = stored
        self.written.append(stored)
        self._announce("MODIFIED", stored)
        return copy.deepcopy(stored)

    def remove(self, name: str) -> None:
        """Delete a lease."""
        if (found := self.leases.pop(name, None)) is not None:
            self._announce("DELETED", found)

    def _announce(self, event: str, lease: Document) -> None:
        for watch in self.watches:
            watch.put_nowait((event, copy.deepcopy(lease)))

    def releases(self, shard: int = 0) -> int:
        """Return how often the lease of a shard was released."""
        name = f"dynconfig-shard-{shard}"
        return sum(item["metadata"]["name"] == name and not item["spec"]["holderIdentity"] for item in self.written)

    def holder(self, shard: int = 0) -> str:
        """Return the holder of a shard."""
        return str(self.leases[f"dynconfig-shard-{shard}"]["spec"]["holderIdentity"])


class LeaseClient:
    """The client of one replica."""

    def __init__(self, server: LeaseServer, name: str) -> None:
        self.server = server
        self.name = name

    def _reach(self) -> None:
        if self.name in self.server.unreachable:
            raise ApiUnavailable("the API server is unreachable")

    async def leases(self, _namespace: str, _timeout: float) -> list[Document]:
        """Return all leases."""
        await asyncio.sleep(0.01)
        self._reach()
        return copy.deepcopy(list(self.server.leases.values()))

    async def create_lease(self, _namespace: str, lease: Document, _timeout: float) -> Document:
        """Create a lease."""
        return await self._carry_out(self._create, lease)

    async def replace_lease(self, _namespace: str, lease: Document, _timeout: float) -> Document:
        """Replace a lease."""
        stored = await self._carry_out(self._replace, lease)
        if self.name in self.server.unanswered:
            raise ApiUnavailable("the request timed out")
        return stored

    async def _carry_out(self, write: Callable[[Document], Document], lease: Document) -> Document:
        """Send a write: the server carries it out, although the client no longer waits for the answer."""
        self._reach()
        answer = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.005, self._answer, answer, write, lease)
        try:
            return copy.deepcopy(await asyncio.shield(answer))
        finally:
            await asyncio.sleep(0.005)

    @staticmethod
    def _answer(answer: asyncio.Future[Document], write: Callable[[Document], Document], lease: Document) -> None:
        try:
            answer.set_result(write(lease))
        except (ApiConflict, ApiRefused) as error:
            answer.set_exception(error)

    def _create(self, lease: Document) -> Document:
        if lease["metadata"]["name"] in self.server.leases:
            raise ApiConflict("it exists")
        return self.server.store(lease)

    def _replace(self, lease: Document) -> Document:
        current = self.server.leases.get(lease["metadata"]["name"])
        if current is None:
            raise ApiRefused(404, "not found")
        if current["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"]:
            raise ApiConflict("it was modified")
        return self.server.store(lease)

    async def delete_lease(self, _namespace: str, name: str, _timeout: float) -> None:
        """Delete a lease."""
        self._reach()
        self.server.remove(name)

    async def watch_leases(self, _namespace: str) -> AsyncIterator[tuple[str, Document]]:
        """Yield all leases and their changes, while the server is reachable."""
        await asyncio.sleep(0.01)
        self._reach()
        if self.name in self.server.unwatched:
            raise ApiRefused(403, "forbidden")
        watch = asyncio.Queue[tuple[str, Document]]()
        for lease in copy.deepcopy(list(self.server.leases.values())):
            watch.put_nowait(("ADDED", lease))
        self.server.watches.append(watch)
        try:
            while True:
                event = await watch.get()
                await asyncio.sleep(0.01)
                self._reach()
                yield event
        finally:
            self.server.watches.remove(watch)


class Replica:
    """One process: which shards it serves, and since when."""

    def __init__(self, server: LeaseServer, name: str, *, shards: int = 1, times: LeaseTimes = TIMES) -> None:
        self.name = name
        self.shards = shards
        self.fences: dict[int, Fence] = {}
        self.whole: list[bool] = []
        self.reconciling: asyncio.Event | None = None
        self.leaves_work = False
        loop = asyncio.get_running_loop()
        self.skew = 0.0
        self.silent_since: float | None = None
        self.fails_to = ""
        """The call that fails."""
        self.calls: list[str] = []
        client: Any = LeaseClient(server, name)
        self.leases = Leases(
            client,
            self,
            times,
            shards=shards,
            identity=name,
            namespace="ops",
            silence=self.silence,
            clock=loop.time,
            now=lambda: 1.8e9 + self.skew + loop.time(),
        )
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        await self.leases.step()
        await self.leases.run()

    def silence(self) -> float:
        """For how long it has not answered."""
        return 0.0 if self.silent_since is None else asyncio.get_running_loop().time() - self.silent_since

    def acquired(self, fence: Fence, *, is_whole: bool) -> None:
        """Serve a shard."""
        assert fence.shard not in self.fences
        self.fences[fence.shard] = fence
        self._call("acquired", fence.shard)
        self.whole.append(is_whole)

    def _call(self, call: str, shard: int) -> None:
        self.calls.append(f"{call} {shard}")
        if self.calls[-1] == self.fails_to:
            raise ValueError(self.fails_to)

    def ending(self, shard: int) -> None:
        """Start nothing more."""
        self._call("ending", shard)

    async def ended(self, shard: int) -> bool:
        """Wait for a running reconcile."""
        self._call("ended", shard)
        if self.reconciling is not None:
            await self.reconciling.wait()
        return self.leaves_work

    async def lost(self, shard: int) -> None:
        """Serve a shard no more."""
        self._call("lost", shard)
        del self.fences[shard]

    def may_write(self, shard: int = 0) -> bool:
        """Whether a write may start."""
        try:
            self.fences[shard].check(writes=True)
        except (KeyError, LeaseLost):
            return False
        return True

    async def kill(self) -> None:
        """End without releasing anything."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def stop(self) -> None:
        """End gracefully."""
        await self.kill()
        await self.leases.close()


async def until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait until a condition holds; return how long that took, in seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)
    return loop.time() - began


async def serving(server: LeaseServer, name: str) -> Replica:
    """A replica that has acquired its shard."""
    replica = Replica(server, name)
    await until(replica.may_write, 5)
    return replica


def simulate(act: Callable[[], Any]) -> None:
    """Run with simulated time."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(act())
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
