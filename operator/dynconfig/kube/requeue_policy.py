"""When each object is requeued: changes at once, failures after a backoff, all others at a jittered resync."""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from dynconfig.engine.outcome import Outcome
from dynconfig.kube import resync
from dynconfig.kube.outages import Outages
from dynconfig.kube.owed import Owed, OwedReconciles
from dynconfig.kube.resync import Listed
from dynconfig.kube.work_queue import Backlog, Priority, WorkQueue
from dynconfig.model.declaration import Declaration, Place
from dynconfig.model.errors import (
    AlarmFiring,
    DeletionDelayed,
    ReconcileLoop,
    Retryable,
    RoleNotReady,
    SecretCheckDelayed,
    Settling,
    Throttled,
    Unavailable,
)
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState

FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 60.0
FIRST_WAIT, LONGEST_WAIT = 2.0, 300.0
# Preparing a turn takes at most so much of the time, unless other objects wait or the turn would last as long as so many.
WRITING_PER_PREPARING = 60.0
MOST_TURNS = 8
# The delays of these errors are exact, or already include a backoff; other delays are only a first estimate.
_TIMED = (Throttled, AlarmFiring, DeletionDelayed, ReconcileLoop, SecretCheckDelayed, Settling, RoleNotReady)


class RequeuePolicy:
    """Decides when objects are added to the work queue of one event loop."""

    def __init__(
        self,
        work_queue: WorkQueue,
        clock: Callable[[], float],
        now: Callable[[], float],
        state: ObjectState[Key],
        is_served: Callable[[Key], bool] = lambda _key: True,
        *,
        leave: Callable[[Key], object] = lambda _key: None,
    ) -> None:
        """Create the policy. `clock` is monotonic, and `now` is the time of day, to which the times in status are compared.

        `is_served` returns whether this replica serves an object: no other is ever queued.

        `leave` is called with each object to which the result of a reconcile is owed, but that this replica does not serve.
        """
        self._leave = leave
        self._queue = work_queue
        self._is_served = is_served
        self._clock = clock
        self._now = now
        self._failures: dict[Key, int] = state.new_map()
        self._observed: dict[Key, float] = state.new_map()
        """When each object was last observed, by the clock that is never set, as all times here."""
        self._attempted: dict[Key, float] = state.new_map()
        self._owed = OwedReconciles(state)
        self._to_poll = state.new_set()
        self._polling = state.new_set()
        self._outages = Outages(clock, state)
        state.on_forget(self._forget)
        self._changed = asyncio.Event()
        self._is_idle = False
        """Whether a worker waits for the next object."""

    def oldest_observation(self) -> float:
        """Return the age of the least recent observation in seconds; objects never observed count from their creation."""
        return self._clock() - min(self._observed.values()) if self._observed else 0.0

    def tracked(self) -> tuple[Key, ...]:
        """Return all existing objects."""
        return tuple(self._observed)

    def waiting(self) -> int:
        """Return the number of objects that are due and not being reconciled yet."""
        return self._queue.waiting(self._clock())

    def backlogs(self) -> Mapping[Priority, Backlog]:
        """Return the objects of each priority that are due and not being reconciled yet."""
        return self._queue.backlogs(self._clock())

    def leave_owed(self, is_meant: Callable[[Key], bool]) -> None:
        """Leave those of these objects to which a result is owed: what happened to them is in no status."""
        for key in filter(is_meant, self._owed.results()):
            self._leave(key)

    def priority(self, key: Key) -> Priority:
        """Return the priority of the running reconcile of an object, with which it is also continued or retried."""
        return self._queue.priority(key)

    def taken_at(self, key: Key) -> float:
        """Return when the running reconcile of an object began."""
        return self._queue.taken_at(key, self._clock())

    def may_continue(self, key: Key) -> bool:
        """Return whether no other object waits, and this one has not changed since its reconcile began. In any thread."""
        return self._is_idle and not self._queue.has_due and not self._queue.is_queued(key)

    def requeue(self, key: Key, priority: Priority = Priority.EDIT, *, delay: float = 0.0) -> None:
        """Requeue an object because something changed; after a delay in seconds, if many are concerned."""
        self._owe(key, delay, priority, Owed.RESULT)

    def observe_all(self, key: Key, priority: Priority) -> None:
        """Requeue an object because it may have changed in AWS without an event: all of its resources are observed."""
        self._owe(key, 0.0, priority, Owed.RESULT | Owed.WHOLE)

    def continue_after(self, key: Key, delay: float, priority: Priority) -> None:
        """Repeat a reconcile after a delay in seconds that ended before its result was in status.

        The events that it was for are consumed, so that all is observed.
        """
        self._owe(key, delay, priority, Owed.RESULT | Owed.WHOLE)

    def _owe(self, key: Key, delay: float, priority: Priority, owed: Owed) -> None:
        if self._is_served(key):
            self._owed.add(key, owed)
            self.requeue_after(key, delay, priority)
        else:
            self._leave(key)

    def requeue_after(self, key: Key, delay: float, priority: Priority) -> None:
        """Requeue an object after a delay in seconds, although nothing has changed that is not in status."""
        if self._is_served(key):
            self._to_poll.discard(key)
            self._queue.add(key, self._clock() + delay, priority)
            self._changed.set()

    def is_whole(self, key: Key) -> bool:
        """Return whether the running reconcile of an object observes all resources, whatever events name."""
        return Owed.WHOLE in self._owed.running(key)

    def weigh(self, key: Key, weight: int) -> None:
        """Set a measure of the memory that the object takes while it is reconciled, as `size.weight`."""
        self._queue.weigh(key, weight)

    def weight(self, key: Key) -> int:
        """Return the weight of a large object; 0 for a small one."""
        return self._queue.weight(key)

    def track(self, key: Key) -> None:
        """Track an existing object."""
        self._observed.setdefault(key, self._clock())

    def schedule_listed(self, key: Key, listed: Listed) -> None:
        """Schedule an object that this replica serves from now on; those in sync are spread over their resync interval."""
        if listed.interval is None:
            self._owed.add(key, Owed.RESULT | Owed.WHOLE)
        if listed.observed is not None:
            # The clock may have been set back since.
            at = self._clock() - max(0.0, self._now() - listed.observed)
            self._observed.setdefault(key, at)
            self._attempted.setdefault(key, at)
        self.track(key)
        delay = listed.delay(self._now(), random.random())  # noqa: S311 - not a secret
        self._requeue_or_poll(key, delay, listed.polled, Priority.EDIT if listed.is_edited else Priority.RESYNC)

    def schedule_next(self, key: Key, outcome: Outcome) -> None:
        """Schedule the next reconcile, based on the outcome of the last one."""
        self._record(key, outcome)
        error = outcome.retry
        if isinstance(outcome.stopped, Unavailable):
            self._wait_for_probe(key, outcome.declaration.place)
            return
        self._end_outage(key, outcome)
        if isinstance(outcome.stopped, Throttled) and not outcome.was_observed:
            # Those that wait to write do not keep others from being observed.
            self._queue.turned_away(key)
        else:
            self._owed.settle(key, is_whole=outcome.was_observed and not outcome.declaration.is_partial)
        if outcome.untried and outcome.stopped is None and not outcome.is_suspended:
            self.requeue_after(key, 0.0, self.priority(key))
        elif error is not None:
            delay = self.retry_delay(key, error)
            self.requeue_after(
                key, delay if outcome.requeue_after is None else min(delay, outcome.requeue_after), self.priority(key)
            )
        elif outcome.not_owned and outcome.not_owned.may_pass and outcome.requeue_after is None:
            self.requeue_after(
                key, min(self._ownership_delay(key), outcome.declaration.resync_seconds), Priority.RESYNC
            )
        elif outcome.requeue_after is not None:
            self._failures.pop(key, None)
            self.requeue_after(key, outcome.requeue_after, Priority.EDIT)
        elif outcome.declaration.deleting and outcome.error is not None and not outcome.is_suspended:
            # What blocks a deletion, such as another alarm that refers to one of ours, may be resolved without an edit.
            self.requeue_after(key, self.backoff(key), Priority.RESYNC)
        else:
            self._failures.pop(key, None)
            self._resync(key, outcome)

    def schedule_failed(self, key: Key, delay: float) -> None:
        """Schedule the next try of an object, after a delay in seconds, whose status says why it could not be reconciled."""
        self._owed.settle(key, is_whole=False)
        self.requeue_after(key, delay, Priority.RESYNC)

    def schedule_confirmed(self, key: Key, resync_seconds: float) -> None:
        """Schedule the next resync of an object that was observed and found in sync without a reconcile."""
        self._attempted[key] = self._observed[key] = self._clock()
        self._owed.settle(key, is_whole=True)
        self._failures.pop(key, None)
        delay = resync.delay(resync_seconds, 0.0, random.random())  # noqa: S311 - not a secret
        self.requeue_after(key, delay, Priority.RESYNC)

    def schedule_unconfirmed(self, key: Key, place: Place, error: Retryable) -> None:
        """Schedule the next turn of an object that could not be compared with AWS."""
        if isinstance(error, Unavailable):
            self._wait_for_probe(key, place)
            return
        if isinstance(error, Throttled):
            self._queue.turned_away(key)
        self.requeue_after(key, self.retry_delay(key, error), Priority.RESYNC)

    def _record(self, key: Key, outcome: Outcome) -> None:
        if not outcome.declaration.is_partial:
            self._attempted[key] = self._clock()
            if outcome.was_observed:
                self._observed[key] = self._clock()
        if outcome.applied:
            # Progress resets the backoff.
            self._failures.pop(key, None)

    def _wait_for_probe(self, key: Key, place: Place) -> None:
        self.requeue_after(key, LONGEST_BACKOFF, Priority.RESYNC)
        probe = self._outages.record_failure(place, key)
        if probe is not None:
            self.requeue_after(*probe, Priority.EDIT)

    def _end_outage(self, key: Key, outcome: Outcome) -> None:
        if outcome.was_observed:
            for other, delay in self._outages.record_success(outcome.declaration.place, key):
                self.requeue_after(other, delay, Priority.EDIT)

    def narrowed_if_polling(self, key: Key, declaration: Declaration) -> Declaration:
        """Return a declaration limited to polled resources, if the object was requeued only to poll them."""
        return replace(declaration, changed=resync.POLLED) if key in self._polling else declaration

    def retry_delay(self, key: Key, error: Retryable) -> float:
        """Return the delay in seconds after a retryable error: its own delay if that is exact, else at least the backoff."""
        if error.delay and isinstance(error, _TIMED):
            return error.delay
        return max(error.delay or 0.0, self.backoff(key))

    def backoff(self, key: Key) -> float:
        """Count a failure; return the exponential backoff in seconds, with jitter."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        longest = min(FIRST_BACKOFF * 2 ** min(failures - 1, 10), LONGEST_BACKOFF)
        return random.uniform(longest / 2, longest)  # noqa: S311 - not a secret

    def _ownership_delay(self, key: Key) -> float:
        """Return the delay in seconds to wait for another object to give up a resource; normally, it requeues this one."""
        tries = self._failures[key] = self._failures.get(key, 0) + 1
        longest = min(FIRST_WAIT * 2 ** min(tries - 1, 10), LONGEST_WAIT)
        return random.uniform(longest / 2, longest)  # noqa: S311 - not a secret

    def _forget(self, key: Key) -> None:
        self._queue.forget(key)
        for probe in self._outages.replace_probe(key):
            self.requeue_after(*probe, Priority.EDIT)

    async def next(self) -> Key:
        """Wait for the next due object; it is not returned again until `done`."""
        while True:
            self._changed.clear()
            key = self._queue.take(self._clock())
            if key is not None:
                self._record_taken(key)
                return key
            at = self._queue.next_at()
            timeout = None if at is None else max(0.0, at - self._clock())
            # Not wait_for, which may lose a cancellation at the moment the event is set.
            # https://github.com/python/cpython/issues/86296
            self._is_idle = True
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout(timeout):
                        await self._changed.wait()
            finally:
                self._is_idle = False

    def done(self, key: Key) -> None:
        """End the reconcile of an object."""
        if Owed.RESULT in self._owed.end(key) and not self._is_served(key):
            self._leave(key)
        self._queue.done(key)
        self._changed.set()

    def _record_taken(self, key: Key) -> None:
        """Record whether this reconcile is a poll; later requeues lead to a full reconcile."""
        is_poll = not self._owed.begin(key) and key in self._to_poll
        (self._polling.add if is_poll else self._polling.discard)(key)
        self._to_poll.discard(key)

    def _resync(self, key: Key, outcome: Outcome) -> None:
        """Requeue at the resync, counted from the last full attempt, so that events do not postpone it."""
        now = self._clock()
        age = now - self._attempted.get(key, now)
        delay = resync.delay(outcome.declaration.resync_seconds, age, random.random())  # noqa: S311 - not a secret
        kinds = () if outcome.error else tuple(resource.kind for resource in outcome.owned)
        self._requeue_or_poll(key, delay, resync.poll_interval(kinds))

    def _requeue_or_poll(
        self, key: Key, delay: float, interval: float | None, priority: Priority = Priority.RESYNC
    ) -> None:
        if interval is None or interval >= delay:
            self.requeue_after(key, delay, priority)
            return
        self.requeue_after(key, interval, Priority.RESYNC)
        self._to_poll.add(key)


class Turn:
    """The write time of one reconcile; starts with the first write, since observing many resources may take long.

    If nothing else waits, what took long to prepare writes for longer: AWS quotas are not used meanwhile.
    """

    def __init__(
        self, clock: Callable[[], float], seconds: float, *, began: float, may_continue: Callable[[], bool]
    ) -> None:
        """Create a turn of a reconcile that began at a time; `may_continue` returns whether it may exceed `seconds`."""
        self._clock = clock
        self._seconds = seconds
        self._began = began
        self._may_continue = may_continue
        self._prepared = 0.0
        self._writes_from: float | None = None

    def planned(self) -> None:
        """Record that everything is observed, and writes follow."""
        self._prepared = self._clock() - self._began

    def has_time_left(self) -> bool:
        """Return whether there is time for another write; called after each write."""
        now = self._clock()
        if self._writes_from is None:
            self._writes_from = now
        written = now - self._writes_from
        if written < self._seconds:
            return True
        longest = min(WRITING_PER_PREPARING * self._prepared, MOST_TURNS * self._seconds)
        return written < longest and self._may_continue()
