"""The work queue of objects to reconcile, with two priorities: changes before routine resyncs. Pure: time is passed in."""

import heapq
import sys
from collections import Counter
from enum import IntEnum

from dynconfig.model.key import Key


class Priority(IntEnum):
    """Lower values are processed first."""

    CHANGE = 0
    ROUTINE = 1


Group = tuple[str, bool]
"""Namespace, and whether the objects are large."""

MOST_LARGE, MOST_LARGE_OF_NAMESPACE = 2, 1
"""Maximum number of large objects that are reconciled concurrently: each takes tens of megabytes."""


class WorkQueue:
    """Each object is queued at most once, and never processed twice at the same time.

    Namespaces take turns, and each has at most `most_of_namespace` objects in progress, so that no tenant can starve the
    others, regardless of the number of its objects and their duration.
    """

    def __init__(self, most_of_namespace: int = sys.maxsize) -> None:
        self._most = most_of_namespace
        self._queued: dict[Key, tuple[float, Priority]] = {}
        self._scheduled: list[tuple[float, Key]] = []
        self._due: dict[Priority, dict[Group, list[tuple[float, Key]]]] = {priority: {} for priority in Priority}
        self._running: dict[Key, Group] = {}
        self._large: set[Key] = set()

    def add(self, key: Key, at: float, priority: Priority) -> None:
        """Queue an object for `at`. If it is queued already, keep the earlier time and the higher priority."""
        before = self._queued.get(key)
        if before is not None:
            if before[0] <= at and before[1] <= priority:
                return
            at, priority = min(before[0], at), min(before[1], priority)
        self._queued[key] = (at, priority)
        heapq.heappush(self._scheduled, (at, key))

    def weigh(self, key: Key, *, is_large: bool) -> None:
        """Set whether the object takes much memory while it is reconciled."""
        (self._large.add if is_large else self._large.discard)(key)

    def take(self, now: float) -> Key | None:
        """Remove and return the next due object, which is in progress until `done`; None if no object may be processed."""
        self._move_due(now)
        running = Counter(self._running.values())
        for priority in Priority:
            for group in tuple(self._due[priority]):
                if self._has_room(group, running) and (key := self._popped(priority, group)) is not None:
                    del self._queued[key]
                    self._running[key] = group
                    return key
        return None

    def done(self, key: Key) -> None:
        """Mark an object as processed. If it was added meanwhile, it is queued again."""
        self._running.pop(key, None)
        if key in self._queued:
            heapq.heappush(self._scheduled, (self._queued[key][0], key))

    def forget(self, key: Key) -> None:
        """Remove an object."""
        self._queued.pop(key, None)
        self._large.discard(key)
        self._scheduled = [entry for entry in self._scheduled if entry[1] != key]
        heapq.heapify(self._scheduled)
        for groups in self._due.values():
            for group, due in tuple(groups.items()):
                groups[group] = [entry for entry in due if entry[1] != key]
                heapq.heapify(groups[group])

    def next_at(self) -> float | None:
        """Return when the next object becomes due; None if no object is scheduled."""
        while self._scheduled and not self._is_current(*self._scheduled[0]):
            heapq.heappop(self._scheduled)
        return self._scheduled[0][0] if self._scheduled else None

    def waiting(self, now: float) -> int:
        """Return the number of due objects that are not in progress."""
        return sum(at <= now and key not in self._running for key, (at, _priority) in self._queued.items())

    def _has_room(self, group: Group, running: Counter[Group]) -> bool:
        namespace, is_large = group
        if running[namespace, False] + running[namespace, True] >= self._most:
            return False
        large = sum(count for (_namespace, is_one), count in running.items() if is_one)
        return not is_large or (large < MOST_LARGE and running[group] < MOST_LARGE_OF_NAMESPACE)

    def _popped(self, priority: Priority, group: Group) -> Key | None:
        """Pop the earliest valid entry of a group, and move the group to the end."""
        due = self._due[priority].pop(group)
        while due:
            at, key = heapq.heappop(due)
            if self._queued.get(key) == (at, priority) and key not in self._running:
                if due:
                    self._due[priority][group] = due
                return key
        return None

    def _move_due(self, now: float) -> None:
        while self._scheduled and self._scheduled[0][0] <= now:
            at, key = heapq.heappop(self._scheduled)
            if self._is_current(at, key):
                due = self._due[self._queued[key][1]]
                heapq.heappush(due.setdefault((key.namespace, key in self._large), []), (at, key))

    def _is_current(self, at: float, key: Key) -> bool:
        return key not in self._running and self._queued.get(key, (None,))[0] == at
