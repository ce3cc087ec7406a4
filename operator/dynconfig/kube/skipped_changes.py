"""Lists again soon after a watch skipped a change that cannot be parsed: it is unknown which object was changed."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dynconfig.kube.responses import WatchExpired

LIST_AGAIN_SECONDS = 60.0
"""Further changes that are skipped until then need no list of their own."""


class SkippedChanges:
    """The changes that one watch skipped since the last list."""

    def __init__(self, count: Callable[[], None]) -> None:
        """`count` is called for each."""
        self._count = count
        self._list_at: float | None = None
        self._limit = asyncio.timeout(None)

    def add(self) -> None:
        """Record that a change was skipped, within `expiring`."""
        self._count()
        if self._list_at is None:
            longest = LIST_AGAIN_SECONDS
            delay = random.uniform(longest / 2, longest)  # noqa: S311 - not a secret
            self._list_at = asyncio.get_running_loop().time() + delay
            self._limit.reschedule(self._list_at)

    @asynccontextmanager
    async def expiring(self) -> AsyncIterator[None]:
        """Follow a watch within this context. Raises WatchExpired when it is time to list again."""
        self._limit = asyncio.timeout_at(self._list_at)
        try:
            async with self._limit:
                yield
        except TimeoutError:
            if not self._limit.expired():
                raise
            self._list_at = None
            raise WatchExpired("a change was skipped") from None
