"""Objects and Secrets in a fake API server for the real client: generations, finalizers, conflicts, watches."""

import copy
import itertools
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from tests.kube.apiserver import merge, status

from dynconfig.api import names
from dynconfig.model.key import Key

Document = dict[str, Any]
Listener = Callable[[Document, str], None]

GOING = "2027-01-15T08:00:00Z"


@dataclass
class Cluster:
    """The objects that `kubectl` and the operator use. A listener receives each change, as a watch does."""

    objects: dict[Key, Document] = field(default_factory=dict)
    secrets: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    listener: Listener | None = None
    is_reachable: bool = True
    """Whether requests are served: those of a killed process never arrive."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _uids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    """Independent of the number of writes, which depends on how busy this machine is."""

    def create(self, key: Key, spec: Document) -> None:
        """Apply an object that does not exist."""
        metadata = {
            "namespace": key.namespace,
            "name": key.name,
            "uid": f"{next(self._uids):08}-uid",
            "generation": 1,
            "finalizers": [],
            "annotations": {},
        }
        default = {"observedGeneration": names.UNSEEN}
        self.objects[key] = {"metadata": metadata, "spec": copy.deepcopy(spec), "status": default}
        self._changed(key, "ADDED")

    def edit(self, key: Key, spec: Document) -> None:
        """Replace the spec; an equal one does not change the generation."""
        found = self.objects[key]
        if found["spec"] == spec:
            return
        found["spec"] = copy.deepcopy(spec)
        found["metadata"]["generation"] += 1
        self._changed(key, "MODIFIED")

    def annotate(self, key: Key, name: str, value: str) -> None:
        """Set an annotation."""
        self.objects[key]["metadata"]["annotations"][name] = value
        self._changed(key, "MODIFIED")

    def delete(self, key: Key) -> None:
        """Delete an object: it is removed when no finalizer is left."""
        metadata = self.objects[key]["metadata"]
        if "deletionTimestamp" not in metadata:
            # The API server increments the generation for a deletion.
            metadata.update(deletionTimestamp=GOING, generation=metadata["generation"] + 1)
        self._changed(key, "MODIFIED")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Respond to a request of the operator."""
        if not self.is_reachable:
            return status(503, "the requesting process was killed")
        parts = request.path.strip("/").split("/")
        if "events" in parts:
            return web.json_response({"metadata": {"name": f"e{next(self._numbers)}"}})
        if "secrets" in parts:
            return self._secret(parts[3], parts[5])
        key = Key(parts[4], parts[6]) if "dynamicconfigs" in parts else None
        if key is None or key not in self.objects:
            return status(404, "not found")
        if request.method == "PATCH":
            return self._patch(key, json.loads(await request.text()))
        return web.json_response(self.objects[key])

    def _secret(self, namespace: str, name: str) -> web.Response:
        data = self.secrets.get((namespace, name))
        if data is None:
            return status(404, "not found")
        encoded = {key: b64encode(value.encode()).decode() for key, value in data.items()}
        return web.json_response({"metadata": {"namespace": namespace, "name": name}, "data": encoded})

    def _patch(self, key: Key, patch: Document) -> web.Response:
        found = self.objects[key]
        asked = patch.get("metadata") or {}
        for field_name in ("uid", "resourceVersion"):
            if asked.get(field_name, found["metadata"][field_name]) != found["metadata"][field_name]:
                return status(409, f"the {field_name} differs")
        merge(found, patch)
        self._changed(key, "MODIFIED")
        return web.json_response(found)

    def _changed(self, key: Key, event: str) -> None:
        found = self.objects[key]
        found["metadata"]["resourceVersion"] = str(next(self._numbers))
        if "deletionTimestamp" in found["metadata"] and not found["metadata"]["finalizers"]:
            del self.objects[key]
            event = "DELETED"
        if self.listener is not None:
            self.listener(copy.deepcopy(found), event)


def key_of(document: Document) -> Key:
    """The key of an object."""
    return Key(document["metadata"]["namespace"], document["metadata"]["name"])
