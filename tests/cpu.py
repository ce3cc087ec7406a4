"""CPU time in relation to reference work that is measured beside it, so that the speed of the machine decides no test."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import thread_time

# CPU seconds of the reference work on an ordinary machine.
ORDINARY_SECONDS = 0.003


@dataclass(slots=True)
class CpuTime:
    """CPU time of this thread."""

    seconds: float = 0.0
    """As measured."""
    ordinary: float = 0.0
    """What it would be on an ordinary machine."""


@contextmanager
def cpu_time() -> Iterator[CpuTime]:
    """Measure the CPU time of the block.

    The reference is measured before and after the block, and the slower result counts. Garbage collection skips
    what earlier tests left, as it skips what the operator has at its start.
    """
    gc.freeze()
    try:
        taken, before, begun = CpuTime(), slowness(), thread_time()
        yield taken
        taken.seconds = thread_time() - begun
        taken.ordinary = taken.seconds / max(before, slowness())
    finally:
        gc.unfreeze()


def slowness() -> float:
    """How many times longer than on an ordinary machine Python takes here and now; at least 1."""
    begun = thread_time()
    _reference_work()
    return max(1.0, (thread_time() - begun) / ORDINARY_SECONDS)


def _reference_work() -> int:
    """Calls, comparisons, dictionaries, lists and texts, as validation has them."""
    kept: dict[str, list[int]] = {}
    for number in range(20_000):
        kept.setdefault(str(number % 997), []).append(number)
    return sum(len(name) * max(numbers) for name, numbers in kept.items())
