"""AWS goes away while many parameters are being written: how soon after it is back all is in order, and nothing twice."""

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
    """Fifty objects of ten parameters; half of them are written when AWS stops to answer for twenty seconds."""
    wanted = load.names("outage", PARAMETERS // load.PARAMETERS)
    # The emulator loads a service when it is first called, which takes seconds that AWS does not.
    load.floor(stack, "outage-warm", 1)
    with load.watching(http) as watch:
        # So slow that there is a middle.
        stack.lab.faults(Faults(latency_ms=LATENCY_MS))
        stack.lab.reset_calls()
        load.apply(http, wanted)
        if not wait_until(lambda: stack.calls().get("ssm.PutParameter", 0) >= PARAMETERS // 2, load.PATIENCE):
            raise TimeoutError("the operator does not write")
        written = len(_versions(stack))
        stack.lab.faults(Faults(down=True))
        # What is measured begins with AWS being away for so long.
        time.sleep(DOWN_SECONDS)
        stack.lab.faults(Faults())
        back = time.monotonic()
        seconds = watch.ready(wanted) - back
    versions = _versions(stack)
    beside = f"{written} of {PARAMETERS} were written when AWS went away for {DOWN_SECONDS:.0f} s"
    yield Figure(f"From AWS being back to all {PARAMETERS} parameters Ready", max(0.0, seconds), 5, "s", beside)
    twice = sum(version > 1 for version in versions)
    yield Figure("Parameters written twice", twice, 0, "", f"of {len(versions)} that there are in AWS")
    yield Figure("Parameters missing", PARAMETERS - len(versions), 0, "", "after all objects were Ready")


def _versions(stack: Stack) -> list[int]:
    """The version of each parameter that an object of this measure has."""
    pages = stack.aws("ssm").get_paginator("describe_parameters").paginate()
    found = (item for page in pages for item in page["Parameters"])
    return [item["Version"] for item in found if item["Name"].startswith("/outage-") and "warm" not in item["Name"]]
