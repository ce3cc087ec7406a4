"""Two operators: how soon one takes over from the other, and whether both ever write at the same time."""

import random
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import httpx2
from benchmarks import load, progress
from benchmarks.figures import Figure
from rich.console import Console

from dynconfig_lab.aws import Faults
from dynconfig_lab.process_group import ProcessGroup
from dynconfig_lab.stack import Stack

LEASES = "/apis/coordination.k8s.io/v1/namespaces/dynconfig-system/leases"
FIRST, SECOND = "dynconfig-operator-lab", "dynconfig-operator-second"
# The access keys that identify the two in the call log.
KEYS = {"lab": FIRST, SECOND: SECOND}
OBJECTS = 1000
CHAOS_OBJECTS = 100
TIMES = 5


def take_over(stack: Stack, http: httpx2.Client) -> Iterator[Figure]:
    """The serving operator is killed, and stopped, several times; an edit is made at the same moment."""
    http.post(load.OBJECTS, json=_small("edited")).raise_for_status()
    with stack.second_operator(SECOND) as second, load.watching(http) as watch:
        pair = Pair(stack, second)
        found: dict[signal.Signals, list[float]] = {signal.SIGKILL: [], signal.SIGTERM: []}
        number = 0
        for end, seconds in found.items():
            for _ in range(TIMES):
                number += 1
                pair.settle(http)
                began = time.monotonic()
                group, name = pair.serving(http)
                group.signal(name, end)
                seconds.append(edit_until_ready(http, watch, "edited", number) - began)
                group.restart(name)
    for end, limit in ((signal.SIGKILL, 20.0), (signal.SIGTERM, 2.0)):
        seconds = sorted(found[end])
        beside = f"of {TIMES} times, median {seconds[TIMES // 2]:.2f} s; from {end.name} to an edit that is Ready"
        yield Figure(f"Take-over after {end.name}", seconds[-1], limit, "s", beside)


def waiting_edits(console: Console, stack: Stack, http: httpx2.Client) -> Iterator[Figure]:
    """A thousand objects are edited; the operator is killed when some of the edits are written."""
    wanted = load.names("waiting", OBJECTS)
    with stack.second_operator(SECOND) as second, load.watching(http) as watch:
        with progress.counted(console, f"  {OBJECTS} objects", OBJECTS, lambda: _put_calls(stack)):
            for name in wanted:
                http.post(load.OBJECTS, json=_small(name)).raise_for_status()
            watch.ready(wanted)
        pair = Pair(stack, second)
        group, name = pair.serving(http)
        stack.lab.faults(Faults(latency_ms=20))
        for edited in wanted:
            load.edit(http, edited, {"spec": {"parameters": [{"name": "a", "value": "2"}]}})
        group.signal(name, signal.SIGKILL)
        stack.lab.reset_calls()
        written = sum(version > 1 for version, _value in _parameters(stack).values())
        left = OBJECTS - written
        with progress.counted(console, f"  {left} edits after the kill", left, lambda: _put_calls(stack)):
            for edited in wanted:
                watch.wait_until(edited, lambda status: status.get("appliedGeneration") == 2)
        stack.lab.faults(Faults())
        found = _parameters(stack)
    lost = sum(value != "2" for _version, value in found.values()) + OBJECTS - len(found)
    beside = f"of {OBJECTS}; {written} were written when the operator was killed"
    yield Figure("Edits lost by a take-over", lost, 0, "", beside)
    twice = sum(version > 2 for version, _value in found.values())
    yield Figure("Edits written twice", twice, 0, "", beside)


@dataclass
class Pair:
    """The operator of the stack, and a second one."""

    stack: Stack
    second: ProcessGroup

    def group(self, name: str) -> tuple[ProcessGroup, str]:
        """Return the process group and program of a replica."""
        return (self.stack.operator, "operator") if name == FIRST else (self.second, SECOND)

    def serving(self, http: httpx2.Client) -> tuple[ProcessGroup, str]:
        """Return the replica that serves the objects."""
        return self.group(holder(http))

    def settle(self, http: httpx2.Client) -> None:
        """Wait until one of them serves."""
        deadline = time.monotonic() + load.PATIENCE
        while holder(http) not in (FIRST, SECOND):
            if time.monotonic() > deadline:
                raise TimeoutError("no operator holds the lease")
            time.sleep(0.05)


def holder(http: httpx2.Client, shard: int = 0) -> str:
    """Return the holder of the lease of a shard; empty if there is none."""
    answer = http.get(f"{LEASES}/dynconfig-shard-{shard}")
    return str(answer.json()["spec"].get("holderIdentity") or "") if answer.is_success else ""


def edit_until_ready(http: httpx2.Client, watch: load.Watch, name: str, number: int) -> float:
    """Edit an object; return when it is Ready with the edit."""
    load.edit(http, name, {"spec": {"parameters": [{"name": "a", "value": f"edit {number}"}]}})
    generation = http.get(f"{load.OBJECTS}/{name}").raise_for_status().json()["metadata"]["generation"]
    return watch.wait_until(name, lambda status: is_ready(status, generation))


