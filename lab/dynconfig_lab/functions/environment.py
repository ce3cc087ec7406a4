"""One execution environment: a process that runs the function, one invocation at a time.

It uses this machine's Python, whatever version the function declares.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

import io
import json
import sys
import time
import uuid
import zipfile
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dynconfig_lab import folders
from dynconfig_lab.functions.extension import Extension, GetParameter, Settings
from dynconfig_lab.functions.process import Process
from dynconfig_lab.functions.runtime_api import HOST, RuntimeApi, Work
from dynconfig_lab.functions.spec import FunctionSpec, Result
from dynconfig_lab.processes import local_environment

INIT_SECONDS = 10.0
LARGEST_ANSWER = 6 * 1024 * 1024
# The variables of this machine that the process gets.
_KEPT = ("PATH", "NO_PROXY", "no_proxy", "LD_LIBRARY_PATH")


class Environment:
    """Runs one invocation at a time, which the caller ensures."""

    def __init__(self, spec: FunctionSpec, get: GetParameter, endpoint: str, provided: Path, keeper: Executor) -> None:
        """Start the process. Raises BadSettings, OSError and zipfile.BadZipFile if it cannot be started.

        `provided` contains what Lambda adds to the function's code. `keeper` runs in a thread that lives as long as
        the
        environment.
        """
        self.spec = spec
        self.stream = f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{uuid.uuid4().hex}"
        self.used_at = time.monotonic()
        self.is_broken = False
        self._token = uuid.uuid4().hex
        self._log: list[str] = []
        extension = self._extended(get) if spec.has_extension else None
        with ExitStack() as undo:
            self._folder = folders.made("function")
            undo.callback(folders.remove, self._folder)
            self._task = _unpacked(spec, self._folder)
            self._api = RuntimeApi(spec.arn, extension)
            undo.callback(self._api.stop)
            command = (sys.executable, "-S", "-m", "awslambdaric", spec.handler)
            self._process = Process(command, self._task, self._variables(endpoint, provided), keeper)
            undo.pop_all()

    @property
    def process_id(self) -> int:
        """Its process id."""
        return self._process.id

    def invoke(self, payload: bytes) -> Result:
        """Process one invocation; a crash or a timeout makes the environment unusable."""
        request_id, lines = str(uuid.uuid4()), list[str]()
        init_began = time.monotonic()
        is_cold = not self._api.is_ready
        failure = self._initialised(request_id, lines) if is_cold else None
        lines.append(f"START RequestId: {request_id} Version: $LATEST")
        began = time.monotonic()
        done = failure or self._run(request_id, payload, lines)
        self._api.finish()
        self._process.drain(lines)
        self.used_at = time.monotonic()
        seconds = self.used_at - began
        lines += [*self._log, *_log_lines(done, request_id)]
        self._log.clear()
        lines += self._report(request_id, seconds, began - init_began if is_cold else None)
        return replace(_bounded(done), seconds=seconds, output=tuple(lines))

    def kill(self) -> None:
        """Kill the process; a running invocation fails, and its caller has to call `stop`."""
        self._process.kill()

    def stop(self) -> None:
        """Stop the process and remove its folder."""
        self._process.end()
        self._api.stop()
        folders.remove(self._folder)

    def _extended(self, get: GetParameter) -> Extension:
        settings = Settings.of(self.spec.environment)
        return Extension(settings, self._token, get, time.monotonic, self._log.append)

    def _initialised(self, request_id: str, lines: list[str]) -> Result | None:
        """Wait until the function is loaded; return the failure, if any. A slow start continues within the invocation."""
        api = self._api
        for seconds in (INIT_SECONDS, float(self.spec.timeout)):
            end = self._wait(lambda: api.is_ready or api.init_error is not None, lines, seconds)
            if end != "late":
                break
        if end == "happened" and api.init_error is None:
            return None
        return self._broken(api.init_error or self._failure(end, request_id))

    def _run(self, request_id: str, payload: bytes, lines: list[str]) -> Result:
        deadline = time.time() + self.spec.timeout
        self._api.begin(Work(request_id, payload, int(deadline * 1000)))
        end = self._wait(lambda: self._api.answer is not None, lines, self.spec.timeout)
        return self._api.answer or self._broken(self._failure(end, request_id))

    def _wait(self, happened: Callable[[], bool], lines: list[str], seconds: float) -> str:
        """`happened`, or else `late` or `exited`."""
        deadline = time.monotonic() + seconds
        while not happened():
            left = deadline - time.monotonic()
            if left <= 0:
                return "late"
            if not self._process.read(lines, self._api.wake, left):
                # Output before the exit of the process counts.
                return "happened" if happened() else "exited"
        return "happened"

    def _failure(self, end: str, request_id: str) -> Result:
        if end == "late":
            text = f"RequestId: {request_id} Error: Task timed out after {self.spec.timeout}.00 seconds"
            return Result.failed("Sandbox.Timedout", text)
        return Result.failed("Runtime.ExitError", f"RequestId: {request_id} Error: {self._process.fate()}")

    def _broken(self, result: Result) -> Result:
        self.is_broken = True
        return result

    def _report(self, request_id: str, seconds: float, init: float | None) -> list[str]:
        figures = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {seconds * 1000:.2f} ms",
            f"Billed Duration: {int((seconds + (init or 0.0)) * 1000) + 1} ms",
            f"Memory Size: {self.spec.memory} MB",
            *([f"Init Duration: {init * 1000:.2f} ms"] if init is not None else []),
        ]
        return [f"END RequestId: {request_id}", "\t".join(figures)]

    def _variables(self, endpoint: str, provided: Path) -> dict[str, str]:
        spec, port = self.spec, self._api.port
        outside = {name: value for name, value in local_environment().items() if name in _KEPT}
        imports = (self._task, self._folder / "opt" / "python", provided)
        return {
            **outside,
            "TZ": ":UTC",
            **spec.environment,
            "AWS_LAMBDA_RUNTIME_API": f"{HOST}:{port}",
            # The extension's default port may be in use, and each environment needs its own.
            "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": str(port),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": self.stream,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{spec.runtime}",
            "AWS_REGION": spec.region,
            "AWS_DEFAULT_REGION": spec.region,
            "AWS_ACCESS_KEY_ID": "lab",
            "AWS_SECRET_ACCESS_KEY": "lab",
            "AWS_SESSION_TOKEN": self._token,
            "_HANDLER": spec.handler,
            "LAMBDA_TASK_ROOT": str(self._task),
            "PYTHONPATH": ":".join(str(folder) for folder in imports),
        }


def _unpacked(spec: FunctionSpec, folder: Path) -> Path:
    """The folder of the function's code; its layers are extracted in order into one folder, as in /opt."""
    task, layers = folder / "task", folder / "opt"
    for content, target in ((spec.code, task), *((layer, layers) for layer in spec.layers)):
        target.mkdir(exist_ok=True)
        zipfile.ZipFile(io.BytesIO(content)).extractall(target)
    return task


def _log_lines(done: Result, request_id: str) -> list[str]:
    """What Lambda itself writes to the log of an invocation that it had to stop."""
    document = json.loads(done.payload) if done.error else None
    kind = document.get("errorType") if isinstance(document, dict) else None
    if not isinstance(document, dict) or kind not in ("Sandbox.Timedout", "Runtime.ExitError"):
        return []
    if kind == "Runtime.ExitError":
        return [str(document["errorMessage"]), kind]
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return [f"{now}Z {request_id} {str(document['errorMessage']).partition('Error: ')[2]}"]


def _bounded(done: Result) -> Result:
    """https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
    if len(done.payload) <= LARGEST_ANSWER:
        return done
    text = f"Response payload size ({len(done.payload)} bytes) exceeded maximum allowed payload size ({LARGEST_ANSWER} bytes)."
    return Result.failed("Function.ResponseSizeTooLarge", text)
