"""AWS becomes unavailable during many writes: how soon after its return all is in sync, without duplicate writes."""

import time
from collections.abc import Iterator

import httpx2
from benchmarks import load
from benchmarks.figures import Figure

from dynconfig_lab.aws import Faults
from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack

PARAMETERS = 500
DOWN_SECONDS = 20.0
LATENCY_MS = 25


def outage(stack: Stack, http: httpx2.Client) -> Iterator[Figure]:
    """Fifty objects of ten parameters; half of them are written when AWS stops responding for twenty seconds."""
    wanted = load.names("outage", PARAMETERS // load.PARAMETERS)
    # The emulator loads a service at its first call, which takes seconds and is not a property of AWS.
    load.floor(stack, "outage-warm", 1)
    with load.watching(http) as watch:
        # Slow enough to have a middle.
        stack.lab.faults(Faults(latency_ms=LATENCY_MS))
        stack.lab.reset_calls()
        load.apply(http, wanted)
        if not wait_until(lambda: stack.calls().get("ssm.PutParameter", 0) >= PARAMETERS // 2, load.PATIENCE):
            raise TimeoutError("the operator does not write")
        written = len(_versions(stack))
        stack.lab.faults(Faults(down=True))
        # The measurement starts after AWS was unavailable for this long.
        time.sleep(DOWN_SECONDS)
        stack.lab.faults(Faults())
        back = time.monotonic()
        seconds = watch.ready(wanted) - back
    versions = _versions(stack)
    beside = f"{written} of {PARAMETERS} were written when AWS became unavailable for {DOWN_SECONDS:.0f} s"
    yield Figure(f"From AWS being back to all {PARAMETERS} parameters Ready", max(0.0, seconds), 5, "s", beside)
    twice = sum(version > 1 for version in versions)
    yield Figure("Parameters written twice", twice, 0, "", f"of {len(versions)} that there are in AWS")
    yield Figure("Parameters missing", PARAMETERS - len(versions), 0, "", "after all objects were Ready")


def _versions(stack: Stack) -> list[int]:
    """The version of each parameter of this measure's objects."""
    pages = stack.aws("ssm").get_paginator("describe_parameters").paginate()
    found = (item for page in pages for item in page["Parameters"])
    return [item["Version"] for item in found if item["Name"].startswith("/outage-") and "warm" not in item["Name"]]