def is_ready(status: Any, generation: int) -> bool:
    """Whether a status says that a generation is Ready."""
    ready = [item for item in status.get("conditions", ()) if item["type"] == "Ready"]
    return bool(ready) and ready[0]["status"] == "True" and ready[0]["observedGeneration"] == generation


def chaos(console: Console, stack: Stack, http: httpx2.Client, seconds: float, seed: int) -> Iterator[Figure]:
    """Two operators are paused, continued, killed and restarted at random, while a hundred objects are edited."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    wanted = load.names("chaos", CHAOS_OBJECTS)
    for name in wanted:
        http.post(load.OBJECTS, json=_small(name)).raise_for_status()
    stack.lab.reset_calls()
    values: dict[str, str] = {}
    moves = 0
    with stack.second_operator(SECOND) as second, load.watching(http) as watch:
        pair, history = Pair(stack, second), LeaseHistory()
        began = time.monotonic()
        with progress.counted(console, "  pauses, kills and restarts", seconds, lambda: time.monotonic() - began):
            while time.monotonic() < began + seconds:
                target = pair.group(chance.choice((FIRST, SECOND)))
                disturb(target, chance, http, history, lambda: _edit(http, chance.choice(wanted), chance, values))
                moves += 1
        for group, name in (pair.group(FIRST), pair.group(SECOND)):
            group.signal(name, signal.SIGCONT)
        for name in values:
            generation = http.get(f"{load.OBJECTS}/{name}").raise_for_status().json()["metadata"]["generation"]
            watch.wait_until(name, partial(is_ready, generation=generation))
        history.record(http)
    found = _parameters(stack, "chaos")
    late = history.writes_without_lease(stack)
    beside = f"{moves} pauses, kills and restarts in {seconds:.0f} s; {len(history.holders)} holders one after another"
    yield Figure("Writes by a process whose lease had ended", len(late), 0, "", beside)
    different = sum(found.get(f"/{name}/a", (0, ""))[1] != value for name, value in values.items())
    yield Figure("Objects that did not converge", different, 0, "", f"of {len(values)} that were edited")


def disturb(
    target: tuple[ProcessGroup, str], chance: random.Random, http: httpx2.Client, history: "LeaseHistory", edit: Any
) -> None:
    """Disturb one operator for a while, with edits going on."""
    group, name = target
    what = chance.choice((signal.SIGSTOP, signal.SIGSTOP, signal.SIGKILL, signal.SIGTERM))
    group.signal(name, what)
    until = time.monotonic() + chance.choice((0.5, 3.0, 10.0, 20.0, 40.0))
    while time.monotonic() < until:
        edit()
        history.record(http)
    if what is signal.SIGSTOP:
        group.signal(name, signal.SIGCONT)
    else:
        group.restart(name)


class LeaseHistory:
    """The holders of the lease of the first shard, each with the time of its acquisition."""

    def __init__(self) -> None:
        self.holders: list[tuple[float, str]] = []

    def record(self, http: httpx2.Client) -> None:
        """Read the lease; faster than it can change hands twice."""
        spec = http.get(f"{LEASES}/dynconfig-shard-0").raise_for_status().json()["spec"]
        if not spec.get("holderIdentity"):
            return
        found = (datetime.fromisoformat(spec["acquireTime"]).timestamp(), spec["holderIdentity"])
        if found not in self.holders:
            self.holders.append(found)

    def writes_without_lease(self, stack: Stack) -> Sequence[str]:
        """Return the writes that arrived after another operator had acquired the lease."""
        found = []
        for call in stack.lab.call_log(only_writes=True):
            holders = [name for at, name in self.holders if at <= call.time]
            if call.access_key in KEYS and holders and holders[-1] != KEYS[call.access_key]:
                found.append(f"{call.operation} {call.resource} by {call.access_key} at {call.time}")
        return found


def _edit(http: httpx2.Client, name: str, chance: random.Random, values: dict[str, str]) -> None:
    values[name] = str(chance.random())
    load.edit(http, name, {"spec": {"parameters": [{"name": "a", "value": values[name]}]}})


def _put_calls(stack: Stack) -> int:
    return stack.calls().get("ssm.PutParameter", 0)


def _small(name: str) -> dict[str, Any]:
    found = load.document(name)
    found["spec"]["parameters"] = [{"name": "a", "value": "1"}]
    return found


def _parameters(stack: Stack, group: str = "waiting") -> dict[str, tuple[int, str]]:
    """Return version and value of each parameter of a group of objects."""
    pages = stack.aws("ssm").get_paginator("describe_parameters").paginate()
    names = [item["Name"] for page in pages for item in page["Parameters"] if item["Name"].startswith(f"/{group}-")]
    ssm, found = stack.aws("ssm"), dict[str, tuple[int, str]]()
    for start in range(0, len(names), 10):
        for item in ssm.get_parameters(Names=names[start : start + 10])["Parameters"]:
            found[item["Name"]] = (item["Version"], item["Value"])
    return found
