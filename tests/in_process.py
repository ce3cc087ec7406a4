"""Passes boto3's requests to the emulated AWS in the calling thread: the same bytes without a connection."""

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from io import BytesIO
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session
from werkzeug.test import EnvironBuilder, run_wsgi_app


class _Content(BytesIO):
    """The attributes of urllib3's responses that botocore uses."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.getvalue()


@contextmanager
def in_process(application: Any, endpoint: str, now: Callable[[], float]) -> Iterator[None]:
    """Use it for all requests to this endpoint within the `with` block. Responses carry the date of this clock."""
    direct = URLLib3Session.send

    def send(session: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
        if not request.url.startswith(endpoint):
            return direct(session, request)
        body: Any = bytes(request.body) if isinstance(request.body, bytearray) else request.body
        headers = [(name, _text(value)) for name, value in request.headers.items()]
        path = request.url.removeprefix(endpoint)
        environ = EnvironBuilder(path, endpoint, method=request.method, headers=headers, data=body).get_environ()
        # The emulated AWS closes it to drop the connection.
        ours, theirs = socket.socketpair()
        with ours, theirs:
            environ["werkzeug.socket"] = theirs
            try:
                parts, status, answered = run_wsgi_app(application, environ)
                content = _received(parts)
            except ConnectionResetError as error:
                raise ConnectionClosedError(error=error, request=request, endpoint_url=request.url) from None
        answered.set("Date", formatdate(now(), usegmt=True))
        heads: Any = HeadersDict(answered)
        return AWSResponse(request.url, int(status.split()[0]), heads, _Content(content))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(URLLib3Session, "send", send)
        yield


def _received(parts: Iterable[bytes]) -> bytes:
    """What arrives of a response: botocore does not notice that one ends in the middle, as by a closed connection."""
    content = bytearray()
    with suppress(ConnectionResetError):
        for part in parts:
            content += part
    return bytes(content)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
