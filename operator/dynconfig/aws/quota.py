"""Client-side rate limits: one token bucket for each region and group of operations, shared by all objects in fair order."""

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from dynconfig.aws.facts import quota_groups
from dynconfig.aws.fair_queue import FairQueue
from dynconfig.aws.token_bucket import Bucket
from dynconfig.model.errors import Throttled
from dynconfig.model.facts import Group
from dynconfig.model.key import Key
from dynconfig.model.quota_wait import QuotaWait

# For longer waits, the object is requeued instead of blocking a thread.
MAX_WAIT_SECONDS = 2.0
# The same for an object that has come back to its place, and for one whose turn comes later than expected.
MAX_WAIT_IN_ORDER_SECONDS = 4.0
# A wait for which up to three quarters of the threads may be blocked.
SHORT_WAIT_SECONDS = 0.5
# Longest uninterrupted wait of a thread, so that a change of the rate or of the order takes effect.
POLL_SECONDS = 0.25
# An object is called back when its turn is near; without a call it returns this much later than expected.
LATER = 1.25
LATER_SECONDS = 2.0
# The delay of a process that may make no calls now; it may get a share at any time.
LONGEST_DELAY = 60.0
# After a reconcile, objects are called back to its buckets, and to so many others.
CALLED_BUCKETS = 4
FORGOTTEN_AT_ONCE = 100
# A wait that is shorter in all is not worth a message.
REPORTED_SECONDS = 1.0

AWS_GROUPS = quota_groups()
_READS = ("Get", "List", "Describe")
T = TypeVar("T")


def rate(operation: str, overrides: Mapping[str, float]) -> float | None:
    """Return the rate of an operation in calls per second: as configured, else the AWS quota; None if no limit is known."""
    group = next((group for group in AWS_GROUPS if operation in group.operations), None)
    if group is None:
        return overrides.get(operation)
    return overrides.get(operation) or overrides.get(group.name) or group.per_second


@dataclass(slots=True)
class Caller:
    """One reconcile of an object, on whose behalf calls are made."""

    key: Key
    is_background: bool = False
    """Whether no user waits for it, as for a resync."""
    writes: int = 0
    """How many writes it is going to make, once that is planned."""
    waited: dict[tuple[str, str], float] = field(default_factory=dict)
    """Seconds of waiting by region and operation."""
    served: set[tuple[str, str]] = field(default_factory=set)
    """The region and group of each bucket that it got tokens of."""
    asked: set[tuple[str, str]] = field(default_factory=set)
    """The region and group of each bucket that it asked for tokens."""
    kept: set[tuple[str, str]] = field(default_factory=set)
    """The region and group of each bucket in which it keeps its place when it ends."""


_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


def call_as(caller: Caller, run: Callable[[], T]) -> T:
    """Run a function whose AWS calls are made on behalf of an object."""
    token = _caller.set(caller)
    try:
        return run()
    finally:
        _caller.reset(token)


