"""AWS accepts less than the configured quota for a while: how the operator's budget falls, and how it recovers."""

import argparse
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx2
from benchmarks import limited, load
from benchmarks.figures import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from dynconfig_lab.aws.call_log import LoggedCall
from dynconfig_lab.ports import HOST, free_ports
from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack

# Several, since one object writes one parameter after another, which may take longer than the quota asks for.
OBJECTS, PARAMETERS = 20, 50
REDUCED = 4.0
BEFORE_SECONDS, REDUCED_SECONDS, AFTER_SECONDS = 15, 30, 45
ROW_SECONDS = 3
BAR = 20
USED = re.compile(r'^dynconfig_quota_used_ratio\{group="ssm\.Put",region="[^"]*"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class Sample:
    """What the metric says at a time."""

    at: float
    used: float


def adaptive(console: Console, _wanted: argparse.Namespace) -> Iterator[Figure]:
    """1,000 parameters, while AWS accepts 10, then 4, then again 10 calls a second."""
    (port,) = free_ports(1)
    with limited.limited(console, DYNCONFIG_METRICS_PORT=str(port)) as (stack, http, _watch):
        limited.enforce(stack)
        stack.lab.reset_calls()
        load.apply(http, load.names("object", OBJECTS), count=PARAMETERS)
        if not wait_until(lambda: bool(limited.puts(stack)), load.PATIENCE):
            raise TimeoutError("the operator does not write")
        switches = list[float]()
        samples = list(_observed(console, stack, port, switches))
        calls = limited.puts(stack)
    begin = calls[0].time
    reduced, restored = switches
    console.print(_table(calls, samples, begin, (reduced, restored)))
    yield from _figures(calls, samples, reduced, restored)


def _observed(console: Console, stack: Stack, port: int, switches: list[float]) -> Iterator[Sample]:
    """Change what AWS accepts, noting when, and read the metric each second."""
    total = BEFORE_SECONDS + REDUCED_SECONDS + AFTER_SECONDS
    with httpx2.Client(base_url=f"http://{HOST}:{port}", trust_env=False) as metrics:
        for second in track(range(total), "  AWS accepts 10, 4 and 10 calls a second", console=console, transient=True):
            if second == BEFORE_SECONDS:
                limited.enforce(stack, REDUCED)
                switches.append(time.time())
            elif second == BEFORE_SECONDS + REDUCED_SECONDS:
                limited.enforce(stack)
                switches.append(time.time())
            # One sample a second is the measure.
            time.sleep(1)
            found = USED.search(metrics.get("/metrics").raise_for_status().text)
            yield Sample(time.time(), float(found[1]) if found else 0.0)


def _table(calls: Sequence[LoggedCall], samples: Sequence[Sample], begin: float, reduced: tuple[float, float]) -> Table:
    found = Table(
        "Second",
        "AWS accepts",
        "Calls a second",
        "Used ratio",
        title=f"PutParameter while AWS accepts less than the {limited.RATE:g} a second that are configured",
        caption="█ accepted, ░ throttled. Used ratio: dynconfig_quota_used_ratio of the ten seconds before.",
    )
    for start in range(0, math.ceil(samples[-1].at - begin), ROW_SECONDS):
        since, until = begin + start, begin + start + ROW_SECONDS
        within = [call for call in calls if since <= call.time < until]
        rate, good = len(within) / ROW_SECONDS, len(limited.accepted(within)) / ROW_SECONDS
        full = round(good / limited.RATE * BAR)
        bar = "█" * full + "░" * (math.ceil(rate / limited.RATE * BAR) - full if rate > good else 0)
        used = next((sample.used for sample in samples if sample.at >= until), samples[-1].used)
        accepts = REDUCED if reduced[0] <= since < reduced[1] else limited.RATE
        found.add_row(f"{start}", f"{accepts:g}/s", f"{bar} {rate:.1f}", f"{used:.2f}")
    return found


def _figures(
    calls: Sequence[LoggedCall], samples: Sequence[Sample], reduced: float, restored: float
) -> Iterator[Figure]:
    excess = _excess([call.time for call in calls])
    about = f"{len(calls)} calls; AWS's own bucket holds those of a second"
    name = f"Calls above {limited.RATE:g} a second, over any span of time, throttled ones among them"
    yield Figure(name, excess, limited.RATE, "", about)
    meanwhile = [call for call in calls if reduced <= call.time < restored]
    good = limited.accepted(meanwhile)
    throttled = len(meanwhile) - len(good)
    about = f"{throttled} of {len(meanwhile)} calls in {restored - reduced:.0f} s; the first are those that find out"
    yield Figure(f"Throttled while AWS accepts {REDUCED:g} a second", 100 * throttled / len(meanwhile), 8, "%", about)
    part = 100 * len(good) / (restored - reduced) / REDUCED
    yield Figure("What AWS accepts then that is used", part, 70, "%", f"{len(good)} calls", is_least=True)
    lowest = min(sample.used for sample in samples if sample.at >= reduced)
    yield Figure("Lowest dynconfig_quota_used_ratio", lowest, REDUCED / limited.RATE, "", "while AWS accepts less")
    highest = max(sample.used for sample in samples if sample.at >= restored)
    yield Figure("Highest dynconfig_quota_used_ratio after that", highest, 0.95, "", "", is_least=True)


def _excess(times: Sequence[float]) -> float:
    """Return how many calls more than the rate allows there are in any span: the fill of a bucket without a limit."""
    level = highest = 0.0
    before = times[0]
    for at in times:
        level = max(0.0, level - (at - before) * limited.RATE) + 1
        highest, before = max(highest, level), at
    return highest
