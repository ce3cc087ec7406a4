"""Tracks the objects of the API server: distinguishes changes that need a reconcile from the operator's own writes."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dynconfig.api import names
from dynconfig.kube.client import Document
from dynconfig.kube.finalizer import has_finalizer
from dynconfig.kube.orphan_watch import ExistingObjects
from dynconfig.model.fingerprint import fingerprint
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.ttl_cache import TtlCache

MAX_AGE_SECONDS = 1.0
MAX_CREATED = 100

_REQUEST_ANNOTATIONS = (names.ABANDON, names.APPROVE_GENERATION, names.FORCE_GENERATION, names.RECONCILE_REQUESTED_AT)


@dataclass(frozen=True, slots=True)
class _Fingerprint:
    """The fields of an object whose change needs a reconcile; the operator's own writes are not among them."""

    uid: str
    generation: int
    is_deleting: bool
    requests: tuple[tuple[str, int], ...]
    """Annotations, each with a digest of its value, which may have 256 KiB."""


class ObjectTracker:
    """Keeps a fingerprint of each object that was reconciled, and new objects for a second."""

    def __init__(self, clock: Callable[[], float], reconciled: ObjectState[Key], existing: ObjectState[Key]) -> None:
        self._reconciled: dict[Key, _Fingerprint] = reconciled.new_map()
        self._with_finalizer = reconciled.new_set()
        self._created = TtlCache[Key, Document](MAX_AGE_SECONDS, clock)
        self._uids: dict[Key, str] = existing.new_map()
        self._regions: dict[Key, str] = existing.new_map()
        self._versions: dict[Key, str] = existing.new_map()
        existing.on_forget(lambda key: self._created.forget([key]))

    def record(self, key: Key, document: Mapping[str, Any], region: str | None) -> None:
        """Record an object from a list or watch, with the region that it declares or reports; None if it is in a target."""
        self._uids[key] = document["metadata"]["uid"]
        self._versions[key] = document["metadata"]["resourceVersion"]
        if region is None:
            self._regions.pop(key, None)
        else:
            self._regions[key] = sys.intern(region)

    def version(self, key: Key) -> str | None:
        """Return the resourceVersion of an existing object that the API server returned last."""
        return self._versions.get(key)

    def existing(self) -> ExistingObjects:
        """Return UIDs and regions of all existing objects, without listing them again."""
        return ExistingObjects(frozenset(self._uids.values()), frozenset(self._regions.values()))

    def uids_of_existing(self) -> tuple[tuple[Key, str], ...]:
        """Return all existing objects, each with its UID."""
        return tuple(self._uids.items())

    def uids(self, key: Key) -> tuple[str | None, str | None]:
        """Return the UID at the last reconcile, and the UID that the API server returned last."""
        known = self._reconciled.get(key)
        return known.uid if known else None, self._uids.get(key)

    def is_replaced(self, key: Key, uid: str | None) -> bool:
        """Return whether the API server has since returned another object with this name."""
        return self._uids.get(key, uid) != uid

    def needs_reconcile(self, key: Key, document: Mapping[str, Any]) -> bool:
        """Return whether the object changed in a way that needs a reconcile."""
        # Only the operator adds the finalizer; others remove it, for example by `kubectl replace`.
        is_finalizer_removed = key in self._with_finalizer and not has_finalizer(document)
        return is_finalizer_removed or self._reconciled.get(key) != _fingerprint_of(document)

    def cache_created(self, key: Key, document: Mapping[str, Any]) -> None:
        """Keep a created object for a second, unless too many are kept."""
        if len(self._created) < MAX_CREATED:
            self._created.put(key, dict(document))

    def take_created(self, key: Key) -> Document | None:
        """Return a new object as the watch delivered it, which saves a GET; only its author has written it so far."""
        document = self._created.get(key)
        self._created.forget([key])
        return document if key not in self._reconciled else None

    def record_reconciled(self, key: Key, document: Mapping[str, Any]) -> None:
        """Record the state in which the object is reconciled."""
        self._reconciled[key] = _fingerprint_of(document)
        (self._with_finalizer.add if has_finalizer(document) else self._with_finalizer.discard)(key)


def _fingerprint_of(document: Mapping[str, Any]) -> _Fingerprint:
    metadata = document["metadata"]
    annotations = metadata.get("annotations") or {}
    requests = tuple((name, fingerprint(annotations[name])) for name in _REQUEST_ANNOTATIONS if name in annotations)
    return _Fingerprint(metadata["uid"], metadata.get("generation", 1), "deletionTimestamp" in metadata, requests)
