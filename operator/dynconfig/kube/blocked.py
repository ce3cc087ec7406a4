"""The objects that cannot go on, since another object owns a resource that they declare."""

from collections.abc import Iterable

from dynconfig.engine.agenda import Key
from dynconfig.engine.errors import DynConfigError, NotOwned
from dynconfig.engine.signals import EVERYWHERE

# IAM knows no regions.
_GLOBAL = ("Role ",)
# To make a function and to add to it are claims to the same thing.
_CLAIMS = (("Attachment ", "Function "),)


class Blocked:
    """Finds the objects that wait for a resource, by its region and title."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], set[Key]] = {}
        self._wanted: dict[Key, tuple[tuple[str, str], ...]] = {}

    def served(self, key: Key, region: str, error: DynConfigError | None) -> None:
        """A reconcile has ended so."""
        self.forget(key)
        if isinstance(error, NotOwned):
            wanted = self._wanted[key] = tuple(_place(region, title) for title in error.titles)
            for place in wanted:
                self._waiting.setdefault(place, set()).add(key)

    def freed(self, region: str, titles: Iterable[str]) -> set[Key]:
        """The objects that wait for one of these resources."""
        return {key for title in titles for key in self._waiting.get(_place(region, title), ())}

    def forget(self, key: Key) -> None:
        """The object waits for nothing."""
        for place in self._wanted.pop(key, ()):
            self._waiting[place].discard(key)
            if not self._waiting[place]:
                del self._waiting[place]


def _place(region: str, title: str) -> tuple[str, str]:
    for claim, thing in _CLAIMS:
        title = thing + title.removeprefix(claim) if title.startswith(claim) else title
    return (EVERYWHERE if title.startswith(_GLOBAL) else region), title
