"""The duration of `dynconfig plan` from process start, with an AWS latency of ten milliseconds."""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2
from benchmarks.figures import Figure

from dynconfig_lab.aws import Faults
from dynconfig_lab.stack import Stack

EXAMPLE = Path(__file__).parents[1] / "manifests" / "examples" / "myapp.yaml"
RUNS = 9
LATENCY_MS = 10
CHANGES = 2


def plan_time(stack: Stack, _http: httpx2.Client) -> Iterator[Figure]:
    """A plan of the full example, with the emulated AWS alone and with a cluster."""
    # As after any first run: Python caches its bytecode unless disabled.
    environment = {**stack.environment, "PYTHONPYCACHEPREFIX": str(stack.folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    stack.lab.faults(Faults(latency_ms=LATENCY_MS))
    alone = {**environment, "KUBECONFIG": os.devnull}
    yield _figure("Plan of the full example, from process start", alone, 1.0)
    yield _figure("The same, with a cluster from which the object is read", environment, 1.5)
    stack.lab.faults(Faults())


def _figure(name: str, environment: Mapping[str, str], limit: float) -> Figure:
    _run(environment)
    before = _processor_seconds()
    times = [_run(environment) for _ in range(RUNS)]
    processor = (_processor_seconds() - before) / RUNS
    return Figure(
        name,
        statistics.median(times),
        limit,
        "s",
        f"AWS that answers in {LATENCY_MS} ms; median of {RUNS} ({min(times):.2f} to {max(times):.2f} s), "
        f"of it {processor:.2f} s of one processor",
    )


def _run(environment: Mapping[str, str]) -> float:
    command = (str(Path(sys.executable).parent / "dynconfig"), "plan", "-f", str(EXAMPLE))
    started = time.monotonic()
    result = subprocess.run(command, env=environment, capture_output=True, check=False)
    took = time.monotonic() - started
    assert result.returncode == CHANGES, result.stderr.decode()
    return took


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
