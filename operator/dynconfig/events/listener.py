"""Receives AWS events: one thread and one SQS queue for each region and target that objects use."""

import asyncio
import logging
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from dynconfig.events.echoes import Echoes
from dynconfig.events.queue import EventQueue, MessageBatch
from dynconfig.events.signals import Signal
from dynconfig.model.declaration import Place
from dynconfig.model.errors import DynConfigError, NotFound, Retryable, TargetNotVerified, Terminal
from dynconfig.model.fence import Fence, LeaseLost
from dynconfig.model.uninterrupted import in_thread
from dynconfig.model.writes import DELETE, PUT

log = logging.getLogger(__name__)

# A missing permission may be granted later.
DENIED_RETRY_SECONDS = 300.0
# Someone may delete or disable the rules.
CHECK_INTERVAL_SECONDS = 180.0
FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 60.0
# Several echoes at once mean that the operator is writing. They are not urgent, so they are left to accumulate: ten per call.
ECHO_SECONDS = 0.25
# From the queue of a target, ten messages at a time: who administers its account can fill it.
TARGET_PAUSE_SECONDS = 0.1
# How long a place may have no objects until its queue is deleted. A queue name can be reused 60 seconds after its deletion.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
REMOVAL_DELAY_SECONDS = 60.0
# Between searches of places for which AWS was unavailable.
FIRST_SWEEP_PAUSE, LONGEST_SWEEP_PAUSE = 60.0, 3600.0


class EventHandler(Protocol):
    """Callbacks of a listener; called from its thread."""

    def route(self, signals: Sequence[Signal]) -> None:
        """Take changes that the operator did not make to `EventRouter.route` in its event loop, and wait for it."""

    def count_events(self, outcome: str, count: int) -> None:
        """Count received events by outcome: signal, echo, other or unreadable."""

    def set_listening(self, place: Place, *, is_up: bool | None) -> None:
        """Report whether events from a place are being received; None if they are no longer needed."""

    def event_missing(self, place: Place, name: str) -> None:
        """Report that the event of an own write of this parameter did not arrive."""

    def events_began(self, place: Place) -> None:
        """Report that events from a place arrive from now on, and those of earlier changes may be lost."""

    def events_interrupted(self, place: Place, repaired: str) -> None:
        """Report that events from a place did not arrive until this was repaired."""

    def listener_failed(self) -> None:
        """Report that a listener ended because of a bug."""


