"""API server writes of `dynconfig uninstall`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dynconfig.api import names
from dynconfig.api.parameter import DeletionPolicy
from dynconfig.kube.reader import Reader
from dynconfig.kube.responses import INVALID, ApiConflict, ApiRefused, Document, object_path, target_path
from dynconfig.model.key import Key
from dynconfig.model.stored import emptied, spec_of

OPERATORS = "app.kubernetes.io/name=dynconfig-operator"
"""Label selector of the operator's Deployment and pods, for every installation method."""
_ATTEMPTS = 5
NOT_FOUND = 404


class Writer(Reader):
    """Reads from and writes to the configured cluster. Raises ApiUnavailable, ApiRefused, NoCluster."""

    def abandon(self, key: Key) -> None:
        """Annotate an object, if it exists, so that the operator deletes nothing in AWS for it.

        If the object no longer matches the CRD, its spec is reduced to a valid, suspended one that keeps `path` and
        `region`. Raises ApiConflict.
        """
        annotations = {"annotations": {names.ABANDON: "true"}}
        try:
            with _ignore_not_found():
                self._send("PATCH", object_path(key), {"metadata": annotations})
        except ApiRefused as error:
            found = self.object(key) if error.status == INVALID else None
            if found is None:
                raise
            spec = {**emptied(spec_of(found)), "suspend": True, "deletionPolicy": DeletionPolicy.RETAIN.value}
            metadata = {**annotations, "resourceVersion": found["metadata"]["resourceVersion"]}
            self._send("PATCH", object_path(key), {"metadata": metadata, "spec": spec})

    def delete(self, key: Key, uid: str) -> None:
        """Delete the object with this UID, if it exists."""
        with _ignore_not_found():
            self._send("DELETE", object_path(key), {"preconditions": {"uid": uid}})

    def release(self, key: Key, uid: str) -> None:
        """Remove the operator's finalizer from the object with this UID, if it exists. Raises ApiConflict."""
        self._remove_finalizer(object_path(key), uid, names.FINALIZER)

    def release_target(self, name: str, uid: str) -> None:
        """Remove the operator's finalizer from the AWSTarget with this UID, if it exists. Raises ApiConflict."""
        self._remove_finalizer(target_path(name), uid, names.TARGET_FINALIZER)

    def _remove_finalizer(self, path: str, uid: str, finalizer: str) -> None:
        for attempt in range(_ATTEMPTS):
            found = self._found(path)
            if found is None or found["metadata"]["uid"] != uid:
                return
            metadata = found["metadata"]
            remaining = [name for name in metadata.get("finalizers") or () if name != finalizer]
            try:
                patch = {"metadata": {"finalizers": remaining, "resourceVersion": metadata["resourceVersion"]}}
                with _ignore_not_found():
                    self._send("PATCH", path, patch)
            except ApiConflict:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    def operators(self) -> list[Document]:
        """Return the operator's Deployments in all namespaces."""
        return list(self._get("/apis/apps/v1/deployments", {"labelSelector": OPERATORS})["items"])

    def pods(self, namespace: str) -> list[Document]:
        """Return the operator's pods in a namespace."""
        return list(self._get(f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": OPERATORS})["items"])

    def stop(self, deployment: Mapping[str, Any]) -> None:
        """Scale a Deployment to zero replicas."""
        metadata = deployment["metadata"]
        path = f"/apis/apps/v1/namespaces/{metadata['namespace']}/deployments/{metadata['name']}"
        self._send("PATCH", path, {"spec": {"replicas": 0}})


@contextmanager
def _ignore_not_found() -> Iterator[None]:
    """Ignore NotFound: a running operator may have finished the same work."""
    try:
        yield
    except ApiRefused as error:
        if error.status != NOT_FOUND:
            raise
