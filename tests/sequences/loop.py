"""An event loop whose time advances only when nothing else can run, so that an hour of waiting takes no time."""

import asyncio
import selectors
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import Context
from typing import Any

# A wait too short to change a float time would end at once and restart forever.
SHORTEST_WAIT = 1e-6


class VirtualLoop(asyncio.SelectorEventLoop):
    """Threads and requests run in real time while the clock is stopped; timers are skipped to."""

    def __init__(self) -> None:
        self._moment = 0.0
        self._working = 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Seconds since the loop started, as its timers see them; may be called from any thread."""
        return self._moment

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The clock is stopped within the `with` block, as it is while a thread works."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1

    def call_at(  # type: ignore[override]  # as the base class takes them
        self, when: float, callback: Callable[..., Any], *arguments: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As in the base class; time advances before it, if only slightly."""
        return super().call_at(max(when, self._moment + SHORTEST_WAIT), callback, *arguments, context=context)

    @property
    def is_working(self) -> bool:
        """Whether a thread works for the loop."""
        return self._working > 0

    def pass_by(self, seconds: float) -> None:
        """Advance the time."""
        self._moment += seconds

    def run_in_executor(  # type: ignore[override]  # as the base class takes them
        self, executor: Executor | None, function: Callable[..., Any], *arguments: Any
    ) -> asyncio.Future[Any]:
        """As in the base class; the clock is stopped until the function has returned."""
        self._working += 1
        future = super().run_in_executor(executor, function, *arguments)
        future.add_done_callback(self._worked)
        return future

    def _worked(self, _future: asyncio.Future[Any]) -> None:
        self._working -= 1


class _Selector(selectors.DefaultSelector):
    """Waits in real time for threads and requests, and skips all other waits."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        """The ready events; without any, advance to the next timer."""
        if self._loop.is_working:
            return super().select(timeout if timeout == 0 else None)
        found = super().select(0)
        if found or timeout == 0:
            return found
        if timeout is None:
            return super().select(None)
        self._loop.pass_by(timeout)
        return []