class EventListener:
    """Receives events from one queue until it is stopped. If AWS fails, drift is detected later, at the resync."""

    def __init__(
        self,
        place: Place,
        queue: EventQueue,
        echoes: Echoes,
        handler: EventHandler,
        clock: Callable[[], float],
        *,
        fence: Fence | None = None,
    ) -> None:
        self._place = place
        self._fence = fence
        self._queue = queue
        self._echoes = echoes
        self._handler = handler
        self._clock = clock
        self._lock = threading.Lock()
        self._removal_at: float | None = None
        self._is_removing = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"events {place.title}", daemon=True)
        self._is_up: bool | None = None
        self._is_silent = False
        self._failures = 0

    def start(self) -> None:
        """Start a daemon thread, which does not keep the process alive: a poll may take twenty seconds."""
        self._thread.start()

    def stop(self) -> None:
        """Stop handling events. Messages that a running poll receives stay in the queue for the next process."""
        self._stopped.set()

    def leave(self) -> None:
        """Stop, because another replica receives these events from now on."""
        self.stop()
        self._handler.set_listening(self._place, is_up=None)

    def schedule_removal(self) -> None:
        """Remove the queue and its rules after REMOVAL_DELAY_SECONDS, unless `cancel_removal` is called before."""
        with self._lock:
            self._removal_at = self._clock() + REMOVAL_DELAY_SECONDS

    def cancel_removal(self) -> bool:
        """Keep the queue and its rules; return False if the removal has started, so that a new listener is needed."""
        with self._lock:
            if not self._is_removing:
                self._removal_at = None
            return not self._is_removing

    def join(self, timeout: float) -> bool:
        """Wait for the thread to end; return whether it ended within the timeout, in seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        with self._fence.within() if self._fence else nullcontext():
            self._serve()

    def _serve(self) -> None:
        try:
            while not self._stopped.is_set() and not self._begin_removal_if_due():
                try:
                    self._receive()
                except DynConfigError as error:
                    self._handle_failure(error)
                except LeaseLost:
                    # Stopped soon, unless the API server is only slow to renew the lease.
                    self._stopped.wait(FIRST_BACKOFF)
        finally:
            if not self._stopped.is_set() and not self._is_removing:
                self._handler.listener_failed()
        if self._is_removing:
            self._remove()

    def _is_removal_due(self) -> bool:
        removal_at = self._removal_at
        return removal_at is not None and self._clock() >= removal_at

    def _begin_removal_if_due(self) -> bool:
        """Return whether the removal is due; from then on it cannot be cancelled."""
        with self._lock:
            self._is_removing = self._is_removal_due()
            return self._is_removing

    def _remove(self) -> None:
        self._echoes.end(self._place.title)
        self._handler.set_listening(self._place, is_up=None)
        try:
            removed = self._queue.remove()
        except (DynConfigError, LeaseLost) as error:
            log.warning("Cannot remove the event queue and rules in unused %s: %s", self._place.title, error)
        else:
            log.info(
                "Events from %s are no longer needed; removed: %s", self._place.title, ", ".join(removed) or "nothing"
            )

    def _receive(self) -> None:
        """Ensure the queue, then receive until the next check is due, the removal is due, or an event is missing."""
        self._ensure_queue()
        until = self._clock() + CHECK_INTERVAL_SECONDS
        # The first receive proves that the queue can be read; without long polling, `up` is reported at once.
        self._process(self._queue.receive(wait=False))
        self._failures = 0
        if not self._is_silent:
            self._set_up(is_up=True)
        while not self._stopped.is_set() and self._clock() < until and not self._is_removal_due():
            self._handle(self._queue.receive())
            if self._is_event_missing():
                return

    def _handle(self, batch: MessageBatch) -> None:
        """Process a batch, and let more messages arrive. Of ten messages, nothing is kept during the next long poll."""
        if not self._process(batch) and batch.is_partial:
            self._stopped.wait(ECHO_SECONDS)
        elif batch.receipts and self._place.target:
            self._stopped.wait(TARGET_PAUSE_SECONDS)

    def _ensure_queue(self) -> None:
        """Create or repair the queue and its rules; a repair means that events were lost."""
        repaired = self._queue.ensure()
        if repaired and self._is_up is None:
            log.info(
                "AWS events in %s arrive from now on: %s. All objects there are observed again",
                self._place.title,
                "; ".join(repaired),
            )
            self._handler.events_began(self._place)
        elif repaired:
            log.warning(
                "AWS events in %s did not arrive: %s. Repaired; all objects there are reconciled",
                self._place.title,
                "; ".join(repaired),
            )
            self._handler.events_interrupted(self._place, "; ".join(repaired))
            self._is_silent = False
            if self._is_up:
                self._set_up(is_up=False)
        if self._is_up is not True:
            # Events of earlier writes may have been lost.
            self._echoes.begin(self._place.title)

    def _is_event_missing(self) -> bool:
        """Return whether the event of an own write is overdue; if so, report it, and the queue is checked at once."""
        name = self._echoes.missing(self._place.title)
        if name is None:
            return False
        remedy = (
            "Check the queue of DYNCONFIG_QUEUE_URL and the rules that target it"
            if self._queue.is_external
            else "The operator now checks the queue and its rules"
        )
        log.warning(
            "The event of the operator's own write of parameter %s in %s has not arrived within 30 seconds. %s; until events "
            "arrive again, drift there is detected at the resync",
            name,
            self._place.title,
            remedy,
        )
        self._is_silent = True
        self._set_up(is_up=False)
        self._handler.event_missing(self._place, name)
        return True

    def _process(self, batch: MessageBatch) -> bool:
        """Pass a batch to the handler and delete it; return whether it held anything but echoes."""
        if self._stopped.is_set():
            return False
        signals = [bound for signal in batch.signals if (bound := signal.bound_to(self._place))]
        if any(signal.operation in (PUT, DELETE) for signal in signals):
            self._record_arrival()
        changes = [signal for signal in signals if not self._echoes.is_echo(signal)]
        if changes:
            self._handler.route(changes)
        counts = {"signal": len(changes), "echo": len(signals) - len(changes), "unreadable": batch.unreadable}
        for outcome, count in {**counts, "other": batch.others + len(batch.signals) - len(signals)}.items():
            self._handler.count_events(outcome, count)
        if self._stopped.is_set():
            # The objects may be served by another replica now, which receives the batch again.
            return False
        self._queue.delete(batch)
        return counts["echo"] < len(batch.receipts)

    def _record_arrival(self) -> None:
        self._echoes.arrived(self._place.title)
        if self._is_silent:
            self._is_silent = False
            self._set_up(is_up=True)

    def _handle_failure(self, error: DynConfigError) -> None:
        if self._is_up is not False:
            log.warning(
                "AWS events in %s are not received, so drift there is detected at the resync only: %s",
                self._place.title,
                error,
            )
        self._echoes.end(self._place.title)
        self._set_up(is_up=False)
        self._stopped.wait(self._backoff(error))

    def _set_up(self, *, is_up: bool) -> None:
        if self._is_up is False and is_up:
            log.info("AWS events in %s are received again", self._place.title)
        self._is_up = is_up
        if not self._stopped.is_set():
            self._handler.set_listening(self._place, is_up=is_up)

    def _backoff(self, error: DynConfigError) -> float:
        # The role of a target is not assumed again until it is verified, which may be soon.
        if isinstance(error, Terminal) and not isinstance(error, NotFound) and self._place.target is None:
            return DENIED_RETRY_SECONDS
        self._failures += 1
        longest = min(FIRST_BACKOFF * 2 ** min(self._failures - 1, 10), LONGEST_BACKOFF)
        requested = error.delay if isinstance(error, Retryable) and error.delay else 0.0
        return max(requested, random.uniform(longest / 2, longest))  # noqa: S311 - not a secret


@dataclass(slots=True)
class _Sweep:
    """The places that are not searched yet for the queue of a shard."""

    left: set[Place]
    denied: set[Place] = field(default_factory=set)
    """Those of `left` whose search was denied."""
    searched: int = 0

    def record_searched(self, place: Place) -> None:
        """Record a place as searched."""
        self.left.discard(place)
        self.denied.discard(place)
        self.searched += 1

    def record_failed(self, place: Place, *, is_denied: bool) -> None:
        """Record a failed search."""
        (self.denied.add if is_denied else self.denied.discard)(place)

    def is_complete(self, used: Set[Place]) -> bool:
        """Whether nothing of the shard can be left where the operator may have created it; objects use the `used` places."""
        return (
            self.left <= self.denied
            and (self.searched > 0 or not self.left)
            and used.isdisjoint(place.location for place in self.denied)
        )


class EventListeners:
    """The listeners of all shards: each is started for the shard's first object in its place, and removed after the last."""

    def __init__(self, new_listener: Callable[[Place, Fence], EventListener | None], *, removes: bool = False) -> None:
        """Create listeners with `new_listener`, which returns None for a place without a queue.

        `removes`: delete the queue and rules of places that no object uses.
        """
        self._new_listener = new_listener
        self._removes = removes
        self._listeners: dict[tuple[int, Place], EventListener | None] = {}
        """By shard and location."""

    def start(self, place: Place, fence: Fence) -> None:
        """Receive the events of a shard from a place from now on, while its lease lasts."""
        key = (fence.shard, place.location)
        known = self._listeners.get(key)
        if key in self._listeners and (known is None or known.cancel_removal()):
            return
        listener = self._listeners[key] = self._new_listener(place, fence)
        if listener is not None:
            listener.start()

    def release(self, place: Place, fence: Fence) -> None:
        """Remove a shard's queue and rules of a place that none of its objects uses, unless another operator may use them."""
        listener = self._listeners.get((fence.shard, place.location))
        if listener is not None and self._removes:
            listener.schedule_removal()

    def stop(self, shard: int) -> None:
        """Stop the listeners of a shard; its queues stay for the replica that serves it next."""
        for key in [key for key in self._listeners if key[0] == shard]:
            listener = self._listeners.pop(key)
            if listener is not None:
                listener.leave()

    async def sweep(
        self,
        shards: Iterable[int],
        places: Iterable[Place],
        remove: Callable[[int, Place], Iterable[str]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> AsyncIterator[int]:
        """Remove the queues and rules of shards that an earlier operator left in places that no object of them uses.

        Yields each shard once all places are searched. Places for which AWS is unavailable are searched again later, and so
        are those at which the lease had ended: it may only have been renewed late. Most accounts have disabled regions, and
        most policies allow a single one, so that a denied search is repeated only if objects use the place, or if all were
        denied. A cancellation takes effect after the calls in one place. Without `removes`, nothing is searched.
        """
        all_places, pause = tuple(places), FIRST_SWEEP_PAUSE
        left = {shard: _Sweep(set(all_places)) for shard in (shards if self._removes else ())}
        while left:
            for shard, of in tuple(left.items()):
                for place in [place for place in all_places if place in of.left]:
                    await in_thread(partial(self._search, shard, of, place, partial(remove, shard)))
                if of.is_complete({used for _shard, used in self._listeners}):
                    del left[shard]
                    yield shard
            if left:
                await sleep(pause)
                pause = min(2 * pause, LONGEST_SWEEP_PAUSE)

    def _search(self, shard: int, sweep: "_Sweep", place: Place, remove: Callable[[Place], Iterable[str]]) -> None:
        """Remove what a shard has in a place, unless its objects use it; record whether it was searched."""
        try:
            removed = "" if (shard, place.location) in self._listeners else ", ".join(remove(place))
        except (DynConfigError, LeaseLost) as error:
            log.debug("%s was not searched for unused queues of shard %d: %s", place.title, shard, error)
            sweep.record_failed(place, is_denied=isinstance(error, (Terminal, TargetNotVerified)))
            return
        sweep.record_searched(place)
        if removed:
            log.info("No object of shard %d uses events of %s; removed: %s", shard, place.title, removed)

    def close(self) -> None:
        """Stop all listeners."""
        for listener in self._listeners.values():
            if listener is not None:
                listener.stop()
