"""Repeats a request that the operator needs before it can start, until the API server grants it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from dynconfig.kube.responses import ApiRefused, ApiUnavailable, WatchExpired
from dynconfig.kube.sources import Sleep, WatchBackoff

log = logging.getLogger(__name__)

FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 30.0

T = TypeVar("T")


async def until_granted(request: Callable[[], Awaitable[T]], sleep: Sleep = asyncio.sleep) -> T:
    """Return the result of a request; log each failure in one line, and retry it with a backoff.

    A denied request is retried, too: credentials and roles may be added later, and an API server that has just started
    may not have loaded its roles yet.
    """
    backoff = WatchBackoff(FIRST_BACKOFF, LONGEST_BACKOFF)
    while True:
        try:
            return await request()
        except (ApiUnavailable, ApiRefused, WatchExpired) as error:
            log.warning("Waiting to start: %s", error)
        await sleep(backoff.delay(0.0, is_failed=True))
