"""Limits concurrent CPU-bound work, fairly between namespaces."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

MAX_CONCURRENT = 2
"""More threads would not compute faster because of the GIL, and would slow down the event loop."""


class NamespaceLimiter:
    """Allows one task per namespace and `limit` in total; waiting namespaces take turns. For one event loop."""

    def __init__(self, limit: int = MAX_CONCURRENT) -> None:
        self._free = limit
        self._busy: set[str] = set()
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def slot(self, namespace: str) -> AsyncIterator[None]:
        """Wait for a slot of a namespace and hold it."""
        await self._acquire(namespace)
        try:
            yield
        finally:
            self._free += 1
            self._busy.discard(namespace)
            self._start_next()

    async def _acquire(self, namespace: str) -> None:
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, []).append(slot)
        self._start_next()
        try:
            await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled():
                self._free += 1
                self._busy.discard(namespace)
                self._start_next()
            raise

    def _start_next(self) -> None:
        for namespace in tuple(self._waiting):
            if not self._free:
                return
            if namespace not in self._busy:
                self._start_namespace(namespace)

    def _start_namespace(self, namespace: str) -> None:
        """Start the first task of a namespace that was not cancelled; then move the namespace to the end of the queue."""
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
