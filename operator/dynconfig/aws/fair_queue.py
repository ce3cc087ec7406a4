"""The order in which the objects that wait for one AWS quota get its tokens. Pure: time is passed in.

Namespaces take turns call by call. Within a namespace, objects are served in the order in which they began to wait, since an
object that is served to its end is observed once; after some calls, an object goes to the end. An object that has made few calls
precedes those that have made many, and a part of the burst is kept for it, so that a small edit does not wait for large objects.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from dynconfig.aws.token_bucket import Bucket
from dynconfig.model.key import Key
from dynconfig.model.weighted_turns import WeightedTurns

# An object with more calls is busy, and so is a namespace whose other objects have made more, until they have made none for a
# while. Who uses a tenth of the quota or less is never busy.
BUSY_CALLS = 20
BUSY_NAMESPACE_CALLS = 60
FORGOTTEN_PART = 0.1
# Classes of calls, by the number of reasons for which they may wait; the last one still gets one call in 21.
CLASSES = {0: 16, 1: 4, 2: 1}
# The place of an object that does not come back is given up.
KEPT_SECONDS = 120.0
# How long a call takes at most, after which the object's thread asks for the next one.
IN_CALL_SECONDS = 60.0
PRUNE_SECONDS = 30.0
MIN_POLL_SECONDS = 0.02
# An object in turns makes about so many calls until its reconcile ends, after 15 seconds by default.
CALLS_OF_A_TURN = 10
# Objects are called back when those that are here need less time: an object observes its resources before it calls.
PIPELINE_SECONDS = 2.0
CALLED_SECONDS = 10.0
AWAY_SECONDS = 1.0
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
    """How many calls it is going to make."""
    in_order: int = 0
    """How many calls it has made at its place."""
    is_waiting: bool = False
    """A thread waits for it now."""
    left_at: float = -math.inf
    """When its thread gave up."""
    called_until: float = -math.inf
    """Until then, it is expected to come back."""
    is_active: bool = False
    """Its thread has been granted calls, and goes on until the object is done."""
    kept_until: float = -math.inf
    """Until then, its place is kept although no thread waits for it."""

    @property
    def is_busy(self) -> bool:
        """Whether it has made many calls recently."""
        return self.use.calls >= BUSY_CALLS

    @property
    def is_new(self) -> bool:
        """Whether it has to be admitted to those that take turns."""
        return not self.is_active and self.demand > FEW_CALLS

    def is_present(self, now: float) -> bool:
        """Whether a thread waits or calls for it, or is going to."""
        return self.is_waiting or self.is_active or self.called_until > now

    def is_away(self, now: float) -> bool:
        """Whether it waits at its place for its turn, and was not turned away just now."""
        return self.kept_until > now and now - self.left_at >= AWAY_SECONDS and not self.is_present(now)

    def has_place(self, now: float) -> bool:
        return self.is_waiting or self.kept_until > now


class FairQueue:
    """Grants the tokens of a bucket in fair order."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._flows: dict[Key, _Flow] = {}
        self._namespaces: dict[str, _Namespace] = {}
        self._turns = WeightedTurns(CLASSES)
        self._turn = 0.0
        self._orders = count()
        self._pruned_at = 0.0

    def ask(self, key: Key, now: float, *, demand: int = 1, is_background: bool = False) -> float:
        """Let an object take a token; return 0 if it got one, else the seconds after which it should ask again.

        `demand` is the number of calls that it is going to make, this one included; with `is_background` no user waits for it.
        """
        flow = self._flow(key, now)
        flow.demand, flow.is_background, flow.called_until = max(1, demand), is_background, -math.inf
        if self.bucket.rate is None:
            self.bucket.take(now)
            return 0.0
        self._set_waiting(flow, is_waiting=True)
        waiting = [item for item in self._flows.values() if item.is_waiting]
        admitted = self._admitted(waiting)
        classes = {self._class(item) for item in admitted}
        chosen = self._turns.next(classes)
        first = min((item for item in admitted if self._class(item) == chosen), key=self._place)
        if first is not flow:
            # At least until the first one can have asked.
            return max(self._wait(flow, waiting, now), MIN_POLL_SECONDS)
        wait = self.bucket.wait(self._needed(flow, admitted), now)
        if wait == 0.0:
            self._turns.take(chosen, classes)
            self._grant(flow, now)
        return wait

    def expected_wait(self, key: Key, now: float, *, calls: int | None = None) -> float:
        """Return the seconds until the next call of an object, or until it has made `calls`, as far as is known of others."""
        flow = self._flow(key, now)
        others = [item for item in self._flows.values() if item.has_place(now)]
        if calls is None:
            return self._wait(flow, others, now)
        return self.bucket.wait(self._ahead_of_last(flow, others, calls) + calls, now)

    def take_next(self, now: float) -> list[Key]:
        """Return the objects that should come back to their places now, since those that are here need few more calls."""
        rate = self.bucket.rate
        wanted = math.inf if rate is None else PIPELINE_SECONDS * rate
        present = sum(min(flow.demand, CALLS_OF_A_TURN) for flow in self._flows.values() if flow.is_present(now))
        if present >= wanted:
            return []
        away = [flow for flow in self._flows.values() if flow.is_away(now)]
        found: list[Key] = []
        for flow in sorted(away, key=lambda flow: (self._class(flow), flow.is_new, self._place(flow))):
            if present >= wanted:
                break
            flow.called_until = now + CALLED_SECONDS
            present += min(flow.demand, CALLS_OF_A_TURN)
            found.append(flow.key)
        return found

    def is_kept(self, key: Key, now: float) -> bool:
        """Whether an object has come back to its place."""
        flow = self._flows.get(key)
        return flow is not None and flow.kept_until > now

    def leave(self, key: Key, now: float, keep_for: float | None = None) -> None:
        """End the waiting of an object's thread. With `keep_for`, the object comes back in so many seconds to the same place."""
        flow = self._flows.get(key)
        if flow is None:
            return
        self._set_waiting(flow, is_waiting=False)
        flow.is_active, flow.called_until = False, -math.inf
        flow.kept_until = -math.inf
        if keep_for is None:
            # It joins at the end if it needs more calls.
            flow.order, flow.in_order = next(self._orders), 0
            return
        flow.left_at, flow.kept_until = now, now + keep_for + KEPT_SECONDS
        for use in (flow.use, self._namespaces[key.namespace].use):
            use.until = max(use.until, now + keep_for)

    def forget(self, key: Key) -> None:
        """Forget an object that no longer exists."""
        flow = self._flows.pop(key, None)
        if flow is not None:
            self._set_waiting(flow, is_waiting=False)

    def interrupted(self, key: Key) -> None:
        """Record that no thread waits for an object any more; its place is not changed."""
        if key in self._flows:
            self._set_waiting(self._flows[key], is_waiting=False)

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
        flow.is_active = flow.demand > 0
        flow.kept_until = now + IN_CALL_SECONDS if flow.demand else -math.inf
        flow.in_order += 1
        if flow.in_order >= BUSY_CALLS:
            flow.order, flow.in_order = next(self._orders), 0

    def _flow(self, key: Key, now: float) -> _Flow:
        self._prune(now)
        forgotten = FORGOTTEN_PART * (self.bucket.rate or 0.0)
        namespace = self._namespaces.setdefault(key.namespace, _Namespace(_Use(until=now)))
        namespace.use.idle(now, 0.0 if namespace.waiting else forgotten)
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = _Flow(key, _Use(until=now), next(self._orders))
        flow.use.idle(now, 0.0 if flow.is_waiting else forgotten)
        return flow

    def _set_waiting(self, flow: _Flow, *, is_waiting: bool) -> None:
        self._namespaces[flow.key.namespace].waiting += is_waiting - flow.is_waiting
        flow.is_waiting = is_waiting

    def _room(self) -> int:
        """Return how many objects take turns: as many as can be served in a time for which their threads wait.

        With more, the threads would have to give up between two calls, and observe everything again.
        """
        return max(1, int(ACTIVE_SECONDS * (self.bucket.rate or 0.0)))

    def _admitted(self, waiting: Iterable[_Flow]) -> list[_Flow]:
        """Return the waiting objects among which the next token is granted: those in turns, and all that need few calls."""
        active = sum(flow.is_active for flow in self._flows.values())
        new = sorted((flow for flow in waiting if flow.is_new), key=self._place)
        return [*(flow for flow in waiting if not flow.is_new), *new[: max(0, self._room() - active)]]

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

    def _needed(self, flow: _Flow, waiting: Iterable[_Flow]) -> float:
        """Return the tokens the bucket needs for the next call of an object: some are kept for objects with few calls."""
        its_class = self._class(flow)
        if any(self._class(item) < its_class for item in waiting):
            return 1.0
        return 1.0 + its_class / max(CLASSES) * 0.9 * (self.bucket.capacity - 1.0)

    def _wait(self, flow: _Flow, others: Iterable[_Flow], now: float) -> float:
        """Return the seconds until the next call of an object."""
        its_class = self._class(flow)
        before = [item for item in others if item is not flow and self._class(item) <= its_class]
        ahead = max(self._ahead_of_next(flow, before), self._ahead_of_turn(flow, before) if flow.is_new else 0)
        return self.bucket.wait(ahead + self._needed(flow, before), now)

    def _ahead_of_next(self, flow: _Flow, others: Iterable[_Flow]) -> int:
        """Return how many calls of others in turns come before its next one."""
        own, place = 0, self._place(flow)
        first: dict[str, _Flow] = {}
        demands: Counter[str] = Counter()
        for item in others:
            if item.is_new and not flow.is_new:
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

    def _ahead_of_turn(self, flow: _Flow, others: Iterable[_Flow]) -> int:
        """Return how many calls of others come before an object is one of those in turns."""
        place = self._place(flow)
        active = sorted(min(item.demand, CALLS_OF_A_TURN) for item in others if item.is_active)
        before = sorted((item for item in others if item.is_new and self._place(item) < place), key=self._place)
        leaving = len(active) + len(before) + 1 - self._room()
        if leaving <= 0:
            return 0
        if leaving <= len(active):
            return sum(min(demand, active[leaving - 1]) for demand in active)
        return sum(active) + sum(min(item.demand, CALLS_OF_A_TURN) for item in before[: leaving - len(active)])

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
        """Forget objects and namespaces that have no place and no recent calls."""
        if now - self._pruned_at < PRUNE_SECONDS:
            return
        self._pruned_at = now
        forgotten = FORGOTTEN_PART * (self.bucket.rate or math.inf)
        for key, flow in list(self._flows.items()):
            if not flow.has_place(now) and (now - flow.use.until) * forgotten > flow.use.calls:
                del self._flows[key]
        used = {key.namespace for key in self._flows}
        for name, namespace in list(self._namespaces.items()):
            if name not in used and (now - namespace.use.until) * forgotten > namespace.use.calls:
                del self._namespaces[name]
