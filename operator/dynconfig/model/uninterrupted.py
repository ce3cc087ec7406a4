"""Work that a cancellation does not interrupt, since its requests might be carried out afterwards."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def finished(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of work that a cancellation does not interrupt: this is cancelled when the work has ended.

    For a request: if it were cancelled, it might still be carried out, after another replica has taken over.
    """
    running = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


async def in_thread(work: Callable[[], T]) -> T:
    """Run work in a thread, as `asyncio.to_thread`; a cancellation takes effect when the work has ended."""
    return await finished(asyncio.to_thread(work))
