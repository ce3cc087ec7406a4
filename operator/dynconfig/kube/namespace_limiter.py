"""Limits concurrent CPU-bound work, fairly between namespaces."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dynconfig.kube.fair_semaphore import FairSemaphore

MAX_CONCURRENT = 2
"""More threads would not compute faster because of the GIL, and would slow down the event loop."""


HALF_LIFE = 60.0
"""Seconds after which half of the time that a namespace has used counts no more."""
HEAVY_SECONDS = 1.0
"""From this time on a namespace leaves one permit to the others."""
FEW, FORGOTTEN = 1000, 0.1
"""Above this number of namespaces, those that have used less than this many seconds are forgotten."""


class NamespaceLimiter(FairSemaphore):
    """Allows one task per namespace and `limit` in total; waiting namespaces take turns. For one event loop.

    Namespaces that have used much time recently never take the last permit, however many they are, so that a tenant with several
    namespaces cannot delay the ordinary objects of others.
    """

    def __init__(self, limit: int = MAX_CONCURRENT, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(limit)
        self._most_heavy = max(1, limit - 1)
        self._clock = clock
        self._busy: set[str] = set()
        self._heavy: set[str] = set()
        """Namespaces in progress that had used much time when they began."""
        self._used: dict[str, tuple[float, float]] = {}
        """Seconds that a namespace has used, and when they were counted."""

    @asynccontextmanager
    async def permit(self, namespace: str) -> AsyncIterator[None]:
        """Wait for a permit of a namespace and hold it; its time is counted."""
        async with super().permit(namespace):
            begun = self._clock()
            try:
                yield
            finally:
                self._count(namespace, self._clock() - begun)

    def _may_start(self, namespace: str) -> bool:
        return namespace not in self._busy and not (self._is_heavy(namespace) and len(self._heavy) >= self._most_heavy)

    def _started(self, namespace: str) -> None:
        self._busy.add(namespace)
        if self._is_heavy(namespace):
            self._heavy.add(namespace)

    def _ended(self, namespace: str) -> None:
        self._busy.discard(namespace)
        self._heavy.discard(namespace)

    def _is_heavy(self, namespace: str) -> bool:
        return self._recently_used(namespace) >= HEAVY_SECONDS

    def _count(self, namespace: str, seconds: float) -> None:
        self._used[namespace] = (self._recently_used(namespace) + seconds, self._clock())
        if len(self._used) > 2 * len(self._busy | self._waiting.keys()) + FEW:
            self._used = {name: used for name, used in self._used.items() if self._recently_used(name) >= FORGOTTEN}

    def _recently_used(self, namespace: str) -> float:
        seconds, at = self._used.get(namespace, (0.0, 0.0))
        return seconds * float(0.5 ** ((self._clock() - at) / HALF_LIFE))
