"""Whether the time for each parameter grows with the number of parameters, over what boto3 needs on the same emulator."""

import argparse
import os
import statistics
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx2
from benchmarks import limited, load, progress
from benchmarks.figures import Figure
from botocore.config import Config
from rich.console import Console

from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack, stack

# How often each size is applied: small ones take seconds and spread more.
SIZES = {500: 4, 2000: 2, 8000: 1}
# An object may have up to 1,000.
SHAPES = (500, 10)
# As many objects are reconciled at once.
WORKERS = 32
BATCH = 10


@dataclass(frozen=True)
class Run:
    """Seconds for all parameters of a size."""

    operator: float
    floor: float
    cpu: float
    """CPU seconds of the operator."""


def growth(console: Console, _wanted: argparse.Namespace) -> Iterator[Figure]:
    """Apply 500, 2,000 and 8,000 parameters, as objects of 500 and as objects of ten."""
    for each in SHAPES:
        runs = {size: _measured(console, size, each) for size in SIZES}
        about = f"{', '.join(f'{size:,}' for size in SIZES)} parameters in objects of {each}: largest over smallest"
        ratios = {size: statistics.median(run.operator / run.floor for run in found) for size, found in runs.items()}
        beside = "; ".join(_described(size, ratios[size], found) for size, found in runs.items())
        yield Figure(f"Time for each over boto3's, {about}", _spread(ratios.values()), 1.1, "", beside)
        costs = {size: statistics.median(run.cpu for run in found) / size for size, found in runs.items()}
        beside = "; ".join(f"{size:,}: {1000 * seconds:.2f} ms" for size, seconds in costs.items())
        yield Figure(f"CPU time of the operator for each, {about}", _spread(costs.values()), 1.1, "", beside)


def _spread(values: Collection[float]) -> float:
    return max(values) / min(values)


def _described(size: int, ratio: float, runs: Sequence[Run]) -> str:
    ours = 1000 * statistics.median(run.operator for run in runs) / size
    floor = 1000 * statistics.median(run.floor for run in runs) / size
    return f"{size:,}: {ratio:.2f} ({ours:.2f} ms beside {floor:.2f} ms)"


def _cpu_seconds(found: Stack) -> float:
    """CPU seconds that the operator has used: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""
    pid = found.operator.children["operator"].identity.pid
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _measured(console: Console, size: int, each: int) -> Sequence[Run]:
    """Apply a size several times, on a stack of its own that has nothing else; boto3 before and after each."""
    found: list[Run] = []
    with stack(console) as started, started.http() as http, load.watching(http) as watch:
        load.apply(http, ["first"])
        watch.ready(["first"])
        load.floor(started, "warm", 1)
        floors = [_floor(started, 0, size, each)]
        for number in range(1, SIZES[size] + 1):
            wanted = load.names(f"growth-{number}", size // each)
            started.lab.reset_calls()
            what = f"  {size:,} parameters in objects of {each}, {number} of {SIZES[size]}"
            with progress.counted(console, what, size, lambda: started.calls().get(limited.PUT, 0)):
                began, used = time.monotonic(), _cpu_seconds(started)
                load.apply(http, wanted, count=each)
                seconds = watch.ready(wanted) - began
                used = _cpu_seconds(started) - used
            _delete(http, wanted)
            floors.append(_floor(started, number, size, each))
            console.print(
                f"  {size:,} in objects of {each}: {seconds:.1f} s beside {floors[-1]:.1f} s; CPU {used:.1f} s"
            )
            found.append(Run(seconds, statistics.mean(floors[-2:]), used))
    return found


def _delete(http: httpx2.Client, wanted: list[str]) -> None:
    """Delete the objects with their parameters, and wait until they are gone."""
    for name in wanted:
        http.delete(f"{load.OBJECTS}/{name}").raise_for_status()
    if not wait_until(lambda: not set(wanted) & _existing(http), load.PATIENCE):
        raise TimeoutError("the objects are not deleted")


def _existing(http: httpx2.Client) -> set[str]:
    items = http.get(load.OBJECTS).raise_for_status().json()["items"]
    return {item["metadata"]["name"] for item in items}


def _floor(found: Stack, number: int, size: int, each: int) -> float:
    """Seconds that boto3 needs for the same parameters, with a thread for each object that is reconciled at once."""
    objects = size // each
    ssm = found.aws("ssm", Config(max_pool_connections=WORKERS))

    def put(name: str) -> None:
        for item in load.document(name, each)["spec"]["parameters"]:
            tags = [{"Key": "example.com/owner", "Value": f"{'0' * 36}/default/{name}/{'0' * 36}"}]
            ssm.put_parameter(Name=f"/{name}/{item['name']}", Value=item["value"], Type="String", Tags=tags)

    wanted = load.names(f"floor-{number}", objects)
    with ThreadPoolExecutor(min(WORKERS, objects)) as threads:
        started = time.monotonic()
        list(threads.map(put, wanted))
        seconds = time.monotonic() - started
    names = [f"/{name}/settings/{index}" for name in wanted for index in range(each)]
    for start in range(0, len(names), BATCH):
        ssm.delete_parameters(Names=names[start : start + BATCH])
    return seconds
