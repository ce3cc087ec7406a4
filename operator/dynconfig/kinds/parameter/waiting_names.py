"""Names of parameters whose metadata objects wait for: namespaces take turns. Pure: time is passed in."""

from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from dynconfig.model.key import Key

# DescribeParameters accepts at most fifty names.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterStringFilter.html
DESCRIBE_BATCH = 50
# Names are no longer read for an object that has not returned for so long, such as a deleted one.
WAITING_SECONDS = 300.0
# The names of further objects of a namespace do not wait: these objects read them themselves when they return.
MOST_NAMES_OF_NAMESPACE = 1000


@dataclass(frozen=True, slots=True)
class Waiting:
    """Names that an object waits for."""

    key: Key
    since: float
    names: tuple[str, ...]


class WaitingNames:
    """The names of the last call of each object that was turned away.

    The next one is of the namespace of which the fewest names have been read, counted from when its names began to wait.
    """

    def __init__(self) -> None:
        self._namespaces: dict[str, OrderedDict[Key, Waiting]] = {}
        self._counts = Counter[str]()
        self._ages: deque[tuple[float, Key]] = deque()
        self._turned_away: set[Key] = set()
        """The objects that wait or whose names are being read, and that have not returned by themselves."""
        self._read = Counter[str]()
        """How many names of each namespace were read or are being read."""

    def __len__(self) -> int:
        return self._counts.total()

    def add(self, key: Key, names: Sequence[str], now: float) -> None:
        """Let the names of a call wait that was not made, at most fifty; they replace those of the object's last call."""
        self._expire(now)
        self.returned(key)
        if self._counts[key.namespace] + len(names) <= MOST_NAMES_OF_NAMESPACE:
            self._turned_away.add(key)
            self._ages.append((now, key))
            self._put(Waiting(key, now, tuple(names)))

    def returned(self, key: Key) -> None:
        """Forget an object that has returned, or no longer exists."""
        self._turned_away.discard(key)
        self._remove(key)

    def claim(self, batch: Collection[str], now: float) -> list[Waiting]:
        """Return names that objects wait for, as fit into one call with those of a batch; no other call reads them."""
        self._expire(now)
        taken, claimed = set(batch), list[Waiting]()
        while self._namespaces and len(taken) < DESCRIBE_BATCH:
            part = self._next(taken, DESCRIBE_BATCH - len(taken))
            taken.update(part.names)
            claimed.append(part)
        return claimed

    def give_back(self, claimed: Iterable[Waiting], now: float) -> None:
        """Let names wait again, before all others, since the call was not made."""
        for part in reversed(list(claimed)):
            self._read[part.key.namespace] -= len(part.names)
            rest = self._of(part.key)
            if part.key not in self._turned_away or (rest is not None and rest.since != part.since):
                # It has returned meanwhile.
                continue
            self._remove(part.key)
            if part.since > now - WAITING_SECONDS:
                self._put(replace(part, names=(*part.names, *(rest.names if rest else ()))))
                self._namespaces[part.key.namespace].move_to_end(part.key, last=False)
            else:
                self._turned_away.discard(part.key)

    def end(self, claimed: Iterable[Waiting]) -> set[Key]:
        """Return the objects whose names were claimed and that have not returned by themselves; they wait no longer."""
        ended = {part.key for part in claimed} & self._turned_away
        self._turned_away -= ended
        return ended

    def _next(self, taken: Collection[str], room: int) -> Waiting:
        """Take names of the object that waits longest in the namespace whose turn it is."""
        namespace = min(self._namespaces, key=self._read.__getitem__)
        objects = self._namespaces[namespace]
        first = next(iter(objects.values()))
        names = tuple(name for name in first.names if name not in taken)
        part, rest = (names[:room], names[room:]) if len(names) > room else (first.names, ())
        self._read[namespace] += len(part)
        if rest:
            # The next call continues with it.
            objects[first.key] = replace(first, names=rest)
            self._counts[namespace] -= len(first.names) - len(rest)
        else:
            self._remove(first.key)
        return replace(first, names=part)

    def _of(self, key: Key) -> Waiting | None:
        objects = self._namespaces.get(key.namespace)
        return objects.get(key) if objects else None

    def _put(self, waiting: Waiting) -> None:
        namespace = waiting.key.namespace
        if namespace not in self._namespaces:
            if not self._namespaces:
                self._read.clear()
            least = min(map(self._read.__getitem__, self._namespaces), default=0)
            self._read[namespace] = max(self._read[namespace], least)
            self._namespaces[namespace] = OrderedDict()
        self._namespaces[namespace][waiting.key] = waiting
        self._counts[namespace] += len(waiting.names)

    def _remove(self, key: Key) -> None:
        objects = self._namespaces.get(key.namespace)
        if objects is not None and (waiting := objects.pop(key, None)) is not None:
            self._counts[key.namespace] -= len(waiting.names)
            if not objects:
                del self._namespaces[key.namespace], self._counts[key.namespace]

    def _expire(self, now: float) -> None:
        while self._ages and self._ages[0][0] <= now - WAITING_SECONDS:
            since, key = self._ages.popleft()
            waiting = self._of(key)
            if waiting is not None and waiting.since == since:
                self.returned(key)
