"""Long work in slices, so that the event loop does other work in between."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

SLICE = 100
"""Items of a slice. Acquiring so many objects takes some five milliseconds."""


async def in_slices(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield items, and let the event loop run after each slice of them."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % SLICE == 0:
            await asyncio.sleep(0)
