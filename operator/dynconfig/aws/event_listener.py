"""Brings what AWS has to tell, from one queue in each region where objects live, each in a thread of its own."""

import logging
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from dynconfig.aws.event_queue import EventQueue, MessageBatch
from dynconfig.engine.echoes import Echoes
from dynconfig.engine.errors import DynConfigError, NotFound, Retryable, Terminal
from dynconfig.engine.signals import DELETE, PUT, Signal

log = logging.getLogger(__name__)

# A permission may still be given; rules may have been deleted or disabled by somebody.
DENIED_SECONDS = 300.0
CHECKED_SECONDS = 180.0
FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 60.0
# Where several echoes come, the operator is writing, and nobody waits for more of them: they are left to gather, ten for a call.
ECHO_SECONDS = 0.25
# How long a region may be without objects until its queue goes: a name is free again a minute after a queue was deleted.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
EMPTY_SECONDS = 60.0


class EventHandler(Protocol):
    """Who is told of what comes; called from the listeners' threads."""

    def signals(self, signals: Sequence[Signal]) -> None:
        """Somebody else may have changed these."""

    def events(self, outcome: str, count: int) -> None:
        """Events came: signal, echo, other or unreadable."""

    def listening(self, region: str, *, is_up: bool | None) -> None:
        """Events of a region are heard, or are not; None where they are not wanted any more."""

    def missing(self, region: str, name: str) -> None:
        """The event of an own write of this parameter does not come."""

    def interrupted(self, region: str, repaired: str) -> None:
        """Events of a region did not arrive until this was repaired."""

    def ended(self) -> None:
        """A listener has ended by a bug."""


