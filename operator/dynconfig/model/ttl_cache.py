"""Values that are used for a limited time, or until a known version changes."""

import math
import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
_ANY = object()


class TtlCache(Generic[K, V]):
    """Values by key, each valid for `seconds` from its last `put`, or until forgotten. Thread-safe.

    Expired values are removed, so that memory does not grow with keys of the past.
    """

    def __init__(self, seconds: float = math.inf, clock: Callable[[], float] = lambda: 0.0) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[K, tuple[float, object, V]] = {}

    def get(self, key: K, *, version: object = _ANY) -> V | None:
        """Return the value, or None if there is none, it has expired, or it was put for another `version`."""
        at, known, value = self._entries.get(key, (-math.inf, None, None))
        return value if self._clock() - at < self._seconds and version in (_ANY, known) else None

    def put(self, key: K, value: V, *, version: object = None) -> None:
        """Set a value, valid from now."""
        with self._lock:
            # Entries are ordered by time.
            self._entries.pop(key, None)
            self._entries[key] = (self._clock(), version, value)
            self._remove_expired()

    def forget(self, keys: Iterable[K]) -> None:
        """Remove values, because what they describe has changed."""
        with self._lock:
            for key in keys:
                self._entries.pop(key, None)

    def __len__(self) -> int:
        with self._lock:
            self._remove_expired()
            return len(self._entries)

    def _remove_expired(self) -> None:
        expired = self._clock() - self._seconds
        while self._entries and self._entries[oldest := next(iter(self._entries))][0] <= expired:
            del self._entries[oldest]
