"""Writes start only while a lease lasts: a fence that is checked before each request to AWS and the API server is sent."""

import hashlib
import socket
import struct
import sys
from asyncio.trsock import TransportSocket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from dynconfig.model.key import Key

_current: ContextVar["Fence | None"] = ContextVar("fence", default=None)


class LeaseLost(Exception):
    """The lease of a shard ended, or would end before a request does. Another operator may already serve its objects."""


class Fence:
    """Until when requests for one shard may start.

    A lease that is lost and acquired again gets a new fence, so that work which began under the old one cannot go on. The
    clock is monotonic and counts while the machine sleeps, in seconds. Thread-safe: each field is assigned as a whole.
    """

    def __init__(
        self, shard: int, clock: Callable[[], float], call_seconds: float, until: float = float("-inf")
    ) -> None:
        """Create a fence; `call_seconds` is the longest time that one request may take."""
        self.shard = shard
        self.call_seconds = call_seconds
        self._clock = clock
        self._until = until
        self._is_revoked = False

    def extend(self, until: float) -> None:
        """Record that the lease lasts until a time of the clock."""
        self._until = until

    def revoke(self) -> None:
        """Let no further request start."""
        self._is_revoked = True

    def check(self, *, writes: bool) -> None:
        """Raise LeaseLost unless a request may start: a write needs a lease that outlasts the longest request."""
        left = self._until - self._clock()
        if self._is_revoked or left < (self.call_seconds if writes else 0.0):
            raise LeaseLost(f"the lease of shard {self.shard} has ended or is about to end")

    def admit(self, connection: socket.socket | TransportSocket, *, writes: bool) -> None:
        """Raise LeaseLost unless bytes of a request may be passed to a connection now.

        Those of a write are delivered within `call_seconds` or never: after a network partition, the kernel would otherwise
        retransmit them for minutes, also if the connection was closed or the process killed. With SO_LINGER of 0 s, either
        discards them; TCP_USER_TIMEOUT, which Linux has, also counts while the process is paused. It is half of the time, since a
        packet may wait in the network: three seconds for the answer to an ARP request.
        https://man7.org/linux/man-pages/man7/tcp.7.html https://man7.org/linux/man-pages/man7/socket.7.html
        """
        self.check(writes=writes)
        if writes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if sys.platform == "linux":
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(self.call_seconds * 500))

    @contextmanager
    def within(self) -> Iterator[None]:
        """Apply this fence to all requests of the current task or thread."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


def current() -> Fence | None:
    """Return the fence of the current task or thread."""
    return _current.get()


def current_shard() -> int:
    """Return the shard for which the current task or thread works; 0 outside of any fence."""
    fence = _current.get()
    return fence.shard if fence else 0


def shard_of(key: Key, shards: int) -> int:
    """Return the shard of an object, from 0; stable across processes and versions."""
    if shards == 1:
        return 0
    digest = hashlib.blake2b(f"{key.namespace}/{key.name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % shards
