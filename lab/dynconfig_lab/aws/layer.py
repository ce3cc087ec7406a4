"""The layer in front of moto: counts each call, applies faults and dispatches to the lab's own services."""

import gzip
import io
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from moto.ssm.models import ssm_backends

from dynconfig_lab.aws import ssm_describe
from dynconfig_lab.aws.answers import Answer, AwsError, StartResponse
from dynconfig_lab.aws.calls import ACCOUNT, Call, Calls, identify
from dynconfig_lab.aws.cloudwatch import CloudWatch
from dynconfig_lab.aws.cloudwatch_wire import wire_of
from dynconfig_lab.aws.events import Bus
from dynconfig_lab.aws.faults import FaultInjector, Kill
from dynconfig_lab.aws.invocations import invoke
from dynconfig_lab.aws.requests import Request, Service
from dynconfig_lab.aws.sqs import Queues
from dynconfig_lab.aws.ssm import ParameterStore
from dynconfig_lab.aws.turns import turn
from dynconfig_lab.functions.http_apis import HTTP_PREFIX, HttpApis
from dynconfig_lab.functions.service import Functions

Environ = dict[str, Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class Layer:
    """A WSGI application around moto's."""

    def __init__(  # noqa: PLR0917 - constructed in one place
        self,
        moto: Application,
        calls: Calls,
        trouble: FaultInjector,
        parameters: ParameterStore,
        bus: Bus,
        services: Mapping[str, Service],
        runner: Functions,
        cloudwatch: CloudWatch,
        queues: Queues,
    ) -> None:
        self._moto = moto
        self._calls = calls
        self._trouble = trouble
        self._parameters = parameters
        self._bus = bus
        self._services = services
        self._runner = runner
        self._cloudwatch = cloudwatch
        self._queues = queues
        self._http_apis = HttpApis(runner)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = _unpacked(environ, environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        call = identify(environ, body)
        self._calls.count(call)
        self._suffer(environ)
        kill = self._trouble.kill(call, environ.get("HTTP_USER_AGENT", ""))
        if kill and kill.is_before:
            _kill(kill, environ)
        try:
            self._trouble.refuse(call)
            answer = self._is_event_source(call, environ, body)
        except AwsError as error:
            answer = _refusal(call, environ, error)
        if answer.is_success and call.service == "ssm":
            self._bus.parameter_call(call, json.loads(body or b"{}"), answer)
        if kill:
            _kill(kill, environ)
        return answer.send(start_response)

    def _suffer(self, environ: Environ) -> None:
        faults = self._trouble.faults
        # These are the faults themselves: the request hangs, then the connection is dropped.
        if faults.latency_ms:
            time.sleep(faults.latency_ms / 1000)
        if faults.hang_seconds:
            time.sleep(faults.hang_seconds)
        if faults.down or faults.hang_seconds:
            _hang_up(environ, "fault: AWS is down")

    def _is_event_source(self, call: Call, environ: Environ, body: bytes) -> Answer:
        """Services that emit alarms and events have a layer of their own."""
        if call.service == "cloudwatch":
            return self._cloudwatch.handle(call, wire_of(environ), body)
        if call.service == "sqs" and environ.get("HTTP_X_AMZ_TARGET"):
            return self._queues.handle(call, json.loads(body or b"{}"), lambda request: self._forward(environ, request))
        return self._answer(call, environ, body)

    def _answer(self, call: Call, environ: Environ, body: bytes) -> Answer:
        if call.service == "ssm":
            return self._parameters.handle(
                call, json.loads(body or b"{}"), lambda request: self._forward(environ, request)
            )
        if call.name == "resourcegroupstaggingapi.GetResources":
            request = json.loads(body or b"{}")
            kinds = request.get("ResourceTypeFilters", [])
            ssm_describe.forget_the_missing(ssm_backends[ACCOUNT][call.region])
            if kinds and all(kind.split(":")[0] == "ssm" for kind in kinds):
                return Answer.of(ssm_describe.get_resources(ssm_backends[ACCOUNT][call.region], request, call.region))
        if environ["PATH_INFO"].startswith(HTTP_PREFIX):
            return self._http_apis.handle(environ, body)
        request = Request(
            call=call,
            path=environ["PATH_INFO"],
            query_string=environ.get("QUERY_STRING", ""),
            headers=environ,
            body=body,
            send=lambda path, query, content: self._pass(_aimed(environ, path, query), content),
        )
        if call.name == "lambda.Invoke":
            return invoke(self._runner, request)
        if call.service not in self._services:
            return request.forward()
        with turn(call.service):
            return self._services[call.service](request)

    def _forward(self, environ: Environ, request: dict[str, Any]) -> Answer:
        return self._pass(environ, json.dumps(request).encode())

    def _pass(self, environ: Environ, body: bytes) -> Answer:
        """Moto's response to the request with this body."""
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
            started.append((status, headers))

        inner = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        try:
            content = b"".join(self._moto(inner, start_response))
        except NotImplementedError:
            raise AwsError("NotEmulated", "The lab does not emulate this call.") from None
        status, headers = started[-1]
        if status.startswith(("500", "404")) and b"<html" in content[:200].lower():
            raise AwsError("NotEmulated", "The lab does not emulate this call.")
        return Answer(status, tuple(headers), content)


def _hang_up(environ: Environ, why: str) -> NoReturn:
    connection: socket.socket = environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError(why)


def _kill(kill: Kill, environ: Environ) -> NoReturn:
    """Kill the process that made the request; a process that has already exited is not an error."""
    with suppress(ProcessLookupError):
        os.kill(kill.pid, signal.SIGKILL)
    _hang_up(environ, "fault: the calling process is killed")


def _unpacked(environ: Environ, body: bytes) -> bytes:
    """SDKs compress large bodies if the service supports it, as PutMetricData does."""
    if environ.get("HTTP_CONTENT_ENCODING") != "gzip":
        return body
    del environ["HTTP_CONTENT_ENCODING"]
    return gzip.decompress(body)


def _refusal(call: Call, environ: Environ, error: AwsError) -> Answer:
    if call.service == "cloudwatch":
        return wire_of(environ).refusal(error)
    # Requests of the query protocol are forms; its responses are XML.
    is_query = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    return Answer.of_query_error(error) if is_query else Answer.of_error(error)


def _aimed(environ: Environ, path: str, query: str) -> Environ:
    """The request with another path or query."""
    if (path, query) == (environ["PATH_INFO"], environ.get("QUERY_STRING", "")):
        return environ
    raw = f"{path}?{query}" if query else path
    return {**environ, "PATH_INFO": path, "QUERY_STRING": query, "RAW_URI": raw, "REQUEST_URI": raw}
