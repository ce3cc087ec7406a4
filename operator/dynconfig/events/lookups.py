"""Finds the objects that names in events or moves concern, in small portions: thousands of objects may declare one name."""

from collections.abc import Callable, Hashable, Sequence, Set
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from dynconfig.events.resource_index import Refs, ResourceIndex
from dynconfig.model.fingerprint import fingerprint
from dynconfig.model.key import Key
from dynconfig.model.portions import Later, Portions, later

AT_ONCE = 10
"""How many objects of a name are found in the same step; the others follow, in turns of namespaces."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lookup(Generic[T]):
    """A name of which the objects are to be found."""

    place: str
    name: str
    about: T
    is_parameter: bool = True
    kind: Hashable = None
    """Of several lookups of a name with the same kind, the last one counts if objects are still to be found."""


@dataclass(eq=False, slots=True)
class _Batch(Generic[T]):
    turn: str
    lookups: Sequence[Lookup[T]]
    done: Callable[[Set[str]], None]
    found: set[str] = field(default_factory=set)
    """The names that concern an object."""


@dataclass(eq=False, slots=True)
class _Search(Generic[T]):
    """A lookup of which not all objects are found yet."""

    turn: str
    lookup: Lookup[T]
    changed_from: int
    """The lowest number of objects that changed since: they may be among those that were searched before."""


Found = Callable[[Key, Lookup[T]], bool]
"""Handles an object that may have a name; returns whether the lookup concerns it."""
_Rest = tuple[int, Hashable]


class Lookups(Generic[T]):
    """The names of which objects are still to be found. Few are found in the step in which they are added."""

    def __init__(self, index: ResourceIndex, found: Found[T], later: Later = later) -> None:
        self._index = index
        self._found = found
        self._batches = Portions[_Batch[T]](self._look_up, later, ended=lambda batch: batch.done(batch.found))
        self._rest = Portions[_Rest](self._continue, later, ended=self._end, begins_at_once=False)
        """Names of many objects."""
        self._of: dict[_Rest, _Search[T]] = {}
        self._changed = Portions[_Search[T]](self._find_changed, later, begins_at_once=False)
        """Names of many objects, of which some are searched completely."""

    def add(
        self, turn: str, lookups: Sequence[Lookup[T]], done: Callable[[Set[str]], None] = lambda _found: None
    ) -> None:
        """Find the objects of names; call `done` with those that concern any, once all are looked up.

        Different turns alternate.
        """
        if lookups:
            self._batches.add(turn, _Batch(turn, lookups, done))
        else:
            done(frozenset())

    def _look_up(self, batch: _Batch[T], at: int, limit: int) -> tuple[int, int | None]:
        units, end = 0, at
        while units < limit and end < len(batch.lookups):
            lookup = batch.lookups[end]
            is_concerning, cost = self._find(_Search(batch.turn, lookup, self._index.unused))
            if is_concerning:
                batch.found.add(lookup.name)
            units, end = units + cost, end + 1
        return units, end if end < len(batch.lookups) else None

    def _find(self, search: _Search[T], start: int = 0) -> tuple[bool, int]:
        """Find the first objects of a name, from a number on, and the others later.

        Return whether it concerns any, as far as is known, and the units of work: the groups of objects that were examined.
        """
        left, is_concerning, lookup = AT_ONCE, False, search.lookup
        refs = self._refs(lookup)
        for namespace, ref in refs.found:
            holders = self._index.holders(ref, start, left + 1)
            for _number, key in holders[:left]:
                is_concerning |= self._found(key, lookup)
            if len(holders) > left:
                is_concerning = True
                self._of[ref, lookup.kind] = search
                self._rest.add(namespace, (ref, lookup.kind), holders[left][0])
            left = max(left - len(holders), 0)
        return is_concerning, max(refs.visited, 1)

    def _find_changed(self, search: _Search[T], _at: int, _limit: int) -> tuple[int, None]:
        """Find the objects that changed while others were found: status may have a parameter since, or not any more."""
        start, search.changed_from = search.changed_from, self._index.unused
        return self._find(search, start)[1], None

    def _refs(self, lookup: Lookup[T]) -> Refs:
        if lookup.is_parameter:
            return self._index.refs(lookup.place, lookup.name)
        # Objects of all namespaces may have the same resource.
        return Refs([("", fingerprint(lookup.name))], visited=1)

    def _continue(self, rest: _Rest, number: int, limit: int) -> tuple[int, int | None]:
        lookup, holders = self._of[rest].lookup, self._index.holders(rest[0], number, limit)
        for _number, key in holders:
            self._found(key, lookup)
        return len(holders), holders[-1][0] + 1 if len(holders) == limit else None

    def _end(self, rest: _Rest) -> None:
        search = self._of.pop(rest)
        if self._index.unused > search.changed_from:
            self._changed.add(search.turn, search)
