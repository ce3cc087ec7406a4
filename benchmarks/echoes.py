"""The cost of an edit of many parameters with its events, with and without matching own writes to events."""

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import drift, load
from benchmarks.figures import Figure
from rich.console import Console

from dynconfig_lab.stack import Stack, stack

PARAMETERS = 500
LIMIT = 4.5
QUIET_SECONDS = 5.0
NAME = "edited"
WITHOUT = Path(__file__).with_name("without_echoes")


def echoes(console: Console, _wanted: argparse.Namespace) -> Iterator[Figure]:
    """An edit of 500 parameters, all its events included."""
    path = os.pathsep.join(filter(None, (str(WITHOUT), os.environ.get("PYTHONPATH"))))
    with console.status("  measuring: an edit"), stack(console) as found:
        calls = _calls(found)
    with console.status("  measuring: the same, without the matching"), stack(console, {"PYTHONPATH": path}) as found:
        without = _calls(found)
    breakdown = "; without the matching of own writes: ".join(map(_summary, (calls, without)))
    text = f"AWS calls for each of {PARAMETERS} edited parameters, events included"
    yield Figure(text, sum(calls.values()) / PARAMETERS, LIMIT, "", breakdown)


def _calls(found: Stack) -> dict[str, int]:
    """Return the AWS calls from the edit until the queue is empty and the object is quiet."""
    with found.http() as http, load.watching(http) as watch:
        drift.prepare(found, http, watch)
        http.post(load.OBJECTS, json=_document("1")).raise_for_status()
        watch.ready([NAME])
        _until_at_rest(found)
        found.lab.reset_calls()
        load.edit(http, NAME, {"spec": {"parameters": _document("2")["spec"]["parameters"]}})
        watch.wait_until(NAME, lambda status: status.get("appliedGeneration") == 2)
        _until_at_rest(found)
        return found.calls()


def _until_at_rest(found: Stack) -> None:
    """Wait until no events are left, and nothing but the queue was called for some seconds."""
    known: dict[str, int] = {}
    while (calls := {name: count for name, count in found.calls().items() if not name.startswith("sqs.")}) != known:
        known = calls
        drift.until_quiet(found)
        # The measure is that nothing happens.
        time.sleep(QUIET_SECONDS)


def _document(value: str) -> dict[str, Any]:
    parameters = [{"name": f"p/{number}", "value": value} for number in range(PARAMETERS)]
    return {**load.document(NAME), "spec": {"path": f"/{NAME}", "parameters": parameters}}


def _summary(calls: dict[str, int]) -> str:
    listed = ", ".join(f"{name} {count}" for name, count in sorted(calls.items(), key=lambda item: -item[1]))
    return f"{sum(calls.values()) / PARAMETERS:.2f} each: {listed}"
