"""The finalizer: what keeps an object from going before AWS is rid of what it owns."""

from collections.abc import Mapping
from typing import Any

from dynconfig.api import names
from dynconfig.engine.agenda import Key
from dynconfig.engine.stored import spec_of
from dynconfig.kube.client import ApiRefused, Document, Kube

INVALID = 422
_IMMUTABLE = ("path", "region")


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
            await _put(kube, key, left, fresh["metadata"]["resourceVersion"], spec=_emptied(spec_of(fresh)))


def _emptied(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A patch of a spec that leaves what cannot be changed, so that the object is valid again.

    Rules in CEL are evaluated at each write, also on fields that are not written, and fail on fields of another type than
    that of the schema; whoever is being deleted declares nothing any more.
    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
    """
    return {field: None for field in spec if field not in _IMMUTABLE}


async def _put(kube: Kube, key: Key, finalizers: list[str], version: str, **more: Mapping[str, Any]) -> Document:
    return await kube.patch(key, {"metadata": {"finalizers": finalizers, "resourceVersion": version}, **more})
