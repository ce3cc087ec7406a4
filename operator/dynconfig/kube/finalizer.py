"""The finalizer: keeps an object until its AWS resources are deleted."""

from collections.abc import Mapping
from typing import Any

from dynconfig.api import names
from dynconfig.kube.client import ApiRefused, Document, Kube
from dynconfig.kube.responses import INVALID
from dynconfig.model.key import Key
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
