"""Responses of a proxy or a login page in place of AWS: none is accepted, and none is quoted."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from dynconfig.aws.quota import Quota
from dynconfig.aws.session import Session
from dynconfig.model.errors import Unavailable

PAGES = (
    b"<html><body>log in: canary-page<br></body></html>",
    b'<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml"><body>log in: canary-page</body></html>',
)
# One of each protocol.
CALLS: dict[str, Callable[[Any], Any]] = {
    "ssm": lambda client: client.get_parameters(Names=["/a"]),
    "lambda": lambda client: client.delete_function(FunctionName="f"),
    "iam": lambda client: client.get_role(RoleName="r"),
    "cloudwatch": lambda client: client.describe_alarms(),
    "sqs": lambda client: client.get_queue_url(QueueName="q"),
}


@contextmanager
def proxy(status: int, page: bytes) -> Iterator[str]:
    """Responds to every request with the same page."""

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        do_GET = do_DELETE = do_POST  # noqa: N815 - names of the library

        def log_message(self, *_: Any) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("service", CALLS)
@pytest.mark.parametrize("page", PAGES, ids=["html", "xhtml"])
@pytest.mark.parametrize("status", [200, 302, 403, 404, 407])
def test_non_aws_response_is_retryable_and_reported(
    monkeypatch: pytest.MonkeyPatch, service: str, page: bytes, status: int
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "lab")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "lab")
    with proxy(status, page) as endpoint:
        quota = Quota(lambda: 0.0, lambda _: None, is_limited=False)
        client = Session(quota, lambda *_: None, endpoint=endpoint, pool=1).client(service, "eu-west-1")
        with pytest.raises(Unavailable, match="check for a proxy, a firewall or a VPC endpoint") as error:
            CALLS[service](client)
    assert "canary-page" not in str(error.value)
