"""What the API server has said of objects: news is told from echoes of own writes, a new object is kept for a moment."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dynconfig.api import names
from dynconfig.engine.agenda import Key
from dynconfig.engine.fingerprint import fingerprint
from dynconfig.kube.client import Document
from dynconfig.kube.finalizer import has_finalizer
from dynconfig.kube.orphan_watch import Existing

FRESH_SECONDS = 1.0
KEPT_NEW = 100

_ASKED = (names.ABANDON, names.APPROVE_GENERATION, names.FORCE_GENERATION, names.RECONCILE_REQUESTED_AT)


@dataclass(frozen=True, slots=True)
class _Words:
    """All of an object that calls for a reconcile when it changes; the operator's own writes are no part of it."""

    uid: str
    generation: int
    is_going: bool
    asked: tuple[tuple[str, int], ...]
    """Annotations, each with a digest of its value, which may have 256 KiB."""


class Heard:
    """Remembers a few words of each object that was reconciled."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._handled: dict[Key, _Words] = {}
        self._held: set[Key] = set()
        self._new: dict[Key, tuple[float, Document]] = {}
        self._spoken_of: dict[Key, str] = {}
        self._regions: dict[Key, str] = {}

    def noticed(self, key: Key, document: Mapping[str, Any], region: str) -> None:
        """The API server spoke of the object as one that exists, and that names or reports a region."""
        self._spoken_of[key] = document["metadata"]["uid"]
        self._regions[key] = sys.intern(region)

    def existing(self) -> Existing:
        """All objects that exist, without another list of them."""
        return Existing(frozenset(self._spoken_of.values()), frozenset(self._regions.values()))

    def uids(self, key: Key) -> tuple[str | None, str | None]:
        """The uid of the object as it was last reconciled, and of the one that the API server spoke of last."""
        words = self._handled.get(key)
        return words.uid if words else None, self._spoken_of.get(key)

    def is_taken_anew(self, key: Key, uid: str | None) -> bool:
        """Whether the API server has spoken of another object of that name after the one of this uid."""
        return self._spoken_of.get(key, uid) != uid

    def is_news(self, key: Key, document: Mapping[str, Any]) -> bool:
        """Whether the object changed in a way that calls for a reconcile."""
        # The finalizer comes by the operator's own hand, and goes by another's: `kubectl replace` drops it.
        is_let_go = key in self._held and not has_finalizer(document)
        return is_let_go or self._handled.get(key) != _words(document)

    def created(self, key: Key, document: Mapping[str, Any]) -> None:
        """An object came into being; it is kept for a moment, unless very many are."""
        if len(self._new) < KEPT_NEW:
            self._new[key] = (self._clock(), dict(document))

    def take_created(self, key: Key) -> Document | None:
        """What was heard of a new object this moment, which spares asking for it; only its author wrote it so far."""
        at, document = self._new.pop(key, (float("-inf"), None))
        return document if key not in self._handled and self._clock() - at < FRESH_SECONDS else None

    def handled(self, key: Key, document: Mapping[str, Any]) -> None:
        """The object is being reconciled as it stands in the document."""
        self._handled[key] = _words(document)
        (self._held.add if has_finalizer(document) else self._held.discard)(key)

    def forget(self, key: Key, uid: str | None) -> None:
        """The object is gone; what was heard of another that has taken its name is kept."""
        self._handled.pop(key, None)
        self._held.discard(key)
        if not self.is_taken_anew(key, uid):
            self._new.pop(key, None)
            self._spoken_of.pop(key, None)
            self._regions.pop(key, None)


def _words(document: Mapping[str, Any]) -> _Words:
    metadata = document["metadata"]
    annotations = metadata.get("annotations") or {}
    asked = tuple((name, fingerprint(annotations[name])) for name in _ASKED if name in annotations)
    return _Words(metadata["uid"], metadata.get("generation", 1), "deletionTimestamp" in metadata, asked)
