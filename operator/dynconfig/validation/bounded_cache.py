"""A cache of what is made of texts, bounded by the lengths of the texts instead of their number."""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Generic, TypeVar

T = TypeVar("T")

_ENTRY = 200
"""Added to the length of each text."""


class _Cache(Generic[T]):
    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: dict[str, T] = {}
        self._characters = 0

    def get(self, text: str, make: Callable[[str], T]) -> T:
        with self._lock:
            if text in self._kept:
                # The entries are ordered by their last use.
                self._kept[text] = found = self._kept.pop(text)
                return found
        made = make(text)
        with self._lock:
            if text not in self._kept:
                self._characters += len(text) + _ENTRY
            self._kept[text] = made
            while self._characters > self._most:
                oldest = next(iter(self._kept))
                del self._kept[oldest]
                self._characters -= len(oldest) + _ENTRY
        return made


def cached_by_length(most: int) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
    """Keep the last results of a function of one text, as long as these texts have at most this many characters together.

    Exceptions are not kept. Thread-safe; two threads may compute the same result.
    """

    def decorated(make: Callable[[str], T]) -> Callable[[str], T]:
        cache = _Cache[T](most)

        @wraps(make)
        def kept(text: str) -> T:
            return cache.get(text, make)

        return kept

    return decorated
