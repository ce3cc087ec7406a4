"""The Runtime API and the extension of one environment, on one port.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import os
import queue
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from dynconfig_lab.functions.extension import Extension
from dynconfig_lab.functions.spec import Result

HOST = "127.0.0.1"
API = "/2018-06-01/runtime"
TOKEN = "X-Aws-Parameters-Secrets-Token"  # noqa: S105 - the name of a header
_BUFFER = 65536


@dataclass(frozen=True)
class Work:
    """One invocation on its way to the process."""

    request_id: str
    payload: bytes
    deadline_ms: int


class RuntimeApi:
    """Passes invocations to the process and receives its results; `wake` is readable when a message has arrived."""

    def __init__(self, arn: str, extension: Extension | None) -> None:
        self.arn = arn
        self.is_ready = False
        """Whether the function has been loaded and requests work."""
        self.init_error: Result | None = None
        self.answer: Result | None = None
        """The response of the process to the current invocation."""
        self._extension = extension
        self._lock = threading.Lock()
        self._current = ""
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self.wake, self._waker = os.pipe()
        self._server = _Server(self)
        self.port: int = self._server.server_address[1]
        self._is_stopped = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def begin(self, work: Work) -> None:
        """Pass on an invocation; the extension serves from now on."""
        with self._lock:
            self.answer, self._current = None, work.request_id
        if self._extension is not None:
            self._extension.serves = True
        self._work.put(work)

    def finish(self) -> None:
        """End the invocation; later responses are ignored."""
        with self._lock:
            self._current = ""
        if self._extension is not None:
            self._extension.serves = False

    def stop(self) -> None:
        """Stop serving; the process should have ended before."""
        self._is_stopped = True
        self._work.put(None)
        # It blocks without a timeout: many environments are idle for long.
        socket.create_connection((HOST, self.port)).close()
        self._thread.join()
        self._server.server_close()
        with self._lock:
            os.close(self._waker)
            os.close(self.wake)
            self._waker = -1

    # --- requests of the process, each in its own thread

    def next(self) -> Work | None:
        """The next invocation; waits for it. None when there will be none."""
        with self._lock:
            self.is_ready = True
            self._record()
        return self._work.get()

    def answered(self, request_id: str, result: Result) -> bool:
        """The function has returned a result or an error; False for an invocation that is not the current one."""
        with self._lock:
            if request_id != self._current:
                return False
            self.answer = result
            self._record()
            return True

    def init_failed(self, result: Result) -> None:
        """The handler could not be loaded."""
        with self._lock:
            self.init_error = result
            self._record()

    def ask_extension(self, target: str, token: str | None) -> tuple[int, bytes] | None:
        """The extension's response, or None if the function has no such layer."""
        return self._extension.answer(target, token) if self._extension is not None else None

    def _serve(self) -> None:
        while not self._is_stopped:
            self._server.handle_request()

    def _record(self) -> None:
        if self._waker >= 0:
            os.write(self._waker, b"x")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: RuntimeApi) -> None:
        super().__init__((HOST, 0), _Handler)
        self.api = api

    def handle_error(self, request: object, client_address: object) -> None:
        """The process was killed while it received a response."""


class _Handler(BaseHTTPRequestHandler):
    """Each response in one send: two sends cost 40 ms by delayed ACK."""

    protocol_version = "HTTP/1.1"
    wbufsize = _BUFFER
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """The next invocation, or the extension."""
        api = self.server.api
        if self.path != f"{API}/invocation/next":
            answer = api.ask_extension(self.path, self.headers.get(TOKEN))
            self._send(*(answer or (404, b"there is nothing here")))
            return
        work = api.next()
        if work is None:
            self.close_connection = True
            return
        about = {
            "Lambda-Runtime-Aws-Request-Id": work.request_id,
            "Lambda-Runtime-Deadline-Ms": str(work.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": api.arn,
        }
        self._send(200, work.payload, about)

    def do_POST(self) -> None:
        """A result or an error."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        # The result is recorded before the process gets the response: it may exit right after it.
        if self.path == f"{API}/init/error":
            self.server.api.init_failed(Result(body, "Unhandled"))
            self._send(202, b'{"status":"OK"}')
            return
        request_id, _, kind = self.path.removeprefix(f"{API}/invocation/").partition("/")
        if kind not in ("response", "error"):
            self._send(404, b"there is nothing here")
            return
        is_current = self.server.api.answered(request_id, Result(body, "Unhandled" if kind == "error" else None))
        self._send(
            202 if is_current else 400, b'{"status":"OK"}' if is_current else b'{"errorType":"InvalidRequestID"}'
        )

    def log_message(self, *_: object) -> None:
        """Requests are not logged."""

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
