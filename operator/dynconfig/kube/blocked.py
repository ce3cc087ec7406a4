"""Objects that wait for a resource which another object owns."""

from collections.abc import Iterable

from dynconfig.events.signals import EVERYWHERE
from dynconfig.model.errors import DynConfigError, NotOwned
from dynconfig.model.fingerprint import Fingerprints, fingerprint, fingerprints
from dynconfig.model.key import Key

# IAM is global.
_GLOBAL = ("Role ",)
# A managed function and an attachment claim the same resource.
_CLAIMS = (("Attachment ", "Function "),)


class BlockedObjects:
    """Finds waiting objects by the region and title of the resource."""

    def __init__(self) -> None:
        self._wanted: dict[Key, Fingerprints] = {}
        """Digests of the resources each object waits for, which may have a thousand long names."""

    def record(self, key: Key, region: str, error: DynConfigError | None) -> None:
        """Record the resources that an object waits for after a reconcile; none if `error` is None."""
        self.forget(key)
        if isinstance(error, NotOwned):
            self._wanted[key] = fingerprints(_place(region, title) for title in error.titles)

    def waiting_for(self, region: str, titles: Iterable[str]) -> set[Key]:
        """Return the objects that wait for one of these resources."""
        freed = frozenset(fingerprint(_place(region, title)) for title in titles)
        return {key for key, wanted in self._wanted.items() if freed and not freed.isdisjoint(wanted)}

    def forget(self, key: Key) -> None:
        """Forget an object."""
        self._wanted.pop(key, None)


def _place(region: str, title: str) -> str:
    for claim, thing in _CLAIMS:
        title = thing + title.removeprefix(claim) if title.startswith(claim) else title
    return f"{EVERYWHERE if title.startswith(_GLOBAL) else region} {title}"
