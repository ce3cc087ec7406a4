"""Tracks the objects of the API server: distinguishes changes that need a reconcile from the operator's own writes."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dynconfig.api import names
from dynconfig.kube.client import Document
from dynconfig.kube.finalizer import has_finalizer
from dynconfig.kube.orphan_watch import ExistingObjects
from dynconfig.model import size
from dynconfig.model.fingerprint import fingerprint
from dynconfig.model.holders import Holders
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


@dataclass(frozen=True, slots=True)
class _Received:
    """What decides of an object that the API server returned: anyone may change its labels a hundred times a second."""

    fingerprint: _Fingerprint
    has_finalizer: bool
    status: int
    """A digest."""
    spec_weight: int
    is_reported: bool
    """Whether status has what a reconcile found."""

    def has_spec_of(self, fingerprint: _Fingerprint) -> bool:
        """Whether another state of the object has the same spec."""
        return (self.fingerprint.uid, self.fingerprint.generation) == (fingerprint.uid, fingerprint.generation)


class ObjectTracker:
    """Keeps a fingerprint of each object that was reconciled, and new objects for a second."""

    def __init__(self, clock: Callable[[], float], reconciled: ObjectState[Key], existing: ObjectState[Key]) -> None:
        self._reconciled: dict[Key, _Fingerprint] = reconciled.new_map()
        self._with_finalizer = reconciled.new_set()
        self._erased = existing.new_set()
        """Objects whose status was removed since their last reconcile."""
        self._accepted: dict[Key, str] = reconciled.new_map()
        """The last versions before the finalizer, which the API server may return late."""
        self._created = TtlCache[Key, Document](MAX_AGE_SECONDS, clock)
        self._uids: dict[Key, str] = existing.new_map()
        self._regions: dict[Key, str] = existing.new_map()
        self._versions: dict[Key, str] = existing.new_map()
        self._received: dict[Key, _Received] = existing.new_map()
        self._names = Holders[str, str]()
        """The names of the existing objects of each namespace."""
        existing.on_forget(self._forget)

    def receive(self, key: Key, document: Mapping[str, Any]) -> tuple[bool, int]:
        """Record an object from a list or watch; return whether anything that the operator uses has changed, and its weight.

        Spec changes with the generation:
        https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#status-subresource
        """
        metadata, known, status = document["metadata"], self._received.get(key), size.compact(document.get("status"))
        self._created.forget([key])
        self._names.add(key.namespace, key.name)
        self._uids[key], self._versions[key] = metadata["uid"], metadata["resourceVersion"]
        found = _fingerprint_of(document)
        is_known = known is not None and known.has_spec_of(found)
        spec_weight = known.spec_weight if known and is_known else size.weight_of(size.compact(document.get("spec")))
        received = _Received(found, has_finalizer(document), fingerprint(status), spec_weight, _is_reported(document))
        if known and known.is_reported and not received.is_reported and known.fingerprint.uid == found.uid:
            self._erased.add(key)
        self._received[key] = received
        others = size.weight({name: value for name, value in document.items() if name not in ("spec", "status")})
        return received != known, spec_weight + size.weight_of(status) + others

    def forget_received(self, key: Key) -> None:
        """Take the next state of an object that the API server returns for a changed one."""
        self._received.pop(key, None)

    def record_region(self, key: Key, region: str | None) -> None:
        """Record the region that an existing object declares or reports; None if it is in a target."""
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

    def has_objects(self, namespace: str) -> bool:
        """Whether an object exists in a namespace."""
        return namespace in self._names

    def exists(self, key: Key) -> bool:
        """Return whether the API server has an object with this name, as far as is known."""
        return key in self._uids

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
        is_earlier = document["metadata"]["resourceVersion"] == self._accepted.get(key)
        is_finalizer_removed = key in self._with_finalizer and not has_finalizer(document) and not is_earlier
        return is_finalizer_removed or key in self._erased or self._reconciled.get(key) != _fingerprint_of(document)

    def is_finalized(self, key: Key, document: Mapping[str, Any]) -> bool:
        """Return whether the object was forgotten, since its deletion is done: only finalizers of others keep it."""
        is_deleting = "deletionTimestamp" in document["metadata"]
        return is_deleting and not has_finalizer(document) and key not in self._reconciled and key not in self._uids

    def cache_created(self, key: Key, document: Mapping[str, Any]) -> None:
        """Keep a created object until the watch delivers its next state, at most a second, unless too many are kept."""
        if len(self._created) < MAX_CREATED:
            self._created.put(key, dict(document))

    def take_created(self, key: Key) -> Document | None:
        """Return a new object as the watch delivered it, which saves a GET; only its author has written it so far."""
        document = self._created.get(key)
        self._created.forget([key])
        return document if key not in self._reconciled else None

    @staticmethod
    def is_edited(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Return whether someone has edited an object between two states of it, in a way that needs a reconcile."""
        return _fingerprint_of(before) != _fingerprint_of(after)

    def record_accepted(self, key: Key, before: Mapping[str, Any], document: Mapping[str, Any]) -> None:
        """Record the state in which the object is reconciled, and the one before its finalizer."""
        self._accepted[key] = before["metadata"]["resourceVersion"]
        self.record_reconciled(key, document)

    def record_reconciled(self, key: Key, document: Mapping[str, Any]) -> None:
        """Record the state in which the object is reconciled."""
        self._reconciled[key] = _fingerprint_of(document)
        self._erased.discard(key)
        (self._with_finalizer.add if has_finalizer(document) else self._with_finalizer.discard)(key)

    def _forget(self, key: Key) -> None:
        self._created.forget([key])
        self._names.discard(key.namespace, key.name)


def _is_reported(document: Mapping[str, Any]) -> bool:
    status = document.get("status")
    return isinstance(status, Mapping) and status.get("observedGeneration") not in (None, names.UNSEEN)


def _fingerprint_of(document: Mapping[str, Any]) -> _Fingerprint:
    metadata = document["metadata"]
    annotations = metadata.get("annotations") or {}
    requests = tuple((name, fingerprint(annotations[name])) for name in _REQUEST_ANNOTATIONS if name in annotations)
    return _Fingerprint(metadata["uid"], metadata.get("generation", 1), "deletionTimestamp" in metadata, requests)
