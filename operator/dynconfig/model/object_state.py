"""What is remembered of each object, so that all of it is removed together when the object is deleted."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

K = TypeVar("K")


class ObjectState(Generic[K]):
    """Creates every map and set of state by object; `forget` removes an object from all of them.

    What cannot be removed by its key alone (an index of names, a metric) registers how it is.
    """

    def __init__(self) -> None:
        self._maps: list[dict[K, Any]] = []
        self._sets: list[set[K]] = []
        self._hooks: list[Callable[[K], object]] = []

    def new_map(self) -> dict[K, Any]:
        """Return a map by object."""
        self._maps.append({})
        return self._maps[-1]

    def new_set(self) -> set[K]:
        """Return a set of objects."""
        self._sets.append(set())
        return self._sets[-1]

    def on_forget(self, forget: Callable[[K], object]) -> None:
        """Call a function with each object that is forgotten."""
        self._hooks.append(forget)

    def forget(self, key: K) -> None:
        """Remove everything that is remembered of an object that no longer exists."""
        for values in self._maps:
            values.pop(key, None)
        for members in self._sets:
            members.discard(key)
        for forget in self._hooks:
            forget(key)
