"""Does things after a while: one thread, however much waits."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class Later:
    """Safe for threads. What is to be done has to be short, and must not fail."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        # The number tells apart what is due at the same moment.
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="later", daemon=True)
        self._thread.start()

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do it then, unless `close` comes before."""
        with self._changed:
            heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._numbers), act))
            self._changed.notify()

    def close(self) -> None:
        """What waits is not done any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def join(self) -> None:
        """Wait for what is being done; call it after `close`."""
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
