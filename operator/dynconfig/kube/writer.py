"""What `dynconfig uninstall` writes to the API server, beside all that a Reader reads."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dynconfig.api import names
from dynconfig.api.parameter import DeletionPolicy
from dynconfig.engine.stored import emptied, spec_of
from dynconfig.engine.work_queue import Key
from dynconfig.kube.answers import INVALID, ApiConflict, ApiRefused, Document, document, object_path
from dynconfig.kube.reader import Reader, sent

OPERATORS = "app.kubernetes.io/name=dynconfig-operator"
"""Label selector of the operator's Deployment and pods, however it was installed."""
_ATTEMPTS = 5
NOT_FOUND = 404


class Writer(Reader):
    """Writes to the cluster of the environment. Raises ApiUnavailable, ApiRefused, NoCluster."""

    def abandon(self, key: Key) -> None:
        """Annotate an object, if it still exists, so that no operator deletes anything in AWS for it.

        One that no longer fits its definition takes the annotation only with a spec that fits: its `path` and `region` stay,
        and an operator writes nothing for it. Raises ApiConflict.
        """
        annotations = {"annotations": {names.ABANDON: "true"}}
        try:
            with _gone():
                self._send("PATCH", object_path(key), {"metadata": annotations})
        except ApiRefused as error:
            found = self.object(key) if error.status == INVALID else None
            if found is None:
                raise
            spec = {**emptied(spec_of(found)), "suspend": True, "deletionPolicy": DeletionPolicy.RETAIN.value}
            metadata = {**annotations, "resourceVersion": found["metadata"]["resourceVersion"]}
            self._send("PATCH", object_path(key), {"metadata": metadata, "spec": spec})

    def delete(self, key: Key, uid: str) -> None:
        """Delete the object of this uid, if it still exists."""
        with _gone():
            self._send("DELETE", object_path(key), {"preconditions": {"uid": uid}})

    def release(self, key: Key, uid: str) -> None:
        """Remove the operator's finalizer from the object of this uid, if it still exists. Raises ApiConflict."""
        for attempt in range(_ATTEMPTS):
            found = self.object(key)
            if found is None or found["metadata"]["uid"] != uid:
                return
            metadata = found["metadata"]
            left = [name for name in metadata.get("finalizers") or () if name != names.FINALIZER]
            try:
                patch = {"metadata": {"finalizers": left, "resourceVersion": metadata["resourceVersion"]}}
                with _gone():
                    self._send("PATCH", object_path(key), patch)
            except ApiConflict:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    def operators(self) -> list[Document]:
        """The operator's Deployments in all namespaces."""
        return list(self._get("/apis/apps/v1/deployments", {"labelSelector": OPERATORS})["items"])

    def pods(self, namespace: str) -> list[Document]:
        """The operator's pods in a namespace."""
        return list(self._get(f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": OPERATORS})["items"])

    def stop(self, deployment: Mapping[str, Any]) -> None:
        """Scale a Deployment to no replicas."""
        metadata = deployment["metadata"]
        path = f"/apis/apps/v1/namespaces/{metadata['namespace']}/deployments/{metadata['name']}"
        self._send("PATCH", path, {"spec": {"replicas": 0}})

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> Document:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        with sent():
            answer = self._http.request(method, path, json=body, headers={"Content-Type": kind})
        return document(answer.status_code, answer.content)


@contextmanager
def _gone() -> Iterator[None]:
    """What an operator that still runs finished meanwhile is no error."""
    try:
        yield
    except ApiRefused as error:
        if error.status != NOT_FOUND:
            raise
