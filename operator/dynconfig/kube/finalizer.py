"""The finalizer: keeps an object until its AWS resources are deleted."""

from collections.abc import Callable, Mapping
from typing import Any

from dynconfig.api import names
from dynconfig.engine.outcome import Outcome
from dynconfig.kube.client import ApiRefused, Document, Kube
from dynconfig.kube.responses import INVALID
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.stored import emptied, spec_of


def has_finalizer(document: Mapping[str, Any]) -> bool:
    """Return whether the object has the operator's finalizer."""
    return names.FINALIZER in (document["metadata"].get("finalizers") or ())


async def add_finalizer(kube: Kube, key: Key, document: Document) -> Document:
    """Add the finalizer; return the updated object. Raises ApiConflict if it was modified concurrently."""
    metadata = document["metadata"]
    finalizers = [*(metadata.get("finalizers") or ()), names.FINALIZER]
    return await _put(kube, key, finalizers, metadata["resourceVersion"])


async def remove_finalizer(kube: Kube, key: Key, uid: str) -> None:
    """Remove the finalizer from the object with this UID, if it exists. Raises ApiConflict."""
    fresh = await kube.object(key)
    if fresh is not None and fresh["metadata"]["uid"] == uid:
        remaining = [name for name in fresh["metadata"].get("finalizers") or () if name != names.FINALIZER]
        try:
            await _put(kube, key, remaining, fresh["metadata"]["resourceVersion"])
        except ApiRefused as error:
            if error.status != INVALID:
                raise
            await _put(kube, key, remaining, fresh["metadata"]["resourceVersion"], spec=emptied(spec_of(fresh)))


async def _put(kube: Kube, key: Key, finalizers: list[str], version: str, **more: Mapping[str, Any]) -> Document:
    return await kube.patch(key, {"metadata": {"finalizers": finalizers, "resourceVersion": version}, **more})


class DeletionCheck:
    """Remembers when AWS first showed the expected state at the end of a deletion.

    Not a TtlCache: the end of the time confirms the deletion, instead of invalidating what is known.
    """

    def __init__(self, clock: Callable[[], float], seconds: float, state: ObjectState[str]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._first: dict[str, float] = state.new_map()

    def delay(self, outcome: Outcome) -> float | None:
        """Return the delay in seconds until the confirming read; None if it has confirmed the deletion."""
        uid, now = outcome.declaration.owner.uid, self._clock()
        # Until the watch has delivered the deletion, another object may hand over a parameter to this one.
        if outcome.applied or uid not in self._first or outcome.declaration.is_ahead_of_watch:
            self._first[uid] = now
            return self._seconds
        remaining = self._first[uid] + self._seconds - now
        return remaining if remaining > 0 else None
