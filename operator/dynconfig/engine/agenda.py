"""Whom to reconcile next: due objects in two lanes, people's changes before routine looks. Pure: the time is passed in."""

import heapq
from dataclasses import dataclass
from enum import IntEnum


class Lane(IntEnum):
    """A lower lane goes first."""

    CHANGE = 0
    ROUTINE = 1


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One object by namespace and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Agenda:
    """Each object stands in it at most once, and is never handed out twice at the same time."""

    def __init__(self) -> None:
        self._wanted: dict[Key, tuple[float, Lane]] = {}
        self._later: list[tuple[float, Key]] = []
        self._due: dict[Lane, list[tuple[float, Key]]] = {lane: [] for lane in Lane}
        self._running: set[Key] = set()

    def add(self, key: Key, at: float, lane: Lane) -> None:
        """Want the object reconciled at `at`; an earlier time or a faster lane that it already has is kept."""
        before = self._wanted.get(key)
        if before is not None:
            if before[0] <= at and before[1] <= lane:
                return
            at, lane = min(before[0], at), min(before[1], lane)
        self._wanted[key] = (at, lane)
        heapq.heappush(self._later, (at, key))

    def take(self, now: float) -> Key | None:
        """The next object that is due, taken off the agenda until `done`; None if there is none."""
        self._ripen(now)
        for lane in Lane:
            due = self._due[lane]
            while due:
                at, key = heapq.heappop(due)
                if self._wanted.get(key) == (at, lane) and key not in self._running:
                    del self._wanted[key]
                    self._running.add(key)
                    return key
        return None

    def done(self, key: Key) -> None:
        """The object was reconciled; what was added for it meanwhile becomes due."""
        self._running.discard(key)
        if key in self._wanted:
            heapq.heappush(self._later, (self._wanted[key][0], key))

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._wanted.pop(key, None)

    def next_at(self) -> float | None:
        """When the next object ripens; None if nothing waits for its time."""
        while self._later and not self._is_current(*self._later[0]):
            heapq.heappop(self._later)
        return self._later[0][0] if self._later else None

    def waiting(self, now: float) -> int:
        """How many objects are due and not taken yet."""
        return sum(at <= now and key not in self._running for key, (at, _lane) in self._wanted.items())

    def _ripen(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            at, key = heapq.heappop(self._later)
            if self._is_current(at, key):
                heapq.heappush(self._due[self._wanted[key][1]], (at, key))

    def _is_current(self, at: float, key: Key) -> bool:
        return key not in self._running and self._wanted.get(key, (None,))[0] == at
