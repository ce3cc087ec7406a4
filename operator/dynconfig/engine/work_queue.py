"""Whom to reconcile next: due objects in two priorities, people's changes before routine looks. Pure: the time is passed in."""

import heapq
import sys
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum


class Priority(IntEnum):
    """A lower priority goes first."""

    CHANGE = 0
    ROUTINE = 1


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One object by namespace and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


Group = tuple[str, bool]
"""A namespace, and whether its objects are large."""

MOST_LARGE, MOST_LARGE_OF_NAMESPACE = 3, 2
"""Large objects that are served at once: each takes some tens of megabytes."""


class WorkQueue:
    """Each object stands in it at most once, and is never handed out twice at the same time.

    Namespaces take turns, and none has more than `most_of_namespace` objects under way, so that no tenant can keep the
    others waiting, however many objects he has and however long each of them takes.
    """

    def __init__(self, most_of_namespace: int = sys.maxsize) -> None:
        self._most = most_of_namespace
        self._wanted: dict[Key, tuple[float, Priority]] = {}
        self._later: list[tuple[float, Key]] = []
        self._due: dict[Priority, dict[Group, list[tuple[float, Key]]]] = {priority: {} for priority in Priority}
        self._running: dict[Key, Group] = {}
        self._large: set[Key] = set()

    def add(self, key: Key, at: float, priority: Priority) -> None:
        """Want the object reconciled at `at`; an earlier time or a faster priority that it already has is kept."""
        before = self._wanted.get(key)
        if before is not None:
            if before[0] <= at and before[1] <= priority:
                return
            at, priority = min(before[0], at), min(before[1], priority)
        self._wanted[key] = (at, priority)
        heapq.heappush(self._later, (at, key))

    def weigh(self, key: Key, *, is_large: bool) -> None:
        """Whether the object takes much memory while it is served."""
        (self._large.add if is_large else self._large.discard)(key)

    def take(self, now: float) -> Key | None:
        """The next object that is due, taken off the work queue until `done`; None if there is none that may be served."""
        self._ripen(now)
        running = Counter(self._running.values())
        for priority in Priority:
            for group in tuple(self._due[priority]):
                if self._has_room(group, running) and (key := self._popped(priority, group)) is not None:
                    del self._wanted[key]
                    self._running[key] = group
                    return key
        return None

    def done(self, key: Key) -> None:
        """The object was reconciled; what was added for it meanwhile becomes due."""
        self._running.pop(key, None)
        if key in self._wanted:
            heapq.heappush(self._later, (self._wanted[key][0], key))

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._wanted.pop(key, None)
        self._large.discard(key)

    def next_at(self) -> float | None:
        """When the next object ripens; None if nothing waits for its time."""
        while self._later and not self._is_current(*self._later[0]):
            heapq.heappop(self._later)
        return self._later[0][0] if self._later else None

    def waiting(self, now: float) -> int:
        """How many objects are due and not taken yet."""
        return sum(at <= now and key not in self._running for key, (at, _priority) in self._wanted.items())

    def _has_room(self, group: Group, running: Counter[Group]) -> bool:
        namespace, is_large = group
        if running[namespace, False] + running[namespace, True] >= self._most:
            return False
        large = sum(count for (_namespace, is_one), count in running.items() if is_one)
        return not is_large or (large < MOST_LARGE and running[group] < MOST_LARGE_OF_NAMESPACE)

    def _popped(self, priority: Priority, group: Group) -> Key | None:
        """The earliest object of a group that is still wanted so; the group goes behind the others."""
        due = self._due[priority].pop(group)
        while due:
            at, key = heapq.heappop(due)
            if self._wanted.get(key) == (at, priority) and key not in self._running:
                if due:
                    self._due[priority][group] = due
                return key
        return None

    def _ripen(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            at, key = heapq.heappop(self._later)
            if self._is_current(at, key):
                due = self._due[self._wanted[key][1]]
                heapq.heappush(due.setdefault((key.namespace, key in self._large), []), (at, key))

    def _is_current(self, at: float, key: Key) -> bool:
        return key not in self._running and self._wanted.get(key, (None,))[0] == at
