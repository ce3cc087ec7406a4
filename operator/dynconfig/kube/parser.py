"""Parses the documents of the API server."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from dynconfig.kube.fair_semaphore import FairSemaphore

# Parsing a megabyte takes up to half a second. Anyone may change an object of this size a hundred times a second.
PARSED_AT_ONCE = 16_000

T = TypeVar("T")


class Parser:
    """Parses small documents at once, and large ones in a thread, so that none blocks the event loop; for these,
    namespaces take turns.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="parse")
        self._scanning = ThreadPoolExecutor(1, thread_name_prefix="scan")
        self._turns = FairSemaphore(1)

    async def parsed(self, path: str, parse: Callable[[], T], size: int) -> T:
        """Return the result of parsing so many bytes that were read from a path of the API server."""
        if size <= PARSED_AT_ONCE:
            return parse()
        async with self._turns.permit(_namespace(path)):
            return await asyncio.get_running_loop().run_in_executor(self._thread, parse)

    async def scanned(self, scan: Callable[[], T], size: int) -> T:
        """Return the result of looking at the first part of so many bytes: in their order, and not after what is parsed."""
        if size <= PARSED_AT_ONCE:
            return scan()
        return await asyncio.get_running_loop().run_in_executor(self._scanning, scan)

    def close(self) -> None:
        """End the threads after what they do now."""
        for thread in (self._thread, self._scanning):
            thread.shutdown(wait=False, cancel_futures=True)


def _namespace(path: str) -> str:
    """Return the namespace of a path; lists and watches of all namespaces take turns as one."""
    return path.partition("/namespaces/")[2].partition("/")[0]
