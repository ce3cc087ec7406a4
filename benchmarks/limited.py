"""A stack whose AWS enforces a quota of PutParameter that the operator is configured with, and what is seen of it."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count

import httpx2
from benchmarks import load
from botocore.config import Config
from botocore.exceptions import ClientError
from rich.console import Console

from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.call_log import LoggedCall
from dynconfig_lab.stack import Stack, stack

PUT = "ssm.PutParameter"
RATE = 10.0
SETTINGS = {"DYNCONFIG_QUOTA": f"ssm.Put={RATE:g}"}
FLOOR = "/floor/limited"
FLOOR_CALLS = 100
FLOOR_THREADS = 8


@contextmanager
def limited(console: Console, **settings: str) -> Iterator[tuple[Stack, httpx2.Client, load.Watch]]:
    """Start a stack whose operator listens to events already, and whose AWS has no quota yet."""
    with stack(console, {**SETTINGS, **settings}) as found, found.http() as http, load.watching(http) as watch:
        load.apply(http, ["first"])
        watch.ready(["first"])
        # The emulator loads a service at its first call, which takes seconds and is not a property of AWS.
        load.floor(found, "warm", 1)
        yield found, http, watch


def enforce(found: Stack, rate: float = RATE) -> None:
    """Let AWS accept so many calls of PutParameter a second."""
    found.lab.faults(Faults(throttle={PUT: rate}))


def accepted_rate(found: Stack) -> float:
    """Return how many calls a second AWS accepts of a caller that never waits; leaves AWS's token bucket full."""
    accepted, numbers, lock = list[float](), count(), threading.Lock()
    ssm = found.aws("ssm", Config(retries={"total_max_attempts": 1}, max_pool_connections=FLOOR_THREADS))

    def call() -> None:
        while len(accepted) < FLOOR_CALLS + RATE:
            try:
                ssm.put_parameter(Name=f"{FLOOR}/{next(numbers)}", Value="1", Type="String")
            except ClientError:
                continue
            with lock:
                accepted.append(time.monotonic())

    with ThreadPoolExecutor(FLOOR_THREADS) as threads:
        for done in [threads.submit(call) for _ in range(FLOOR_THREADS)]:
            done.result()
    # The first ones were in the bucket.
    steady = accepted[int(RATE) :]
    enforce(found)
    return (len(steady) - 1) / (steady[-1] - steady[0])


def puts(found: Stack) -> Sequence[LoggedCall]:
    """Return the calls of PutParameter since the counters were reset."""
    return [call for call in found.lab.call_log(only_writes=True) if call.operation == PUT]


def accepted(calls: Sequence[LoggedCall]) -> Sequence[LoggedCall]:
    """Return the calls that AWS did not throttle."""
    return [call for call in calls if call.outcome == "OK"]
