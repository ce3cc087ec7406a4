"""The places of objects that were turned away and wait for an AWS quota without a thread. Pure: time is passed in.

Each operation takes a time that is independent of the number of places, or grows with its logarithm, since all threads that call
AWS wait for it. So what comes before a place is estimated from sums of its namespace and of groups of other namespaces.
"""

import math
from bisect import bisect_left, insort
from dataclasses import dataclass, field

from dynconfig.model.key import Key
from dynconfig.model.weighted_turns import WeightedTurns

# Further objects of a namespace join at the end when they return.
MOST_PLACES_OF_NAMESPACE = 500
# An object that was turned away just now is not called back at once.
AWAY_SECONDS = 1.0
# Of one place, for the estimate of what comes before those behind it.
MOST_CALLS = 20
# Namespaces are looked at per operation, and places for their end.
ATTEMPTS = 8
EXPIRED_ATTEMPTS = 2
_SIZES = 20

Line = tuple[int, bool]
"""A class of calls, and whether an object has many calls to make and so waits to be admitted."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of one object. Orders are unique; times are in seconds."""

    key: Key
    order: int
    line: Line
    calls: int
    since: float
    until: float


@dataclass(slots=True)
class _Cell:
    """The places of a namespace in one line."""

    orders: list[int] = field(default_factory=list)
    """Sorted."""
    calls: int = 0
    near_calls: int = 0
    """The sum with at most MOST_CALLS of each place."""

    def add(self, place: Place) -> None:
        insort(self.orders, place.order)
        self.calls += place.calls
        self.near_calls += min(place.calls, MOST_CALLS)

    def remove(self, place: Place) -> None:
        del self.orders[bisect_left(self.orders, place.order)]
        self.calls -= place.calls
        self.near_calls -= min(place.calls, MOST_CALLS)

    def before(self, order: int) -> float:
        """Return about how many calls come before a place: its part of the sum."""
        return self.near_calls * bisect_left(self.orders, order) / len(self.orders)


class _Sizes:
    """Namespaces by the number of their calls, in powers of two."""

    def __init__(self) -> None:
        self._counts = [0] * _SIZES
        self._sums = [0] * _SIZES

    def add(self, calls: int, sign: int = 1) -> None:
        """Count a namespace with so many calls; with sign -1, no longer."""
        if calls:
            size = min(calls.bit_length(), _SIZES - 1)
            self._counts[size] += sign
            self._sums[size] += sign * calls

    def calls(self, most: int, without: int) -> int:
        """Return the calls with at most so many of each namespace, without one namespace that has `without` calls."""
        self.add(without, -1)
        found = sum(min(total, most * count) for count, total in zip(self._counts, self._sums, strict=True))
        self.add(without)
        return found