class EventListener:
    """Serves one queue until it is stopped. Whatever AWS answers, drift is only seen later for it."""

    def __init__(
        self, region: str, queue: EventQueue, echoes: Echoes, handler: EventHandler, clock: Callable[[], float]
    ) -> None:
        self._region = region
        self._queue = queue
        self._echoes = echoes
        self._handler = handler
        self._clock = clock
        self._lock = threading.Lock()
        self._leaves_at: float | None = None
        self._has_left = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"events {region}", daemon=True)
        self._is_up: bool | None = None
        self._is_silent = False
        self._failures = 0

    def start(self) -> None:
        """Begin, in a thread that does not keep the process alive: a poll may last twenty seconds."""
        self._thread.start()

    def stop(self) -> None:
        """Bring nothing any more. What a poll under way still fetches stays in the queue, for whoever comes next."""
        self._stopped.set()

    def leave(self) -> None:
        """Nobody needs these events any more: remove what brings them, unless `stay` is called soon."""
        with self._lock:
            self._leaves_at = self._clock() + EMPTY_SECONDS

    def stay(self) -> bool:
        """The events are needed again; False if they are not received any more, so that another listener has to begin."""
        with self._lock:
            if not self._has_left:
                self._leaves_at = None
            return not self._has_left

    def join(self, timeout: float) -> bool:
        """Wait for the end; whether it came."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopped.is_set() and not self._leaves():
                try:
                    self._serve()
                except DynConfigError as error:
                    self._fail(error)
        finally:
            if not self._stopped.is_set() and not self._has_left:
                self._handler.ended()
        if self._has_left:
            self._remove()

    def _is_due(self) -> bool:
        leaves_at = self._leaves_at
        return leaves_at is not None and self._clock() >= leaves_at

    def _leaves(self) -> bool:
        """Whether it is time to end; then nobody can keep it from that."""
        with self._lock:
            self._has_left = self._is_due()
            return self._has_left

    def _remove(self) -> None:
        self._echoes.end(self._region)
        self._handler.listening(self._region, is_up=None)
        try:
            removed = self._queue.remove()
        except DynConfigError as error:
            log.warning("Queue and rules in %s, where no object is left, cannot be removed: %s", self._region, error)
        else:
            log.info("No object is left in %s; removed: %s", self._region, ", ".join(removed) or "nothing")

    def _serve(self) -> None:
        """Have the queue, then fetch, until it is time or there is a reason to check whether it is as it should be."""
        self._check()
        until = self._clock() + CHECKED_SECONDS
        # Only a queue that can be read is one that is heard, and nobody should wait twenty seconds to be told.
        self._bring(self._queue.fetch(wait=False))
        self._failures = 0
        if not self._is_silent:
            self._tell(is_up=True)
        while not self._stopped.is_set() and self._clock() < until and not self._is_due():
            batch = self._queue.fetch()
            if not self._bring(batch) and batch.is_some:
                self._stopped.wait(ECHO_SECONDS)
            if self._has_gone_silent():
                return

    def _check(self) -> None:
        """Have everything that brings events; what had to be repaired meanwhile means that some were lost."""
        repaired = self._queue.open()
        if repaired and self._is_up is not None:
            log.warning(
                "Events of AWS in %s did not arrive: %s. It is repaired, and all objects there are looked at again",
                self._region,
                "; ".join(repaired),
            )
            self._handler.interrupted(self._region, "; ".join(repaired))
            self._is_silent = False
            if self._is_up:
                self._tell(is_up=False)
        if self._is_up is not True:
            # Events of earlier writes may have been lost.
            self._echoes.begin(self._region)

    def _has_gone_silent(self) -> bool:
        """Whether the event of an own write does not come; it is reported, and whatever can be repaired is checked at once."""
        name = self._echoes.missing(self._region)
        if name is None:
            return False
        remedy = (
            "Check the queue of DYNCONFIG_QUEUE_URL and the rules that fill it"
            if self._queue.is_given
            else "The queue and its rules are checked"
        )
        log.warning(
            "The event of the operator's own write of parameter %s in %s has not arrived within 30 seconds. %s; until events "
            "arrive again, drift there is detected at the resync",
            name,
            self._region,
            remedy,
        )
        self._is_silent = True
        self._tell(is_up=False)
        self._handler.missing(self._region, name)
        return True

    def _bring(self, batch: MessageBatch) -> bool:
        """Tell of it; answers whether there was anything but echoes."""
        if self._stopped.is_set():
            return False
        if any(signal.operation in (PUT, DELETE) for signal in batch.signals):
            self._note_arrival()
        news = [signal for signal in batch.signals if not self._echoes.is_echo(signal)]
        if news:
            self._handler.signals(news)
        counts = {"signal": len(news), "echo": len(batch.signals) - len(news)}
        for outcome, count in {**counts, "other": batch.others, "unreadable": batch.unreadable}.items():
            self._handler.events(outcome, count)
        self._queue.discard(batch)
        return counts["echo"] < len(batch.receipts)

    def _note_arrival(self) -> None:
        self._echoes.arrived(self._region)
        if self._is_silent:
            self._is_silent = False
            self._tell(is_up=True)

    def _fail(self, error: DynConfigError) -> None:
        if self._is_up is not False:
            log.warning(
                "Events of AWS in %s are not received, so that drift there is detected at the resync only: %s",
                self._region,
                error,
            )
        self._echoes.end(self._region)
        self._tell(is_up=False)
        self._stopped.wait(self._delay(error))

    def _tell(self, *, is_up: bool) -> None:
        if self._is_up is False and is_up:
            log.info("Events of AWS in %s are received again", self._region)
        self._is_up = is_up
        self._handler.listening(self._region, is_up=is_up)

    def _delay(self, error: DynConfigError) -> float:
        if isinstance(error, Terminal) and not isinstance(error, NotFound):
            return DENIED_SECONDS
        self._failures += 1
        longest = min(FIRST_BACKOFF * 2 ** min(self._failures - 1, 10), LONGEST_BACKOFF)
        asked = error.delay if isinstance(error, Retryable) and error.delay else 0.0
        return max(asked, random.uniform(longest / 2, longest))  # noqa: S311 - not a secret


class EventListeners:
    """The listeners of all regions, each engaged when an object first names its region, and dismissed with the last one."""

    def __init__(self, listener: Callable[[str], EventListener | None], *, removes: bool = False) -> None:
        self._listener = listener
        self._removes = removes
        self._listeners: dict[str, EventListener | None] = {}

    def serve(self, region: str) -> None:
        """Have events of a region brought from now on."""
        known = self._listeners.get(region)
        if region in self._listeners and (known is None or known.stay()):
            return
        listener = self._listeners[region] = self._listener(region)
        if listener is not None:
            listener.start()

    def leave(self, region: str) -> None:
        """No object of a region is left: have its queue and rules removed, where no other operator may use them."""
        listener = self._listeners.get(region)
        if listener is not None and self._removes:
            listener.leave()

    def sweep(self, regions: Iterable[str], remove: Callable[[str], Iterable[str]]) -> None:
        """Remove what an operator before this one left in regions that no object names any more."""
        for region in regions:
            if region in self._listeners or not self._removes:
                continue
            try:
                removed = ", ".join(remove(region))
            except DynConfigError as error:
                # Most accounts have regions that are not enabled, and most policies name one.
                log.debug("Region %s was not searched for unused queues: %s", region, error)
                continue
            if removed:
                log.info("No object is in %s; removed: %s", region, removed)

    def close(self) -> None:
        """Have nothing brought any more."""
        for listener in self._listeners.values():
            if listener is not None:
                listener.stop()
