"""Random sequences of edits, failures and deaths, each compared with a reference model: `--seed N` replays one."""

import argparse
from collections.abc import Iterator

from benchmarks.figures import Figure
from rich.console import Console
from rich.progress import Progress
from tests.sequences.story import Result, play
from tests.sequences.world import ground

COUNT = 1000


def sequences(console: Console, wanted: argparse.Namespace) -> Iterator[Figure]:
    """Run the requested number; each that differs from the model is printed with its seed."""
    first, count = (wanted.first, wanted.count) if wanted.seed is None else (wanted.seed, 1)
    failed: list[Result] = []
    writes = deaths = 0
    with ground() as found, Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"{count} sequences, seeds {first} to {first + count - 1}", total=count)
        for seed in range(first, first + count):
            result = play(found, seed)
            writes, deaths = writes + result.writes, deaths + result.lives - 1
            if result.faults or wanted.seed is not None:
                progress.console.print(result.described(), markup=False)
            if result.faults:
                failed.append(result)
            progress.advance(task)
    seeds = ", ".join(str(result.seed) for result in failed)
    yield Figure(
        f"Of {count} random sequences, those after which AWS differs from the model",
        len(failed),
        0,
        "",
        f"seeds {first} to {first + count - 1}; {writes} writes, {deaths} restarts and deaths of the operator"
        + (f"; failed: {seeds}" if failed else ""),
    )
