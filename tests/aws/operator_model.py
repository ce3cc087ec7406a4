"""The operator's workers, work queue and quota in simulated time, with an AWS that enforces the quota of one operation."""

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from tests.aws.virtual_threads import VirtualThreads

from dynconfig.aws.quota import Caller, Quota, call_as
from dynconfig.kube.work_queue import Priority, WorkQueue
from dynconfig.model.errors import Throttled
from dynconfig.model.facts import Group
from dynconfig.model.key import Key

PUT = "ssm.PutParameter"
REGION = "eu-west-1"
TURN_SECONDS = 15.0


@dataclass
class Work:
    """What an object has to write, and when it was done."""

    calls: int
    asked_at: float
    priority: Priority = Priority.EDIT
    done_at: float | None = None
    observations: int = 0
    waited: list[float] = field(default_factory=list)
    """The wait for each call, in seconds, since the call before."""

    @property
    def seconds(self) -> float:
        """From the request to the last write."""
        assert self.done_at is not None
        return self.done_at - self.asked_at


class OperatorModel:
    """Objects with a number of writes, which workers make; each call takes `latency` seconds, more or less."""

    def __init__(
        self,
        rate: float,
        *,
        workers: int = 32,
        latency: float = 0.03,
        jitter: float = 0.1,
        observing: float = 0.1,
        quota: float | None = None,
    ) -> None:
        """`rate` is configured, `quota` is AWS's if it differs; jitter is the longest delay on the way to AWS, in seconds."""
        self.threads = VirtualThreads()
        self.quota = Quota(self.threads, self.threads.pause, groups=(Group("put", (PUT,), rate),), workers=workers)
        self.quota.call_back = lambda key: self._add(key, 0.0, Priority.RESYNC)
        self.queue = WorkQueue(workers)
        self.work: dict[Key, Work] = {}
        self.arrivals: list[float] = []
        self.throttled = 0
        self._random = random.Random(7)  # noqa: S311 - not a secret
        self._latency, self._jitter, self._observing = latency, jitter, observing
        self._aws_rate = quota or rate
        self._aws_tokens, self._aws_at = self._aws_rate, self.threads.now
        self._free = workers
        self._until = math.inf

    def request(self, key: Key, calls: int, at: float = 0.0, priority: Priority = Priority.EDIT) -> Work:
        """Let an object need writes from a time on, in seconds from the start."""
        started = self.threads.now + at
        work = Work(calls, started, priority)

        def apply() -> None:
            self.work[key] = work
            self._add(key, 0.0, priority)

        self.threads.start(apply, started)
        return work

    def run(self, seconds: float = float("inf")) -> None:
        """Run until everything is written, or for so many seconds."""
        self._until = self.threads.now + seconds
        self.threads.run(self._until + 60.0)

    @property
    def used(self) -> float:
        """The part of AWS's quota that was used between the first and the last accepted call."""
        return (len(self.arrivals) - 1) / (self.arrivals[-1] - self.arrivals[0]) / self._aws_rate

    def _add(self, key: Key, delay: float, priority: Priority) -> None:
        self.queue.add(key, self.threads.now + delay, priority)
        self.threads.start(self._take, self.threads.now + delay)

    def _take(self) -> None:
        """Let free workers reconcile what is due."""
        while self._free and self.threads.now < self._until and (key := self.queue.take(self.threads.now)) is not None:
            self._free -= 1
            self.threads.start(partial(self._serve, key))

    def _serve(self, key: Key) -> None:
        work, caller, priority = self.work[key], Caller(key), self.queue.priority(key)
        delay: float | None = None
        with self.quota.reconcile(caller):
            try:
                call_as(caller, partial(self._reconcile, caller, work))
                delay = 0.0 if work.calls else None
            except Throttled as error:
                delay = error.delay
        if delay is not None:
            self._add(key, delay, priority)
        self.queue.done(key)
        self._free += 1
        self._take()

    def _reconcile(self, caller: Caller, work: Work) -> None:
        work.observations += 1
        self.threads.pause(self._observing)
        caller.writes = work.calls
        ends = self.threads.now + TURN_SECONDS
        asked = self.threads.now
        while work.calls and self.threads.now < ends:
            self.quota.acquire(REGION, PUT)
            self._call()
            work.waited.append(self.threads.now - asked)
            asked = self.threads.now
            work.calls -= 1
        if not work.calls:
            work.done_at = self.threads.now

    def _call(self) -> None:
        """Call AWS, which has a token bucket of one second; botocore retries a throttled call."""
        for attempt in range(3):
            if attempt:
                self.threads.pause(self._random.uniform(0.0, 1.0))
                self.quota.count(REGION, PUT)
            self.threads.pause(self._latency / 2 + self._random.uniform(0.0, self._jitter))
            now = self.threads.now
            self._aws_tokens = min(max(1.0, self._aws_rate), self._aws_tokens + (now - self._aws_at) * self._aws_rate)
            self._aws_at = now
            if self._aws_tokens >= 1.0:
                self._aws_tokens -= 1.0
                self.arrivals.append(now)
                self.threads.pause(self._latency / 2)
                return
            self.throttled += 1
            self.threads.pause(self._latency / 2)
            self.quota.throttled(REGION, PUT)
        self.quota.keep_place(REGION, PUT)
        raise Throttled("Rate exceeded", delay=self._random.uniform(0.25, 0.5))


def keys(namespace: str, count: int) -> Iterable[Key]:
    """Return keys of several objects of a namespace."""
    return [Key(namespace, f"o{number:04}") for number in range(count)]
