"""When each object is due: what changed at once, what failed after a backoff, all else at its jittered resync."""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from dynconfig.engine import resync
from dynconfig.engine.declaration import Declaration, Place
from dynconfig.engine.errors import (
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
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.work_queue import Key, Priority, WorkQueue
from dynconfig.kube.outages import Outages

FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 60.0
FIRST_WAIT, LONGEST_WAIT = 2.0, 300.0
# Their delays say when the turn comes, or have grown already; those of others are a guess for the first time.
_TIMED = (Throttled, AlarmFiring, DeletionDelayed, ReconcileLoop, SecretCheckDelayed, Settling, RoleNotReady)


class RequeuePolicy:
    """The work queue of one event loop, with the times at which things go on it."""

    def __init__(self, work_queue: WorkQueue, clock: Callable[[], float], now: Callable[[], float]) -> None:
        self._queue = work_queue
        self._clock = clock
        self._now = now
        self._failures: dict[Key, int] = {}
        self._observed: dict[Key, float] = {}
        self._tried: dict[Key, float] = {}
        self._woken: set[Key] = set()
        self._to_poll: set[Key] = set()
        self._polling: set[Key] = set()
        self._outages = Outages(clock)
        self._news = asyncio.Event()

    def oldest_observation(self) -> float:
        """Seconds since the least recent look at AWS among all objects; one never looked at counts from its coming."""
        return self._now() - min(self._observed.values()) if self._observed else 0.0

    def known(self) -> tuple[Key, ...]:
        """All objects that there are."""
        return tuple(self._observed)

    def waiting(self) -> int:
        """Objects that are due and not served yet."""
        return self._queue.waiting(self._clock())

    def wake(self, key: Key) -> None:
        """It is due now, since something changed."""
        self._woken.add(key)
        self.again(key, 0.0, Priority.CHANGE)

    def again(self, key: Key, delay: float, priority: Priority) -> None:
        """It is due in some seconds."""
        self._to_poll.discard(key)
        self._queue.add(key, self._clock() + delay, priority)
        self._news.set()

    def weigh(self, key: Key, *, is_large: bool) -> None:
        """Whether it takes much memory while it is served."""
        self._queue.weigh(key, is_large=is_large)

    def noticed(self, key: Key) -> None:
        """It is there."""
        self._observed.setdefault(key, self._now())

    def listed(self, key: Key, document: Mapping[str, Any]) -> None:
        """It was there when the operator began to look: those that were in order do not all wake together."""
        delay, observed = resync.first_look(document, self._now(), random.random())  # noqa: S311 - not a secret
        if observed is not None:
            self._observed.setdefault(key, observed)
            self._tried.setdefault(key, observed)
        self.noticed(key)
        self._again_or_poll(key, delay, resync.reported_kinds(document))

    def served(self, key: Key, outcome: Outcome) -> None:
        """A reconcile has ended so."""
        self._note(key, outcome)
        error = outcome.retry
        if isinstance(outcome.stopped, Unavailable):
            self._wait_for_place(key, outcome.declaration.place)
            return
        self._place_answers(key, outcome)
        if outcome.untried and outcome.stopped is None and not outcome.is_held:
            self.again(key, 0.0, Priority.CHANGE)
        elif error is not None:
            delay = self.patience(key, error)
            self.again(key, delay if outcome.again is None else min(delay, outcome.again), Priority.CHANGE)
        elif outcome.not_owned and outcome.not_owned.may_pass and outcome.again is None:
            self.again(key, min(self._until_given_up(key), outcome.declaration.resync_seconds), Priority.ROUTINE)
        elif outcome.again is not None:
            self._failures.pop(key, None)
            self.again(key, outcome.again, Priority.CHANGE)
        elif outcome.declaration.deleting and outcome.error is not None and not outcome.is_held:
            # What blocks a deletion, such as an alarm of others that refers to one of ours, passes without an edit.
            self.again(key, self.backoff(key), Priority.ROUTINE)
        else:
            self._failures.pop(key, None)
            self._resync(key, outcome)

    def _note(self, key: Key, outcome: Outcome) -> None:
        if not outcome.declaration.is_partial:
            self._tried[key] = self._now()
            if outcome.was_observed:
                self._observed[key] = self._now()
        if outcome.applied:
            # What gets on is not failing, however often it is interrupted.
            self._failures.pop(key, None)

    def _wait_for_place(self, key: Key, place: Place) -> None:
        self.again(key, LONGEST_BACKOFF, Priority.ROUTINE)
        probe = self._outages.failed(place, key)
        if probe is not None:
            self.again(*probe, Priority.CHANGE)

    def _place_answers(self, key: Key, outcome: Outcome) -> None:
        if outcome.was_observed:
            for other, delay in self._outages.answered(outcome.declaration.place, key):
                self.again(other, delay, Priority.CHANGE)

    def polled(self, key: Key, declaration: Declaration) -> Declaration:
        """The declaration for the look that is due: where nothing woke it before its resync, at a few things only."""
        return replace(declaration, heard=resync.POLLED) if key in self._polling else declaration

    def patience(self, key: Key, error: Retryable) -> float:
        """Seconds to wait after a failure that may pass: what it asks for, and more where it does not."""
        if error.delay and isinstance(error, _TIMED):
            return error.delay
        return max(error.delay or 0.0, self.backoff(key))

    def backoff(self, key: Key) -> float:
        """Seconds to wait after one more failure."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        longest = min(FIRST_BACKOFF * 2 ** min(failures - 1, 10), LONGEST_BACKOFF)
        return random.uniform(longest / 2, longest)  # noqa: S311 - not a secret

    def _until_given_up(self, key: Key) -> float:
        """Seconds to wait for another object to give up what this one declares; it wakes this one, if all goes well."""
        tries = self._failures[key] = self._failures.get(key, 0) + 1
        longest = min(FIRST_WAIT * 2 ** min(tries - 1, 10), LONGEST_WAIT)
        return random.uniform(longest / 2, longest)  # noqa: S311 - not a secret

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._queue.forget(key)
        for probe in self._outages.forget(key):
            self.again(*probe, Priority.CHANGE)
        self._failures.pop(key, None)
        self._observed.pop(key, None)
        self._tried.pop(key, None)
        for known in (self._woken, self._to_poll, self._polling):
            known.discard(key)

    async def next(self) -> Key:
        """Wait for the next object that is due; it is nobody else's until `done`."""
        while True:
            self._news.clear()
            key = self._queue.take(self._clock())
            if key is not None:
                self._note_taken(key)
                return key
            at = self._queue.next_at()
            timeout = None if at is None else max(0.0, at - self._clock())
            # Not wait_for, which loses a cancellation that comes together with the news.
            # https://github.com/python/cpython/issues/86296
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._news.wait()

    def done(self, key: Key) -> None:
        """The object was reconciled."""
        self._queue.done(key)
        self._news.set()

    def _note_taken(self, key: Key) -> None:
        """What wakes it from now on wants another look, and a whole one."""
        is_poll = key in self._to_poll and key not in self._woken
        (self._polling.add if is_poll else self._polling.discard)(key)
        self._woken.discard(key)
        self._to_poll.discard(key)

    def _resync(self, key: Key, outcome: Outcome) -> None:
        """Counted from the last look at all of it, whatever came of that: events do not put the resync off."""
        age = self._now() - self._tried.get(key, self._now())
        delay = resync.delay(outcome.declaration.resync_seconds, age, random.random())  # noqa: S311 - not a secret
        kinds = () if outcome.error else tuple(resource.kind for resource in outcome.owned)
        self._again_or_poll(key, delay, kinds)

    def _again_or_poll(self, key: Key, delay: float, kinds: Iterable[str]) -> None:
        interval = resync.poll_interval(kinds)
        if interval is None or interval >= delay:
            self.again(key, delay, Priority.ROUTINE)
            return
        self.again(key, interval, Priority.ROUTINE)
        self._to_poll.add(key)


class Turn:
    """Begins with the first write: a look at many resources takes longer than some turns."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._ends_at: float | None = None

    def goes_on(self) -> bool:
        """Whether there is time for another write; asked after each."""
        if self._ends_at is None:
            self._ends_at = self._clock() + self._seconds
        return self._clock() < self._ends_at
