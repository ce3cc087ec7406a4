"""Connections to AWS: no bytes of a request after the lease has ended, however long the connection took."""

import gc
import http.server
import os
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session
from tests.kube.certificates import certificates

from dynconfig.aws.credentials import Principal
from dynconfig.aws.quota import Quota
from dynconfig.aws.session import Session
from dynconfig.model.errors import DynConfigError, Retryable
from dynconfig.model.fence import Fence, LeaseLost

VALUE = {"Name": "/a/b", "Value": "v", "Type": "String"}


class Server(http.server.ThreadingHTTPServer):
    """Responds to each request after `delay` seconds; records the operation of each."""

    daemon_threads = True
    delay = 0.0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[str] = []
        self.statuses: list[int] = []
        """Those of the next responses."""

    def handle_error(self, *_: Any) -> None:
        """A client may close its connection before the response."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Executes every request."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        """Respond with an empty result."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(self.headers["X-Amz-Target"].partition(".")[2])
        time.sleep(self.server.delay)
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with Server() as served:
        if scheme == "https":
            files = certificates(tmp_path, "127.0.0.1")
            monkeypatch.setenv("AWS_CA_BUNDLE", str(files.authority))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(files.server, files.server_key)
            served.socket = context.wrap_socket(served.socket, server_side=True)
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def client(server: Server, scheme: str, service: str = "ssm", *, write_seconds: float = 8.0) -> Any:
    """A client of a session that writes."""
    quota = Quota(time.monotonic, time.sleep, is_limited=False)
    endpoint = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    made = Session(quota, lambda *_: None, endpoint=endpoint, pool=2, write_seconds=write_seconds)
    return made.client(service, "eu-west-1")


@pytest.mark.parametrize("seconds", [3.0, 20.0], ids=["too little lease left to write", "lease ended"])
def test_nothing_is_sent_if_the_lease_ends_during_name_resolution(
    server: Server, scheme: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, resolve = [0.0], socket.getaddrinfo

    def stalled(*args: Any, **options: Any) -> Any:
        now[0] += seconds
        return resolve(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", stalled)
    ssm, fence = client(server, scheme), Fence(0, lambda: now[0], 8.0, 10.0)
    with fence.within(), pytest.raises(LeaseLost):
        ssm.put_parameter(**VALUE)
    assert server.received == []


def test_lease_that_ends_between_parts_of_a_large_write_stops_it(server: Server, scheme: str) -> None:
    checks = iter([0.0] * 4)
    fence = Fence(0, lambda: next(checks, 5.0), 8.0, 10.0)
    with fence.within(), pytest.raises(LeaseLost):
        client(server, scheme, "lambda").create_function(
            FunctionName="f", Role="arn:aws:iam::123456789012:role/abc", Code={"ZipFile": bytes(10**6)}
        )
    assert server.received == []


def test_kernel_may_deliver_a_write_only_as_long_as_the_lease_lasts(server: Server, scheme: str) -> None:
    ssm, fence = client(server, scheme), Fence(0, time.monotonic, 8.0, float("inf"))
    with fence.within():
        ssm.put_parameter(**VALUE)
    (connection,) = _connections_to(server.server_address)
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 0)
    if sys.platform == "linux":
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 4000
    assert server.received == ["PutParameter"]


@pytest.mark.parametrize("scheme", ["http"], indirect=True)
def test_only_a_long_poll_may_take_longer_than_a_write(server: Server, scheme: str) -> None:
    server.delay = 1.0
    sqs, fence = client(server, scheme, "sqs", write_seconds=0.3), Fence(0, time.monotonic, 0.3, float("inf"))
    with fence.within():
        sqs.receive_message(QueueUrl="http://queue")
        assert server.received == ["ReceiveMessage"]
        with pytest.raises(Retryable, match="Delete"):
            sqs.delete_queue(QueueUrl="http://queue")


def fetch(server: Server, scheme: str) -> None:
    """Request credentials as botocore does from a metadata endpoint, in this thread."""
    url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    headers = {"X-Amz-Target": "x.credentials"}
    request = AWSRequest("POST", url, headers=headers, data=b"{}").prepare()
    authority: Any = os.environ.get("AWS_CA_BUNDLE") or True
    assert URLLib3Session(verify=authority).send(request).status_code == 200


def refused(_server: Server, ssm: Any, now: list[float]) -> None:
    now[0] = 5.0
    with pytest.raises(LeaseLost):
        ssm.put_parameter(**VALUE)
    now[0] = 0.0


def succeeded(_server: Server, ssm: Any, _now: list[float]) -> None:
    ssm.put_parameter(**VALUE)


def failed(server: Server, ssm: Any, _now: list[float]) -> None:
    server.statuses = [400]
    with pytest.raises(DynConfigError):
        ssm.put_parameter(**VALUE)


def not_connected(_server: Server, ssm: Any, _now: list[float]) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError("no route")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(Retryable):
            ssm.put_parameter(**VALUE)


@pytest.mark.parametrize("write", [succeeded, refused, failed, not_connected])
def test_request_for_credentials_after_a_write_is_a_read(
    server: Server, scheme: str, write: Callable[[Server, Any, list[float]], None]
) -> None:
    now = [0.0]
    ssm, fence = client(server, scheme), Fence(0, lambda: now[0], 8.0, 10.0)
    with fence.within():
        write(server, ssm, now)
        # The lease is too short for a write.
        now[0] = 5.0
        fetch(server, scheme)
    assert server.received[-1] == "credentials"


@pytest.mark.parametrize("scheme", ["http"], indirect=True)
def test_request_for_credentials_before_a_write_is_sent_again_is_a_read(server: Server, scheme: str) -> None:
    now, asked = [0.0], list[float]()
    fence = Fence(0, lambda: now[0], 8.0, 10.0)

    class Expiring(Credentials):
        """Requested anew for each attempt; the first answer to a write comes late."""

        def get_frozen_credentials(self) -> Any:
            now[0] = 5.0 if asked else 0.0
            asked.append(now[0])
            fetch(server, scheme)
            return super().get_frozen_credentials()

    server.statuses = [200, 500]
    quota = Quota(time.monotonic, time.sleep, is_limited=False)
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    session = Session(quota, lambda *_: None, endpoint=endpoint, pool=2, write_seconds=8.0)
    ssm = session.client_of(Principal(Expiring("a", "b")), "ssm", "eu-west-1")
    with fence.within(), pytest.raises(LeaseLost):
        ssm.put_parameter(**VALUE)
    assert asked == [0.0, 5.0]
    assert server.received == ["credentials", "PutParameter", "credentials"]


def _connections_to(address: Any) -> list[socket.socket]:
    found = (item for item in gc.get_objects() if isinstance(item, socket.socket) and item.fileno() >= 0)
    return [item for item in found if item.type == socket.SOCK_STREAM and _peer(item) == address]


def _peer(connection: socket.socket) -> Any:
    try:
        return connection.getpeername()
    except OSError:
        return None
