"""`make bench`: print the figures, each with its reference value."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
from benchmarks import (
    adaptive,
    attacks,
    beside,
    churn,
    drift,
    echoes,
    figures,
    growth,
    move,
    outage,
    plan_time,
    quota,
    reader,
    replicas,
    road,
    scale,
    sequences,
    targets,
    undo,
)
from benchmarks.figures import Figure
from rich.console import Console

from dynconfig_lab.errors import LabError
from dynconfig_lab.stack import Stack, stack

Measure = Callable[[Stack, httpx2.Client], Iterator[Figure]]

MEASURES: dict[str, Measure] = {
    "speed": road.speed,
    "drift": drift.drift,
    "idle": drift.idle,
    "memory": road.memory,
    "plan": plan_time.plan_time,
    "function": reader.function,
    "start": reader.start,
    "undo": undo.undo,
    "move": move.move,
    "outage": outage.outage,
    "takeover": replicas.take_over,
}

# These create their own stack, or their own world in this process.
OWN: dict[str, Callable[[Console, argparse.Namespace], Iterator[Figure]]] = {
    "quota": quota.quota,
    "shared-quota": quota.shared_quota,
    "beside": beside.beside,
    "adaptive": adaptive.adaptive,
    "growth": growth.growth,
    "sequences": sequences.sequences,
    "echoes": echoes.echoes,
    "targets": lambda console, _wanted: targets.targets(console),
}

# These take minutes, and run only on request.
LONG: dict[str, Callable[[Console, Stack, httpx2.Client, argparse.Namespace], Iterator[Figure]]] = {
    "scale": lambda console, stack, http, wanted: scale.scale(stack, http, console, wanted.objects),
    "churn": lambda console, stack, http, wanted: churn.churn(stack, http, console, min(wanted.objects, CHURN_OBJECTS)),
    "attacks": lambda console, stack, http, _wanted: attacks.attacks(console, stack, http),
    "joint-attacks": lambda console, stack, http, _wanted: attacks.joint_attacks(console, stack, http),
    "waiting": lambda console, stack, http, _wanted: replicas.waiting_edits(console, stack, http),
    "chaos": lambda console, stack, http, wanted: replicas.chaos(console, stack, http, wanted.seconds, wanted.first),
}
QUICK = (*MEASURES, "quota", "shared-quota", "beside")
FULL = (*QUICK, "adaptive", "growth", "waiting", "chaos", "scale", "churn", "targets")
CHURN_OBJECTS = 5_000
SETTINGS = {"scale": scale.SETTINGS}
"""Settings of the operators."""
_NAMES = (*MEASURES, *OWN, *LONG)


def main() -> None:
    """Run the requested measures, each on a new stack."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "measures",
        nargs="*",
        help=f"any of {', '.join(_NAMES)}; if left out, {', '.join(QUICK)}",
    )
    parser.add_argument("--full", action="store_true", help=f"if no measure is given: {', '.join(FULL)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON, too")
    parser.add_argument("--seed", type=int, help="sequences: replay the sequence of this seed, and print it")
    parser.add_argument(
        "--count", type=int, default=sequences.COUNT, help="sequences: how many; %(default)s if left out"
    )
    parser.add_argument("--seconds", type=float, default=600.0, help="chaos: for so long; %(default)s if left out")
    parser.add_argument("--first", type=int, default=0, help="sequences, chaos: the first seed")
    parser.add_argument(
        "--objects", type=int, default=scale.MANY, help="scale, churn: how many at most; %(default)s if left out"
    )
    wanted = parser.parse_args()
    unknown = sorted(set(wanted.measures) - set(_NAMES))
    if unknown:
        parser.error(f"there is no measure {unknown[0]}; there are {', '.join(_NAMES)}")
    console = Console(highlight=False)
    try:
        measures = wanted.measures or (FULL if wanted.full else QUICK)
        found = [figure for name in measures for figure in _measured(name, console, wanted)]
    except (LabError, TimeoutError) as error:
        sys.exit(f"error: {error}")
    console.print(figures.table(found))
    console.print(f"  on {os.cpu_count()} processors, the emulated AWS and Kubernetes among them", style="dim")
    if wanted.json:
        figures.write(found, wanted.json)
    sys.exit(not all(figure.is_kept for figure in found))


def _measured(name: str, console: Console, wanted: argparse.Namespace) -> list[Figure]:
    if name in OWN:
        return list(OWN[name](console, wanted))
    if name in LONG:
        with stack(console, SETTINGS.get(name, {})) as found, found.http() as http:
            return list(LONG[name](console, found, http, wanted))
    with console.status(f"  measuring: {name}"), stack(console) as found, found.http() as http:
        return list(MEASURES[name](found, http))


if __name__ == "__main__":
    main()
