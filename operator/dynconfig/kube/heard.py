"""What the API server has said of objects: news is told from echoes of own writes, a new object is kept for a moment."""

from collections.abc import Callable, Mapping
from typing import Any

from dynconfig.api import names
from dynconfig.engine.agenda import Key
from dynconfig.kube.client import Document

FRESH_SECONDS = 1.0
KEPT_NEW = 100

_ASKED = (names.ABANDON, names.APPROVE_GENERATION, names.RECONCILE_REQUESTED_AT)

Fingerprint = tuple[str, int, bool, tuple[tuple[str, str], ...]]


class Heard:
    """Remembers a few words of each object that was reconciled."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._handled: dict[Key, Fingerprint] = {}
        self._new: dict[Key, tuple[float, Document]] = {}

    def is_news(self, key: Key, document: Mapping[str, Any]) -> bool:
        """Whether the object changed in a way that calls for a reconcile."""
        return self._handled.get(key) != _fingerprint(document)

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
        self._handled[key] = _fingerprint(document)

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._handled.pop(key, None)
        self._new.pop(key, None)


def _fingerprint(document: Mapping[str, Any]) -> Fingerprint:
    """All of an object that calls for a reconcile when it changes; the operator's own writes are no part of it."""
    metadata = document["metadata"]
    annotations = metadata.get("annotations") or {}
    asked = tuple((name, annotations[name]) for name in _ASKED if name in annotations)
    return metadata["uid"], metadata.get("generation", 1), "deletionTimestamp" in metadata, asked