class Quota:
    """The buckets of all regions. Thread-safe.

    Threads that call AWS hold its lock for short but often: the event loop calls only `forget`, which does not wait for it, and
    `set_share`.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        pause: Callable[[float], object],
        *,
        groups: tuple[Group, ...] = AWS_GROUPS,
        overrides: Mapping[str, float] | None = None,
        is_limited: bool = True,
        workers: int = 32,
    ) -> None:
        """`clock` and `pause` are in seconds; `workers` is the number of threads that reconcile objects."""
        self._clock, self._pause = clock, pause
        self._groups = {operation: group for group in groups for operation in group.operations}
        self._per_second = {group.name: group.per_second for group in groups}
        self._overrides = overrides or {}
        self._is_limited = is_limited
        self._queues: dict[tuple[str, str], FairQueue] = {}
        self._share = 1.0
        self._of_targets: dict[str, tuple[str, Mapping[str, float]]] = {}
        """By target: its account and region, and what it overrides there."""
        # At most three quarters of the threads wait long for tokens, and half of them for their first one.
        self._most_blocked, self._most_new = max(2, workers * 3 // 4), max(1, workers // 2)
        self._blocked: dict[Key, int] = {}
        self._places: dict[Key, set[tuple[str, str]]] = {}
        """By object: the buckets in which it kept its place after its last reconcile."""
        self._to_call_back: dict[tuple[str, str], None] = {}
        """Buckets that keep places, in the order in which they call objects back."""
        self._forgotten: deque[Key] = deque()
        self._guard = threading.Lock()
        self._called_at = float("-inf")
        """When a call on behalf of an object was last let through."""
        self.call_back: Callable[[Key], object] = lambda _key: None
        """Called in any thread with an object that was turned away, when it should be reconciled again."""

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the lock; objects that no longer exist are forgotten first."""
        with self._guard:
            self._give_up_places()
            yield

    def _give_up_places(self) -> None:
        """Forget some of the objects that no longer exist; the lock is held."""
        for _ in range(min(len(self._forgotten), FORGOTTEN_AT_ONCE)):
            key = self._forgotten.popleft()
            for name in self._places.pop(key, ()):
                self._queues[name].forget(key)

    def acquire(self, region: str, operation: str) -> None:
        """Wait until a call may start. Raises Throttled with the delay if that is too long to block a thread.

        The object then keeps its place among those that wait, and should be reconciled again after the delay.
        """
        caller = _caller.get() or Caller(Key("", threading.current_thread().name))
        started: float | None = None
        try:
            while True:
                with self._lock():
                    now = self._clock()
                    wait = self._ask(caller, region, operation, now)
                    if wait == 0.0:
                        self._called_at = now if caller.key.namespace else self._called_at
                        break
                    if not self._may_wait(
                        caller, region, operation, wait, waited=None if started is None else now - started
                    ):
                        raise self._turned_away(caller, region, operation, now)
                    if started is None:
                        started = now
                        self._blocked[caller.key] = self._blocked.get(caller.key, 0) + 1
                self._pause(min(wait, POLL_SECONDS))
        finally:
            if started is not None:
                with self._lock():
                    self._unblock(caller, region, operation, self._clock() - started)
        self._call_back(self._name(region, operation))

    def idle(self) -> float:
        """Return how long no call on behalf of an object was let through, in seconds: some reconciles take minutes."""
        return self._clock() - self._called_at

    def count(self, region: str, operation: str) -> None:
        """Count a call that is not waited for, such as a retry by botocore."""
        with self._lock():
            self._queue(region, operation).bucket.take(self._clock())

    def throttled(self, region: str, operation: str) -> None:
        """Record that AWS throttled a call, whether or not it is retried."""
        with self._lock():
            self._queue(region, operation).bucket.throttled(self._clock())

    def keep_place(self, region: str, operation: str) -> None:
        """Let the object whose call AWS throttled come back to its place, once its backoff has ended."""
        caller = _caller.get()
        if caller is not None:
            with self._lock():
                self._queue(region, operation).back_off(caller.key, self._clock())
            caller.kept.add(self._name(region, operation))

    def set_share(self, fraction: float) -> None:
        """Set the part of every configured rate that this process may use, from 0 to 1; takes effect at once.

        With several shards, it is the number of shards held divided by the number of all shards. With 0, calls of operations
        that have a limit raise Throttled. Raises ValueError if the fraction is out of range.
        """
        if not 0.0 <= fraction <= 1.0:
            raise ValueError(f"the share of a quota has to be from 0 to 1, not {fraction}")
        with self._lock():
            self._share = fraction
            for queue in self._queues.values():
                queue.bucket.set_share(fraction, self._clock())
            kept = list(self._to_call_back)
        self._call_back(*kept)

    def set_overrides(self, target: str, place: str, overrides: Mapping[str, float]) -> None:
        """Set the rates that a target declares for its account and region; of several targets there, the lowest counts.

        Without any, the target is forgotten.
        """
        with self._lock():
            earlier, _rates = self._of_targets.pop(target, (place, {}))
            if overrides:
                self._of_targets[target] = (place, overrides)
            now = self._clock()
            for (known, name), queue in self._queues.items():
                if known in (place, earlier):
                    operations = (operation for operation, group in self._groups.items() if group.name == name)
                    queue.bucket.set_limit(self._limit(known, (*operations, name), name), now)

    @contextmanager
    def reconcile(self, caller: Caller) -> Iterator[None]:
        """Give up the places of an object after its reconcile, except those it returns to. For the thread that calls AWS."""
        try:
            yield
        finally:
            with self._lock():
                now = self._clock()
                places = self._places.pop(caller.key, set()) | caller.asked
                for name in places - caller.kept:
                    self._queues[name].leave(caller.key, now)
                if caller.kept:
                    self._places[caller.key] = caller.kept
                others = list(islice(self._to_call_back, CALLED_BUCKETS))
            self._call_back(*places, *(name for name in others if name not in places))

    def run(self, caller: Caller, work: Callable[[], T]) -> T:
        """Run a reconcile, or a part of one, in a thread that may wait: its AWS calls are made on behalf of an object."""
        with self.reconcile(caller):
            return call_as(caller, work)

    def forget(self, key: Key) -> None:
        """Give up the places of an object that no longer exists, at once or when a thread that uses a quota is done with it."""
        self._forgotten.append(key)
        if self._guard.acquire(blocking=False):
            try:
                self._give_up_places()
            finally:
                self._guard.release()

    def longest_wait(self, caller: Caller, writes: int) -> QuotaWait | None:
        """Return for which operation a reconcile waited longest, and the time until the `writes` that are left are made.

        None if it waited less than a second in all for each.
        """
        if not caller.waited:
            return None
        (region, operation), waited = max(caller.waited.items(), key=lambda item: item[1])
        if waited < REPORTED_SECONDS:
            return None
        with self._lock():
            return self._wait(caller, region, operation, self._clock(), _calls(operation, writes))

    def rate(self, region: str, operation: str) -> float | None:
        """Return the current rate of an operation in calls per second; None without a limit."""
        with self._lock():
            return self._queue(region, operation).bucket.rate

    def used(self) -> dict[tuple[str, str], float]:
        """Return the part of its rate that each region and group used in the last ten seconds."""
        with self._lock():
            now = self._clock()
            found = {name: queue.bucket.used(now) for name, queue in self._queues.items()}
        return {name: part for name, part in found.items() if part is not None}

    def _call_back(self, *names: tuple[str, str]) -> None:
        """Call the objects back whose turn is next."""
        found: list[Key] = []
        with self._lock():
            now = self._clock()
            for name in names:
                queue = self._queues[name]
                found += queue.take_next(now)
                self._to_call_back.pop(name, None)
                if queue.has_kept:
                    self._to_call_back[name] = None
        for key in found:
            self.call_back(key)

    def _ask(self, caller: Caller, region: str, operation: str, now: float) -> float:
        caller.asked.add(self._name(region, operation))
        wait = self._queue(region, operation).ask(
            caller.key, now, demand=_calls(operation, caller.writes), is_background=caller.is_background
        )
        if wait == 0.0:
            caller.served.add(self._name(region, operation))
            caller.writes -= not _is_read(operation)
        return wait

    def _may_wait(self, caller: Caller, region: str, operation: str, wait: float, *, waited: float | None) -> bool:
        """Whether the thread may wait: not for long, and not if most threads do."""
        if waited is not None:
            return waited + wait <= MAX_WAIT_IN_ORDER_SECONDS
        blocked = sum(self._blocked.values())
        if self._name(region, operation) in caller.served:
            return wait <= MAX_WAIT_SECONDS and blocked < self._most_blocked
        queue, now = self._queue(region, operation), self._clock()
        expected = queue.expected_wait(caller.key, now)
        own = sum(count for key, count in self._blocked.items() if key.namespace == caller.key.namespace)
        if blocked >= self._most_new or own >= max(1, self._most_new // 2):
            return expected <= SHORT_WAIT_SECONDS and blocked < self._most_blocked
        return expected <= (MAX_WAIT_IN_ORDER_SECONDS if queue.is_kept(caller.key, now) else MAX_WAIT_SECONDS)

    def _unblock(self, caller: Caller, region: str, operation: str, waited: float) -> None:
        left = self._blocked.pop(caller.key) - 1
        if left:
            self._blocked[caller.key] = left
        name = region, operation
        caller.waited[name] = caller.waited.get(name, 0.0) + waited
        self._queue(region, operation).interrupted(caller.key)

    def _turned_away(self, caller: Caller, region: str, operation: str, now: float) -> Throttled:
        """Keep the place of an object whose thread does not wait; return the error with the time at which it should return."""
        queue = self._queue(region, operation)
        expected = queue.expected_wait(caller.key, now)
        # Usually it is called back before.
        delay = LONGEST_DELAY if math.isinf(expected) else LATER * expected + LATER_SECONDS
        if caller.key.namespace:
            caller.kept.add(self._name(region, operation))
        queue.leave(caller.key, now, keep_for=delay if caller.key.namespace else None)
        wait = self._wait(caller, region, operation, now, _calls(operation, caller.writes))
        return Throttled(str(wait), delay=delay, wait=wait)

    def _wait(self, caller: Caller, region: str, operation: str, now: float, calls: int) -> QuotaWait:
        queue = self._queue(region, operation)
        return QuotaWait(operation, queue.bucket.rate or 0.0, queue.expected_wait(caller.key, now, calls=calls))

    def _name(self, region: str, operation: str) -> tuple[str, str]:
        group = self._groups.get(operation)
        return region, group.name if group else operation

    def _queue(self, region: str, operation: str) -> FairQueue:
        group = self._groups.get(operation) or Group(operation, (operation,), None)
        key = (region, group.name)
        if key not in self._queues:
            limit = self._limit(region, (operation, group.name), group.name)
            self._queues[key] = FairQueue(Bucket(limit, filled_at=self._clock(), share=self._share))
        return self._queues[key]

    def _limit(self, place: str, wanted: Sequence[str], group: str) -> float | None:
        """Return the configured rate of a group: by these names that of a target or of the settings, or else that of AWS."""
        targets = [found for known, found in self._of_targets.values() if known == place]
        rates = [rate for found in targets for name, rate in found.items() if name in wanted]
        if rates:
            return min(rates)
        default = self._per_second.get(group) if self._is_limited else None
        return next((self._overrides[name] for name in wanted if name in self._overrides), default)


def _is_read(operation: str) -> bool:
    return operation.partition(".")[2].startswith(_READS)


def _calls(operation: str, writes: int) -> int:
    """Return how many calls of an operation are going to follow: the number of reads is not known."""
    return 1 if _is_read(operation) else max(1, writes)
