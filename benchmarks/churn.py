"""Memory of an operator after many small objects were created and deleted, several times."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
from benchmarks import load
from benchmarks.figures import Figure
from rich.console import Console

from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack

ROUNDS = 5


def churn(stack: Stack, http: httpx2.Client, console: Console, count: int) -> Iterator[Figure]:
    """Create and delete so many objects in rounds of equal size; the memory must not grow with each round."""
    found = [memory(stack)]
    for number in range(ROUNDS):
        began = time.monotonic()
        _round(http, load.names(f"churn-{number}", count // ROUNDS))
        found.append(memory(stack))
        console.print(f"  round {number + 1} of {ROUNDS}: {found[-1]:.1f} MiB after {time.monotonic() - began:.0f} s")
    shown = " → ".join(f"{item:.1f}" for item in found)
    # The first rounds create threads, clients and caches of limited size.
    growth = (found[-1] - found[2]) / (ROUNDS - 2)
    beside = f"{shown} MiB, before and after each of {ROUNDS} rounds of {count // ROUNDS} objects with one parameter"
    yield Figure(
        "Growth of memory with each further round of objects that are created and deleted", growth, 2, "MiB", beside
    )


def _round(http: httpx2.Client, wanted: list[str]) -> None:
    with load.watching(http) as watch, ThreadPoolExecutor(load.APPLIERS) as threads:
        for answer in threads.map(lambda name: http.post(load.OBJECTS, json=_tiny(name)), wanted):
            answer.raise_for_status()
        watch.ready(wanted)
        for answer in threads.map(lambda name: http.delete(f"{load.OBJECTS}/{name}"), wanted):
            answer.raise_for_status()
    if not wait_until(lambda: not http.get(load.OBJECTS).raise_for_status().json()["items"], load.PATIENCE):
        raise TimeoutError("the objects were not deleted")


def _tiny(name: str) -> dict[str, object]:
    document = load.document(name)
    document["spec"]["parameters"] = document["spec"]["parameters"][:1]
    return document


def memory(stack: Stack) -> float:
    """Resident MiB of the operator."""
    pid = stack.operator.children["operator"].identity.pid
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.findall(r"VmRSS:\s+(\d+) kB", text)[0]) / 1024
