"""Remembers what people seldom change and AWS tells in a call of its own, so that a look at an object in sync stays cheap."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from dynconfig.engine.resource import Resource, Scope

# That is how long a change by hand of what is remembered may go unseen, where neither a person asks for a look nor AWS
# tells of the change by an event.
TTL_SECONDS = 3600.0

T = TypeVar("T")


class TtlCache(Generic[T]):
    """What AWS told of resources by name; safe for threads that serve different owners."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[float, object, T]] = {}

    def get(
        self, name: str, scope: Scope, desired: Sequence[Resource], read: Callable[[], T], *, version: object = None
    ) -> T:
        """What was told lately of what bears the same `version`, or else is told now; nothing is deleted from memory."""
        at, known_version, known = self._entries.get(name, (float("-inf"), version, None))
        is_desired = any(resource.name == name for resource in desired)
        must_read = scope.closely or name in scope.heard or not is_desired
        is_valid = known_version == version and self._clock() - at < TTL_SECONDS
        if known is not None and is_valid and not must_read:
            return known
        found = read()
        self._entries[name] = (self._clock(), version, found)
        return found

    def forget(self, name: str) -> None:
        """It is written, so that what was told is no longer true."""
        self._entries.pop(name, None)
