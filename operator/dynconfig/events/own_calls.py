"""Recognize the CloudTrail events of an object's own API calls by their request IDs. Pure except for the clock.

User agent and principal are not sufficient: other callers can send any user agent, and may use the same role. Request IDs are
assigned by AWS and therefore unique. Calls that are not known, for example after a restart, count as changes by others and
cause a reconcile.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import TypeVar

from dynconfig.events.signals import Signal
from dynconfig.model.fingerprint import fingerprint
from dynconfig.model.key import Key
from dynconfig.model.ttl_cache import TtlCache

# CloudTrail delivers within minutes.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html
KEPT_SECONDS = 1800.0

T = TypeVar("T")
_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


def collect_requests(requests: list[str], run: Callable[[], T]) -> T:
    """Run a function, and append the request IDs of its writes to the list."""
    token = _collected.set(requests)
    try:
        return run()
    finally:
        _collected.reset(token)


def record_request(request: str) -> None:
    """Record the request ID of a write."""
    requests = _collected.get()
    if requests is not None and request:
        requests.append(request)


class OwnCalls:
    """The recent writes of all objects. `now` returns seconds since the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._made = TtlCache[str, int](KEPT_SECONDS, now)
        """A digest of the object of each request, so that nothing names a deleted one."""

    def made(self, key: Key, requests: Iterable[str]) -> None:
        """Record the calls of a reconcile of an object."""
        caller = fingerprint(str(key))
        for request in requests:
            self._made.put(request, caller)

    def is_of(self, key: Key, signal: Signal) -> bool:
        """Whether the event is that of an own call for this object."""
        caller = self._made.get(signal.request) if signal.request else None
        return caller is not None and caller == fingerprint(str(key))

    def is_known(self, signal: Signal) -> bool:
        """Whether the event is that of an own call, for whichever object."""
        return bool(signal.request) and self._made.get(signal.request) is not None
