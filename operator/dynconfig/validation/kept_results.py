"""Results of checks that took long, so that an object that has not changed is not checked again at each resync."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

KEPT_SECONDS = 600.0
"""A check that took too long once is repeated after this time."""
EXPENSIVE_SECONDS = 0.02
"""CPU time from which on a result is kept. Ordinary checks take less, so that nothing of them is remembered."""
MAX_CHARACTERS = 2**20
"""Of all results that are kept at a time."""
_ENTRY = 256


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check depends on: spec, and the texts of Secrets and ConfigMaps, as keyed digests."""

    spec: int
    texts: int
    check: str
    """Which of the checks of an object it is."""


@dataclass(frozen=True, slots=True)
class _Result:
    until: float
    faults: tuple[str, ...]


class KeptResults:
    """The faults that expensive checks found. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._results: dict[Checked, _Result] = {}
        self._characters = 0

    def faults(self, what: Checked, check: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        """Return the faults that a check finds, or found before for the same spec and texts."""
        with self._lock:
            kept = self._results.get(what)
        if kept is not None and kept.until > self._clock():
            return kept.faults
        begun = time.thread_time()
        found = check()
        if time.thread_time() - begun >= EXPENSIVE_SECONDS:
            self._keep(what, _Result(self._clock() + KEPT_SECONDS, found))
        return found

    def _keep(self, what: Checked, result: _Result) -> None:
        with self._lock:
            self._remove(what)
            self._results[what] = result
            self._characters += _size(result)
            # Entries are ordered by time.
            while self._characters > MAX_CHARACTERS:
                self._remove(next(iter(self._results)))

    def _remove(self, what: Checked) -> None:
        before = self._results.pop(what, None)
        if before is not None:
            self._characters -= _size(before)


def _size(result: _Result) -> int:
    return _ENTRY + sum(map(len, result.faults))
