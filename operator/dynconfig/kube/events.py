"""Records Kubernetes Events; a repeated message increments the count of the existing Event."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from dynconfig.api import names
from dynconfig.kube.client import ApiConflict, ApiRefused, ApiUnavailable, Kube
from dynconfig.model.timestamps import timestamp
from dynconfig.status.kube_events import KubeEvent

log = logging.getLogger(__name__)

COMPONENT = "dynconfig-operator"
MESSAGE_LENGTH = 1024
MAX_REMEMBERED = 512


class Recorder:
    """Records Events. Events are informational: if the API server rejects one, it is logged and dropped."""

    def __init__(self, kube: Kube, clock: Callable[[], float]) -> None:
        self._kube = kube
        self._clock = clock
        self._posted: OrderedDict[tuple[str, str, str], tuple[str, int]] = OrderedDict()

    async def record(self, document: Mapping[str, Any], event: KubeEvent) -> None:
        """Record an Event. API errors are logged, since a reconcile must not depend on Events."""
        try:
            await self._record(document, event)
        except (ApiRefused, ApiUnavailable, ApiConflict) as error:
            # For example, a namespace that is being deleted accepts no Events, but its objects must still be finalized.
            metadata = document["metadata"]
            title = f"{metadata['namespace']}/{metadata['name']}"
            log.warning("Cannot record an Event (%s): %s: %s: %s", error, title, event.reason, event.message)

    async def _record(self, document: Mapping[str, Any], event: KubeEvent) -> None:
        message = _truncated(event.message)
        identity = (document["metadata"]["uid"], event.reason, message)
        name, count = self._posted.get(identity, ("", 0))
        if name and await self._increment(document, name, count + 1):
            self._remember(identity, name, count + 1)
            return
        posted = await self._kube.post_event(document["metadata"]["namespace"], self._event(document, event, message))
        self._remember(identity, posted["metadata"]["name"], 1)

    async def _increment(self, document: Mapping[str, Any], name: str, count: int) -> bool:
        patch = {"count": count, "lastTimestamp": timestamp(self._clock())}
        try:
            await self._kube.patch_event(document["metadata"]["namespace"], name, patch)
        except ApiRefused:
            # Events expire after an hour; create a new one.
            return False
        return True

    def _remember(self, identity: tuple[str, str, str], name: str, count: int) -> None:
        self._posted[identity] = (name, count)
        self._posted.move_to_end(identity)
        while len(self._posted) > MAX_REMEMBERED:
            self._posted.popitem(last=False)

    def forget(self, uid: str) -> None:
        """Forget the Events of a deleted object."""
        for identity in [identity for identity in self._posted if identity[0] == uid]:
            del self._posted[identity]

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
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": "",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }


def _truncated(message: str) -> str:
    return message if len(message) <= MESSAGE_LENGTH else f"{message[: MESSAGE_LENGTH - 1]}…"
