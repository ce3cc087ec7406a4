"""The effect of a hostile namespace on others: the operator's peak memory, and the wait of another tenant."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import httpx2
from benchmarks.figures import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table
from tests.security.attacks import ATTACKS, TOGETHER, Namespace
from tests.security.harm import Harm, measure

from dynconfig_lab.stack import Stack

PEAK_MIB = 200
WAIT_SECONDS = 2


def attacks(console: Console, stack: Stack, http: httpx2.Client) -> Iterator[Figure]:
    """Each attack on a running operator and on one that starts with the attack in place; no attack for comparison."""
    return _figures(console, {name: partial(measure, stack, http, attack) for name, attack in _ALONE.items()})


def joint_attacks(console: Console, stack: Stack, http: httpx2.Client) -> Iterator[Figure]:
    """Up to three attacks at the same time, each from a namespace of its own; the operator keeps what earlier ones left."""
    return _figures(
        console, {name: partial(measure, stack, http, *group, is_fresh=False) for name, group in _JOINT.items()}
    )


def _figures(console: Console, measures: Mapping[str, Callable[[], Harm]]) -> Iterator[Figure]:
    found = dict[str, Harm]()
    for name, measured in track(measures.items(), "  attacks", console=console, transient=True):
        found[name] = measured()
        # Each takes a minute or more.
        console.print(f"  {name}: {found[name].peak_mib:.0f} MiB, longest wait {found[name].wait_seconds:.2f} s")
    console.print(_table(found))
    idle = found.pop("none")
    for name, harm in found.items():
        beside = f"{idle.peak_mib:.0f} MiB without an attack" + ("" if harm.survived else "; the operator ended")
        yield Figure(f"Peak memory under: {name}", harm.peak_mib, PEAK_MIB, "MiB", beside)
        yield Figure(
            f"Longest wait of another tenant under: {name}",
            harm.wait_seconds,
            WAIT_SECONDS,
            "s",
            f"{harm.idle.longest:.2f} s right before it, at a load of {harm.load:.1f}",
        )


def _nothing(_attacker: Namespace) -> None:
    """No attack."""


_ALONE = {"none": _nothing, **ATTACKS}
_JOINT = {
    "none": (_nothing,),
    **{" and ".join(attack.__name__ for attack in group).replace("_", " "): group for group in TOGETHER},
}


def _table(found: dict[str, Harm]) -> Table:
    table = Table(
        "Attack", "Peak", "Idle", "Under attack", "After a start", "Start", "Operator's CPU", "Load", "Operator"
    )
    table.title = (
        "Longest wait of another tenant (of the API server to create the object), and the operator's peak of memory"
    )
    for name, harm in found.items():
        each = harm.idle, harm.attacked, harm.restarted
        waits = [f"{waits.longest:.2f} s ({waits.longest_of_api:.2f})" for waits in each]
        cpu = " / ".join(f"{waits.cpu_seconds:.1f}" for waits in each)
        state = "kept on" if harm.survived else "ended"
        start = f"{harm.start_seconds:.1f} s"
        table.add_row(name, f"{harm.peak_mib:.0f} MiB", *waits, start, f"{cpu} s", f"{harm.load:.1f}", state)
    return table
