"""One watch of the API server: reads changes as fast as they arrive, and passes on the newest one of each object, in turns.

Anyone who may edit a large object can change it many times a second, and parsing it takes longer. What was received and not
passed on yet has one entry for each object, and namespaces take turns: a change waits for one object of each other namespace.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import aiohttp

from dynconfig.kube.json_selection import Identity, identity
from dynconfig.kube.parser import PARSED_AT_ONCE, Parser
from dynconfig.kube.responses import (
    BOOKMARK,
    DELETED,
    MODIFIED,
    UNREADABLE,
    ApiRefused,
    ApiUnavailable,
    Document,
    Loads,
    parse_line,
    unavailable,
)

log = logging.getLogger(__name__)

# Larger than any object: etcd accepts 1.5 MiB, and JSON of the API server has six bytes for characters such as <.
LINE_BYTES = 10 * 2**20
# Lines that one watch keeps until they are parsed. An object whose line is not kept is read again when it has its turn.
KEPT_BYTES = 2**20
# Small lines are kept beyond that, since reading an object again takes longer than parsing its line.
KEPT_SMALL_BYTES = 4 * 2**20
DELIVERY_SECONDS = 0.5
"""A watch that was opened has delivered what was stored before, when it was silent for this time."""
READ_AGAIN_SECONDS = (0.5, 1.0, 2.0, 4.0)
"""Delays between attempts to read an object whose line was not kept. After the last one, the watch is opened again."""
MAX_VERSION_SECONDS = 10.0
"""The longest delay between attempts to find out which changes a busy watch delivers late."""

Event = tuple[str, Document]
_Key = tuple[str, str] | int


def is_at_least(version: str, other: str) -> bool:
    """Return whether the first of two resourceVersions of one type is not the older one; False if they cannot be compared.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
    """
    is_comparable = version.isdecimal() and other.isdecimal()
    return version == other or (is_comparable and (len(version), version) >= (len(other), other))


@dataclass(slots=True)
class Change:
    """The newest change of an object that was not passed on."""

    number: int
    before: str
    """The resourceVersion that was received before this change and those that it replaces."""
    received_at: float
    """When the first of these was received, by the clock."""
    identity: Identity | None = None
    """None if the line is not about an object."""
    line: bytes | None = None
    """None if it is not needed, or was not kept."""


class Backlog:
    """The changes that were received and not passed on yet."""

    def __init__(self, received: str, *, keeps_all: bool = False) -> None:
        self.received = received
        """The resourceVersion that was received last."""
        self._keeps_all = keeps_all
        self._pending: OrderedDict[_Key, Change] = OrderedDict()
        self._turns: dict[str, deque[_Key]] = {}
        """The objects of each namespace; the namespaces are in the order of their turns."""
        self._current: Change | None = None
        self._count = 0
        self._bytes = 0

    @property
    def oldest(self) -> Change | None:
        """The change that waits for the longest time, the current one included."""
        first = next(iter(self._pending.values()), None)
        return min(filter(None, (self._current, first)), key=lambda change: change.number, default=None)

    @property
    def version(self) -> str:
        """The resourceVersion up to which all changes were passed on."""
        return self.oldest.before if self.oldest else self.received

    def add(self, found: Identity | None, line: bytes | None, received_at: float) -> None:
        """Add a change; it replaces an earlier one of the same object.

        A deletion replaces what was before it, and a new object with the same name replaces the deletion, as in a list.
        """
        if found is None or found.event != BOOKMARK:
            self._count += 1
            key: _Key = (found.namespace, found.name) if found else self._count
            known = self._pending.get(key)
            if known is None:
                known = self._pending[key] = Change(self._count, self.received, received_at)
                self._turns.setdefault(found.namespace if found else "", deque()).append(key)
            self._bytes -= len(known.line or b"")
            known.identity = found
            known.line = line if line and self._has_room(found, line) else None
            self._bytes += len(known.line or b"")
        if found is not None:
            self.received = found.version

    def take(self) -> Change | None:
        """Return the change whose turn it is, which is the current one until the next is taken; None if there is none."""
        self._current = None
        if not self._turns:
            return None
        namespace = next(iter(self._turns))
        keys = self._turns.pop(namespace)
        self._current = self._pending.pop(keys.popleft())
        self._bytes -= len(self._current.line or b"")
        if keys:
            self._turns[namespace] = keys
        return self._current

    def _has_room(self, found: Identity | None, line: bytes) -> bool:
        """Return whether a line is kept: at least one is, and all that do not say which object to read."""
        if found is None or self._keeps_all or (self._current is None and len(self._pending) == 1):
            return True
        return self._bytes + len(line) <= (KEPT_SMALL_BYTES if len(line) <= PARSED_AT_ONCE else KEPT_BYTES)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a watch reads."""

    path: str
    open: Callable[[str], AbstractAsyncContextManager[aiohttp.ClientResponse]]
    """Begins to watch from a resourceVersion."""
    get: Callable[[str, str], Awaitable[Document | None]] | None = None
    """Reads an object by namespace and name; None if it need not be read, because all lines are kept, or only identities."""
    is_identity_only: bool = False
    """Whether nothing but the identity of a changed object is needed."""
    newest: Callable[[], Awaitable[str]] | None = None
    """Reads the newest resourceVersion; None if it does not matter what was known when."""


