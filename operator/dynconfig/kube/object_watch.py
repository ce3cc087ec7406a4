"""Follows all DynamicConfigs: what is listed or changed is given to the controller, and one bad line costs no other."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dynconfig.engine.work_queue import Key
from dynconfig.kube.client import FORBIDDEN, NOT_FOUND, ApiRefused, ApiUnavailable, Kube, WatchExpired
from dynconfig.kube.responses import UNREADABLE
from dynconfig.kube.sources import Pauses, Sleep

log = logging.getLogger(__name__)

BOOKMARK = "BOOKMARK"
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 4.0
BEGIN_PAUSE = 1.0
KINDS = "DynamicConfigs"


class Receiver(Protocol):
    """What is told of objects."""

    def noticed(self, document: Mapping[str, Any], event: str | None) -> None:
        """An object was listed (None), ADDED, MODIFIED or DELETED."""

    def wake(self, key: Key) -> None:
        """An object that was there may be gone."""


Unreadable = Callable[[str], None]
"""Counts a change of a kind, in the plural, that cannot be read."""


class ObjectWatch:
    """Lists the DynamicConfigs of a namespace, or of all, and follows their changes from there."""

    def __init__(
        self,
        kube: Kube,
        receiver: Receiver,
        unreadable: Unreadable,
        namespace: str | None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._kube = kube
        self._receiver = receiver
        self._unreadable = unreadable
        self._namespace = namespace
        self._sleep = sleep
        self._known: set[Key] = set()
        self._version = ""
        self._is_forbidden = False
        self.is_listed = False
        """Whether the receiver has been given all objects that exist."""

    @property
    def is_current(self) -> bool:
        """Whether the receiver has all objects but for the last changes: not while a watch is interrupted or lists anew.

        What the operator may not read keeps nothing else waiting.
        """
        return bool(self._version) or self._is_forbidden

    async def begin(self) -> None:
        """Give every object that exists to the receiver; none where the kind is not installed, or a namespace may not be read.

        The only list of a start: `run` goes on from its version. Large objects are dear to list, and anybody may have some.
        Raises ApiRefused.
        """
        while not self._version:
            try:
                await self._list()
            except (ApiUnavailable, WatchExpired) as error:
                log.warning("Waiting for the Kubernetes API server: %s", error)
                await self._sleep(BEGIN_PAUSE)
            except ApiRefused as error:
                if error.status == FORBIDDEN and self._namespace is not None:
                    self._is_forbidden = True
                    log.error("Namespace %s is not served until the operator may read it: %s", self._namespace, error)
                elif error.status != NOT_FOUND:
                    raise
                self.is_listed = error.status == NOT_FOUND
                return

    async def run(self) -> None:
        """Follow the changes until it is cancelled, and list again after a failure; every failure is tried again."""
        pauses, loop = Pauses(FIRST_PAUSE, LONGEST_PAUSE), asyncio.get_running_loop()
        while True:
            began, is_failed = float("inf"), False
            try:
                if not self._version:
                    await self._list()
                began = loop.time()
                await self._follow()
            except WatchExpired:
                self._version = ""
            except (ApiUnavailable, ApiRefused) as error:
                self._is_forbidden = isinstance(error, ApiRefused) and error.status == FORBIDDEN
                if not isinstance(error, ApiRefused) or error.status != NOT_FOUND:
                    log.warning("Watching of %s is interrupted: %s", KINDS, error)
                self._version, is_failed = "", True
            await self._sleep(pauses.after(loop.time() - began, is_failed=is_failed))

    async def _list(self) -> None:
        version, found = "", set[Key]()
        async for page in self._kube.object_pages(self._namespace):
            version = page["metadata"]["resourceVersion"]
            for document in page["items"]:
                key = _key(document)
                found.add(key)
                # A list that breaks off has given it to the receiver, too.
                self._known.add(key)
                self._receiver.noticed(document, None)
                # A page of large objects takes its time, and others are served meanwhile.
                await asyncio.sleep(0)
        for key in self._known - found:
            # It was deleted while nothing was watched.
            self._receiver.wake(key)
        self._known, self._version, self.is_listed, self._is_forbidden = found, version, True, False

    async def _follow(self) -> None:
        """Give every change to the receiver until the server ends the watch."""
        async for event, document in self._kube.watch_objects(self._namespace, self._version):
            if event == UNREADABLE:
                log.error("A change of one of the %s cannot be read and is skipped; the others are served", KINDS)
                self._unreadable(KINDS)
                continue
            self._version = document["metadata"]["resourceVersion"]
            if event != BOOKMARK:
                key = _key(document)
                (self._known.discard if event == "DELETED" else self._known.add)(key)
                self._receiver.noticed(document, event)


def _key(document: Mapping[str, Any]) -> Key:
    return Key(document["metadata"]["namespace"], document["metadata"]["name"])
