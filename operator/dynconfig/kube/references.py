"""Which objects refer to which Secret or ConfigMap: after a change, they are requeued in small portions."""

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

from dynconfig.model.declaration import Source
from dynconfig.model.fingerprint import Fingerprints, fingerprint, fingerprints
from dynconfig.model.key import Key
from dynconfig.model.portions import Later, Portions, later

SourceRef = tuple[str, str, str]
"""Kind, namespace and name of a Secret or ConfigMap."""

# Ascending numbers of objects, four bytes each: a thousand references to each of ten thousand objects are ten million.
_NUMBER = "I"


@dataclass(slots=True)
class _User:
    number: int
    """Ascending, and never used again."""
    refs: Fingerprints = field(default_factory=lambda: fingerprints(()))
    """Digests, since an object may refer to a thousand long names."""


class References:
    """Which objects refer to which Secret or ConfigMap, and the last known resourceVersion of each."""

    def __init__(self, requeue: Callable[[Key], None], later: Later = later) -> None:
        """Create it; `later` schedules what remains to be requeued."""
        self._requeue = requeue
        self._users: dict[Key, _User] = {}
        self._keys: dict[int, Key] = {}
        self._numbers = count()
        self._by: dict[int, array[int]] = {}
        """Ascending numbers of the objects that refer to a digest."""
        self._versions: dict[int, tuple[str, str, str]] = {}
        """Kind, namespace and resourceVersion by digest."""
        self._changes = Portions(self._requeue_from, later)
        """Changes by digest. An object that begins to refer to one in progress has a higher number than all others."""

    def set_sources(self, key: Key, sources: Iterable[Source]) -> None:
        """Set the sources that an object refers to."""
        refs = fingerprints({_title((source.kind, key.namespace, source.name)) for source in sources})
        user = self._users.get(key)
        if user is None:
            if not refs:
                return
            user = self._users[key] = _User(next(self._numbers))
            self._keys[user.number] = key
        if user.refs == refs:
            return
        before, after = frozenset(user.refs), frozenset(refs)
        user.refs = refs
        for ref in before - after:
            self._remove(ref, user.number)
        for ref in after - before:
            insort(self._by.setdefault(ref, array(_NUMBER)), user.number)
        if not refs:
            self.forget(key)

    def forget(self, key: Key) -> None:
        """Remove all references of an object."""
        user = self._users.pop(key, None)
        if user is not None:
            del self._keys[user.number]
            for ref in user.refs:
                self._remove(ref, user.number)

    def is_referenced(self, ref: SourceRef) -> bool:
        """Return whether an object refers to it."""
        return fingerprint(_title(ref)) in self._by

    def changed(self, ref: SourceRef, version: str) -> None:
        """Record a resourceVersion; if it is new, requeue the objects that refer to it."""
        self._record_version(fingerprint(_title(ref)), ref[0], ref[1], version)

    def remove_missing(self, kind: str, namespace: str | None, present: set[SourceRef]) -> None:
        """After a full list, treat references to objects that are not in it as deleted."""
        existing = {fingerprint(_title(ref)) for ref in present}
        for ref, (known, where, _version) in tuple(self._versions.items()):
            if known == kind and namespace in (None, where) and ref not in existing:
                self._record_version(ref, known, where, "")

    def _record_version(self, ref: int, kind: str, namespace: str, version: str) -> None:
        found = (kind, namespace, version)
        if ref in self._by and self._versions.get(ref) != found:
            self._versions[ref] = found
            self._changes.add(namespace, ref)

    def _requeue_from(self, ref: int, number: int, limit: int) -> tuple[int, int | None]:
        """Requeue at most so many objects that refer to a digest, from a number on; see Portions."""
        users = self._by.get(ref, array(_NUMBER))
        at = bisect_left(users, number)
        portion = users[at : at + limit]
        for user in portion:
            self._requeue(self._keys[user])
        return len(portion), portion[-1] + 1 if len(portion) == limit else None

    def _remove(self, ref: int, number: int) -> None:
        users = self._by[ref]
        del users[bisect_right(users, number) - 1]
        if not users:
            del self._by[ref]
            self._versions.pop(ref, None)


def _title(ref: SourceRef) -> str:
    return "/".join(ref)
