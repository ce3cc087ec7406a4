"""Cache details that rarely change and take a call of their own, so that observing an object in sync stays cheap."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from dynconfig.model.resource import Resource, Scope

# How long an external change of a cached detail may go undetected, unless there is an event or a manual request.
TTL_SECONDS = 3600.0

T = TypeVar("T")


class TtlCache(Generic[T]):
    """Cached details of resources by name. Thread-safe as long as each thread serves another owner."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[float, object, T]] = {}

    def get(
        self, name: str, scope: Scope, desired: Sequence[Resource], read: Callable[[], T], *, version: object = None
    ) -> T:
        """Return the cached detail if it is recent and of the same `version`, else read it. Surplus resources are always read."""
        at, known_version, known = self._entries.get(name, (float("-inf"), version, None))
        is_desired = any(resource.name == name for resource in desired)
        must_read = scope.bypass_cache or name in scope.changed or not is_desired
        is_valid = known_version == version and self._clock() - at < TTL_SECONDS
        if known is not None and is_valid and not must_read:
            return known
        found = read()
        self._entries[name] = (self._clock(), version, found)
        return found

    def forget(self, name: str) -> None:
        """Drop the entry, because the resource is written."""
        self._entries.pop(name, None)
