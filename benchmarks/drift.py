"""From a change in AWS to the status that reports it; and the cost of idle objects."""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx2
from benchmarks import load
from benchmarks.figures import Figure

from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack

CHANGED = 10
OBJECTS = 2000
INTERVAL = 300
MINUTES = 5

Status = Mapping[str, Any]


def drift(stack: Stack, http: httpx2.Client) -> Iterator[Figure]:
    """A hundred changes one after the other, corrected, and a hundred that are only reported."""
    with load.watching(http) as watch:
        prepare(stack, http, watch)
        yield from _figures("corrected and in status", _times(stack, http, watch, "Correct", _is_corrected))
        yield from _figures("in status under driftPolicy Report", _times(stack, http, watch, "Report", _is_told))


def idle(stack: Stack, http: httpx2.Client) -> Iterator[Figure]:
    """AWS calls for idle objects."""
    wanted = load.names("idle", OBJECTS)
    with load.watching(http) as watch:
        prepare(stack, http, watch)
        load.apply(http, wanted, resyncInterval=f"{INTERVAL}s")
        watch.ready(wanted)
        until_quiet(stack)
        stack.lab.reset_calls()
        # The measure is the elapsed time.
        time.sleep(60 * MINUTES)
        calls = stack.calls()
    polls = calls.pop("sqs.ReceiveMessage", 0)
    resyncs = OBJECTS * MINUTES * 60 / INTERVAL
    breakdown = ", ".join(f"{name} {times}" for name, times in calls.items())
    about = f"{OBJECTS} objects of {load.PARAMETERS} parameters for {MINUTES} minutes, resync shortened to {INTERVAL} s"
    yield Figure(
        "AWS calls of nothing happening, for each object and resync", sum(calls.values()) / resyncs, 1.3, "", breakdown
    )
    yield Figure("Polls of the queue a minute while nothing happens", polls / MINUTES, 4, "", about)


def prepare(stack: Stack, http: httpx2.Client, watch: load.Watch) -> None:
    """Wait until the operator listens: it creates queue and rules for its first object."""
    load.apply(http, ["first"])
    watch.ready(["first"])
    events = stack.aws("events")

    def is_listening() -> bool:
        rules = events.list_rules(NamePrefix="dynconfig-")["Rules"]
        return len(rules) == 3 and all(events.list_targets_by_rule(Rule=rule["Name"])["Targets"] for rule in rules)

    if not wait_until(is_listening, load.PATIENCE):
        raise TimeoutError("the operator does not listen to events")


def until_quiet(stack: Stack) -> None:
    """Wait until the events of own writes were received."""
    sqs = stack.aws("sqs")
    (url,) = sqs.list_queues(QueueNamePrefix="dynconfig-")["QueueUrls"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def is_empty() -> bool:
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return not any(int(count) for count in counts.values())

    if not wait_until(is_empty, load.PATIENCE):
        raise TimeoutError("the queue does not become empty")


def _times(
    stack: Stack,
    http: httpx2.Client,
    watch: load.Watch,
    policy: str,
    is_answered: Callable[[Status, str, int], bool],
) -> list[float]:
    """Seconds of each change, from before it is sent until the API server sends the status that reports it."""
    ssm, times = stack.aws("ssm"), list[float]()
    wanted = load.names(policy.lower(), CHANGED)
    load.apply(http, wanted, driftPolicy=policy)
    watch.ready(wanted)
    until_quiet(stack)
    for name in wanted:
        for item in load.document(name)["spec"]["parameters"]:
            parameter = f"/{name}/{item['name']}"
            started = time.monotonic()
            version = ssm.put_parameter(Name=parameter, Value="by hand", Overwrite=True)["Version"]
            received_at = watch.wait_until(name, lambda status: is_answered(status, parameter, version))  # noqa: B023 - used only within the iteration
            times.append(received_at - started)
    return times


def _is_corrected(status: Status, parameter: str, version: int) -> bool:
    return any(item["name"] == parameter and item["version"] > version for item in status.get("parameters", ()))


def _is_told(status: Status, parameter: str, _version: int) -> bool:
    return any(item["resource"] == f"Parameter {parameter}" for item in status.get("drift", ()))


def _figures(what: str, times: Sequence[float]) -> Iterator[Figure]:
    ordered = sorted(times)
    beside = f"{len(times)} changes one after the other; fastest {ordered[0]:.3f} s, slowest {ordered[-1]:.3f} s"
    yield Figure(f"A change behind our back, until it is {what}: p50", statistics.median(ordered), 1.0, "s", beside)
    p99 = ordered[math.ceil(0.99 * len(ordered)) - 1]
    yield Figure(f"A change behind our back, until it is {what}: p99", p99, 3.0, "s", beside)
