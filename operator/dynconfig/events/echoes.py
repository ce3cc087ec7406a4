"""Distinguish events of the operator's own writes (echoes) from those of others, without a call to AWS.

Parameter Store events have no version. Therefore, own writes are counted: each consumes one event with the same name and time,
and any further event is a change by others. Their order does not matter: the remaining event triggers a reconcile, which
observes the actual state. Not a TtlCache: several writes of one name are expected at a time, and each is used up by one event.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from dynconfig.events.signals import Signal
from dynconfig.model.writes import PUT

# Event times have a resolution of one second, and clocks differ slightly.
SLACK_SECONDS = 2.0
# After this time, the event of a write is no longer expected; a later one causes a needless reconcile.
KEPT_SECONDS = 60.0
# Events arrive within a second or two; after this time, the delivery is checked.
LATE_SECONDS = 30.0


@dataclass(slots=True, eq=False)
class _Write:
    name: tuple[str, str]
    operation: str
    began: float
    ended: float = float("inf")

    def matches(self, signal: Signal) -> bool:
        within = self.began - SLACK_SECONDS <= signal.at <= self.ended + SLACK_SECONDS
        return within and signal.operation == self.operation


class Echoes:
    """The operator's recent writes of parameters. Thread-safe."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._writes: dict[tuple[str, str], list[_Write]] = {}
        self._order: deque[_Write] = deque()
        self._expected_regions: set[str] = set()
        self._arrived: dict[str, float] = {}

    def begin(self, region: str) -> None:
        """Expect events of a region from now on. Events of earlier writes may not arrive, so they are not expected."""
        self.end(region)
        with self._lock:
            self._expected_regions.add(region)

    def end(self, region: str) -> None:
        """Stop expecting events of a region."""
        with self._lock:
            self._expected_regions.discard(region)
            for name in [name for name in self._writes if name[0] == region]:
                del self._writes[name]

    @contextmanager
    def writing(self, region: str, operation: str, names: Sequence[str]) -> Iterator[None]:
        """Wrap a write. Its event is expected from before the call, since it may arrive before the response."""
        writes = [_Write((region, name), operation, self._now()) for name in names]
        self._expect(region, writes)
        try:
            yield
        except BaseException:
            # The write may have succeeded nevertheless; then its event causes a needless reconcile.
            with self._lock:
                for write in writes:
                    self._drop(write)
            raise
        for write in writes:
            write.ended = self._now()

    def is_echo(self, signal: Signal) -> bool:
        """Whether the event is that of an own write. Each write matches one event only."""
        with self._lock:
            for name in signal.parameters:
                for write in self._writes.get((signal.region, name), ()):
                    if write.matches(signal):
                        self._drop(write)
                        return True
        return False

    def arrived(self, region: str) -> None:
        """Record that an event of a parameter arrived, so the delivery in this region works."""
        with self._lock:
            self._arrived[region] = self._now()

    def missing(self, region: str) -> str | None:
        """Return the parameter of an own write whose event is late, if no later event arrived either; each write once.

        Deletions are not counted, since deleting a missing parameter creates no event.
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
            if region not in self._expected_regions:
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
