"""Places where AWS is unavailable: one object looks there each second, and all that wait go on as soon as one is answered."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dynconfig.engine.declaration import Place
from dynconfig.engine.work_queue import Key

PROBE_SECONDS = 1.0
# An object that alone gets no answer, where others do, is tried ever less often.
MOST_DOUBLINGS = 6


@dataclass(slots=True)
class _Outage:
    """The objects that wait for a place: when each of them failed, and which of them looks next."""

    waiting: dict[Key, float] = field(default_factory=dict)
    probe: Key | None = None


class Outages:
    """Knows nothing of places where AWS answers."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._outages: dict[Place, _Outage] = {}
        self._relapses: dict[Key, int] = {}
        self._released: set[Key] = set()

    def failed(self, place: Place, key: Key) -> tuple[Key, float] | None:
        """AWS did not answer an object. Answers which one looks next, in how many seconds; None if one is about to."""
        outage = self._outages.setdefault(place, _Outage())
        if key in self._released:
            self._released.discard(key)
            self._relapses[key] = self._relapses.get(key, 0) + 1
        # The last to fail looks last, so that what concerns one object only is found out by the next one.
        outage.waiting.pop(key, None)
        outage.waiting[key] = self._clock()
        if outage.probe not in (None, key):
            return None
        return self._next(outage)

    def answered(self, place: Place, key: Key) -> Iterator[tuple[Key, float]]:
        """AWS answered an object: all that wait for the place, and in how many seconds each of them is due."""
        self._relapses.pop(key, None)
        self._released.discard(key)
        outage = self._outages.pop(place, None)
        for other, failed_at in outage.waiting.items() if outage else ():
            if other == key:
                continue
            self._released.add(other)
            yield other, max(0.0, failed_at + self._pause(other) - self._clock()) if other in self._relapses else 0.0

    def forget(self, key: Key) -> Iterator[tuple[Key, float]]:
        """An object is gone; answers which others look in its place."""
        self._relapses.pop(key, None)
        self._released.discard(key)
        for place, outage in list(self._outages.items()):
            outage.waiting.pop(key, None)
            if not outage.waiting:
                del self._outages[place]
            elif outage.probe == key:
                yield self._next(outage)

    def _next(self, outage: _Outage) -> tuple[Key, float]:
        """The object that has waited longest of those that the place alone keeps from going on."""
        probe = outage.probe = min(outage.waiting, key=lambda key: self._relapses.get(key, 0))
        return probe, self._pause(probe)

    def _pause(self, key: Key) -> float:
        return PROBE_SECONDS * float(2 ** min(self._relapses.get(key, 0), MOST_DOUBLINGS))
