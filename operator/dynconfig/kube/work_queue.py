"""The work queue of objects to reconcile: edits, drift, resyncs, each in turns of namespaces. Pure: time is passed in."""

import heapq
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from itertools import count
from typing import NamedTuple, TypeVar

from dynconfig.model.key import Key
from dynconfig.model.size import LARGE
from dynconfig.model.weighted_turns import WeightedTurns


class Priority(IntEnum):
    """Lower values are processed first."""

    EDIT = 0
    """The object, or a Secret or ConfigMap that it uses, was changed."""
    DRIFT = 1
    """A resource of it was changed in AWS."""
    RESYNC = 2
    """It may have changed, or is retried."""


WEIGHTS = {Priority.EDIT: 16, Priority.DRIFT: 4, Priority.RESYNC: 1}
"""Turns of each priority while all have due objects: edits come first, and none waits for ever."""

FEW = 2
"""A namespace with fewer objects in progress may use the last quarter of the workers."""

MOST_LARGE = 2
"""Maximum number of large objects that are reconciled concurrently, each of another namespace."""

MOST_WEIGHT = 3_600_000
"""Maximum weight of large objects that are reconciled concurrently: a thousand long texts beside an ordinary large object."""

MOST_TURNED_AWAY_OF_NAMESPACE = 20
"""No further object of a namespace that is in sync is observed while so many of it wait for an AWS quota."""

FEW_OUTDATED = 64
"""Entries of heaps that may be outdated in addition to as many as objects are queued."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The due objects of one priority that are not in progress."""

    count: int = 0
    oldest_seconds: float = 0.0
    """How long the first of them has been due."""


class _Entry(NamedTuple):
    """A place in a heap; outdated unless the object is queued with the same number."""

    at: float
    number: int
    key: Key


class _Queued(NamedTuple):
    at: float
    priority: Priority
    number: int
    """Different for each change of time or priority, and never used again."""


@dataclass(slots=True)
class _Due:
    """The small due objects of one namespace and priority, in the order of their time."""

    small: list[_Entry] = field(default_factory=list)
    returning: list[_Entry] = field(default_factory=list)
    """Those that were turned away."""

    @property
    def all(self) -> tuple[list[_Entry], ...]:
        return self.small, self.returning


T = TypeVar("T")
_Place = tuple[Priority, str]
"""A priority and a namespace."""


@dataclass(frozen=True, slots=True)
class _Running:
    namespace: str
    weight: int
    """0 for a small object."""
    priority: Priority
    since: float


