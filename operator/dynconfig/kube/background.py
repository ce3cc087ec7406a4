"""Background tasks: one that ends by itself stops the operator, so that Kubernetes restarts it and another replica takes over."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any

log = logging.getLogger(__name__)


class BackgroundTasks:
    """The tasks of one event loop that nothing awaits. All run until they are cancelled here, or do what ends by itself."""

    def __init__(self, stopped: asyncio.Event) -> None:
        """Create it in the event loop; `stopped` is set if a task ends although it should not."""
        self._stopped = stopped
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, None], *, ends: bool = False) -> asyncio.Task[None]:
        """Start a task that runs until it is cancelled, or `ends` by itself."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(partial(self._ended, ends=ends))
        return task

    def start_from_thread(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Start a task that ends by itself, from another thread."""
        self._loop.call_soon_threadsafe(partial(self.start, name, work, ends=True))

    def cancel(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        """Cancel tasks of these."""
        for task in tasks:
            self._running.discard(task)
            task.cancel()

    async def close(self) -> None:
        """Cancel all tasks, and wait for their end."""
        tasks = tuple(self._running)
        self.cancel(tasks)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None], *, ends: bool) -> None:
        is_cancelled_here = task not in self._running
        self._running.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is None and (is_cancelled_here or (ends and not task.cancelled())):
            return
        how = "crashed" if failure else "was cancelled" if task.cancelled() else "ended"
        log.critical("Task %r %s (operator bug); stopping the operator", task.get_name(), how, exc_info=failure)
        self._stopped.set()
