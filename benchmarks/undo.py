"""Automatic rollback: from the alarm to the last restored value, and its writes."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
from benchmarks import load
from benchmarks.figures import Figure

from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack

PARAMETERS = 100
CHANGED = 30
NAME, PATH = "undone", "/undone"
ALARM = {
    "name": "Orders",
    "metric": "Failed",
    "namespace": "Shop",
    "statistic": "Sum",
    "threshold": 5,
    "comparison": "GreaterThanThreshold",
}


def undo(stack: Stack, http: httpx2.Client) -> Iterator[Figure]:
    """Thirty of a hundred values are changed, the alarm fires, and all are restored."""
    http.post(load.OBJECTS, json=_document()).raise_for_status()
    _wait(lambda: _status(http).get("stableGeneration") == 1)
    load.edit(http, NAME, {"spec": {"rollout": {"bakeTime": "10m"}, "parameters": _parameters("2")}})
    _wait(lambda: "bake" in _status(http))
    alarm = next(item["name"] for item in _status(http)["resources"] if item["kind"] == "Alarm")
    cloudwatch = stack.aws("cloudwatch")
    stack.lab.reset_calls()
    started = time.monotonic()
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a benchmark")
    _wait(lambda: _values(stack) == {"1"})
    seconds = time.monotonic() - started
    _wait(lambda: _status(http).get("rollback", {}).get("generation") == 2)
    writes = stack.calls().get("ssm.PutParameter", 0)
    yield Figure(
        f"From the alarm to the last of {CHANGED} values back", seconds, 3, "s", "detected by event; once, in the lab"
    )
    yield Figure(f"Writes of a rollback of {PARAMETERS} parameters", writes, CHANGED, "", f"{CHANGED} of them differed")


def _document() -> dict[str, Any]:
    document = load.document(NAME)
    about = {"alarms": {"defaults": False, "custom": [ALARM]}, "rollout": {"bakeTime": "5s"}}
    document["spec"] = {"path": PATH, "parameters": _parameters("1"), **about}
    return document


def _parameters(value: str) -> list[dict[str, str]]:
    """The first ones with this value, all others with 1."""
    return [{"name": f"p{number:03}", "value": value if number < CHANGED else "1"} for number in range(PARAMETERS)]


def _values(stack: Stack) -> set[str]:
    pages = stack.aws("ssm").get_paginator("get_parameters_by_path").paginate(Path=PATH)
    return {item["Value"] for page in pages for item in page["Parameters"]}


def _status(http: httpx2.Client) -> dict[str, Any]:
    return dict(http.get(f"{load.OBJECTS}/{NAME}").raise_for_status().json().get("status", {}))


def _wait(condition: Callable[[], bool]) -> None:
    if not wait_until(condition, load.PATIENCE):
        raise TimeoutError("the rollback did not come to its end")
