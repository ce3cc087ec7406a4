"""Follows all DynamicConfigs: what is listed or changed is given to the controller, and one bad line costs no other."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dynconfig.engine.agenda import Key
from dynconfig.kube.answers import UNREADABLE
from dynconfig.kube.client import NOT_FOUND, ApiRefused, ApiUnavailable, Kube, WatchExpired
from dynconfig.kube.sources import Pauses, Sleep

log = logging.getLogger(__name__)

BOOKMARK = "BOOKMARK"
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 4.0
KINDS = "DynamicConfigs"


class Receiver(Protocol):
    """What is told of objects."""

    def noticed(self, document: Mapping[str, Any], event: str | None) -> None:
        """An object was listed (None), ADDED, MODIFIED or DELETED."""

    def wake(self, key: Key) -> None:
        """An object that was there may be gone."""


Unreadable = Callable[[str], None]
"""Counts a change of a kind, in the plural, that cannot be read."""


async def watch(
    kube: Kube, receiver: Receiver, unreadable: Unreadable, namespace: str | None, sleep: Sleep = asyncio.sleep
) -> None:
    """Follow the DynamicConfigs of a namespace, or of all, until it is cancelled; every failure is tried again."""
    following = _Following(kube, receiver, unreadable, namespace)
    pauses, loop, version = Pauses(FIRST_PAUSE, LONGEST_PAUSE), asyncio.get_running_loop(), ""
    while True:
        began, is_failed = float("inf"), False
        try:
            version = version or await following.list()
            began = loop.time()
            version = await following.follow(version)
        except WatchExpired:
            version = ""
        except (ApiUnavailable, ApiRefused) as error:
            if not isinstance(error, ApiRefused) or error.status != NOT_FOUND:
                log.warning("Watching of %s is interrupted: %s", KINDS, error)
            version, is_failed = "", True
        await sleep(pauses.after(loop.time() - began, is_failed=is_failed))


class _Following:
    """One list and the watch from its version."""

    def __init__(self, kube: Kube, receiver: Receiver, unreadable: Unreadable, namespace: str | None) -> None:
        self._kube = kube
        self._receiver = receiver
        self._unreadable = unreadable
        self._namespace = namespace
        self._known: set[Key] = set()

    async def list(self) -> str:
        """Give every object that exists to the receiver; answers the version to watch from."""
        version, found = "", set[Key]()
        async for page in self._kube.object_pages(self._namespace):
            version = page["metadata"]["resourceVersion"]
            for document in page["items"] or ():
                found.add(_key(document))
                self._receiver.noticed(document, None)
            # A page of many large objects takes its time, and others are served meanwhile.
            await asyncio.sleep(0)
        for key in self._known - found:
            # It was deleted while nothing was watched.
            self._receiver.wake(key)
        self._known = found
        return version

    async def follow(self, version: str) -> str:
        """Give every change to the receiver until the server ends the watch; answers the version to go on from."""
        async for event, document in self._kube.watch_objects(self._namespace, version):
            if event == UNREADABLE:
                log.error("A change of one of the %s cannot be read and is skipped; the others are served", KINDS)
                self._unreadable(KINDS)
                continue
            version = document["metadata"]["resourceVersion"]
            if event != BOOKMARK:
                key = _key(document)
                (self._known.discard if event == "DELETED" else self._known.add)(key)
                self._receiver.noticed(document, event)
        return version


def _key(document: Mapping[str, Any]) -> Key:
    return Key(document["metadata"]["namespace"], document["metadata"]["name"])
