"""Which objects have something: a set of objects for each key, without a set for the usual single one."""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Hashable)


class Holders(Generic[K, V]):
    """The values of each key. `V` must not be a set. Not thread-safe."""

    def __init__(self) -> None:
        self._of: dict[K, V | set[V]] = {}

    def add(self, key: K, value: V) -> None:
        """Add a value of a key."""
        known = self._of.setdefault(key, value)
        if isinstance(known, set):
            known.add(value)
        elif known != value:
            self._of[key] = {known, value}

    def discard(self, key: K, value: V) -> None:
        """Remove a value of a key, if it is one."""
        known = self._of.get(key)
        if isinstance(known, set):
            known.discard(value)
            if len(known) == 1:
                self._of[key] = known.pop()
        elif known == value:
            self._of.pop(key, None)

    def of(self, key: K) -> Iterable[V]:
        """Return the values of a key; not to be changed meanwhile."""
        known = self._of.get(key)
        if known is None:
            return ()
        return known if isinstance(known, set) else (known,)

    def __contains__(self, key: K) -> bool:
        return key in self._of
