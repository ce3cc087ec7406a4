"""A fake AWS Parameters and Secrets extension: its documented HTTP contract, and faults on request."""

import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import parse_qs, urlsplit

TOKEN = "session-token"
MAX_TTL = 300

Stored = tuple[str, str, int]
"""Type, value and version."""


class ExtensionServer(ThreadingHTTPServer):
    """Responds like the extension; `upstream` represents its calls to Parameter Store."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reset()

    def reset(self) -> None:
        """As just started: nothing stored, cached, counted or broken."""
        self.stored: dict[str, Stored] = {}
        self.ttl = 0.0
        self.now: Callable[[], float] = time.monotonic
        self.status: dict[str, int] = {}
        self.status_of_all = 0
        self.body = b"an unexpected error occurred while executing request"
        self.hang: threading.Event | None = None
        self.hang_up = False
        self.asked: list[str] = []
        self.upstream: list[str] = []
        self.connections = 0
        self._cache: dict[str, tuple[float, Stored | None]] = {}

    @property
    def port(self) -> int:
        return self.server_port

    @classmethod
    @contextmanager
    def start(cls) -> Iterator["ExtensionServer"]:
        with cls() as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            yield server
            server.shutdown()
            thread.join()

    def answer(self, path: str, token: str | None) -> tuple[int, bytes]:
        """Status and body for a request."""
        parts = urlsplit(path)
        query = {name: texts[0] for name, texts in parse_qs(parts.query).items()}
        name = query.get("name", "")
        self.asked.append(name)
        if token != TOKEN:
            return 401, b"Unauthorized"
        if parts.path != "/systemsmanager/parameters/get":
            return 404, b"not found"
        if self.hang is not None:
            self.hang.wait(5)
        if failing := self.status_of_all or self.status.get(name):
            return failing, self.body
        stored = self._read(name)
        if stored is None:
            return 400, b"an unexpected error occurred while executing request"
        return 200, _document(name, stored, is_decrypted=query.get("withDecryption") == "true")

    def _read(self, name: str) -> Stored | None:
        held = self._cache.get(name)
        if held is not None and self.now() < held[0]:
            return held[1]
        self.upstream.append(name)
        stored = self.stored.get(name)
        if stored is not None:
            self._cache[name] = (self.now() + min(self.ttl, MAX_TTL), stored)
        return stored


def _document(name: str, stored: Stored, *, is_decrypted: bool) -> bytes:
    kind, value, version = stored
    if kind == "SecureString" and not is_decrypted:
        value = b64encode(value.encode()).decode()
    parameter = {
        "ARN": f"arn:aws:ssm:eu-west-1:123456789012:parameter{name}",
        "DataType": "text",
        "LastModifiedDate": "2026-01-16T08:22:40.362Z",
        "Name": name,
        "Selector": None,
        "SourceResult": None,
        "Type": kind,
        "Value": value,
        "Version": version,
    }
    return json.dumps({"Parameter": parameter, "ResultMetadata": {}}).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one packet

    def setup(self) -> None:
        super().setup()
        cast("ExtensionServer", self.server).connections += 1

    def do_GET(self) -> None:
        server = cast("ExtensionServer", self.server)
        status, body = server.answer(self.path, self.headers.get("X-Aws-Parameters-Secrets-Token"))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
            self.wfile.flush()
        except ConnectionError:
            self.close_connection = True
        if server.hang_up:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        pass
