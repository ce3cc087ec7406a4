"""An event loop whose time passes only when nothing else is left to do, so that an hour of waiting takes no time."""

import asyncio
import selectors
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import Context
from typing import Any

# A wait that is too short for a float to add to the time would be over at once, and be begun again for ever.
SHORTEST_WAIT = 1e-6


class VirtualLoop(asyncio.SelectorEventLoop):
    """Threads and requests work in real time, and the clock stands still meanwhile; timers are jumped to."""

    def __init__(self) -> None:
        self._moment = 0.0
        self._working = 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Seconds since the loop began, as its timers see them; any thread may ask."""
        return self._moment

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Time stands still while the `with` lasts, as it does while a thread works."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1

    def call_at(  # type: ignore[override]  # as the base class takes them
        self, when: float, callback: Callable[..., Any], *arguments: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As ever; time passes before it, however little."""
        return super().call_at(max(when, self._moment + SHORTEST_WAIT), callback, *arguments, context=context)

    @property
    def is_working(self) -> bool:
        """Whether a thread works for the loop."""
        return self._working > 0

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self._moment += seconds

    def run_in_executor(  # type: ignore[override]  # as the base class takes them
        self, executor: Executor | None, function: Callable[..., Any], *arguments: Any
    ) -> asyncio.Future[Any]:
        """As ever; time stands still until the function has answered."""
        self._working += 1
        future = super().run_in_executor(executor, function, *arguments)
        future.add_done_callback(self._worked)
        return future

    def _worked(self, _future: asyncio.Future[Any]) -> None:
        self._working -= 1


class _Selector(selectors.DefaultSelector):
    """Waits in real time for threads and requests, and jumps over the rest."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        """What is ready; where nothing is, the time of the next timer has come."""
        if self._loop.is_working:
            return super().select(timeout if timeout == 0 else None)
        found = super().select(0)
        if found or timeout == 0:
            return found
        if timeout is None:
            return super().select(None)
        self._loop.pass_by(timeout)
        return []
