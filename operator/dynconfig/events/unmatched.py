"""Events of objects that are not known yet: after a restart, they may arrive before all objects are listed. Pure."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, replace

from dynconfig.events.signals import Signal
from dynconfig.model.fingerprint import fingerprint

# The newest names of a queue that matched no known object. All objects are listed within minutes.
MOST_UNMATCHED, UNMATCHED_SECONDS = 200, 600.0
MOST_BYTES = 2 * 1024 * 1024
"""In all queues together: several thousand ordinary names. The queues of each target have a fair part of them."""
ENTRY_BYTES = 500
"""What an entry takes beside its texts."""

_Queue = tuple[int, str]
"""The queue of a shard in a target; the name of the target is empty for the operator's own identity."""


@dataclass(frozen=True, slots=True)
class _Event:
    signal: Signal
    """It has one name, and refers to no other text of its message."""
    received: float
    size: int
    """In bytes."""


class UnmatchedEvents:
    """The newest events of each queue that concerned no known object. `now` returns seconds since the epoch.

    Who may write to a queue displaces no events of others: beyond the limit, the target with the most bytes loses its oldest.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._of: dict[_Queue, dict[int, _Event]] = {}
        """Events by the digest of their name; the newest last."""
        self._bytes = Counter[str]()
        """By target."""

    @property
    def size(self) -> int:
        """The size of all events, in bytes."""
        return self._bytes.total()

    def add(self, signal: Signal, shard: int) -> None:
        """Keep an event from the queue of a shard, once for each of its names."""
        self._remove_old()
        queue = shard, signal.target.name if signal.target else ""
        for single in replace(signal, operation="", account="").singles():
            (name,) = (*single.parameters, *single.resources)
            self._put(queue, name, single)
        while len(self._of.get(queue, ())) > MOST_UNMATCHED:
            self._remove(queue, next(iter(self._of[queue])))
        while self.size > MOST_BYTES:
            self._remove_oldest(max(self._bytes, key=self._bytes.__getitem__))

    def of(self, digests: Set[int]) -> Iterator[tuple[Signal, int]]:
        """Yield the events with names of these digests, each with the shard of its queue."""
        self._remove_old()
        for (shard, _target), events in tuple(self._of.items()):
            for digest in events.keys() & digests:
                yield events[digest].signal, shard

    def forget_target(self, target: str) -> None:
        """Remove the events of a target that no longer exists."""
        self._forget(lambda queue: queue[1] == target)

    def leave(self, shard: int) -> None:
        """Remove the events of a shard that another replica serves from now on."""
        self._forget(lambda queue: queue[0] == shard)

    def __bool__(self) -> bool:
        return bool(self._of)

    def _put(self, queue: _Queue, name: str, signal: Signal) -> None:
        digest, size = fingerprint(name), ENTRY_BYTES + sum(map(sys.getsizeof, (name, signal.actor, signal.request)))
        if digest in self._of.get(queue, ()):
            self._remove(queue, digest)
        self._of.setdefault(queue, {})[digest] = _Event(signal, self._now(), size)
        self._bytes[queue[1]] += size

    def _remove(self, queue: _Queue, digest: int) -> None:
        events, target = self._of[queue], queue[1]
        self._bytes[target] -= events.pop(digest).size
        if not events:
            del self._of[queue]
        if not self._bytes[target]:
            del self._bytes[target]

    def _remove_oldest(self, target: str) -> None:
        oldest = {queue: next(iter(events)) for queue, events in self._of.items() if queue[1] == target}
        queue = min(oldest, key=lambda queue: self._of[queue][oldest[queue]].received)
        self._remove(queue, oldest[queue])

    def _remove_old(self) -> None:
        until = self._now() - UNMATCHED_SECONDS
        for queue in tuple(self._of):
            while (events := self._of.get(queue)) and events[first := next(iter(events))].received <= until:
                self._remove(queue, first)

    def _forget(self, is_meant: Callable[[_Queue], bool]) -> None:
        for queue in filter(is_meant, tuple(self._of)):
            for digest in tuple(self._of[queue]):
                self._remove(queue, digest)
