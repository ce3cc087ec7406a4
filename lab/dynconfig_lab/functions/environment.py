"""One execution environment: a process that runs the function, and the Runtime API that it asks for work.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import io
import json
import os
import queue
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dynconfig_lab.functions.extension import BadSettings, Extension, GetParameter, Settings
from dynconfig_lab.functions.spec import FunctionSpec, Result
from dynconfig_lab.processes import leashed, local_environment

HOST = "127.0.0.1"
API = "/2018-06-01/runtime"
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
INIT_SECONDS = 10.0
_CHUNK = 65536


@dataclass(frozen=True)
class Work:
    """One invocation on its way to the process."""

    request_id: str
    payload: bytes
    deadline_ms: int


class Environment:
    """Runs one invocation at a time; the caller makes sure of that."""

    def __init__(self, spec: FunctionSpec, get: GetParameter, endpoint: str, keeper: Executor) -> None:
        """Start the process. Raises BadSettings, OSError and zipfile.BadZipFile where it cannot be started.

        `keeper` runs in a thread that lives as long as the environment shall.
        """
        self.spec = spec
        self.stream = f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{uuid.uuid4().hex}"
        self.used_at = time.monotonic()
        self.is_broken = False
        self._token = uuid.uuid4().hex
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._done: Result | None = None
        self._is_ready = threading.Event()
        self._folder = Path(tempfile.mkdtemp(prefix="dynconfig-function-"))
        self._extension = self._extended(get) if spec.has_extension else None
        self._wake_in, self._wake_out = os.pipe()
        self._server = _Server(self)
        zipfile.ZipFile(io.BytesIO(spec.code)).extractall(self._folder)
        self._process = keeper.submit(self._start, endpoint).result()
        self._rest = b""

    def invoke(self, payload: bytes) -> Result:
        """Answer one invocation; a failure of the process or a timeout breaks the environment."""
        is_cold = not self._is_ready.is_set()
        request_id = str(uuid.uuid4())
        # What was said between invocations belongs to none of them.
        started, limit = time.monotonic(), self.spec.timeout + (INIT_SECONDS if is_cold else 0)
        self._done = None
        self._work.put(Work(request_id, payload, int((time.time() + self.spec.timeout) * 1000)))
        lines: list[str] = [f"START RequestId: {request_id} Version: $LATEST"]
        while self._done is None:
            left = started + limit - time.monotonic()
            if left <= 0:
                self._broken(
                    Result.failed("", f"{_now()} {request_id} Task timed out after {self.spec.timeout}.00 seconds")
                )
                break
            ready, _, _ = select.select([self._output, self._wake_in], [], [], left)
            if self._output in ready and not self._read(lines):
                self._broken(Result.failed("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited"))
        return self._finished(lines, request_id, time.monotonic() - started, is_cold)

    def stop(self) -> None:
        """End the process and remove its folder."""
        self._work.put(None)
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._server.stop()
        if self._process.stdout:
            self._process.stdout.close()
        for end in (self._wake_in, self._wake_out):
            os.close(end)
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- what the Runtime API asks

    def next(self) -> Work | None:
        """The next invocation; waits for it. The extension serves from now on."""
        self._is_ready.set()
        work = self._work.get()
        if self._extension is not None:
            self._extension.serves = True
        return work

    def answered(self, result: Result) -> None:
        """The function has answered, or failed."""
        self._done = result
        os.write(self._wake_out, b"x")

    def init_failed(self, result: Result) -> None:
        """The handler could not be loaded: the invocation that waits fails, and the environment is not used again."""
        self.is_broken = True
        self.answered(result)

    def ask_extension(self, target: str, token: str | None) -> tuple[int, bytes] | None:
        """The extension's answer, or None where the function has no such layer."""
        return self._extension.answer(target, token) if self._extension is not None else None

    # --- the process

    @property
    def _output(self) -> int:
        assert self._process.stdout is not None, "it was started with a pipe"  # noqa: S101 - for the type checker
        return self._process.stdout.fileno()

    def _extended(self, get: GetParameter) -> Extension:
        try:
            return Extension(Settings.of(self.spec.environment), self._token, get, time.monotonic)
        except BadSettings:
            shutil.rmtree(self._folder)
            raise

    def _start(self, endpoint: str) -> subprocess.Popen[bytes]:
        command = (sys.executable, "-m", "awslambdaric", self.spec.handler)
        return subprocess.Popen(
            leashed(command),
            cwd=self._folder,
            env=self._variables(endpoint),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            bufsize=0,
        )

    def _variables(self, endpoint: str) -> dict[str, str]:
        spec, kept = self.spec, ("PATH", "NO_PROXY", "no_proxy", "LD_LIBRARY_PATH")
        outside = {name: value for name, value in local_environment().items() if name in kept}
        return {
            **outside,
            **spec.environment,
            "AWS_LAMBDA_RUNTIME_API": f"{HOST}:{self._server.port}",
            "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": str(self._server.port),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
            "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": self.stream,
            "AWS_REGION": spec.region,
            "AWS_DEFAULT_REGION": spec.region,
            "AWS_ACCESS_KEY_ID": "lab",
            "AWS_SECRET_ACCESS_KEY": "lab",
            "AWS_SESSION_TOKEN": self._token,
            "_HANDLER": spec.handler,
            "LAMBDA_TASK_ROOT": str(self._folder),
            "PYTHONPATH": str(self._folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _read(self, lines: list[str]) -> bool:
        """Take in what was printed; False at the end of the output."""
        chunk = os.read(self._output, _CHUNK)
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        lines += [line.decode(errors="replace") for line in whole if line]
        return bool(chunk)

    def _broken(self, result: Result) -> None:
        self.is_broken = True
        self._done = result

    def _finished(self, lines: list[str], request_id: str, seconds: float, is_cold: bool) -> Result:
        # What the function printed before it answered is in the pipe already.
        while select.select([self._output], [], [], 0)[0] and self._read(lines):
            pass
        while select.select([self._wake_in], [], [], 0)[0]:
            os.read(self._wake_in, _CHUNK)
        if self._extension is not None:
            self._extension.serves = False
        self.used_at = time.monotonic()
        done = self._done or Result.failed("Runtime.Unknown", "no answer")
        if done.error and b"Task timed out" in done.payload:
            lines.append(json.loads(done.payload)["errorMessage"])
        lines += [
            f"END RequestId: {request_id}",
            f"REPORT RequestId: {request_id}\tDuration: {seconds * 1000:.2f} ms\tMemory Size: {self.spec.memory} MB",
        ]
        return replace(done, is_cold=is_cold, seconds=seconds, output=tuple(lines))


class _Server(ThreadingHTTPServer):
    """The Runtime API and the extension of one environment, on one port."""

    daemon_threads = True

    def __init__(self, environment: Environment) -> None:
        super().__init__((HOST, 0), _Handler)
        self.environment = environment
        self.port = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answer nothing any more."""
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Each answer in one send: two sends cost 40 ms by delayed ACK."""

    protocol_version = "HTTP/1.1"
    wbufsize = _CHUNK
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """The next invocation, or the extension."""
        environment = self.server.environment
        if self.path == f"{API}/invocation/next":
            work = environment.next()
            if work is None:
                self.close_connection = True
                return
            about = {
                "Lambda-Runtime-Aws-Request-Id": work.request_id,
                "Lambda-Runtime-Deadline-Ms": str(work.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": environment.spec.arn,
            }
            self._send(200, work.payload, about)
            return
        answer = environment.ask_extension(self.path, self.headers.get("X-Aws-Parameters-Secrets-Token"))
        self._send(*(answer or (404, b"there is nothing here")))

    def do_POST(self) -> None:
        """An answer, or an error."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environment = self.server.environment
        actions: Mapping[str, Callable[[Result], Any]] = {
            "/init/error": environment.init_failed,
            "/error": environment.answered,
            "/response": environment.answered,
        }
        suffix = next((known for known in actions if self.path.endswith(known)), None)
        if suffix is None or not self.path.startswith(API):
            self._send(404, b"there is nothing here")
            return
        # The caller may go on as soon as it hears, so the process is answered first.
        self._send(202, b'{"status":"OK"}')
        self.wfile.flush()
        actions[suffix](Result(body, None if suffix == "/response" else "Unhandled"))

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


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
