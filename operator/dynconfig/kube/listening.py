"""Which regions events are received from: those in which an object has, or may soon have, something in AWS."""

from collections.abc import Callable, Mapping
from typing import Any

from dynconfig.engine.declare import is_written
from dynconfig.engine.work_queue import Key


class Regions:
    """The region of each object that is written, so that nothing is kept up for a region that has none.

    An object has to be accepted first: nobody may have this operator listen wherever it pleases him.
    """

    def __init__(self, listen: Callable[[str], None], leave: Callable[[str], None]) -> None:
        self._listen = listen
        self._leave = leave
        self._of: dict[Key, str] = {}

    def want(self, key: Key, document: Mapping[str, Any], region: str) -> None:
        """Receive events of an accepted object, unless it is suspended and has nothing in AWS."""
        if self._of.get(key) != region and is_written(document):
            self.forget(key)
            self._of[key] = region
            self._listen(region)

    def objects(self, region: str) -> tuple[Key, ...]:
        """The objects of a region, in the order in which they were accepted."""
        return tuple(key for key, named in self._of.items() if named == region)

    def forget(self, key: Key) -> None:
        """The object is gone; with the last one of a region, its events are of no use."""
        region = self._of.pop(key, None)
        if region is not None and region not in self._of.values():
            self._leave(region)
