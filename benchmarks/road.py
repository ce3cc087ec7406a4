"""From `kubectl apply` to Parameter Store: duration, number of calls and memory."""

import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
from benchmarks import load
from benchmarks.figures import Figure

from dynconfig_lab.stack import Stack

PAIRS = 5
OBJECTS = 50
SINGLES = 20
MANY = 2000


def speed(stack: Stack, http: httpx2.Client) -> Iterator[Figure]:
    """Latency of one object; throughput compared to boto3 alone; calls to create and to reconcile again."""
    # The emulator loads a service at its first call, which takes seconds and is not a property of AWS.
    load.floor(stack, "floor-warm", OBJECTS)
    with load.watching(http) as watch:
        yield _latency(http, watch)
        yield _resync(stack, http, watch)
        yield from _throughput(stack, http, watch)


def memory(stack: Stack, http: httpx2.Client) -> Iterator[Figure]:
    """Resident memory with many objects."""
    wanted = load.names("many", MANY)
    with load.watching(http) as watch:
        load.apply(http, wanted)
        watch.ready(wanted)
    pid = stack.operator.children["operator"].identity.pid
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    peak, now = (int(re.findall(rf"{field}:\s+(\d+) kB", text)[0]) / 1024 for field in ("VmHWM", "VmRSS"))
    yield Figure(
        f"Resident memory of the operator with {MANY} objects of {load.PARAMETERS} parameters, at its peak",
        peak,
        180,
        "MiB",
        f"the process's VmHWM; {now:.0f} MiB afterwards",
    )


def _latency(http: httpx2.Client, watch: load.Watch) -> Figure:
    times: list[float] = []
    for name in load.names("single", SINGLES):
        started = time.monotonic()
        load.apply(http, [name])
        times.append(watch.ready([name]) - started)
    return Figure(
        f"One object of {load.PARAMETERS} parameters, from its apply to Ready, nothing else going on",
        max(times),
        0.5,
        "s",
        f"slowest of {SINGLES}; median {statistics.median(times):.3f} s",
    )


def _throughput(stack: Stack, http: httpx2.Client, watch: load.Watch) -> Iterator[Figure]:
    ratios: list[float] = []
    ours: list[float] = []
    floors: list[float] = []
    stack.lab.reset_calls()
    for pair in range(PAIRS):
        floors.append(load.floor(stack, f"floor-{pair}", OBJECTS))
        wanted = load.names(f"pair-{pair}", OBJECTS)
        started = time.monotonic()
        load.apply(http, wanted)
        ours.append(watch.ready(wanted) - started)
        ratios.append(ours[-1] / floors[-1])
    count = OBJECTS * load.PARAMETERS
    yield Figure(
        f"{OBJECTS} objects of {load.PARAMETERS} parameters, first apply to all Ready, over boto3 alone",
        statistics.median(ratios),
        1.3,
        "",
        f"{load.FLOOR_THREADS} boto3 threads putting the same {count} parameters: "
        f"{statistics.median(ours):.2f} s beside {statistics.median(floors):.2f} s, "
        f"median of {PAIRS} pairs ({min(ratios):.2f} to {max(ratios):.2f})",
    )
    calls = sum(_without_queue(stack).values()) / PAIRS - count
    yield Figure(
        "AWS calls for each parameter created, fetching of events left out",
        calls / count,
        1.2,
        "",
        f"{calls:.0f} calls for {count}",
    )


def _resync(stack: Stack, http: httpx2.Client, watch: load.Watch) -> Figure:
    more = load.names("more", OBJECTS - SINGLES)
    load.apply(http, more)
    watch.ready(more)
    wanted = [*load.names("single", SINGLES), *more]
    stack.lab.reset_calls()
    load.reconcile_now(http, wanted, "benchmark")
    watch.handled(wanted, "benchmark")
    calls = _without_queue(stack)
    breakdown = ", ".join(f"{name} {times}" for name, times in calls.items())
    return Figure(
        f"AWS calls of a resync of {OBJECTS * load.PARAMETERS} parameters", sum(calls.values()), 60, "", breakdown
    )


def _without_queue(stack: Stack) -> dict[str, int]:
    """The calls without those of the queue, whose number depends on the duration."""
    return {name: times for name, times in stack.calls().items() if not name.startswith("sqs.")}
