"""The objects that cannot go on, since another object owns a resource that they declare."""

from collections.abc import Iterable

from dynconfig.engine.errors import DynConfigError, NotOwned
from dynconfig.engine.fingerprint import Fingerprints, fingerprint, fingerprints
from dynconfig.engine.signals import EVERYWHERE
from dynconfig.engine.work_queue import Key

# IAM knows no regions.
_GLOBAL = ("Role ",)
# To make a function and to add to it are claims to the same thing.
_CLAIMS = (("Attachment ", "Function "),)


class Blocked:
    """Finds the objects that wait for a resource, by its region and title."""

    def __init__(self) -> None:
        self._wanted: dict[Key, Fingerprints] = {}
        """Digests of what each object waits for, which may be a thousand long names."""

    def served(self, key: Key, region: str, error: DynConfigError | None) -> None:
        """A reconcile has ended so."""
        self.forget(key)
        if isinstance(error, NotOwned):
            self._wanted[key] = fingerprints(_place(region, title) for title in error.titles)

    def freed(self, region: str, titles: Iterable[str]) -> set[Key]:
        """The objects that wait for one of these resources."""
        freed = frozenset(fingerprint(_place(region, title)) for title in titles)
        return {key for key, wanted in self._wanted.items() if freed and not freed.isdisjoint(wanted)}

    def forget(self, key: Key) -> None:
        """The object waits for nothing."""
        self._wanted.pop(key, None)


def _place(region: str, title: str) -> str:
    for claim, thing in _CLAIMS:
        title = thing + title.removeprefix(claim) if title.startswith(claim) else title
    return f"{EVERYWHERE if title.startswith(_GLOBAL) else region} {title}"
