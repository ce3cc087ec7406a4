"""Work that takes the processor: little of it at once, and namespaces take turns."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

AT_ONCE = 2
"""More threads would compute no more, and the event loop would get ever less of the processor."""


class Turns:
    """Lets a namespace do one thing at a time, and all of them AT_ONCE; those who wait are served in turn. One event loop."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = at_once
        self._busy: set[str] = set()
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def of(self, namespace: str) -> AsyncIterator[None]:
        """Wait for the turn of a namespace, and have it."""
        await self._begin(namespace)
        try:
            yield
        finally:
            self._free += 1
            self._busy.discard(namespace)
            self._pass_on()

    async def _begin(self, namespace: str) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, []).append(mine)
        self._pass_on()
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._free += 1
                self._busy.discard(namespace)
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        for namespace in tuple(self._waiting):
            if not self._free:
                return
            if namespace not in self._busy:
                self._give(namespace)

    def _give(self, namespace: str) -> None:
        """Begin the first turn of a namespace that is still wanted; then the namespace goes behind the others."""
        waiting = self._waiting.pop(namespace)
        while waiting:
            first = waiting.pop(0)
            if not first.done():
                self._free -= 1
                self._busy.add(namespace)
                first.set_result(None)
                break
        if waiting:
            self._waiting[namespace] = waiting
