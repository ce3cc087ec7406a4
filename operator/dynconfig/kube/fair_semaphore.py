"""Limits concurrent work, fairly between namespaces."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairSemaphore:
    """A semaphore for which waiting namespaces take turns; tasks of one namespace are served in order. For one event loop.

    A namespace waits for at most one task of each other waiting namespace, after those in progress.
    """

    def __init__(self, permits: int) -> None:
        self._free = permits
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """The waiting tasks of each namespace; the namespaces are in the order of their turns."""

    @asynccontextmanager
    async def permit(self, namespace: str) -> AsyncIterator[None]:
        """Wait for a permit and hold it."""
        await self._acquire(namespace)
        try:
            yield
        finally:
            self._release(namespace)

    def _may_start(self, _namespace: str) -> bool:
        """Return whether a task of a waiting namespace may start now, if there is a permit."""
        return True

    def _started(self, namespace: str) -> None:
        """Called when a task gets a permit."""

    def _ended(self, namespace: str) -> None:
        """Called when a task has given its permit back."""

    async def _acquire(self, namespace: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, deque()).append(turn)
        self._start_next()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # The permit was given just before the task was cancelled.
                self._release(namespace)
            else:
                self._remove(namespace, turn)
            raise

    def _release(self, namespace: str) -> None:
        self._free += 1
        self._ended(namespace)
        self._start_next()

    def _remove(self, namespace: str, turn: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(namespace, deque())
        if turn in waiting:
            waiting.remove(turn)
            if not waiting:
                del self._waiting[namespace]

    def _start_next(self) -> None:
        while self._free and (found := next(filter(self._may_start, self._waiting), None)) is not None:
            self._start_namespace(found)

    def _start_namespace(self, namespace: str) -> None:
        """Start the first task of a namespace that was not cancelled; then move the namespace to the end of the queue."""
        waiting = self._waiting.pop(namespace)
        while waiting:
            first = waiting.popleft()
            if not first.done():
                self._free -= 1
                self._started(namespace)
                first.set_result(None)
                break
        if waiting:
            self._waiting[namespace] = waiting
