"""Outages of AWS in a place: one object probes each second, and all waiting objects resume after the first success."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dynconfig.model.declaration import Place
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState

PROBE_SECONDS = 1.0
# An object that fails although others succeed is retried with increasing delays.
MAX_DOUBLINGS = 6


@dataclass(slots=True)
class _Outage:
    """The objects that wait for a place, with the time of their last failure, and the one that probes next."""

    waiting: dict[Key, float] = field(default_factory=dict)
    probe: Key | None = None


class Outages:
    """Tracks the places where AWS is unavailable."""

    def __init__(self, clock: Callable[[], float], state: ObjectState[Key]) -> None:
        self._clock = clock
        self._outages: dict[Place, _Outage] = {}
        self._relapses: dict[Key, int] = state.new_map()
        self._released = state.new_set()

    def record_failure(self, place: Place, key: Key) -> tuple[Key, float] | None:
        """Record that AWS was unavailable for an object; return the next probe and its delay in seconds, None if one is due."""
        outage = self._outages.setdefault(place, _Outage())
        if key in self._released:
            self._released.discard(key)
            self._relapses[key] = self._relapses.get(key, 0) + 1
        # The last to fail probes last, so that the next probe detects whether only this object fails.
        outage.waiting.pop(key, None)
        outage.waiting[key] = self._clock()
        if outage.probe not in (None, key):
            return None
        return self._next_probe(outage)

    def record_success(self, place: Place, key: Key) -> Iterator[tuple[Key, float]]:
        """End the outage of a place; yield the waiting objects, each with its delay in seconds."""
        self._relapses.pop(key, None)
        self._released.discard(key)
        outage = self._outages.pop(place, None)
        for other, failed_at in outage.waiting.items() if outage else ():
            if other == key:
                continue
            self._released.add(other)
            yield other, max(0.0, failed_at + self._delay(other) - self._clock()) if other in self._relapses else 0.0

    def replace_probe(self, key: Key) -> Iterator[tuple[Key, float]]:
        """Let a deleted object no longer wait; yield the probes that replace it, each with its delay in seconds."""
        for place, outage in list(self._outages.items()):
            outage.waiting.pop(key, None)
            if not outage.waiting:
                del self._outages[place]
            elif outage.probe == key:
                yield self._next_probe(outage)

    def _next_probe(self, outage: _Outage) -> tuple[Key, float]:
        """Return the object with the fewest relapses that has waited longest, and its delay in seconds."""
        probe = outage.probe = min(outage.waiting, key=lambda key: self._relapses.get(key, 0))
        return probe, self._delay(probe)

    def _delay(self, key: Key) -> float:
        return PROBE_SECONDS * float(2 ** min(self._relapses.get(key, 0), MAX_DOUBLINGS))
