"""Tells events of the operator's own writes from those of others, without a call to AWS.

Parameter Store's events carry no version. So writes are counted: each of ours takes away one event of the same name
and moment, and one more event than we wrote is somebody else's. Which of the two came first does not matter: the one
that is left wakes the object, and a look tells the rest.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from dynconfig.engine.signals import PUT, Signal

# Events tell the time to the second, and clocks differ a little.
SLACK_SECONDS = 2.0
# Later than this no event of a write is waited for any more; one that comes still costs a look.
KEPT_SECONDS = 60.0
# Events come within a second or two; one that is so late is a reason to check what brings them.
LATE_SECONDS = 30.0


@dataclass(slots=True, eq=False)
class _Write:
    name: tuple[str, str]
    operation: str
    began: float
    ended: float = float("inf")

    def is_told_by(self, signal: Signal) -> bool:
        within = self.began - SLACK_SECONDS <= signal.at <= self.ended + SLACK_SECONDS
        return within and signal.operation == self.operation


class Echoes:
    """The operator's recent writes of parameters; safe for threads."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._writes: dict[tuple[str, str], list[_Write]] = {}
        self._order: deque[_Write] = deque()
        self._heard: set[str] = set()
        self._arrived: dict[str, float] = {}

    def begin(self, region: str) -> None:
        """Events of a region are heard from now on. Those of earlier writes may never come, and are not waited for."""
        self.end(region)
        with self._lock:
            self._heard.add(region)

    def end(self, region: str) -> None:
        """Events of a region are not heard any more."""
        with self._lock:
            self._heard.discard(region)
            for name in [name for name in self._writes if name[0] == region]:
                del self._writes[name]

    @contextmanager
    def writing(self, region: str, operation: str, names: Sequence[str]) -> Iterator[None]:
        """Around a write: it is expected from before it is made, since its event may be faster than its answer."""
        writes = [_Write((region, name), operation, self._now()) for name in names]
        self._expect(region, writes)
        try:
            yield
        except BaseException:
            # It may have been made all the same; then its event costs one look too many.
            with self._lock:
                for write in writes:
                    self._drop(write)
            raise
        for write in writes:
            write.ended = self._now()

    def is_echo(self, signal: Signal) -> bool:
        """Whether the event is that of an own write; each write answers for one event only."""
        with self._lock:
            for name in signal.parameters:
                for write in self._writes.get((signal.region, name), ()):
                    if write.is_told_by(signal):
                        self._drop(write)
                        return True
        return False

    def arrived(self, region: str) -> None:
        """An event of a parameter came: what brings them from this region works."""
        with self._lock:
            self._arrived[region] = self._now()

    def missing(self, region: str) -> str | None:
        """The name of an own write whose event is late, and no later event came either; each is answered once.

        Deletions are not counted: that of a parameter that was gone already makes no event.
        """
        with self._lock:
            late = [write for write in self._pending(region) if write.ended + LATE_SECONDS < self._now()]
            for write in late:
                self._drop(write)
            silent = [write for write in late if write.ended > self._arrived.get(region, float("-inf"))]
        return silent[0].name[1] if silent else None

    def _pending(self, region: str) -> Iterator[_Write]:
        for (place, _name), writes in self._writes.items():
            if place == region:
                yield from (write for write in writes if write.operation == PUT)

    def _expect(self, region: str, writes: Sequence[_Write]) -> None:
        with self._lock:
            self._forget_old()
            if region not in self._heard:
                return
            for write in writes:
                self._writes.setdefault(write.name, []).append(write)
            self._order.extend(writes)

    def _forget_old(self) -> None:
        while self._order and self._order[0].began < self._now() - KEPT_SECONDS:
            self._drop(self._order.popleft())

    def _drop(self, write: _Write) -> None:
        writes = self._writes.get(write.name, [])
        if write in writes:
            writes.remove(write)
        if not writes:
            self._writes.pop(write.name, None)