class KeptPlaces:
    """Places by namespace and line, which are called back in turns of the lines, and of the namespaces of a line."""

    def __init__(self, weights: dict[int, int]) -> None:
        """`weights` are those of the classes of calls."""
        self._lines: list[Line] = [(number, is_new) for number in weights for is_new in (False, True)]
        self._turns = WeightedTurns({line: weights[line[0]] * (1 if line[1] else 4) for line in self._lines})
        self._places: dict[Key, Place] = {}
        self._keys: dict[int, Key] = {}
        self._orders: list[int] = []
        """Sorted."""
        self._cells: dict[str, dict[Line, _Cell]] = {}
        self._counts: dict[str, int] = {}
        # Dictionaries in the order of turns.
        self._waiting: dict[Line, dict[str, None]] = {line: {} for line in self._lines}
        self._sizes = {line: _Sizes() for line in self._lines}
        """By line: the calls of each namespace that come before those of the line."""

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    def namespaces(self, line: Line) -> int:
        """Return how many namespaces have places in a line."""
        return len(self._waiting[line])

    def add(self, place: Place) -> bool:
        """Keep a place; return False without, if its namespace has too many."""
        self._forget_expired(place.since)
        namespace = place.key.namespace
        if self._counts.get(namespace, 0) >= MOST_PLACES_OF_NAMESPACE:
            return False
        self._change(place, 1)
        insort(self._orders, place.order)
        self._places[place.key], self._keys[place.order] = place, place.key
        self._waiting[place.line].setdefault(namespace)
        return True

    def remove(self, key: Key) -> None:
        """Give up the place of an object, if it has one."""
        place = self._places.pop(key, None)
        if place is not None:
            del self._keys[place.order], self._orders[bisect_left(self._orders, place.order)]
            self._change(place, -1)

    def take_next(self, now: float) -> Key | None:
        """Remove and return the object that should come back next; None if there is none, or if all were turned away just now."""
        lines = {line for line in self._lines if self._waiting[line]}
        while lines:
            line = self._turns.next(lines)
            key = self._first(self._waiting[line], line, now)
            if key is not None:
                self._turns.take(line, lines)
                self.remove(key)
                return key
            lines.remove(line)
        return None

    def before(self, namespace: str, order: int, line: Line, calls: int) -> int:
        """Return about how many calls come before the next of an object, while other namespaces make `calls` for each turn."""
        if not self._orders:
            return 0
        cells = self._cells.get(namespace, {})
        own = round(sum(cell.before(order) for found, cell in cells.items() if _precedes(found, line)))
        earlier = bisect_left(self._orders, order) / len(self._orders)
        return own + math.ceil(earlier * self._of_others(namespace, line, own + calls))

    def before_last(self, namespace: str, line: Line, calls: int) -> int:
        """Return about how many calls come before the last of the next `calls` of an object."""
        before = [cell for found, cell in self._cells.get(namespace, {}).items() if _precedes(found, line)]
        own = sum(min(cell.calls, calls * len(cell.orders)) for cell in before)
        return own + self._of_others(namespace, line, own + calls)

    def _of_others(self, namespace: str, line: Line, most: int) -> int:
        return self._sizes[line].calls(most, self._calls(namespace, line))

    def _calls(self, namespace: str, line: Line) -> int:
        """Return the calls of a namespace that come before those of a line."""
        return sum(cell.calls for found, cell in self._cells.get(namespace, {}).items() if _precedes(found, line))

    def _change(self, place: Place, sign: int) -> None:
        """Add a place to the sums, or remove it with sign -1."""
        namespace = place.key.namespace
        behind = [line for line in self._lines if _precedes(place.line, line)]
        for line in behind:
            self._sizes[line].add(self._calls(namespace, line), -1)
        cells = self._cells.setdefault(namespace, {})
        cell = cells.setdefault(place.line, _Cell())
        cell.add(place) if sign > 0 else cell.remove(place)
        self._counts[namespace] = self._counts.get(namespace, 0) + sign
        if not cell.orders:
            del cells[place.line]
            self._waiting[place.line].pop(namespace, None)
        for line in behind:
            self._sizes[line].add(self._calls(namespace, line))
        if not cells:
            del self._cells[namespace], self._counts[namespace]

    def _first(self, waiting: dict[str, None], line: Line, now: float) -> Key | None:
        """Return the first place of the next namespace of a line whose first place was not given just now."""
        for _ in range(min(ATTEMPTS, len(waiting))):
            namespace = next(iter(waiting))
            place = self._places[self._keys[self._cells[namespace][line].orders[0]]]
            del waiting[namespace]
            waiting[namespace] = None
            if place.until <= now:
                self.remove(place.key)
            elif now - place.since >= AWAY_SECONDS:
                return place.key
        return None

    def _forget_expired(self, now: float) -> None:
        """Give up some of the places that have ended."""
        for key in [key for key, _ in zip(self._places, range(EXPIRED_ATTEMPTS), strict=False)]:
            place = self._places[key]
            if place.until <= now:
                self.remove(key)
            else:
                del self._places[key]
                self._places[key] = place


def _precedes(line: Line, other: Line) -> bool:
    """Whether calls of a line come before those of another: those of a better class, and those that are admitted already."""
    return line[0] <= other[0] and (other[1] or not line[1])
