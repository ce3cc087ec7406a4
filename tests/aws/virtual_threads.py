"""Threads in simulated time: one runs at a time, in a fixed order, and only waiting advances the clock."""

import heapq
import threading
from collections.abc import Callable
from itertools import count


class VirtualThreads:
    """Runs functions as threads that wait by `pause` and read the time by calling this object."""

    def __init__(self, start: float = 1000.0) -> None:
        self.now = start
        self._due: list[tuple[float, int, threading.Semaphore]] = []
        self._numbers = count()
        self._scheduler = threading.Semaphore(0)
        self._here = threading.local()
        self._failures: list[BaseException] = []

    def __call__(self) -> float:
        """Return the simulated time in seconds."""
        return self.now

    def pause(self, seconds: float) -> None:
        """Wait, within a thread of this simulation."""
        turn: threading.Semaphore = self._here.turn
        heapq.heappush(self._due, (self.now + seconds, next(self._numbers), turn))
        self._scheduler.release()
        turn.acquire()

    def start(self, work: Callable[[], object], at: float | None = None) -> None:
        """Start a thread, now or at a later time."""
        turn = threading.Semaphore(0)

        def run() -> None:
            self._here.turn = turn
            turn.acquire()
            try:
                work()
            except BaseException as failure:  # noqa: BLE001 - raised by `run`
                self._failures.append(failure)
            finally:
                self._scheduler.release()

        heapq.heappush(self._due, (self.now if at is None else at, next(self._numbers), turn))
        threading.Thread(target=run, daemon=True).start()

    def run(self, until: float = float("inf")) -> None:
        """Let all threads run until they have ended, or until a time. Raises the first exception of a thread."""
        while self._due and self._due[0][0] <= until and not self._failures:
            at, _number, turn = heapq.heappop(self._due)
            self.now = max(self.now, at)
            turn.release()
            self._scheduler.acquire()
        if self._failures:
            raise self._failures[0]
