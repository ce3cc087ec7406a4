"""Routes AWS events to the objects that they concern, and knows from which places events are needed."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from dynconfig.events.lookups import Lookup, Lookups
from dynconfig.events.own_calls import OwnCalls
from dynconfig.events.resource_index import ResourceIndex
from dynconfig.events.signals import Signal
from dynconfig.events.unmatched import UnmatchedEvents
from dynconfig.model.declaration import Place, in_target
from dynconfig.model.fence import Fence
from dynconfig.model.holders import Holders
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.portions import Later, later


@dataclass(slots=True)
class PendingEvents:
    """Events of an object whose resources were not observed since."""

    at: float
    """Time of the first event, in seconds since the epoch."""
    of: dict[str, str] = field(default_factory=dict)
    """Names of changed resources, each with the principal that changed it, where the event names one."""
    is_repeated: bool = False
    """Whether an earlier reconcile did not observe some of them."""

    def add(self, other: "PendingEvents") -> None:
        """Add later events."""
        self.at = min(self.at, other.at)
        self.of.update(other.of)
        self.is_repeated |= other.is_repeated


class _Change(NamedTuple):
    """An event with one name, from the queue of a shard."""

    signal: Signal
    shard: int


class EventRouter:
    """Requeues the objects that an AWS event concerns, and no others. For one event loop."""

    def __init__(
        self,
        index: ResourceIndex,
        requeue: Callable[[Key], None],
        now: Callable[[], float],
        state: ObjectState[Key],
        shard_of: Callable[[Key], int] = lambda _key: 0,
        *,
        later: Later = later,
    ) -> None:
        self._lookups = Lookups[_Change](index, self._found, later)
        self._index = index
        self._shard_of = shard_of
        self._requeue = requeue
        self._own_calls = OwnCalls(now)
        self._pending: dict[Key, PendingEvents] = state.new_map()
        self._taken: dict[Key, PendingEvents] = state.new_map()
        """Those of the running reconcile of each object."""
        self._unmatched = UnmatchedEvents(now)

    def route(self, signals: Sequence[Signal], shard: int = 0, done: Callable[[], None] = lambda: None) -> None:
        """Requeue the objects of a shard that events from its queue concern, except by their own calls.

        Others that declare the parameters of an own call are requeued after its reconcile, if that concerns them (`moves.py`).
        `done` is called once all names were looked up. If many objects have a name, most of them are requeued later.
        """
        changes = [signal for signal in signals if not (signal.parameters and self._own_calls.is_known(signal))]
        lookups = {(lookup.place, lookup.name, lookup.kind): lookup for lookup in self._lookups_of(changes, shard)}

        def looked_up(found: Set[str]) -> None:
            for signal in changes:
                if found.isdisjoint((*signal.parameters, *signal.resources)):
                    self._unmatched.add(signal, shard)
            done()

        targets = {signal.target.name if signal.target else "" for signal in changes}
        self._lookups.add(f"{shard} {min(targets, default='')}", tuple(lookups.values()), looked_up)

    def replay_unmatched(self, key: Key) -> None:
        """Route earlier events to a newly listed object: after a restart, events may arrive before all objects are listed."""
        if self._unmatched:
            for signal, shard in self._unmatched.of(self._index.digests(key)):
                if names := self._index.named_in(key, signal):
                    self._add_if_concerned(key, names, signal, shard)

    def forget_target(self, target: str) -> None:
        """Forget the events of a target that no longer exists."""
        self._unmatched.forget_target(target)

    def leave(self, shard: int) -> None:
        """Forget the events of a shard that another replica serves from now on."""
        self._unmatched.leave(shard)

    def record_own_writes(self, key: Key, requests: Sequence[str]) -> None:
        """Record the AWS request IDs of a reconcile; events with these IDs do not requeue the object."""
        self._own_calls.made(key, requests)

    def waiting(self) -> Collection[Key]:
        """Return the objects with events that no reconcile has taken, or whose resources the last one did not observe."""
        return tuple(self._pending)

    def take(self, key: Key) -> PendingEvents | None:
        """Return the pending events of an object that is reconciled now; they are pending again from `end`, unless observed."""
        if (pending := self._pending.pop(key, None)) is not None:
            self._taken[key] = pending
        return pending

    def taken(self, key: Key) -> PendingEvents | None:
        """Return the events of the running reconcile of an object."""
        return self._taken.get(key)

    def observed(self, key: Key, unread: Collection[str] = ()) -> float | None:
        """Record that the running reconcile has read all resources that its events name, except for those of these names.

        Return the time of the first event if all were read; None if some were not, or it had no events.
        """
        if (taken := self._taken.get(key)) is None:
            return None
        taken.of = {name: actor for name, actor in taken.of.items() if name in unread}
        if taken.of:
            return None
        del self._taken[key]
        return taken.at

    def end(self, key: Key) -> None:
        """End a reconcile: events whose resources it did not observe are pending again, with the time of the first."""
        if (left := self._taken.pop(key, None)) is not None:
            left.is_repeated = True
            if (newer := self._pending.get(key)) is not None:
                left.add(newer)
            self._pending[key] = left

    def forget(self, key: Key) -> None:
        """Forget the events of an object that another replica serves from now on."""
        self._pending.pop(key, None)
        self._taken.pop(key, None)

    def _lookups_of(self, signals: Iterable[Signal], shard: int) -> Iterator[Lookup[_Change]]:
        """Yield a lookup for each name in events."""
        for signal in signals:
            place = in_target(signal.target.name) if signal.target else signal.region
            request = signal.request if self._own_calls.is_known(signal) else ""
            for single in signal.singles():
                (name,), is_parameter = (*single.parameters, *single.resources), bool(single.parameters)
                kind = place, shard, is_parameter, request
                yield Lookup(place, name, _Change(single, shard), is_parameter=is_parameter, kind=kind)

    def _found(self, key: Key, lookup: Lookup[_Change]) -> bool:
        signal, shard = lookup.about
        names = self._index.named_in(key, signal)
        if names:
            self._add_if_concerned(key, names, signal, shard)
        return bool(names)

    def _add_if_concerned(self, key: Key, names: Sequence[str], signal: Signal, shard: int) -> None:
        if self._shard_of(key) == shard and not self._own_calls.is_of(key, signal):
            events = PendingEvents(signal.at, dict.fromkeys(names, signal.actor))
            self._pending.setdefault(key, PendingEvents(signal.at)).add(events)
            self._requeue(key)


class EventPlaces:
    """The place of each written object; starts a listener for a shard's first object of a place, releases it after the last.

    Only accepted objects count, so that users cannot make the operator listen in arbitrary regions.
    """

    def __init__(
        self, start_listener: Callable[[Place, Fence], None], release_listener: Callable[[Place, Fence], None]
    ) -> None:
        self._start_listener = start_listener
        self._release_listener = release_listener
        self._places: dict[Key, tuple[Place, Fence]] = {}
        self._keys = Holders[tuple[Place, Fence], Key]()
        """The objects of each location."""

    def track(self, key: Key, place: Place, fence: Fence) -> None:
        """Record the place of an accepted object that may have something in AWS."""
        known, used = self._places.get(key), (place.location, fence)
        if known is None or (known[0].location, known[1]) != used:
            self.forget(key)
            self._keys.add(used, key)
            self._start_listener(place, fence)
        self._places[key] = (place, fence)

    def objects(self, place: Place, shard: int) -> tuple[Key, ...]:
        """Return the objects of a place and shard, in the order in which they were accepted."""
        of = place.location, shard
        return tuple(key for key, (used, fence) in self._places.items() if (used.location, fence.shard) == of)

    def forget(self, key: Key) -> None:
        """Forget a deleted object; if it was the last one of its place, release the listener."""
        known = self._places.get(key)
        if known is not None:
            self._remove(key, *known)
            if (known[0].location, known[1]) not in self._keys:
                self._release_listener(*known)

    def leave(self, key: Key) -> Place | None:
        """Forget an object that another replica serves from now on; return its place, and keep the queue there."""
        known = self._places.get(key)
        if known is None:
            return None
        self._remove(key, *known)
        return known[0]

    def _remove(self, key: Key, place: Place, fence: Fence) -> None:
        del self._places[key]
        self._keys.discard((place.location, fence), key)
