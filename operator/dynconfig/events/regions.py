"""Tracks the regions from which AWS events are needed: those where an object has, or may soon have, AWS resources."""

from collections.abc import Callable, Mapping
from typing import Any

from dynconfig.model.key import Key
from dynconfig.validation.declare import is_written


class EventRegions:
    """The region of each written object; starts a listener for the first object of a region, releases it after the last.

    Only accepted objects count, so that nobody can make the operator listen in arbitrary regions.
    """

    def __init__(self, start_listener: Callable[[str], None], release_listener: Callable[[str], None]) -> None:
        self._start_listener = start_listener
        self._release_listener = release_listener
        self._regions: dict[Key, str] = {}

    def track(self, key: Key, document: Mapping[str, Any], region: str) -> None:
        """Record the region of an accepted object, unless it is suspended and has nothing in AWS."""
        if self._regions.get(key) != region and is_written(document):
            self.forget(key)
            self._regions[key] = region
            self._start_listener(region)

    def objects(self, region: str) -> tuple[Key, ...]:
        """Return the objects of a region, in the order in which they were accepted."""
        return tuple(key for key, used in self._regions.items() if used == region)

    def forget(self, key: Key) -> None:
        """Forget a deleted object; if it was the last one of its region, release the listener."""
        region = self._regions.pop(key, None)
        if region is not None and region not in self._regions.values():
            self._release_listener(region)
