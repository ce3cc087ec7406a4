"""Cache details that rarely change and take a call of their own, so that observing an object in sync stays cheap."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from dynconfig.model.resource import Resource, Scope
from dynconfig.model.ttl_cache import TtlCache

# How long an external change of a cached detail may go undetected, unless there is an event or a manual request.
TTL_SECONDS = 3600.0

T = TypeVar("T")


class DetailCache(Generic[T]):
    """Cached details of resources by name."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._details = TtlCache[str, T](TTL_SECONDS, clock)

    def get(
        self, name: str, scope: Scope, desired: Sequence[Resource], read: Callable[[], T], *, version: object = None
    ) -> T:
        """Return the cached detail if it is recent and of the same `version`, else read it. Surplus resources are always read."""
        is_desired = any(resource.name == name for resource in desired)
        must_read = scope.bypass_cache or name in scope.changed or not is_desired
        known = None if must_read else self._details.get(name, version=version)
        if known is not None:
            return known
        found = read()
        self._details.put(name, found, version=version)
        return found

    def forget(self, name: str) -> None:
        """Drop the entry, because the resource is written."""
        self._details.forget([name])