class WorkQueue:
    """Each object is queued at most once, and never processed twice at the same time.

    Within a priority, namespaces take turns, and the last quarter of the workers is left to namespaces with few objects in
    progress, so that a few tenants cannot starve the others, regardless of the number of their objects and their duration.

    Large objects take turns of their own, between those of small ones: each namespace has one, the higher priority first, before
    another has a second one. The object whose turn it is begins as soon as enough others have ended, and none overtakes it.
    """

    def __init__(self, workers: int = sys.maxsize) -> None:
        self._shared = workers - workers // 4
        self._queued: dict[Key, _Queued] = {}
        self._numbers = count()
        self._scheduled: list[_Entry] = []
        self._due: dict[Priority, dict[str, _Due]] = {priority: {} for priority in Priority}
        self._large_due: dict[Priority, dict[str, list[_Entry]]] = {priority: {} for priority in Priority}
        self._entries = 0
        """The number of entries in all heaps."""
        self._turns, self._large_turns = WeightedTurns(WEIGHTS), WeightedTurns(WEIGHTS)
        self._running: dict[Key, _Running] = {}
        self._large: dict[Key, int] = {}
        """The weights of large objects."""
        self._next_large: _Place | None = None
        """Whose first large object begins next."""
        self._served = set[str]()
        """The namespaces whose turn with a large object is over, until all others that wait had theirs."""
        self._was_large = False
        """Whether the last object that was taken is large; the next one is a small one, if one may be processed."""
        self._turned_away: dict[str, set[Key]] = {}
        """By namespace."""

    def add(self, key: Key, at: float, priority: Priority) -> None:
        """Queue an object for `at`. If it is queued already, keep the earlier time and the higher priority."""
        before = self._queued.get(key)
        if before is not None:
            if before.at <= at and before.priority <= priority:
                return
            at, priority = min(before.at, at), min(before.priority, priority)
        self._queued[key] = _Queued(at, priority, next(self._numbers))
        if key not in self._running:
            self._schedule(key)

    def weigh(self, key: Key, weight: int) -> None:
        """Set a measure of the memory that the object takes while it is reconciled, as `size.weight`."""
        was_large = key in self._large
        if weight > LARGE:
            self._large[key] = min(weight, MOST_WEIGHT)
        else:
            self._large.pop(key, None)
        if was_large is not (key in self._large) and key in self._queued and key not in self._running:
            # It may be due already, among the objects of its former size.
            self._queued[key] = self._queued[key]._replace(number=next(self._numbers))
            self._schedule(key)

    def weight(self, key: Key) -> int:
        """Return the weight of a large object; 0 for a small one."""
        return self._large.get(key, 0)

    def turned_away(self, key: Key) -> None:
        """Record that an object in progress has to return, since its calls would have waited long for an AWS quota."""
        if self.priority(key) is Priority.RESYNC:
            self._turned_away.setdefault(key.namespace, set()).add(key)

    def take(self, now: float) -> Key | None:
        """Remove and return the next due object, which is in progress until `done`; None if no object may be processed."""
        self._move_due(now)
        running = Counter(item.namespace for item in self._running.values())
        if self._was_large:
            return self._take_small(now, running) or self._take_large(now, running)
        return self._take_large(now, running) or self._take_small(now, running)

    def priority(self, key: Key) -> Priority:
        """Return the priority of an object in progress."""
        running = self._running.get(key)
        return running.priority if running else Priority.EDIT

    def taken_at(self, key: Key, now: float) -> float:
        """Return since when an object is in progress; now if it is not."""
        running = self._running.get(key)
        return running.since if running else now

    @property
    def has_due(self) -> bool:
        """Whether objects that were due at the last `take`, even if forgotten since, may not be processed yet."""
        return any(self._due.values()) or any(self._large_due.values())

    def is_queued(self, key: Key) -> bool:
        """Whether an object is queued; one in progress was added meanwhile."""
        return key in self._queued

    def done(self, key: Key) -> None:
        """Mark an object as processed. If it was added meanwhile, it is queued again."""
        was_running = self._running.pop(key, None) is not None
        if key not in self._queued:
            # It was forgotten, or another replica serves it now: it does not return.
            self._returned(key)
        elif was_running:
            self._schedule(key)

    def forget(self, key: Key) -> None:
        """Remove an object."""
        self._queued.pop(key, None)
        self._large.pop(key, None)
        self._returned(key)
        self._remove_outdated()

    def next_at(self) -> float | None:
        """Return when the next object becomes due; None if no object is scheduled."""
        self._pop_outdated(self._scheduled)
        return self._scheduled[0].at if self._scheduled else None

    def backlogs(self, now: float) -> Mapping[Priority, Backlog]:
        """Return the due objects of each priority. Thread-safe."""
        times: dict[Priority, list[float]] = {priority: [] for priority in Priority}
        # A copy within one step of the interpreter: the metrics are read in a thread of their own.
        for key, queued in tuple(self._queued.items()):
            if queued.at <= now and key not in self._running:
                times[queued.priority].append(queued.at)
        return {priority: Backlog(len(due), now - min(due)) if due else Backlog() for priority, due in times.items()}

    def waiting(self, now: float) -> int:
        """Return the number of due objects that are not in progress."""
        return sum(backlog.count for backlog in self.backlogs(now).values())

    def _take_small(self, now: float, running: Counter[str]) -> Key | None:
        waiting = [priority for priority in Priority if self._due[priority]]
        while waiting:
            priority = self._turns.next(waiting)
            key = self._popped(priority, running)
            if key is not None:
                self._turns.take(priority, waiting)
                return self._begin(key, priority, now, 0)
            waiting.remove(priority)
        return None

    def _popped(self, priority: Priority, running: Counter[str]) -> Key | None:
        """Pop the earliest small object of the first namespace that may be processed, and move the namespace to the end."""
        namespaces = self._due[priority]
        for namespace, due in tuple(namespaces.items()):
            for entries in due.all:
                self._pop_outdated(entries)
            if not any(due.all):
                del namespaces[namespace]
            elif self._may_begin(namespace, running) and (eligible := self._eligible(namespace, due, priority)):
                key = self._pop(min(eligible, key=lambda found: found[0])).key
                _end_turn(namespaces, namespace, is_empty=not any(due.all))
                return key
        return None

    def _eligible(self, namespace: str, due: _Due, priority: Priority) -> list[list[_Entry]]:
        may_observe = priority is not Priority.RESYNC or self._may_resync(namespace)
        return [entries for entries in (due.all if may_observe else (due.returning,)) if entries]

    def _take_large(self, now: float, running: Counter[str]) -> Key | None:
        """Take the large object whose turn it is, unless others have to end before."""
        large = [item for item in self._running.values() if item.weight]
        may_begin = partial(self._may_begin_large, running, {item.namespace for item in large})
        first = self._first_large(may_begin, self._served) or self._first_large(may_begin, ())
        if self._next_large is None or not may_begin(*self._next_large):
            priority = self._large_turns.next(first) if first else Priority.EDIT
            self._next_large = (priority, first[priority]) if first else None
        if self._next_large is None:
            return None
        priority, namespace = self._next_large
        entries = self._large_due[priority][namespace]
        weight = self._weight(entries[0].key)
        if len(large) >= MOST_LARGE or weight + sum(item.weight for item in large) > MOST_WEIGHT:
            return None
        self._large_turns.take(priority, {priority, *first})
        self._next_large = None
        self._served = {namespace, *(() if namespace in self._served else self._served)}
        key = self._pop(entries).key
        # The namespace has one turn, with a large or a small object.
        _end_turn(self._large_due[priority], namespace, is_empty=not entries)
        _end_turn(self._due[priority], namespace, is_empty=False)
        return self._begin(key, priority, now, weight)

    def _first_large(self, may_begin: Callable[[Priority, str], bool], but: Collection[str]) -> Mapping[Priority, str]:
        """Return the first namespace of each priority whose large object may begin, except some namespaces."""
        first = dict[Priority, str]()
        for priority, places in self._large_due.items():
            able = (name for name in tuple(places) if name not in but and may_begin(priority, name))
            if name := next(able, ""):
                first[priority] = name
        return first

    def _may_begin_large(self, running: Counter[str], busy: set[str], priority: Priority, namespace: str) -> bool:
        """Return whether the first large object of a priority and namespace may begin if enough others end."""
        entries = self._large_due[priority].get(namespace, [])
        self._pop_outdated(entries)
        if not entries:
            self._large_due[priority].pop(namespace, None)
            return False
        return namespace not in busy and self._may_begin(namespace, running)

    def _may_begin(self, namespace: str, running: Counter[str]) -> bool:
        return running.total() < self._shared or running[namespace] < min(FEW, self._shared)

    def _begin(self, key: Key, priority: Priority, now: float, weight: int) -> Key:
        del self._queued[key]
        self._returned(key)
        self._running[key] = _Running(key.namespace, weight, priority, now)
        self._was_large = weight > 0
        return key

    def _weight(self, key: Key) -> int:
        """Return the weight of an object that was large when it became due."""
        return self._large.get(key, LARGE)

    def _may_resync(self, namespace: str) -> bool:
        return len(self._turned_away.get(namespace, ())) < MOST_TURNED_AWAY_OF_NAMESPACE

    def _returned(self, key: Key) -> None:
        """Record that an object no longer waits for an AWS quota."""
        waiting = self._turned_away.get(key.namespace)
        if waiting is not None:
            waiting.discard(key)
            if not waiting:
                del self._turned_away[key.namespace]

    def _schedule(self, key: Key) -> None:
        queued = self._queued[key]
        heapq.heappush(self._scheduled, _Entry(queued.at, queued.number, key))
        self._entries += 1
        self._remove_outdated()

    def _move_due(self, now: float) -> None:
        while self._scheduled and self._scheduled[0].at <= now:
            entry = self._pop(self._scheduled)
            if self._is_current(entry):
                heapq.heappush(self._due_list(entry.key), entry)
                self._entries += 1

    def _due_list(self, key: Key) -> list[_Entry]:
        priority = self._queued[key].priority
        if key in self._large:
            # It may wait long for a slot, and no longer for an AWS quota.
            self._returned(key)
            return self._large_due[priority].setdefault(key.namespace, [])
        due = self._due[priority].setdefault(key.namespace, _Due())
        return due.returning if key in self._turned_away.get(key.namespace, ()) else due.small

    def _pop(self, entries: list[_Entry]) -> _Entry:
        self._entries -= 1
        return heapq.heappop(entries)

    def _pop_outdated(self, entries: list[_Entry]) -> None:
        while entries and not self._is_current(entries[0]):
            self._pop(entries)

    def _is_current(self, entry: _Entry) -> bool:
        queued = self._queued.get(entry.key)
        return queued is not None and queued.number == entry.number

    def _remove_outdated(self) -> None:
        """Remove outdated entries if they are more than the objects that are queued: a constant effort for each change."""
        if self._entries <= 2 * len(self._queued) + FEW_OUTDATED:
            return
        self._scheduled = self._current(self._scheduled)
        self._entries = len(self._scheduled)
        for namespaces in self._due.values():
            for namespace, due in tuple(namespaces.items()):
                due.small, due.returning = map(self._current, due.all)
                self._entries += sum(map(len, due.all))
                if not any(due.all):
                    del namespaces[namespace]
        for places in self._large_due.values():
            for namespace in tuple(places):
                places[namespace] = self._current(places[namespace])
                self._entries += len(places[namespace])
                if not places[namespace]:
                    del places[namespace]

    def _current(self, entries: Iterable[_Entry]) -> list[_Entry]:
        current = [entry for entry in entries if self._is_current(entry)]
        heapq.heapify(current)
        return current


def _end_turn(namespaces: dict[str, T], namespace: str, *, is_empty: bool) -> None:
    """Move a namespace to the end, or remove it if it is empty."""
    due = namespaces.pop(namespace, None)
    if due is not None and not is_empty:
        namespaces[namespace] = due
