"""The order in which the objects that wait for one AWS quota get its tokens. Pure: time is passed in.

Namespaces take turns call by call. Within a namespace, objects are served in the order in which they began to wait, since an
object that is served to its end is observed once; after some calls, an object goes to the end. An object that has made few calls
precedes those that have made many, and a part of the burst is kept for it, so that a small edit does not wait for large objects.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import count, islice
from typing import TypeVar

from dynconfig.aws.kept_places import KeptPlaces, Line, Place
from dynconfig.aws.token_bucket import Bucket
from dynconfig.model.key import Key
from dynconfig.model.weighted_turns import WeightedTurns

K = TypeVar("K")
V = TypeVar("V")

# An object with more calls is busy, and so is a namespace whose other objects have made more, until they have made none for a
# while. Who uses a tenth of the quota or less is never busy.
BUSY_CALLS = 20
BUSY_NAMESPACE_CALLS = 60
FORGOTTEN_PART = 0.1
# Classes of calls, by the number of reasons for which they may wait; the last one still gets one call in 21.
CLASSES = {0: 16, 1: 4, 2: 1}
# The place of an object that does not come back is given up.
KEPT_SECONDS = 120.0
# An object in turns that has not asked for another call after this time calls other services, or its call takes long.
IN_TURN_SECONDS = 2.0
# With each call, so many of those that called longest ago may be forgotten.
FORGOTTEN_AT_ONCE = 2
MIN_POLL_SECONDS = 0.02
# An object in turns makes about so many calls until its reconcile ends, after 15 seconds by default; then others are admitted.
CALLS_OF_A_TURN = 10
# Objects are called back when those that are here need less time: an object observes its resources before it calls.
PIPELINE_SECONDS = 2.0
CALLED_SECONDS = 10.0
# No more are called back than there are threads by default, twice.
MOST_PRESENT = 64
# As many objects take turns as can be served in this time, and all that need few calls.
ACTIVE_SECONDS = 1.5
FEW_CALLS = 3


@dataclass(slots=True)
class _Use:
    """The recent calls of an object or a namespace."""

    calls: float = 0.0
    until: float = 0.0
    """When it was last served or waiting."""

    def idle(self, now: float, per_second: float) -> None:
        """Forget calls during the time in which it did not wait."""
        self.calls = max(0.0, self.calls - max(0.0, now - self.until) * per_second)
        self.until = max(self.until, now)


@dataclass(slots=True)
class _Namespace:
    use: _Use
    objects: int = 0
    """How many of its objects are known."""
    waiting: int = 0
    """How many of its objects have a waiting thread."""
    turn: float = 0.0
    """Its next place among the namespaces, in calls."""


@dataclass(slots=True)
class _Flow:
    """The calls of one object."""

    key: Key
    use: _Use
    order: int
    """Its place among the objects of its namespace."""
    is_background: bool = False
    demand: int = 1
    """How many calls it is going to make, to this bucket or others."""
    in_order: int = 0
    """How many calls it has made at its place."""
    in_turn: int = 0
    """How many calls it has made since it was admitted."""
    is_waiting: bool = False
    """A thread waits for it now."""
    active_until: float = -math.inf
    """Until then, its thread makes a call that it was granted, or is about to ask for the next one."""
    called_until: float = -math.inf
    """Until then, it is expected to come back."""
    kept_until: float = -math.inf
    """Until then, its place is kept although no thread waits for it."""

    @property
    def is_busy(self) -> bool:
        """Whether it has made many calls recently."""
        return self.use.calls >= BUSY_CALLS

    @property
    def needs_turn(self) -> bool:
        """Whether it has to be admitted to those that take turns."""
        return self.demand > FEW_CALLS

    @property
    def has_turn(self) -> bool:
        """Whether it is one of those that take turns, and precedes those that are not."""
        return 0 < self.in_turn < CALLS_OF_A_TURN

    def is_present(self, now: float) -> bool:
        """Whether a thread waits or calls for it, or is going to."""
        return self.is_waiting or max(self.active_until, self.called_until) > now


class FairQueue:
    """Grants the tokens of a bucket in fair order.

    Each operation looks at the objects that have a thread, or are about to, and not at those that were turned away.
    """

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        # The one that called longest ago comes first, of namespaces too.
        self._flows: dict[Key, _Flow] = {}
        self._namespaces: dict[str, _Namespace] = {}
        self._present: dict[Key, _Flow] = {}
        self._kept = KeptPlaces(CLASSES)
        self._turns = WeightedTurns(CLASSES)
        self._turn = 0.0
        self._orders = count()

    @property
    def has_kept(self) -> bool:
        """Whether it keeps places of objects that were turned away."""
        return len(self._kept) > 0

    def ask(self, key: Key, now: float, *, demand: int = 1, is_background: bool = False) -> float:
        """Let an object take a token; return 0 if it got one, else the seconds after which it should ask again.

        `demand` is the number of calls that it is going to make, this one included; with `is_background` no user waits for it.
        """
        flow = self._flow(key, now)
        self._kept.remove(key)
        flow.demand, flow.is_background, flow.called_until = max(1, demand), is_background, -math.inf
        if self.bucket.rate is None:
            self.bucket.take(now)
            return 0.0
        if not flow.is_present(now):
            flow.in_turn = 0
        self._set_waiting(flow, is_waiting=True)
        present = self._those_present(now)
        admitted = self._admitted(present, now)
        if not admitted:
            # Those in turns make calls just now, and there is no token for more.
            return max(self.bucket.wait(1.0, now), MIN_POLL_SECONDS)
        classes = {self._class(item) for item in admitted}
        chosen = self._turns.next(classes)
        first = min((item for item in admitted if self._class(item) == chosen), key=self._place)
        if first is not flow:
            # At least until the first one can have asked.
            waiting = [item for item in present if item.is_waiting]
            return max(
                self.bucket.wait(self._ahead(flow, waiting) + self._needed(flow, waiting), now), MIN_POLL_SECONDS
            )
        wait = self.bucket.wait(self._needed(flow, admitted), now)
        if wait == 0.0:
            self._turns.take(chosen, classes)
            self._grant(flow, now)
        return wait

    def expected_wait(self, key: Key, now: float, *, calls: int | None = None) -> float:
        """Return the seconds until the next call of an object, or until it has made `calls`, as far as is known of others."""
        flow = self._flow(key, now)
        present, line = self._those_present(now), self._line(flow)
        if calls is not None:
            ahead = self._ahead_of_last(flow, present, calls) + self._kept.before_last(
                key.namespace, (line[0], True), calls
            )
            return self.bucket.wait(ahead + calls, now)
        # It waits for whole turns of others only if they are to be admitted before.
        has_room = not line[1] or self._kept.namespaces(line) < self._room()
        turns = math.ceil(self._start(flow) - self._turn) + 1 if has_room else CALLS_OF_A_TURN
        ahead = self._ahead(flow, present) + self._kept.before(key.namespace, flow.order, line, turns)
        return self.bucket.wait(ahead + self._needed(flow, present), now)

    def take_next(self, now: float) -> list[Key]:
        """Return the objects that should come back to their places now, since those that are here need few more calls."""
        found: list[Key] = []
        if not self.has_kept:
            return found
        rate = self.bucket.rate
        wanted = math.inf if rate is None else PIPELINE_SECONDS * rate
        expected = sum(min(flow.demand, CALLS_OF_A_TURN) for flow in self._those_present(now))
        while expected < wanted and len(self._present) < MOST_PRESENT:
            key = self._kept.take_next(now)
            if key is None:
                break
            flow = self._present[key] = self._flows[key]
            flow.called_until = now + CALLED_SECONDS
            expected += min(flow.demand, CALLS_OF_A_TURN)
            found.append(key)
        return found

    def is_kept(self, key: Key, now: float) -> bool:
        """Whether an object has come back to its place."""
        flow = self._flows.get(key)
        return flow is not None and flow.kept_until > now

    def leave(self, key: Key, now: float, keep_for: float | None = None) -> None:
        """End the waiting of an object's thread. With `keep_for`, the object is called back within so many seconds to its place.

        If its namespace has too many such objects, it joins at the end then.
        """
        flow = self._flows.get(key)
        if flow is None:
            return
        self._kept.remove(key)
        self._set_waiting(flow, is_waiting=False)
        self._present.pop(key, None)
        flow.in_turn = 0
        flow.active_until = flow.called_until = flow.kept_until = -math.inf
        if keep_for is not None:
            flow.kept_until = now + keep_for + KEPT_SECONDS
            if self._keep(flow, now):
                for use in (flow.use, self._namespaces[key.namespace].use):
                    use.until = max(use.until, now + keep_for)
                return
            flow.kept_until = -math.inf
        # It joins at the end if it needs more calls.
        flow.order, flow.in_order = next(self._orders), 0

    def back_off(self, key: Key, now: float) -> None:
        """End the turn of an object whose call AWS throttled: it keeps its place, but comes back by itself after its backoff."""
        flow = self._flows.get(key)
        if flow is not None:
            order, in_order = flow.order, flow.in_order
            self.leave(key, now)
            flow.order, flow.in_order, flow.kept_until = order, in_order, now + KEPT_SECONDS

    def forget(self, key: Key) -> None:
        """Forget an object that no longer exists."""
        flow = self._flows.pop(key, None)
        if flow is not None:
            self._kept.remove(key)
            self._set_waiting(flow, is_waiting=False)
            self._present.pop(key, None)
            self._namespaces[key.namespace].objects -= 1

    def interrupted(self, key: Key) -> None:
        """Record that no thread waits for an object any more; its place is not changed."""
        if key in self._flows:
            self._set_waiting(self._flows[key], is_waiting=False)

    def _keep(self, flow: _Flow, now: float) -> bool:
        return self._kept.add(Place(flow.key, flow.order, self._line(flow), flow.demand, now, flow.kept_until))

    def _those_present(self, now: float) -> list[_Flow]:
        """Return the objects that have a thread that waits or calls, or are called back."""
        for key, flow in list(self._present.items()):
            if not flow.is_present(now):
                del self._present[key]
                if flow.kept_until > now and not self._kept_again(flow, now):
                    flow.kept_until = -math.inf
        return list(self._present.values())

    def _kept_again(self, flow: _Flow, now: float) -> bool:
        """Keep the place of an object that did not come when it was called back."""
        return flow.key in self._kept or self._keep(flow, now)

    def _grant(self, flow: _Flow, now: float) -> None:
        self.bucket.take(now)
        namespace = self._namespaces[flow.key.namespace]
        self._turn = max(self._turn, namespace.turn)
        namespace.turn = self._turn + 1
        # A busy object does not make its namespace busy, so that edits of others in it do not wait.
        namespace.use.calls += not flow.is_busy
        flow.use.calls += 1
        for use in (flow.use, namespace.use):
            use.until = max(use.until, now)
        self._set_waiting(flow, is_waiting=False)
        flow.demand -= 1
        flow.active_until = now + IN_TURN_SECONDS if flow.demand else -math.inf
        flow.kept_until = -math.inf
        flow.in_turn += 1
        flow.in_order += 1
        if flow.in_order >= BUSY_CALLS:
            flow.order, flow.in_order = next(self._orders), 0

    def _flow(self, key: Key, now: float) -> _Flow:
        self._prune(now)
        forgotten = FORGOTTEN_PART * (self.bucket.rate or 0.0)
        namespace = self._namespaces.pop(key.namespace, None) or _Namespace(_Use(until=now))
        self._namespaces[key.namespace] = namespace
        namespace.use.idle(now, 0.0 if namespace.waiting else forgotten)
        flow = self._flows.pop(key, None)
        if flow is None:
            flow = _Flow(key, _Use(until=now), next(self._orders))
            namespace.objects += 1
        self._flows[key] = flow
        flow.use.idle(now, 0.0 if flow.is_waiting else forgotten)
        return flow

    def _set_waiting(self, flow: _Flow, *, is_waiting: bool) -> None:
        self._namespaces[flow.key.namespace].waiting += is_waiting - flow.is_waiting
        flow.is_waiting = is_waiting
        if is_waiting:
            self._present[flow.key] = flow

    def _room(self) -> int:
        """Return how many objects of a class take turns: as many as can be served in a time for which their threads wait.

        With more, the threads would have to give up between two calls, and observe everything again.
        """
        return max(1, int(ACTIVE_SECONDS * (self.bucket.rate or 0.0)))

    def _admitted(self, present: Iterable[_Flow], now: float) -> list[_Flow]:
        """Return the waiting objects among which the next token is granted: those in turns, and all that need few calls.

        If there is a token, some of each class that has any: while those in turns make calls, others of their class are admitted
        rather than only those of another class.
        """
        admitted: dict[int, list[_Flow]] = defaultdict(list)
        others: dict[int, list[_Flow]] = defaultdict(list)
        for flow in present:
            if flow.needs_turn and (flow.is_waiting or flow.active_until > now):
                others[self._class(flow)].append(flow)
            elif flow.is_waiting:
                admitted[self._class(flow)].append(flow)
        has_token = self.bucket.wait(1.0, now) == 0.0
        for number, flows in others.items():
            in_turns = self._in_order_of_turns(flows)[: self._room()]
            admitted[number] += [flow for flow in in_turns if flow.is_waiting]
            if has_token and not admitted[number]:
                admitted[number] = [flow for flow in flows if flow.is_waiting]
        return [flow for flows in admitted.values() for flow in flows]

    def _in_order_of_turns(self, flows: Iterable[_Flow]) -> list[_Flow]:
        """Return objects of one class in the order in which they are admitted: the first of each namespace, then the second."""
        numbers: Counter[str] = Counter()
        ranked: list[tuple[int, bool, float, int, _Flow]] = []
        for flow in sorted(flows, key=lambda flow: (not flow.has_turn, flow.order)):
            ranked.append((numbers[flow.key.namespace], not flow.has_turn, *self._place(flow), flow))
            numbers[flow.key.namespace] += 1
        return [item[-1] for item in sorted(ranked, key=lambda item: item[:-1])]

    def _line(self, flow: _Flow) -> Line:
        return self._class(flow), flow.needs_turn and not flow.has_turn

    def _class(self, flow: _Flow) -> int:
        if not flow.key.namespace:
            # The operator's own calls, and those of the CLI.
            return 0
        crowd = self._namespaces[flow.key.namespace].use
        reasons = 2 * flow.is_busy + (crowd.calls >= BUSY_NAMESPACE_CALLS) + flow.is_background
        return min(reasons, max(CLASSES))

    def _start(self, flow: _Flow) -> float:
        """Return the place of its namespace."""
        return max(self._turn, self._namespaces[flow.key.namespace].turn)

    def _place(self, flow: _Flow) -> tuple[float, int]:
        """Return the order of objects of one class."""
        return self._start(flow), flow.order

    def _needed(self, flow: _Flow, others: Iterable[_Flow]) -> float:
        """Return the tokens the bucket needs for the next call of an object: some are kept for objects with few calls."""
        its_class = self._class(flow)
        if any(item.is_waiting and self._class(item) < its_class for item in others):
            return 1.0
        return 1.0 + its_class / max(CLASSES) * 0.9 * (self.bucket.capacity - 1.0)

    def _ahead(self, flow: _Flow, others: Iterable[_Flow]) -> int:
        """Return how many calls of others come before the next one of an object."""
        its_class = self._class(flow)
        before = [item for item in others if item is not flow and self._class(item) <= its_class]
        return max(self._ahead_of_next(flow, before), self._ahead_of_turn(flow, before))

    def _ahead_of_next(self, flow: _Flow, others: Iterable[_Flow]) -> int:
        """Return how many calls of others in turns come before its next one."""
        own, place, is_new = 0, self._place(flow), self._line(flow)[1]
        first: dict[str, _Flow] = {}
        demands: Counter[str] = Counter()
        for item in others:
            if self._line(item)[1] and not is_new:
                continue
            namespace = item.key.namespace
            if namespace == flow.key.namespace:
                own += min(item.demand, BUSY_CALLS) if item.order < flow.order else 0
            else:
                first[namespace] = min(item, first.get(namespace, item), key=self._place)
                demands[namespace] += item.demand
        ahead = own
        for namespace, item in first.items():
            calls = math.ceil(place[0] + own - self._start(item)) + (self._place(item) < (self._start(item), place[1]))
            ahead += min(demands[namespace], max(0, calls))
        return ahead

    def _ahead_of_turn(self, flow: _Flow, others: Collection[_Flow]) -> int:
        """Return how many calls of others come before an object is one of those in turns."""
        if not flow.needs_turn:
            return 0
        its_class = self._class(flow)
        same = [item for item in others if item.needs_turn and self._class(item) == its_class]
        ranked = self._in_order_of_turns([*same, flow])
        before = [min(item.demand, CALLS_OF_A_TURN) for item in ranked[: ranked.index(flow)]]
        room = self._room()
        leaving = len(before) + 1 - room
        if leaving <= 0:
            return 0
        active = sorted(before[:room])
        if leaving <= len(active):
            return sum(min(demand, active[leaving - 1]) for demand in active)
        return sum(before[:leaving])

    def _ahead_of_last(self, flow: _Flow, others: Iterable[_Flow], calls: int) -> int:
        """Return how many calls of others come before the last of the next `calls` of an object."""
        its_class, own = self._class(flow), 0
        demands: Counter[str] = Counter()
        for item in others:
            if item is flow or self._class(item) > its_class:
                continue
            if item.key.namespace == flow.key.namespace:
                own += min(item.demand, calls)
            else:
                demands[item.key.namespace] += item.demand
        return own + sum(min(demand, own + calls) for demand in demands.values())

    def _prune(self, now: float) -> None:
        """Forget some objects and namespaces that have no place and no recent calls."""
        forgotten = FORGOTTEN_PART * (self.bucket.rate or math.inf)
        for key, flow in _first(self._flows):
            is_needed = key in self._kept or flow.is_present(now) or flow.kept_until > now
            if not is_needed and (now - flow.use.until) * forgotten > flow.use.calls:
                self.forget(key)
            else:
                self._flows[key] = self._flows.pop(key)
        for name, namespace in _first(self._namespaces):
            if not namespace.objects and (now - namespace.use.until) * forgotten > namespace.use.calls:
                del self._namespaces[name]
            else:
                self._namespaces[name] = self._namespaces.pop(name)


def _first(items: dict[K, V]) -> list[tuple[K, V]]:
    return list(islice(items.items(), FORGOTTEN_AT_ONCE))
