"""Lists and watches all DynamicConfigs, and passes each object to the controller; unreadable events are skipped."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dynconfig.kube.client import FORBIDDEN, NOT_FOUND, ApiRefused, ApiUnavailable, Kube, WatchExpired
from dynconfig.kube.responses import DELETED, UNREADABLE
from dynconfig.kube.skipped_changes import SkippedChanges
from dynconfig.kube.sources import Sleep, WatchBackoff
from dynconfig.kube.startup import until_granted
from dynconfig.kube.watch import Watch, is_at_least
from dynconfig.model.key import Key

log = logging.getLogger(__name__)

FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 4.0
FIRST_RENEWAL_SECONDS, LONGEST_RENEWAL_SECONDS = 5.0, 80.0
"""How soon a silent watch is opened again; the longest interval is longer than the minute that a bookmark takes."""
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
        self._watch: Watch | None = None
        """None while objects are listed."""
        self._is_forbidden = False
        """Whether the operator may not list the namespace; False while it lists again, since it may be allowed now."""
        self._clock = clock
        self._wanted = ""
        """The latest resourceVersion that was asked for."""
        self._opened_for = ""
        """The latest one before the watch was opened: once it is silent, it has delivered all up to it."""
        self._delivered = ""
        """The last resourceVersion up to which a watch that was opened again has delivered all."""
        self._renewal: asyncio.Timeout | None = None
        """Ends the open watch, to open it again."""
        self._renewals = Renewals()
        self.is_listed = False
        """Whether all existing objects have been passed to the receiver."""

    @property
    def is_current(self) -> bool:
        """Whether the receiver is up to date: False while the watch is interrupted or objects are listed again.

        True if the operator may not list the namespace, so that others do not wait for it.
        """
        return self._watch is not None or self._is_forbidden

    def known_until(self, version: str) -> float | None:
        """Return until which time of the clock the receiver knows all changes; None unless it knows all up to a resourceVersion.

        A watch that has not received this version has either nothing to deliver, or a connection of which only this end is left.
        If it is silent, it is opened again, so that this is known soon. With an empty version, only a list has to be complete.
        """
        if self._is_forbidden:
            return self._clock()
        if self._watch is None:
            return None
        if not version or is_at_least(self._watch.version, version) or self._has_delivered(self._watch, version):
            return self._watch.known_until()
        self._wanted = version if is_at_least(version, self._wanted) or not self._wanted else self._wanted
        is_behind = is_at_least(self._watch.received, version) or not self._watch.is_silent()
        if not is_behind and self._renewal is not None and self._renewals.may_begin(self._watch.version, self._clock()):
            self._renewal.reschedule(0.0)
        return None

    def _has_delivered(self, watch: Watch, version: str) -> bool:
        if self._opened_for and self._renewal is not None and watch.is_silent():
            self._delivered = self._opened_for
        return is_at_least(self._delivered, version)

    @property
    def is_complete(self) -> bool:
        """Whether the receiver knows all existing objects. Unlike `is_current`, False if they may not be listed."""
        return self._watch is not None

    async def list_all(self) -> None:
        """Pass all existing objects to the receiver; none if the CRD is not installed, or the namespace may not be listed.

        `run` continues from this list, since listing large objects is expensive.
        """
        if self._watch is None:
            await until_granted(self._list_unless_skipped, self._sleep)

    async def run(self) -> None:
        """Watch until cancelled; after a failure, list again with a backoff."""
        backoff, loop = WatchBackoff(FIRST_BACKOFF, LONGEST_BACKOFF), asyncio.get_running_loop()
        while True:
            began, is_failed = float("inf"), False
            try:
                watch = self._watch or await self._list()
                began = loop.time()
                await self._follow(watch)
            except WatchExpired:
                self._watch = None
            except (ApiUnavailable, ApiRefused) as error:
                if not isinstance(error, ApiRefused) or error.status != NOT_FOUND:
                    log.warning("Watch of %s failed, retrying: %s", KINDS, error)
                self._watch, is_failed = None, True
            await self._sleep(backoff.delay(loop.time() - began, is_failed=is_failed))

    async def _list_unless_skipped(self) -> None:
        """List all objects, unless the CRD is not installed or the namespace may not be listed. Raises ApiRefused."""
        try:
            await self._list()
        except ApiRefused as error:
            if self._is_forbidden:
                log.error(
                    "Namespace %s is skipped until the operator is allowed to list its DynamicConfigs: %s",
                    self._namespace,
                    error,
                )
            elif error.status != NOT_FOUND:
                raise
            self.is_listed = error.status == NOT_FOUND

    async def _list(self) -> Watch:
        self._is_forbidden = False
        try:
            return await self._list_pages()
        except ApiRefused as error:
            self._is_forbidden = error.status == FORBIDDEN and self._namespace is not None
            raise

    async def _list_pages(self) -> Watch:
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
        self._known, self.is_listed = found, True
        self._watch = self._kube.watch_objects(self._namespace, version, listed_at=began)
        return self._watch

    async def _follow(self, watch: Watch) -> None:
        """Pass each change to the receiver until the server closes the watch; open it again if that is asked for."""
        is_closed = False
        while not is_closed:
            renewal = asyncio.timeout(None)
            try:
                async with self._skipped.expiring(), renewal:
                    await self._pass_changes(watch, renewal)
                    is_closed = True
            except TimeoutError:
                if not renewal.expired():
                    raise
            finally:
                self._renewal = None

    async def _pass_changes(self, watch: Watch, renewal: asyncio.Timeout) -> None:
        def opened() -> None:
            self._renewal, self._opened_for = renewal, self._wanted

        async for event, document in watch.changes(opened):
            if event == UNREADABLE:
                log.error("Skipped a change of one of the %s that cannot be parsed; listing all of them soon", KINDS)
                self._skipped.add()
            else:
                key = _key(document)
                (self._known.discard if event == DELETED else self._known.add)(key)
                self._receiver.object_changed(document, event)


class Renewals:
    """Decides when a silent watch may be opened again: ever more rarely, until a bookmark or change was received between two."""

    def __init__(self) -> None:
        self._version = ""
        self._next_at = float("-inf")
        self._interval = FIRST_RENEWAL_SECONDS

    def may_begin(self, version: str, now: float) -> bool:
        """Return whether a watch at a resourceVersion is opened again now, by the clock."""
        if now < self._next_at:
            return False
        is_same = version == self._version
        self._interval = min(2 * self._interval, LONGEST_RENEWAL_SECONDS) if is_same else FIRST_RENEWAL_SECONDS
        self._version, self._next_at = version, now + self._interval
        return True


def _key(document: Mapping[str, Any]) -> Key:
    return Key(document["metadata"]["namespace"], document["metadata"]["name"])
