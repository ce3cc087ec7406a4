"""The layer in front of moto: counts each call, applies faults and dispatches to the lab's own services."""

import gzip
import io
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from moto.ssm.models import ssm_backends

from dynconfig_lab.aws import accounts, ssm_describe
from dynconfig_lab.aws.answers import Answer, AwsError, StartResponse
from dynconfig_lab.aws.call_log import CallLog, Entry
from dynconfig_lab.aws.calls import Call, Calls, identify
from dynconfig_lab.aws.cloudwatch import CloudWatch
from dynconfig_lab.aws.cloudwatch_wire import wire_of
from dynconfig_lab.aws.events import Bus
from dynconfig_lab.aws.faults import FaultInjector, Faults, Held, Kill
from dynconfig_lab.aws.invocations import invoke
from dynconfig_lab.aws.requests import Request, Service
from dynconfig_lab.aws.sessions import Sessions
from dynconfig_lab.aws.sqs import Queues
from dynconfig_lab.aws.ssm import ParameterStore
from dynconfig_lab.aws.stale_reads import StaleReads
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
        log: CallLog,
        trouble: FaultInjector,
        stale_reads: StaleReads,
        parameters: ParameterStore,
        bus: Bus,
        services: Mapping[str, Service],
        runner: Functions,
        cloudwatch: CloudWatch,
        queues: Queues,
        sessions: Sessions,
    ) -> None:
        self._moto = moto
        self._calls = calls
        self._log = log
        self._trouble = trouble
        self._stale_reads = stale_reads
        self._parameters = parameters
        self._bus = bus
        self._services = services
        self._runner = runner
        self._cloudwatch = cloudwatch
        self._queues = queues
        self._sessions = sessions
        self._http_apis = HttpApis(runner)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = _unpacked(environ, environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        call = identify(environ, body)
        with self._log.recorded(call, environ, body) as entry:
            who = self._sessions.caller(entry.call.access_key)
            self._calls.count(call, who.account)
            # Moto would search all of its access keys.
            inner = {**environ, "HTTP_X_MOTO_ACCOUNT_ID": who.account}
            with accounts.acting_as(who):
                return self._handle(call, inner, body, entry, start_response)

    def _handle(
        self, call: Call, environ: Environ, body: bytes, entry: Entry, start_response: StartResponse
    ) -> Iterable[bytes]:
        logged, trouble = entry.call, self._trouble
        faults = trouble.of(logged.access_key)
        _suffer(faults, environ)
        kill = trouble.kill(call, logged.user_agent, logged.resource)
        if kill and kill.is_before:
            _kill(kill, environ)
        held = trouble.hold(call, logged.resource, logged.access_key, is_write=logged.is_write)
        if held and held.hold.is_before:
            _hold(held, environ)
        answer = self._carried_out(call, environ, body, entry)
        if held:
            _hold(held, environ)
        if kill:
            _kill(kill, environ)
        if trouble.takes("lost_answers", call, logged.access_key, is_write=logged.is_write):
            _hang_up(environ, "fault: the answer is lost")
        if trouble.takes("half_answers", call, logged.access_key, is_write=logged.is_write):
            return _half(answer, environ, start_response)
        entry.answered(answer)
        return answer.send(start_response)

    def _carried_out(self, call: Call, environ: Environ, body: bytes, entry: Entry) -> Answer:
        """What AWS answers, after it has done it and sent its events."""

        who = accounts.caller()

        def carry_out() -> Answer:
            try:
                # A stale read is carried out again just before a write, which may be of another account.
                with accounts.acting_as(who):
                    return self._is_event_source(call, environ, body)
            except AwsError as error:
                return _refusal(call, environ, error)

        try:
            self._sessions.check(entry.call.access_key, call.service)
            self._trouble.refuse(call, entry.call.access_key)
        except AwsError as error:
            return _refusal(call, environ, error)
        if entry.call.is_write:
            with self._stale_reads.writing(call):
                answer = carry_out()
        else:
            is_stale = self._trouble.of(entry.call.access_key).stale_read_seconds > 0
            content = f"{who.account} {entry.call.content}"
            answer = self._stale_reads.read(call, content, carry_out, is_stale=is_stale)
        if answer.is_success and call.service == "ssm":
            self._bus.parameter_call(call, json.loads(body or b"{}"), answer)
        entry.carried_out(answer)
        return answer

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
            ssm_describe.forget_the_missing(ssm_backends[accounts.current()][call.region])
            if kinds and all(kind.split(":")[0] == "ssm" for kind in kinds):
                return Answer.of(
                    ssm_describe.get_resources(ssm_backends[accounts.current()][call.region], request, call.region)
                )
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


def _suffer(faults: Faults, environ: Environ) -> None:
    # These are the faults themselves: the request hangs, then the connection is dropped.
    if faults.latency_ms:
        time.sleep(faults.latency_ms / 1000)
    if faults.hang_seconds:
        time.sleep(faults.hang_seconds)
    if faults.down or faults.hang_seconds:
        _hang_up(environ, "fault: AWS is down")


def _half(answer: Answer, environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """The first half of a response that announces its full length; then the connection is closed."""
    (content,) = answer.send(start_response)
    yield content[: len(content) // 2]
    _hang_up(environ, "fault: the answer ends in the middle")


def _hang_up(environ: Environ, why: str) -> NoReturn:
    connection: socket.socket = environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError(why)


def _hold(held: Held, environ: Environ) -> NoReturn:
    held.wait()
    _hang_up(environ, "fault: the call was held")


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
