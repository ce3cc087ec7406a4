"""Writes Events beside an object; the same words again are counted, not written again."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from dynconfig.api import names
from dynconfig.engine.kube_events import KubeEvent
from dynconfig.engine.timestamps import timestamp
from dynconfig.kube.client import ApiConflict, ApiRefused, ApiUnavailable, Kube

log = logging.getLogger(__name__)

COMPONENT = "dynconfig-operator"
MESSAGE_LENGTH = 1024
REMEMBERED = 512


class Recorder:
    """Creates Events. An Event is not state: if the API server rejects it, it is logged and dropped."""

    def __init__(self, kube: Kube, clock: Callable[[], float]) -> None:
        self._kube = kube
        self._clock = clock
        self._posted: OrderedDict[tuple[str, str, str], tuple[str, int]] = OrderedDict()

    async def record(self, document: Mapping[str, Any], note: KubeEvent) -> None:
        """Post or count a note about an object. Never fails, since nothing that happens to the object depends on it."""
        try:
            await self._record(document, note)
        except (ApiRefused, ApiUnavailable, ApiConflict) as error:
            # So it is with every Event in a namespace that is being deleted, and the object has to go all the same.
            metadata = document["metadata"]
            title = f"{metadata['namespace']}/{metadata['name']}"
            log.warning(
                "No Event could be written (%s), so it stands here: %s: %s: %s", error, title, note.reason, note.message
            )

    async def _record(self, document: Mapping[str, Any], note: KubeEvent) -> None:
        message = _shortened(note.message)
        identity = (document["metadata"]["uid"], note.reason, message)
        name, count = self._posted.get(identity, ("", 0))
        if name and await self._counted(document, name, count + 1):
            self._remember(identity, name, count + 1)
            return
        event = await self._kube.post_event(document["metadata"]["namespace"], self._event(document, note, message))
        self._remember(identity, event["metadata"]["name"], 1)

    async def _counted(self, document: Mapping[str, Any], name: str, count: int) -> bool:
        patch = {"count": count, "lastTimestamp": timestamp(self._clock())}
        try:
            await self._kube.patch_event(document["metadata"]["namespace"], name, patch)
        except ApiRefused:
            # Events live for an hour; a new one takes its place.
            return False
        return True

    def _remember(self, identity: tuple[str, str, str], name: str, count: int) -> None:
        self._posted[identity] = (name, count)
        self._posted.move_to_end(identity)
        while len(self._posted) > REMEMBERED:
            self._posted.popitem(last=False)

    def _event(self, document: Mapping[str, Any], note: KubeEvent, message: str) -> dict[str, Any]:
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
            "type": note.type,
            "reason": note.reason,
            "message": message,
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": "",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }


def _shortened(message: str) -> str:
    return message if len(message) <= MESSAGE_LENGTH else f"{message[: MESSAGE_LENGTH - 1]}…"
