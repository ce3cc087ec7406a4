"""Connections to AWS that check the lease of a shard again when they exist, directly before the bytes of a request.

botocore emits `before-send` before urllib3 resolves a name and connects, which may take longer than a lease lasts.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, Protocol

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from urllib3.connection import HTTPConnection
from urllib3.util.ssltransport import SSLTransport

from dynconfig.model.fence import current


class Events(Protocol):
    """The events of a botocore session."""

    def register(self, event_name: str, handler: Callable[..., Any]) -> None:
        """Call a handler with each event of a name."""


# CloudTrail sends no events for these.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
READS = ("Get", "List", "Describe")
# It blocks and reads; what it hides from others becomes visible again.
_RECEIVE = "ReceiveMessage"
# With long polling, it responds after up to twenty seconds.
_RECEIVE_SECONDS = 35.0

_writes: ContextVar[bool] = ContextVar("writes", default=False)
"""Whether the attempt of a request that this thread sends is a write."""
# Before a request is signed, which may request credentials first; and when the call has ended, in whichever way.
# https://boto3.amazonaws.com/v1/documentation/api/latest/guide/events.html
_OTHER_REQUESTS_FROM = ("before-sign", "after-call", "after-call-error")


def register(events: Events, *, is_needed: bool) -> None:
    """Check the lease before each request of a session. With `is_needed`, a write without a fence is an error."""
    events.register("before-send", partial(before_send, is_needed=is_needed))
    for event in _OTHER_REQUESTS_FROM:
        events.register(event, _attempt_ended)


def _attempt_ended(**_about: Any) -> None:
    _writes.set(False)


def before_send(*, is_needed: bool, **about: Any) -> None:
    """Before each attempt of a request, refuse it unless the lease lasts long enough. Raises LeaseLost.

    With `is_needed`, a write without a fence is an error.
    """
    _before_send, service, operation = about["event_name"].split(".")
    writes = not (operation.startswith(READS) or operation == _RECEIVE or service == "sts")
    if operation == _RECEIVE:
        about["request"].context["read_timeout"] = _RECEIVE_SECONDS
    fence = current()
    if fence is not None:
        fence.check(writes=writes)
    elif writes and is_needed:
        raise AssertionError(f"{service}.{operation} without a lease")
    _writes.set(writes)


class _Fenced(HTTPConnection):
    """Sends nothing after the lease has ended; what it has sent is delivered in time or never."""

    def send(self, data: Any) -> None:
        """Send a part of a request. Raises LeaseLost."""
        if self.is_closed:
            self.connect()
        if (fence := current()) is not None:
            # TLS to AWS may run within TLS to a proxy.
            connected = self.sock.socket if isinstance(self.sock, SSLTransport) else self.sock
            fence.admit(connected, writes=_writes.get())
        super().send(data)


class _Connection(_Fenced, AWSHTTPConnection):  # type: ignore[misc]  # as botocore's own stubs
    """Without TLS."""


class _TlsConnection(_Fenced, AWSHTTPSConnection):  # type: ignore[misc]
    """With TLS."""


# botocore lets no client choose its connections; these classes and their attribute are public.
# https://urllib3.readthedocs.io/en/stable/reference/urllib3.connectionpool.html
AWSHTTPConnectionPool.ConnectionCls = _Connection
AWSHTTPSConnectionPool.ConnectionCls = _TlsConnection
