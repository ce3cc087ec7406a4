"""How long small edits take beside a large object that uses the whole AWS quota, compared with their time alone."""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import httpx2
from benchmarks import limited, load, replicas
from benchmarks.figures import Figure
from rich.console import Console
from rich.progress import track

from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack

LARGE = 1000
EDITED = 10
EDITS = 20
# Alone, beside it, alone again: the machine may be busy with other things for a while.
ROUNDS = 2
# Edits arrive at any time, and not when the one before is Ready.
LONGEST_PAUSE = 1.0
SLOWEST = 0.9


def beside(console: Console, _wanted: argparse.Namespace) -> Iterator[Figure]:
    """Edits one after another, alone and beside an object of 1,000 parameters that is suspended in between."""
    alone, busy = list[float](), list[float]()
    with limited.limited(console) as (stack, http, watch):
        limited.enforce(stack)
        wanted = load.names("small", EDITED)
        for name in wanted:
            http.post(load.OBJECTS, json=load.document(name, 1)).raise_for_status()
        http.post(load.OBJECTS, json=load.document("large", LARGE, suspend=True)).raise_for_status()
        watch.ready(wanted)
        written = 0
        for number in range(ROUNDS):
            alone += _times(console, f"alone {number}", http, watch, wanted)
            stack.lab.reset_calls()
            load.edit(http, "large", {"spec": {"suspend": False}})
            _wait(lambda: _puts(stack) > 2 * limited.RATE, "the operator does not write the large object")
            busy += _times(console, f"beside {LARGE} parameters {number}", http, watch, wanted)
            written += _puts(stack) - EDITS
            load.edit(http, "large", {"spec": {"suspend": True}})
            generation = http.get(f"{load.OBJECTS}/large").raise_for_status().json()["metadata"]["generation"]
            watch.wait_until("large", partial(_is_observed, generation=generation))
        alone += _times(console, f"alone {ROUNDS}", http, watch, wanted)
        if written >= LARGE:
            raise TimeoutError("the large object was written before the edits ended")
    yield from _figures(sorted(alone), sorted(busy), written)


def _wait(condition: Callable[[], bool], otherwise: str) -> None:
    if not wait_until(condition, load.PATIENCE):
        raise TimeoutError(otherwise)


def _times(
    console: Console, what: str, http: httpx2.Client, watch: load.Watch, wanted: Sequence[str]
) -> Sequence[float]:
    chance, found = random.Random(7), list[float]()  # noqa: S311 - not a secret
    for number in track(range(EDITS), f"  {EDITS} edits {what}", console=console, transient=True):
        # This is the pace of the edits.
        time.sleep(chance.uniform(0.0, LONGEST_PAUSE))
        name, started = wanted[number % EDITED], time.monotonic()
        load.edit(http, name, {"spec": {"parameters": [{"name": "settings/0", "value": f"{what} {number}"}]}})
        generation = http.get(f"{load.OBJECTS}/{name}").raise_for_status().json()["metadata"]["generation"]
        found.append(watch.wait_until(name, partial(replicas.is_ready, generation=generation)) - started)
    return found


def _figures(alone: Sequence[float], busy: Sequence[float], written: int) -> Iterator[Figure]:
    about = f"{len(busy)} and {len(alone)} edits, {written} of {LARGE} parameters written meanwhile"
    for what, of in (("median", statistics.median), ("nine of ten", _slowest)):
        seconds, expected = of(busy), of(alone)
        text = f"{seconds:.3f} s beside it, {expected:.3f} s alone; {about}"
        name = f"Small edits until Ready beside {LARGE} parameters at {limited.RATE:g}/s, over their time alone: {what}"
        yield Figure(name, seconds / expected, 1.5, "", text)


def _slowest(ordered: Sequence[float]) -> float:
    """Return the time that nine of ten keep."""
    return ordered[int(SLOWEST * len(ordered)) - 1]


def _puts(stack: Stack) -> int:
    return stack.calls().get(limited.PUT, 0)


def _is_observed(status: Mapping[str, Any], generation: int) -> bool:
    return status.get("observedGeneration") == generation
