"""Records Kubernetes Events; a repeated message increments the count of the existing Event."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from dynconfig.api import names
from dynconfig.kube.client import ApiConflict, ApiRefused, ApiUnavailable, Kube
from dynconfig.model.fingerprint import fingerprint
from dynconfig.model.timestamps import timestamp
from dynconfig.status.kube_events import KubeEvent

log = logging.getLogger(__name__)

MESSAGE_LENGTH = 1024
MAX_REMEMBERED, MAX_OBJECTS = 16, 10_000
"""Of so many objects, the newest messages are counted if they are repeated."""


class Recorder:
    """Records Events. Events are informational: if the API server rejects one, it is logged and dropped."""

    def __init__(self, kube: Kube, clock: Callable[[], float]) -> None:
        self._kube = kube
        self._clock = clock
        self._posted: OrderedDict[str, OrderedDict[int, tuple[str, int]]] = OrderedDict()
        """By UID and digest of reason and message: the name of the Event, and its count."""

    async def record(self, document: Mapping[str, Any], event: KubeEvent) -> None:
        """Record an Event. API errors are logged, since a reconcile must not depend on Events."""
        try:
            await self._record(document, event)
        except (ApiRefused, ApiUnavailable, ApiConflict) as error:
            # For example, a namespace that is being deleted accepts no Events, but its objects must still be finalized.
            metadata = document["metadata"]
            title = f"{metadata['namespace']}/{metadata['name']}"
            log.warning(
                "Cannot record an Event (%s): %s: %s: %s", error, title, event.reason, _truncated(event.message)
            )

    async def _record(self, document: Mapping[str, Any], event: KubeEvent) -> None:
        message = _truncated(event.message)
        uid, digest = document["metadata"]["uid"], fingerprint(f"{event.reason} {message}")
        known = self._posted.get(uid)
        name, count = known.get(digest, ("", 0)) if known else ("", 0)
        if name and await self._increment(document, name, count + 1):
            self._remember(uid, digest, (name, count + 1))
            return
        posted = await self._kube.post_event(document["metadata"]["namespace"], self._event(document, event, message))
        self._remember(uid, digest, (posted["metadata"]["name"], 1))

    async def _increment(self, document: Mapping[str, Any], name: str, count: int) -> bool:
        patch = {"count": count, "lastTimestamp": timestamp(self._clock())}
        try:
            await self._kube.patch_event(document["metadata"]["namespace"], name, patch)
        except ApiRefused:
            # Events expire after an hour; create a new one.
            return False
        return True

    def _remember(self, uid: str, digest: int, posted: tuple[str, int]) -> None:
        of_object = self._posted.setdefault(uid, OrderedDict())
        of_object[digest] = posted
        of_object.move_to_end(digest)
        if len(of_object) > MAX_REMEMBERED:
            of_object.popitem(last=False)
        self._posted.move_to_end(uid)
        if len(self._posted) > MAX_OBJECTS:
            self._posted.popitem(last=False)

    def forget(self, uid: str) -> None:
        """Forget the Events of a deleted object."""
        self._posted.pop(uid, None)

    def _event(self, document: Mapping[str, Any], event: KubeEvent, message: str) -> dict[str, Any]:
        metadata, now = document["metadata"], timestamp(self._clock())
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": names.API_VERSION,
                "kind": names.KIND,
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
            "type": event.type,
            "reason": event.reason,
            "message": message,
            "source": {"component": names.COMPONENT},
            "reportingComponent": names.COMPONENT,
            "reportingInstance": "",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }


def _truncated(message: str) -> str:
    return message if len(message) <= MESSAGE_LENGTH else f"{message[: MESSAGE_LENGTH - 1]}…"
