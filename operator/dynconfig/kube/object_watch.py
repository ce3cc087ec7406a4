"""Lists and watches all DynamicConfigs, and passes each object to the controller; unreadable events are skipped."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dynconfig.kube.client import FORBIDDEN, NOT_FOUND, ApiRefused, ApiUnavailable, Kube, WatchExpired
from dynconfig.kube.responses import UNREADABLE
from dynconfig.kube.skipped_changes import SkippedChanges
from dynconfig.kube.sources import Sleep, WatchBackoff
from dynconfig.kube.startup import until_granted
from dynconfig.model.key import Key

log = logging.getLogger(__name__)

BOOKMARK = "BOOKMARK"
FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 4.0
DELIVERY_SECONDS = 0.5
"""A watch that was opened again delivers what it has missed within this time."""
RENEWAL_SECONDS = 5.0
"""A silent watch is opened again at most so often: each time it waits a minute for its next bookmark anew."""
KINDS = "DynamicConfigs"


class Receiver(Protocol):
    """Receives listed and changed objects."""

    def object_changed(self, document: Mapping[str, Any], event: str | None) -> None:
        """Handle an object that was listed (None), ADDED, MODIFIED or DELETED."""

    def missing(self, key: Key) -> None:
        """Handle an object that was deleted while the watch was interrupted."""


Unreadable = Callable[[str], None]
"""Counts an unreadable change of a kind, given in the plural."""


class ObjectWatch:
    """Lists and watches the DynamicConfigs of a namespace, or of all (None)."""

    def __init__(
        self,
        kube: Kube,
        receiver: Receiver,
        unreadable: Unreadable,
        namespace: str | None,
        sleep: Sleep = asyncio.sleep,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kube = kube
        self._receiver = receiver
        self._namespace = namespace
        self._sleep = sleep
        self._known: set[Key] = set()
        self._skipped = SkippedChanges(lambda: unreadable(KINDS))
        self._version = ""
        self._is_forbidden = False
        self._clock = clock
        self._shown_at = float("-inf")
        """When the server was last known to answer, by the clock: what it stored before has been delivered."""
        self._opened_at: float | None = None
        """When an open watch was opened, until what it had missed has been delivered."""
        self._is_open = False
        self._renewed_at = float("-inf")
        self._renewal = asyncio.timeout(None)
        self.is_listed = False
        """Whether all existing objects have been passed to the receiver."""

    @property
    def is_current(self) -> bool:
        """Whether the receiver is up to date: False while the watch is interrupted or objects are listed again.

        True if the operator may not list the namespace, so that others do not wait for it.
        """
        return bool(self._version) or self._is_forbidden

    def is_current_since(self, moment: float) -> bool:
        """Whether the receiver knows all that was stored before a time of the clock, in seconds.

        A silent watch has either nothing to deliver, or a connection of which only this end is left. It is opened again, so that
        this is known soon.
        """
        if self._opened_at is not None and self._clock() >= self._opened_at + DELIVERY_SECONDS:
            self._shown_at, self._opened_at = max(self._shown_at, self._opened_at), None
        if self._is_forbidden or not self._version or self._shown_at >= moment:
            return self.is_current
        may_renew = self._opened_at is None and self._renewal.when() is None and self._is_open
        if may_renew and self._clock() >= self._renewed_at + RENEWAL_SECONDS:
            self._renewed_at = self._clock()
            self._renewal.reschedule(0.0)
        return False

    @property
    def is_complete(self) -> bool:
        """Whether the receiver knows all existing objects. Unlike `is_current`, False if they may not be listed."""
        return bool(self._version)

    async def list_all(self) -> None:
        """Pass all existing objects to the receiver; none if the CRD is not installed, or the namespace may not be listed.

        `run` continues from this list, since listing large objects is expensive.
        """
        if not self._version:
            await until_granted(self._list_unless_skipped, self._sleep)

    async def run(self) -> None:
        """Watch until cancelled; after a failure, list again with a backoff."""
        backoff, loop = WatchBackoff(FIRST_BACKOFF, LONGEST_BACKOFF), asyncio.get_running_loop()
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
                    log.warning("Watch of %s failed, retrying: %s", KINDS, error)
                self._version, is_failed = "", True
            await self._sleep(backoff.delay(loop.time() - began, is_failed=is_failed))

    async def _list_unless_skipped(self) -> None:
        """List all objects, unless the CRD is not installed or the namespace may not be listed. Raises ApiRefused."""
        try:
            await self._list()
        except ApiRefused as error:
            if error.status == FORBIDDEN and self._namespace is not None:
                self._is_forbidden = True
                log.error(
                    "Namespace %s is skipped until the operator is allowed to list its DynamicConfigs: %s",
                    self._namespace,
                    error,
                )
            elif error.status != NOT_FOUND:
                raise
            self.is_listed = error.status == NOT_FOUND

    async def _list(self) -> None:
        began, version, found = self._clock(), "", set[Key]()
        async with self._kube.object_pages(self._namespace) as pages:
            async for page in pages:
                version = page["metadata"]["resourceVersion"]
                async for document in page["items"]:
                    key = _key(document)
                    found.add(key)
                    # The receiver keeps it even if the list fails on a later page.
                    self._known.add(key)
                    self._receiver.object_changed(document, None)
                    # Yield to the event loop, since parsing a page of large objects takes long.
                    await asyncio.sleep(0)
        for key in self._known - found:
            # Deleted while the watch was interrupted.
            self._receiver.missing(key)
        self._known, self._version, self.is_listed, self._is_forbidden = found, version, True, False
        self._shown_at = began

    async def _follow(self) -> None:
        """Pass each change to the receiver until the server closes the watch; open it again if that is asked for."""
        is_closed = False
        while not is_closed:
            self._renewal = asyncio.timeout(None)
            try:
                async with self._skipped.expiring(), self._renewal:
                    await self._pass_changes()
                    is_closed = True
            except TimeoutError:
                if not self._renewal.expired():
                    raise
            finally:
                self._is_open, self._opened_at = False, None

    async def _pass_changes(self) -> None:
        async for event, document in self._kube.watch_objects(self._namespace, self._version, self._opened):
            if event == UNREADABLE:
                log.error("Skipped a change of one of the %s that cannot be parsed; listing all of them soon", KINDS)
                self._skipped.add()
            else:
                self._handle(event, document)

    def _opened(self) -> None:
        self._is_open, self._opened_at = True, self._clock()

    def _handle(self, event: str, document: Mapping[str, Any]) -> None:
        self._version = document["metadata"]["resourceVersion"]
        if event != BOOKMARK:
            key = _key(document)
            (self._known.discard if event == "DELETED" else self._known.add)(key)
            self._receiver.object_changed(document, event)
        self._shown_at = self._clock()


def _key(document: Mapping[str, Any]) -> Key:
    return Key(document["metadata"]["namespace"], document["metadata"]["name"])
