"""The finalizer: what keeps an object from going before AWS is rid of what it owns."""

from collections.abc import Mapping
from typing import Any

from dynconfig.api import names
from dynconfig.engine.stored import emptied, spec_of
from dynconfig.engine.work_queue import Key
from dynconfig.kube.client import ApiRefused, Document, Kube
from dynconfig.kube.responses import INVALID


def has_finalizer(document: Mapping[str, Any]) -> bool:
    """Whether the object cannot go without the operator's word."""
    return names.FINALIZER in (document["metadata"].get("finalizers") or ())


async def hold(kube: Kube, key: Key, document: Document) -> Document:
    """The object with the finalizer. Raises ApiConflict where it was changed meanwhile."""
    metadata = document["metadata"]
    finalizers = [*(metadata.get("finalizers") or ()), names.FINALIZER]
    return await _put(kube, key, finalizers, metadata["resourceVersion"])


async def release(kube: Kube, key: Key, uid: str) -> None:
    """Take the finalizer off the object of this uid, if it still exists. Raises ApiConflict."""
    fresh = await kube.object(key)
    if fresh is not None and fresh["metadata"]["uid"] == uid:
        left = [name for name in fresh["metadata"].get("finalizers") or () if name != names.FINALIZER]
        try:
            await _put(kube, key, left, fresh["metadata"]["resourceVersion"])
        except ApiRefused as error:
            if error.status != INVALID:
                raise
            await _put(kube, key, left, fresh["metadata"]["resourceVersion"], spec=emptied(spec_of(fresh)))


async def _put(kube: Kube, key: Key, finalizers: list[str], version: str, **more: Mapping[str, Any]) -> Document:
    return await kube.patch(key, {"metadata": {"finalizers": finalizers, "resourceVersion": version}, **more})
