"""`make bench`: print the figures, each with its reference value."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
from benchmarks import attacks, drift, echoes, figures, kills, move, outage, plan_time, reader, road, sequences, undo
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
}

# These create their own world in this process.
IN_PROCESS: dict[str, Callable[[Console, argparse.Namespace], Iterator[Figure]]] = {
    "sequences": sequences.sequences,
    "echoes": echoes.echoes,
}

# These take minutes, and run only on request.
LONG: dict[str, Callable[[Stack, httpx2.Client, argparse.Namespace], Iterator[Figure]]] = {
    "attacks": lambda stack, http, _wanted: attacks.attacks(stack, http),
    "kills": lambda stack, http, wanted: kills.kills(stack, http, wanted.every, wanted.flow),
}
_NAMES = (*MEASURES, *IN_PROCESS, *LONG)


def main() -> None:
    """Run the requested measures, each on a new stack."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "measures",
        nargs="*",
        help=f"any of {', '.join(_NAMES)}; if left out, all but {', '.join((*IN_PROCESS, *LONG))}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON, too")
    parser.add_argument("--seed", type=int, help="sequences: replay the sequence of this seed, and print it")
    parser.add_argument(
        "--count", type=int, default=sequences.COUNT, help="sequences: how many; %(default)s if left out"
    )
    parser.add_argument("--every", type=int, default=1, help="kills: at every so manieth write only")
    parser.add_argument("--flow", choices=kills.FLOWS, help="kills: this flow only")
    parser.add_argument("--first", type=int, default=0, help="sequences: the seed of the first one")
    wanted = parser.parse_args()
    unknown = sorted(set(wanted.measures) - set(_NAMES))
    if unknown:
        parser.error(f"there is no measure {unknown[0]}; there are {', '.join(_NAMES)}")
    console = Console(highlight=False)
    try:
        found = [figure for name in wanted.measures or MEASURES for figure in _measured(name, console, wanted)]
    except (LabError, TimeoutError) as error:
        sys.exit(f"error: {error}")
    console.print(figures.table(found))
    console.print(f"  on {os.cpu_count()} processors, the emulated AWS and Kubernetes among them", style="dim")
    if wanted.json:
        figures.write(found, wanted.json)
    sys.exit(not all(figure.is_kept for figure in found))


def _measured(name: str, console: Console, wanted: argparse.Namespace) -> list[Figure]:
    if name in IN_PROCESS:
        return list(IN_PROCESS[name](console, wanted))
    if name in LONG:
        with stack(console) as found, found.http() as http:
            return list(LONG[name](found, http, wanted))
    with console.status(f"  measuring: {name}"), stack(console) as found, found.http() as http:
        return list(MEASURES[name](found, http))


if __name__ == "__main__":
    main()