class _NotRead(Exception):
    """An object whose line was not kept could not be read."""


class Watch:
    """The changes since a resourceVersion. It can be followed again after its end, from the change after the last one."""

    def __init__(
        self,
        source: Source,
        since: str,
        parser: Parser,
        loads: Loads,
        *,
        listed_at: float = float("-inf"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a watch of what was listed at a time of the clock."""
        self._source = source
        self._parser = parser
        self._loads = loads
        self._clock = clock
        self._backlog = self._new_backlog(since)
        self._arrived = asyncio.Event()
        self._undelivered_since: float | None = listed_at
        """Since when a change may have been stored that the watch delivers late, since it was not open; None after these."""
        self._unread_since: float | None = None
        """Since when something was received that may not be in the backlog yet."""
        self._newest: str | None = None
        """A resourceVersion that was read after the watch was opened."""
        self._is_open = False
        self._is_reading = False
        """Whether not all that was received is in the backlog."""
        self._active_at = float("-inf")
        """When the watch was opened, or something was received last."""

    @property
    def version(self) -> str:
        """The resourceVersion up to which all changes were passed on."""
        return self._backlog.version

    @property
    def received(self) -> str:
        """The resourceVersion that was received last."""
        return self._backlog.received

    def known_until(self) -> float:
        """Return the time of the clock until which all changes were passed on, unless the connection is dead."""
        self._find_delivered()
        until, oldest = min(self._clock(), self._received_since()), self._backlog.oldest
        return min(until, oldest.received_at) if oldest else until

    def is_silent(self) -> bool:
        """Whether the open watch has delivered nothing for a while, and all before was passed on."""
        since = self._clock() - DELIVERY_SECONDS
        return self._is_open and self._active_at <= since < self.known_until()

    async def changes(self, opened: Callable[[], None] = lambda: None) -> AsyncGenerator[Event]:
        """Yield type and object of each change until the server closes the watch; of several of one object, the newest.

        A line that is not about an object has the type UNREADABLE. `opened` is called when the server begins to answer. Raises
        WatchExpired, ApiUnavailable and ApiRefused.
        """
        # What was received and not passed on is sent again.
        backlog = self._backlog = self._new_backlog(self._backlog.version)
        try:
            async with (
                self._source.open(backlog.version) as response,
                self._opened(response.content, backlog) as reading,
            ):
                opened()
                async for change in self._taken(backlog, reading):
                    event = await self._event(change)
                    if event is not None:
                        yield event
                    del change, event
                await reading
        except _NotRead as error:
            # Nothing but the changes since then is sent again.
            log.warning("Opening the watch of %s again, since an object cannot be read: %s", self._source.path, error)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unavailable(error) from None

    def _new_backlog(self, since: str) -> Backlog:
        return Backlog(since, keeps_all=self._source.get is None)

    @asynccontextmanager
    async def _opened(self, content: aiohttp.StreamReader, backlog: Backlog) -> AsyncIterator[asyncio.Task[None]]:
        """Read what the watch delivers, in a task, and find out when it has delivered what was stored before."""
        self._is_open, self._is_reading, self._active_at, self._newest = True, False, self._clock(), None
        reading = asyncio.create_task(self._read(content, backlog), name=f"read {self._source.path}")
        delivery = asyncio.create_task(self._follow_delivery(), name=f"delivery of {self._source.path}")
        try:
            yield reading
        finally:
            known_until = self.known_until()
            self._is_open, self._undelivered_since, self._unread_since = False, known_until, None
            for task in (reading, delivery):
                task.cancel()
            _, failed = await asyncio.gather(reading, delivery, return_exceptions=True)
            if isinstance(failed, Exception):
                raise failed

    async def _follow_delivery(self) -> None:
        """Return when the watch has delivered what was stored before it was opened.

        If it is not silent for long enough, it has when it has delivered a resourceVersion that is read meanwhile.
        """
        delay = DELIVERY_SECONDS
        while not self._find_delivered():
            await asyncio.sleep(delay)
            if not self._find_delivered() and self._newest is None and self._source.newest is not None:
                try:
                    self._newest = await self._source.newest() or None
                except (ApiUnavailable, ApiRefused) as error:
                    delay = min(2 * delay, MAX_VERSION_SECONDS)
                    log.debug("Cannot read the newest version of %s: %s", self._source.path, error)

    def _find_delivered(self) -> bool:
        """Return whether the watch has delivered what was stored before it was opened."""
        is_silent = self._is_open and not self._is_reading and self._clock() >= self._active_at + DELIVERY_SECONDS
        if is_silent or (self._is_open and self._newest is not None and is_at_least(self.received, self._newest)):
            self._undelivered_since = None
        return self._undelivered_since is None

    def _received_since(self) -> float:
        """Return since when a change may have been stored or received that is not in the backlog yet; inf if there is none."""
        times = (self._undelivered_since, self._unread_since)
        return min((each for each in times if each is not None), default=float("inf"))

    async def _taken(self, backlog: Backlog, reading: asyncio.Task[None]) -> AsyncIterator[Change]:
        """Yield the changes in turns, until all lines were read."""
        while True:
            self._arrived.clear()
            if change := backlog.take():
                yield change
                # Others, and the task that reads, have their turn, too.
                await asyncio.sleep(0)
            elif reading.done():
                return
            else:
                await self._arrived.wait()

    async def _event(self, change: Change) -> Event | None:
        """Return the event of a change; None if the object was deleted since, which is another change."""
        found, line = change.identity, change.line
        if line is not None:
            # The next line may be as large.
            change.line = None
            return await self._parser.parsed(self._source.path, partial(parse_line, line, self._loads), len(line))
        if found is None:
            return UNREADABLE, {}
        if self._source.get is None or found.event == DELETED:
            # The line of a deletion or of an identity is not kept.
            about = {"namespace": found.namespace, "name": found.name, "resourceVersion": found.version}
            return found.event, {"metadata": about}
        document = await _read_again(partial(self._source.get, found.namespace, found.name))
        return (MODIFIED, document) if document is not None else None

    async def _read(self, content: aiohttp.StreamReader, backlog: Backlog) -> None:
        try:
            async for line in lines(self._chunks(content)):
                found = await self._parser.scanned(partial(identity, line), len(line))
                is_needed = found is None or not (self._source.is_identity_only or found.event == DELETED)
                backlog.add(found, line if is_needed else None, self._received_since())
                del line
                self._arrived.set()
                # Small changes are passed on as fast as they are read.
                await asyncio.sleep(0)
        finally:
            # Whatever ends it ends the watch, after what was read.
            asyncio.get_running_loop().call_soon(self._arrived.set)

    async def _chunks(self, content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
        # When the chunk was received in which an incomplete line begins; None if all lines are complete.
        begun_at: float | None = None
        while not content.at_eof():
            if not (chunk := content.read_nowait()):
                # All that had arrived was read.
                self._unread_since = begun_at
                self._is_reading = begun_at is not None
                chunk = await content.readany()
                # The watch may have been silent until now.
                self._find_delivered()
            self._is_reading, self._active_at = True, self._clock()
            if self._unread_since is None:
                self._unread_since = self._active_at
            if b"\n" in chunk or begun_at is None:
                begun_at = None if chunk.endswith(b"\n") else self._active_at
            yield chunk
            # What arrived meanwhile is received in the next step of the event loop.
            await asyncio.sleep(0)


async def _read_again(read: Callable[[], Awaitable[Document | None]]) -> Document | None:
    """Return an object that may be unavailable for a while. Raises _NotRead, ApiRefused."""
    for delay in (*READ_AGAIN_SECONDS, None):
        try:
            return await read()
        except ApiUnavailable as error:
            if delay is None:
                raise _NotRead(str(error)) from None
        await asyncio.sleep(delay)
    raise AssertionError("unreachable")


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield complete lines; aiohttp's own limit is 512 KiB. Only the end of a line longer than LINE_BYTES is yielded."""
    partial: list[bytes] = []
    size = 0
    async for chunk in chunks:
        first, *more = chunk.split(b"\n")
        partial.append(first)
        size += len(first)
        for begins in more:
            yield _taken(partial)
            partial, size = [begins], len(begins)
        if size > LINE_BYTES:
            partial, size = [], 0


def _taken(parts: list[bytes]) -> bytes:
    """Return the parts as one, and empty the list, so that a large line is in memory once while it is parsed."""
    whole = b"".join(parts)
    parts.clear()
    return whole
