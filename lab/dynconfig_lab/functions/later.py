"""Delayed calls: one thread for any number of them."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class Later:
    """Thread-safe. A call has to be short, and must not fail."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        # The number orders calls with the same time.
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="later", daemon=True)
        self._thread.start()

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Call it at that time, unless `close` is called before."""
        with self._changed:
            heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._numbers), act))
            self._changed.notify()

    def close(self) -> None:
        """Drop waiting calls."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def join(self) -> None:
        """Wait for the running call; call it after `close`."""
        self._thread.join()

    def _run(self) -> None:
        while (act := self._next()) is not None:
            act()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._is_closed:
                left = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._waiting)[2]
                self._changed.wait(left)
        return None
