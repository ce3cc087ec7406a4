"""Finds the objects that names in events or moves concern, in small portions: thousands of objects may declare one name."""

from collections.abc import Callable, Hashable, Sequence, Set
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from dynconfig.events.resource_index import ResourceIndex
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
    lookups: Sequence[Lookup[T]]
    done: Callable[[Set[str]], None]
    found: set[str] = field(default_factory=set)
    """The names that concern an object."""


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
        self._of: dict[_Rest, Lookup[T]] = {}

    def add(
        self, turn: str, lookups: Sequence[Lookup[T]], done: Callable[[Set[str]], None] = lambda _found: None
    ) -> None:
        """Find the objects of names; call `done` with those that concern any, once all are looked up.

        Different turns alternate.
        """
        if lookups:
            self._batches.add(turn, _Batch(lookups, done))
        else:
            done(frozenset())

    def _look_up(self, batch: _Batch[T], at: int, limit: int) -> tuple[int, int | None]:
        part = batch.lookups[at : at + limit]
        for lookup in part:
            if self._find(lookup):
                batch.found.add(lookup.name)
        end = at + len(part)
        return len(part), end if end < len(batch.lookups) else None

    def _find(self, lookup: Lookup[T]) -> bool:
        """Find the first objects of a name, and the others later; return whether it concerns any, as far as is known."""
        left, is_concerning = AT_ONCE, False
        for namespace, ref in self._refs(lookup):
            holders = self._index.holders(ref, 0, left + 1)
            for _number, key in holders[:left]:
                is_concerning |= self._found(key, lookup)
            if len(holders) > left:
                is_concerning = True
                self._of[ref, lookup.kind] = lookup
                self._rest.add(namespace, (ref, lookup.kind), holders[left][0])
            left = max(left - len(holders), 0)
        return is_concerning

    def _refs(self, lookup: Lookup[T]) -> Sequence[tuple[str, int]]:
        if lookup.is_parameter:
            return self._index.refs(lookup.place, lookup.name)
        # Objects of all namespaces may have the same resource.
        return (("", fingerprint(lookup.name)),)

    def _continue(self, rest: _Rest, number: int, limit: int) -> tuple[int, int | None]:
        lookup, holders = self._of[rest], self._index.holders(rest[0], number, limit)
        for _number, key in holders:
            self._found(key, lookup)
        return len(holders), holders[-1][0] + 1 if len(holders) == limit else None

    def _end(self, rest: _Rest) -> None:
        del self._of[rest]
